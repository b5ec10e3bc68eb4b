"""The page holds everything, fetches nothing, is well-formed, and is the same every time."""

import re
from html.parser import HTMLParser
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest

from triptych.report import report as module
from triptych.report.report import data_uri, report
from triptych.storage.errors import InputError

VOID = {"meta", "link", "img", "br", "rect", "line", "circle"}


class Page(HTMLParser):
    """Everything in a page: its elements, their attributes, its text; and whether elements are nested rightly."""

    def __init__(self, text: str):
        super().__init__()
        self.elements, self.open, self.faults, self.text, self.explained = [], [], [], [], []
        self.feed(text)
        self.close()
        if self.open:
            self.faults.append(f"never closed: {self.open}")

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> at {self.getpos()}")

    def handle_data(self, data):
        if "style" not in self.open:
            self.text.append(data)
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
    assert all(source.startswith("data:image/svg+xml,") for source in page.attributes("img", "src"))
    assert [link for link in page.attributes("link", "href") if not link.startswith("data:")] == []
    outside = re.sub(r'src="data:[^"]*"', "", text)
    assert not re.search(r"https?:|url\(|@import|\bon\w+=", outside)


def test_only_files_beside_the_page_are_linked(page):
    links = [link for link in page.attributes("a", "href") if not link.startswith("#")]
    assert "tables/summary.csv" in links
    assert all(re.fullmatch(r"(tables|data)/\w+\.csv|config\.yaml|manifest\.json", link) for link in links)


def test_every_linked_table_is_there(experiment):
    folder = experiment()
    links = Page(written(folder)).attributes("a", "href")
    missing = [link for link in links if link[0] != "#" and not (folder / link).is_file()]
    assert set(missing) <= {"manifest.json"}  # it is made last


def test_every_image_is_an_svg_with_a_text_and_a_caption(page):
    images = [values for tag, values in page.elements if tag == "img"]
    assert len(images) == 8 + 3 * 4
    for image in images:
        assert image["alt"]
        assert ElementTree.fromstring(unquote(image["src"]).partition(",")[2]).tag.endswith("svg")
    assert len([tag for tag, _ in page.elements if tag == "figcaption"]) == len(images)


def test_question_answer_and_arms_are_said(page):
    said = " ".join(page.text).replace("\u00a0", " ")
    assert "Does it pay to start from pretrained weights" in said
    assert "finetune (net2) is the best of the 3 arms" in said
    assert "every parameter but fc.weight and fc.bias is bit for bit what it was" in said
    assert "The pretrained resnet18 comes from letters: trained there for 2 epochs, it gets 93.4 %" in said
    assert "1,500 images of 10 classes from digits: 300 for training, 200 for validation and 1,000 for testing" in said


def test_every_column_is_explained_under_its_table(page):
    titles = {
        "test accuracy", "first epoch", "time", "images/s", "memory", "trains",
        "difference", "interval", "p", "verdict", "parameters", "operations", "learning rate", "SHA-256",
    }  # fmt: skip
    assert titles <= set(page.explained)


def test_every_arm_has_the_colour_of_the_figures(text):
    from triptych.results.arm_styles import PALETTE

    for colour in PALETTE[:3]:
        assert f'style="background:{colour}"' in text


def test_the_same_results_give_the_same_bytes(experiment):
    assert written(experiment()) == written(experiment())


@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
def test_one_seed_says_that_there_is_no_interval_over_seeds(experiment, seeds):
    said = written(experiment(seeds=seeds))
    assert ("with one seed there is none over seeds" in said) == (len(seeds) == 1)
    assert "nan" not in " ".join(Page(said).text).lower().split()


def test_one_arm_and_no_comparison(experiment):
    page = Page(written(experiment(arms=[{"name": "scratch"}], comparisons=[])))
    assert page.faults == []
    assert "Nothing is compared" in " ".join(page.text)


@pytest.mark.parametrize(("arms", "shown"), [(3, 3), (6, 15), (7, 6)])
def test_many_pairs_are_folded_but_for_those_of_the_best_arm(experiment, arms, shown):
    text = written(experiment([{"name": f"arm{number}", "last": 60 + 5 * number} for number in range(arms)]))
    part = text[text.index('<h2 id="comparisons">') : text.index('<h2 id="advice">')]
    open_part, _, folded = part.partition("<details>")
    pairs = arms * (arms - 1) // 2
    assert [open_part.count("<li>"), folded.count("<li>")] == [shown, pairs - shown]
    assert part.count("</table>") == 1
    if folded:
        assert f"<summary>All {pairs} pairs</summary>" in folded
        assert open_part.count(f"arm{arms - 1} is better than") == shown
    assert not Page(text).faults


def test_a_control_is_marked_and_stands_last(experiment):
    arms = [{"name": "control", "role": "control", "last": 99}, {"name": "scratch"}, {"name": "finetune", "last": 97}]
    text = written(experiment(arms=arms))
    assert text.index(">finetune</span>") < text.index(">scratch</span>") < text.index(">control</span>")
    assert '<span class="control">control</span>' in text


def test_hostile_names_are_text(experiment):
    folder = experiment(arms=[{"name": "scratch", "label": '<script>alert(1)</script> & "more"'}], comparisons=[])
    text = written(folder)
    assert "<script" not in text and "&lt;script&gt;" in text
    assert Page(text).faults == []


def test_classes_named_like_numbers_or_missing_values_keep_their_names(experiment):
    folder = experiment()
    for name in ("per_class", "confusion"):
        path = folder / "tables" / f"{name}.csv"
        path.write_text(re.sub(r"(?<=,)8(?=,)", "NA", re.sub(r"(?<=,)3(?=,)", "003", path.read_text())))
    assert "takes NA for 9" in written(folder)


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
    assert len(page.attributes("img", "src")) == 8 + 3 * 4 - 1
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
    address = data_uri(path)
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
        data_uri(path)
