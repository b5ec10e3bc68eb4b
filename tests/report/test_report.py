"""The page holds everything, fetches nothing, is well-formed, and is the same every time."""

import re
from html.parser import HTMLParser
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest

from tests.fabricated import Experiment
from triptych.report import report as module
from triptych.report.files import svg_address
from triptych.report.report import report
from triptych.results.arm_styles import DARK_PALETTE, PALETTE
from triptych.results.schema import INDEX, MISTAKES, TABLES
from triptych.results.tables import read_table
from triptych.storage.errors import InputError
from triptych.storage.files import write_table

VOID = {"meta", "link", "img", "br", "wbr", "rect", "line", "circle"}


class Page(HTMLParser):
    """Everything in a page: its elements, their attributes, its text; and whether elements are nested rightly."""

    def __init__(self, text: str):
        super().__init__()
        self.elements, self.open, self.faults, self.text, self.explained = [], [], [], [], []
        self.folds, self.visible = [], []  # texts inside each <details>, and outside of them
        self.feed(text)
        self.close()
        if self.open:
            self.faults.append(f"never closed: {self.open}")

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "details":
            self.folds.append([])

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> at {self.getpos()}")

    def handle_data(self, data):
        if "style" not in self.open and "head" not in self.open:
            self.text.append(data)
            if "details" in self.open:
                self.folds[-1].append(data)
            if "details" not in self.open or "summary" in self.open:
                self.visible.append(data)
        if self.open and self.open[-1] == "dt":
            self.explained.append(data.strip())

    def attributes(self, tag, name):
        return [values.get(name) for found, values in self.elements if found == tag]


def written(folder, **options):
    report(experiment="digits", experiment_folder=folder, output=folder / "report.html")
    return (folder / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def text(shelf, tmp_path_factory):
    return written(shelf().copy(tmp_path_factory.mktemp("report") / "digits", without=("runs",)).folder)


@pytest.fixture(scope="module")
def page(text):
    return Page(text)


def test_the_page_is_well_formed(page):
    assert page.faults == []
    identifiers = [values["id"] for _, values in page.elements if "id" in values]
    assert len(identifiers) == len(set(identifiers))
    targets = [link[1:] for link in page.attributes("a", "href") if link.startswith("#")]
    assert targets and set(targets) <= set(identifiers)


def test_nothing_is_fetched(text, page):
    policy = next(values["content"] for tag, values in page.elements if values.get("http-equiv"))
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    assert not {"script", "iframe", "object", "embed", "video", "audio", "source", "base", "form"} & {
        tag for tag, _ in page.elements
    }
    kinds = ("data:image/svg+xml,", "data:image/jpeg;base64,")
    assert all(source.startswith(kinds) for source in page.attributes("img", "src"))
    assert [link for link in page.attributes("link", "href") if not link.startswith("data:")] == []
    outside = re.sub(r'(src|href)="data:[^"]*"', "", text)
    assert not re.search(r"https?:|url\(|@import|\bon\w+=", outside)


def test_every_table_is_inside_the_page(experiment):
    folder = experiment()
    page = Page(written(folder))
    inside = {values["download"]: values["href"] for tag, values in page.elements if values.get("download")}
    tables = sorted((folder / "tables").glob("*.csv"))
    tables.remove(folder / "tables" / "predictions.csv")  # too large
    tables.remove(folder / "tables" / "leak_price.csv")  # empty, since no image leaks
    others = {"sizes.csv", "config.yaml", "printout.txt", "decision.json"}
    assert {table.name for table in tables} | others == set(inside)
    assert unquote(inside["decision.json"]).partition(",")[2] == (folder / "decision.json").read_text()
    for table in tables:
        assert unquote(inside[table.name]).partition(",")[2] == table.read_text()
    outside = [link for link in page.attributes("a", "href") if not link.startswith(("#", "data:text/"))]
    assert outside == ["tables/predictions.csv"]
    assert re.search(r"\d\sKiB, not inside this page: tables/predictions\.csv", " ".join(page.text))


def test_the_page_is_short(page):
    words = {"visible": " ".join(page.visible), "page": " ".join(page.text)}
    counted = {name: len(text.split()) for name, text in words.items()}
    assert 500 < counted["visible"] <= 1800 and counted["page"] <= 5000, counted
    assert len(page.folds) > 10
    assert [fold for fold in map(" ".join, page.folds) if len(fold.split()) > 150] == []


def test_the_first_screen_comes_first(text):
    places = [
        text.index(part) for part in ("<h1>", 'class="answer"', "<table", 'id="validation_accuracy"', "What to do")
    ]
    assert places == sorted(places) and places[-1] < text.index("<nav") < text.index("<h2>")


def test_no_image_of_the_data_is_shown_if_they_must_not_leave(experiment):
    text = written(experiment(report={"images": "none"}))
    assert 'id="samples"' not in text and "Below: the most confidently" not in text and Page(text).faults == []


def test_the_page_names_no_folder_of_this_machine(experiment):
    folder = experiment()
    config = folder / "config.yaml"
    config.write_text(config.read_text().replace("source: digits", "source: digits\n      path: /home/someone/pets"))
    assert "/home/someone" in config.read_text()
    page = unquote(written(folder))
    assert "/home/someone" not in page and "…/pets" in page and str(folder) not in page


def test_arms_have_one_name_and_one_order(page):
    said = " ".join(" ".join(page.text).split())
    assert "net1 · scratch" in said and "scratch (net1)" not in said
    assert not re.search(r"(?<!· )\b(finetune|last_layer)\b", said)


def test_every_image_is_an_svg_with_a_text_and_a_caption(page):
    every = [values for tag, values in page.elements if tag == "img"]
    images = [values for values in every if "width" not in values]  # the others are small pictures, with captions
    assert len(images) == 9 + 3 * 4
    for image in images:
        assert image["alt"]
        assert ElementTree.fromstring(unquote(image["src"]).partition(",")[2]).tag.endswith("svg")
    assert len([tag for tag, _ in page.elements if tag == "figcaption"]) == len(every)


def test_question_answer_and_arms_are_said(page):
    said = " ".join(page.text).replace("\u00a0", " ")
    assert "Does it pay to start from pretrained weights" in said
    assert "net2 · finetune is the best of 3 arms" in said
    assert "only fc.weight and fc.bias changed" in said
    assert "Pretrained resnet18: on 11,000 rendered letters (A to Z), 2 epochs, 93.4 % accuracy on its held-out" in said
    assert "1,500 images of 10 classes from scikit-learn’s digits: 300 for training, 200 for validation and" in said
    assert "Network input: 32 px." in said


def test_every_column_is_explained_under_its_table(page):
    titles = {
        "test accuracy", "time", "images/s", "memory", "trainable",
        "difference", "interval", "p", "verdict", "parameters", "operations", "learning rate",
    }  # fmt: skip
    assert titles <= set(page.explained)


def test_every_arm_has_the_colour_of_the_figures(text):
    for light, dark in zip(PALETTE[:3], DARK_PALETTE[:3], strict=True):
        assert f'style="background: light-dark({light}, {dark})"' in text


def test_the_same_results_give_the_same_bytes(experiment):
    assert written(experiment()) == written(experiment())


@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
def test_one_seed_says_that_its_intervals_allow_for_no_other(experiment, seeds):
    said = written(experiment(seeds=seeds))
    assert ("test images, not for another seed." in said) == (len(seeds) == 1)
    assert "nan" not in " ".join(Page(said).text).lower().split()


def test_one_arm_and_no_comparison(experiment):
    page = Page(written(experiment(arms=[{"name": "scratch"}])))
    assert page.faults == []
    assert "There is no other arm to choose from" in " ".join(page.text)


def test_a_control_is_marked(experiment):
    arms = [{"name": "control", "role": "control", "last": 99}, {"name": "scratch"}, {"name": "finetune", "last": 97}]
    text = written(experiment(arms=arms))
    assert '<span class="control">control</span>' in text


def test_hostile_names_are_text(experiment):
    folder = experiment(arms=[{"name": "scratch", "label": '<script>alert(1)</script> & "more"'}])
    text = written(folder)
    assert "<script" not in text and "&lt;script&gt;" in text
    assert Page(text).faults == []


def test_classes_named_like_numbers_or_missing_values_keep_their_names(experiment):
    folder = experiment()
    for name in ("per_class", "recall", "confusion"):
        path = folder / "tables" / f"{name}.csv"
        path.write_text(re.sub(r"(?<=,)8(?=,)", "NA", re.sub(r"(?<=,)3(?=,)", "003", path.read_text())))
    assert "NA predicted as 9" in written(folder)


ODD_CLASSES = (
    *("01", "NA", "true", "None", "nan", "1e3", "a b", "it's", 'say "a"', "a, b", "rosé 玫瑰", "a < b & c > d", "😀"),
    "x\ny",
)


def test_classes_are_names_all_the_way(tmp_path):
    """Through the tables, the decision and the report, with paths that a shell or a page might misread."""
    folder = tmp_path / "digits"
    made = Experiment(folder, classes=ODD_CLASSES, seeds=(0,), training={"epochs": 1}, images=(56, 70), image_size=2)
    made.add_arm("finetune", last=85).add_arm("scratch", last=60, weights="random")
    index = read_table(folder / INDEX.file, INDEX, ["split", "row", "name", "sha256", "class", "group"])
    assert list(dict.fromkeys(index["class"])) == list(ODD_CLASSES)
    index["name"] = [f"./<b>$(ls) & “é”/{name}.jpg" for name in index["name"]]
    write_table(folder / INDEX.file, index)
    made.complete()
    for name, columns in {
        "predictions": ("class", "predicted"),
        "per_class": ("class",),
        "confusion": ("true_class", "predicted_class"),
    }.items():
        table = read_table(made.tables / f"{name}.csv", TABLES[name])
        assert all(set(table[column]) == set(ODD_CLASSES) for column in columns), name
    mistakes = read_table(made.tables / "mistakes.csv", MISTAKES)
    assert set(mistakes["class"]) <= set(ODD_CLASSES) and mistakes["path"].str.startswith("./<b>$(ls) & “é”/").all()
    page = Page(written(folder))
    cells = " ".join(page.text)
    assert page.faults == [] and "<b>$(ls) & “é”/digits-" in cells
    assert all(" ".join(name.split()) in " ".join(cells.split()) for name in ODD_CLASSES)


def test_a_missing_figure_or_table_is_named(experiment):
    folder = experiment()
    (folder / "figures" / "kernels_scratch.svg").unlink()
    with pytest.raises(InputError, match=r"kernels_scratch\.svg: the figure is missing"):
        written(folder)
    assert not (folder / "report.html").exists()
    (folder / "tables" / "cost.csv").unlink()
    with pytest.raises(InputError, match=r"cost\.csv: the file is missing"):
        written(folder)


@pytest.mark.parametrize(
    ("table", "old", "new", "message"),
    [
        ("comparisons", "better", "best", "verdict 'best'"),
        ("test_results", "finetune", "other", "expected the runs of runs.csv, found others"),
        ("summary", "test_accuracy_mean", "accuracy", "no column test_accuracy_mean"),
        ("summary", "finetune", "other", "no row of finetune"),
        ("cost", "610000000", "much", "column peak_memory_bytes should hold numbers"),
    ],
)
def test_a_table_that_is_not_what_it_should_be_is_named(experiment, table, old, new, message):
    folder = experiment()
    path = folder / "tables" / f"{table}.csv"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(InputError, match=message):
        written(folder)


def test_figures_that_do_not_fit_are_linked_the_least_important_first(experiment, monkeypatch, capsys):
    folder = experiment()
    for figure in (folder / "figures").glob("*.svg"):
        figure.write_text(figure.read_text().replace("M40 300", "M40 300" + " L 40 300" * 1000))
    whole = len(written(folder))
    monkeypatch.setattr(module, "LARGEST", whole - 1)
    capsys.readouterr()
    page = Page(written(folder))
    assert (folder / "report.html").stat().st_size < whole
    assert "figures/kernels_last_layer.svg" in page.attributes("a", "href")
    figures = [source for source in page.attributes("img", "src") if source.startswith("data:image/svg")]
    assert len(figures) == 9 + 3 * 4 - 1
    assert "linked instead" in capsys.readouterr().out


def test_a_report_that_is_too_large_without_figures_is_refused(experiment, monkeypatch):
    monkeypatch.setattr(module, "LARGEST", 1000)
    with pytest.raises(InputError, match="even without its figures"):
        written(experiment())


def test_an_svg_survives_as_an_address(tmp_path):
    path = tmp_path / "figure.svg"
    path.write_text(
        '<?xml version="1.0"?>\n<!DOCTYPE svg>\n<svg xmlns="http://www.w3.org/2000/svg">\n<!-- it\'s "50 %" & -->\n'
        '<metadata>\n<a/></metadata><path d="M 0 0\nL 1 1" style="fill: #fff"/>\n<text>100 % &amp; é</text></svg>\n'
    )
    address = svg_address(path)
    assert not set('"<>&#\n') & set(str(address))
    assert "é" not in address and "%25" in address
    svg = ElementTree.fromstring(unquote(str(address)).partition(",")[2])
    assert [child.tag.partition("}")[2] for child in svg] == ["path", "text"]
    assert svg[0].attrib == {"d": "M 0 0 L 1 1", "style": "fill: #fff"}
    assert svg[1].text == "100 % & é"


def test_a_file_that_is_no_svg_is_named(tmp_path):
    path = tmp_path / "figure.svg"
    path.write_text("nothing")
    with pytest.raises(InputError, match="not an SVG file"):
        svg_address(path)
