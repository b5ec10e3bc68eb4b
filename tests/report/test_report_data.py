"""The data report: what it says of made-up and of real checks, and that nothing of the user's breaks the page."""

import base64
import dataclasses
import hashlib
import html
import io
import json
import re
import subprocess
from html.parser import HTMLParser

import numpy
import pandas
import pytest
from PIL import Image

from tests.conftest import command
from triptych.data.cache import Cache, StoredRule
from triptych.data.decoding import CHANGES
from triptych.data.find_duplicates import find_duplicates
from triptych.report.checked_data import divided, is_property
from triptych.report.report_data import report_data
from triptych.results.duplicates import Duplicates, read_duplicates, write_duplicates
from triptych.results.schema import IGNORED, IMAGES, PAIRS, PROBLEMS
from triptych.results.tables import read_table, save_table
from triptych.storage.files import write_json

SETTINGS = {
    "source": "folder",
    "store_size": 32,
    "fit": "crop",
    "background": "white",
    "value_range": None,
    "largest_megapixels": 100,
    "validation": 0.2,
    "test": 0.2,
    "seed": 0,
    "policy": "stop",
}
NASTY = "</code><script>alert(\"1\")</script>\n\t‮ =1+1 '🌻' &amp; <img src=x onerror=alert(1)>"


def image(label, number, **columns):
    """A row of the table `images`."""
    digest = hashlib.sha256(f"{label} {number}".encode()).hexdigest()
    bright = int(digest[:4], 16) / 300
    usual = {
        "path": f"./{label}/{number}.jpg",
        "class": label,
        "split": "",
        "group": "",
        "sha256": digest,
        "pixels": digest,
        "bytes": 2000 + int(digest[4:8], 16),
        "format": "JPEG",
        "width": 300,
        "height": 200,
        "mode": "RGB",
        "changes": "",
        **dict.fromkeys(("brightness", "contrast", "sharpness", "red", "green", "blue"), bright),
        **dict.fromkeys(("phash", "dhash"), digest[:16]),
    }
    return {**usual, **columns}


def some(classes=("daisy", "rose"), count=40, **columns):
    return [image(label, number, **columns) for label in classes for number in range(count)]


@pytest.fixture
def page(tmp_path, monkeypatch):
    """The function that makes a page of tables, and returns its HTML."""
    monkeypatch.setattr("triptych.data.shortcut_probe.PERMUTATIONS", 3)

    def make(images=(), problems=(), ignored=(), show="all", near=(), openings=None, **settings):
        tables = {IMAGES: images, PROBLEMS: problems, IGNORED: ignored}
        for table, rows in tables.items():
            frame = pandas.DataFrame(list(rows), columns=table.names)
            if table is IMAGES:
                frame = frame.sort_values(["class", "sha256", "path"])
            save_table(tmp_path / f"{table.name}.csv", frame, table)
        find_pairs(tmp_path, near)
        report_data(
            dataset=json.dumps({**SETTINGS, **settings}),
            experiment="flowers",
            **{table.name: tmp_path / f"{table.name}.csv" for table in (*tables, PAIRS)},
            duplicates=tmp_path / "duplicates.json",
            cache=tmp_path / "cache",
            show=show,
            openings=openings,
            report=tmp_path / "report.html",
        )
        return (tmp_path / "report.html").read_text()

    return make


def find_pairs(folder, near):
    """List the exact duplicates of the table of images in a folder, and the near ones `near`.

    Args:
        near: rows of the table `pairs`; then fields of the summary that they change.
    """
    files = {"images": folder / "images.csv", "pairs": folder / "pairs.csv", "duplicates": folder / "duplicates.json"}
    places = {"cache": folder / "cache", "path": folder, "num_threads": 1}
    find_duplicates(dataset=json.dumps(SETTINGS), near_duplicates="ignore", **places, **files)
    if near:
        rows, changes = near
        exact, summary = read_table(files["pairs"], PAIRS), read_duplicates(files["duplicates"])
        save_table(files["pairs"], pandas.concat([exact, pandas.DataFrame(rows)]), PAIRS)
        crossing = sum(row["first_class"] != row["second_class"] for row in rows)
        counts = {"near_pairs": len(rows), "near_images": 2 * len(rows), "crossing_pairs": crossing}
        usual = {**dataclasses.asdict(summary), **counts, "reason": "none", "grouped": True}
        write_duplicates(files["duplicates"], Duplicates(**(usual | changes)))


def near_pair(first, second, **columns):
    """A row of the table `pairs` of two rows of the table `images`."""
    sides = {"first": first, "second": second}
    named = {f"{side}_{name}": row[name] for name in ("class", "split") for side, row in sides.items()}
    usual = {"kind": "near", "first": first["path"], "second": second["path"], "phash": 2, "dhash": 3, **named}
    return {name: ({**usual, "correlation": 0.9876, "unit": "true"} | columns)[name] for name in PAIRS.names}


def text_of(page):
    """What a reader sees, on one line with ordinary spaces."""
    body = re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


class Tags(HTMLParser):
    """The tags and attributes of a page, as a browser finds them."""

    def __init__(self):
        super().__init__()
        self.names, self.attributes = set(), set()

    def handle_starttag(self, tag, attributes):
        self.names.add(tag)
        self.attributes.update(name for name, _ in attributes)


def broken(number, kind="file", label="daisy", path=None):
    return (kind, path or f"./daisy/broken{number}.jpg", label, "truncated", "copy it again")


def test_the_first_screen_says_that_training_can_start_and_with_how_many_images(page):
    said = text_of(page(some()))
    assert "Can these images be trained on? Yes. There are 80 usable images of 2 classes: 48 to train on, 16" in said
    assert "What stops it" not in said


def test_few_test_images_are_warned_of_with_the_interval_that_they_allow(page, capsys):
    said = text_of(page(some()))
    assert "warning: 16 test images: a test accuracy near 80 % will have" in capsys.readouterr().out
    assert "16 test images: a test accuracy near 80 % will have a 95 % CI from 57 to 93 %." in said
    assert "A lead of 5 points is seen in about 1 of 11 experiments." in said
    assert "The smallest class has 8 test images" in said
    assert "With dataset: {folds: 5} the arms are compared on every image that is not a test image" in said
    assert "test images: a test accuracy" not in text_of(page(some(count=300)))


@pytest.mark.parametrize(
    ("policy", "problems", "stops"),
    [
        ("stop", [broken(0)], "1 file cannot be used. Fix or remove it, or set policy: quarantine."),
        ("stop", [broken(0), broken(1)], "2 files cannot be used. Fix or remove them, or set policy: quarantine."),
        ("quarantine", [broken(0, "dataset", path="./daisy")], "./daisy: Truncated"),
        ("quarantine", [broken(0)], None),
    ],
)
def test_what_stops_training_is_named_first(page, policy, problems, stops):
    said = text_of(page(some(), problems, policy=policy))
    if stops is None:
        assert "Yes. There are 80" in said
        assert "1 file cannot be used and is left out." in said
    else:
        assert "No: training cannot start." in said
        assert stops.lower() in said[said.index("What stops it") :].lower()


def test_a_split_that_fails_stops_training_and_says_why(page):
    images = [*some(), image("lily", 0)]
    _, _, why = divided(pandas.DataFrame(images), SETTINGS, pandas.DataFrame(columns=PAIRS.names))
    said = text_of(page(images))
    assert "lily" in why
    assert "No: training cannot start." in said
    assert f"The images cannot be split: {' '.join(why.split()).rstrip('.')}" in said
    assert "The probe needs training images" in said


def test_without_any_image_there_is_a_page_that_says_so(page):
    said = text_of(page(problems=[broken(0)]))
    assert "There are 0 usable images of 1 class." in said
    assert "there is no image that can be used" in said


def test_every_problem_is_listed_and_folded_above_twenty(page):
    few, many = page(some(), [broken(n) for n in range(20)]), page(some(), [broken(n) for n in range(21)])
    assert "All 21 problems" not in few
    assert "<summary>All 21 problems</summary>" in many
    assert all(f"./daisy/broken{number}.jpg" in many for number in range(21))
    assert "Problems by their number" in text_of(many)


def test_counts_by_class_and_split_add_up(page):
    said = text_of(page([*some(count=40), *some(("zinnia",), 20)]))
    assert "daisy 40 24 8 8" in said
    assert "zinnia 20 12 4 4" in said
    assert "all 100 60 20 20" in said
    assert "Largest class: daisy, 40 images. Smallest: zinnia, 20 images." in said


def test_many_classes_are_folded_below_the_smallest(page):
    many = page([*some([f"c{number:02}" for number in range(40)], 5), image("c39", 5)])
    assert "The 10 smallest classes" in many
    assert "<summary>All 40 classes</summary>" in many


def test_small_and_long_images_are_counted_and_shown_unless_most_are_so(page):
    odd = [image("rose", 100, width=1000, height=200), image("rose", 101, width=20, height=30)]
    said = text_of(page([*some(), *odd]))
    first_screen = said[: said.index("Classes and splits Every")] if "Classes and splits Every" in said else said[:2000]
    assert "1 of 82 images has an aspect beyond 4:1: less than a quarter of each is kept." in first_screen
    assert "1 of 82 images has a shorter side below 32 px" in first_screen
    assert "rose 1000 x 200 px ./rose/100.jpg" in said
    said = text_of(page(some(width=20)))
    assert said.count("Most images (80 of 80) have a shorter side below 32 px") == 1
    assert "Shorter side below" not in said
    assert not is_property(40, 80)


def test_conversions_are_counted_in_words(page):
    odd = [image("rose", 100, changes="orientation grey"), image("rose", 101, changes="grey", mode="L")]
    said = text_of(page([*some(), *odd]))
    assert f"{CHANGES['grey']} 2 2.4" in said
    assert f"{CHANGES['orientation']} 1 1.2" in said
    assert "JPEG L 1" in said


def test_duplicates_are_shown_side_by_side_and_those_in_several_classes_first(page):
    twins = [image("rose", 100, pixels="a"), image("daisy", 100, pixels="a"), *some(("daisy",), 1)]
    twins.append(image("daisy", 101, pixels=twins[-1]["pixels"]))
    said = text_of(page([*some(), *twins[:2], twins[-1]]))
    assert "1 picture is in several classes. Keep each in one class." in said
    assert "2 sets of exact duplicates, 4 images" in said
    assert said.index("The same picture in several classes") < said.index(
        "Exact duplicates within one class and split: 1 pair"
    )


def test_duplicates_in_several_given_splits_are_warned_of(page):
    images = [image(row["class"], n, split=("train", "validation", "test")[n % 3]) for n, row in enumerate(some())]
    images[0]["pixels"] = images[2]["pixels"]
    said = text_of(page(images))
    assert "1 picture is in several of the given splits." in said
    assert "Train, validation and test are as given." in said


def test_near_duplicates_are_pairs_side_by_side_with_what_is_done_about_them(page):
    images = some()
    rows = [near_pair(images[0], images[1]), near_pair(images[2], images[50])]
    said = text_of(page(images, near=(rows, {})))
    assert "2 pairs of near-duplicates, 4 images: their hashes differ in few bits, and their pixels agree" in said
    assert "Groups of images, each a near-duplicate of every other one, are in one split." in said
    assert "1 picture is in several classes. Keep each in one class. See Duplicates." in said
    shown = said[said.index("The same picture in several classes") :]
    both = r"daisy \w+ ./daisy/2.jpg rose \w+ ./rose/10.jpg"
    assert re.search(rf"{both} correlation 0.988; hashes differ in 2 and 3 bits", shown)
    said = text_of(page(images, near=(rows, {"reason": "setting", "grouped": False, "setting": "report"})))
    assert "near_duplicates: report is set: they are listed, and not kept together in a drawn split." in said


def test_near_duplicates_across_given_splits_are_warned_of(page):
    images = [image(row["class"], n, split=("train", "validation", "test")[n % 3]) for n, row in enumerate(some())]
    said = text_of(page(images, near=([near_pair(images[0], images[3]), near_pair(images[0], images[2])], {})))
    assert "1 picture is in several of the given splits." in said
    assert "Given splits stay as they are." in said
    shown = said[said.index("The same picture in several splits") :]
    assert "daisy train ./daisy/0.jpg daisy test ./daisy/2.jpg" in shown


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"reason": "too_many_images", "complete": False, "near_images": 60},
            "At least 60 of 80 different images look nearly the same as another one. That is a property",
        ),
        ({"reason": "too_many_crossing"}, "5 of 30 pairs of images that look nearly the same are of two classes."),
    ],
)
def test_a_property_is_told_from_duplicates_and_shows_ten_pairs(page, changes, sentence):
    images = some()
    rows = [near_pair(images[number], images[number + 15]) for number in range(30)]
    said = text_of(page(images, near=(rows, {**changes, "grouped": False, "crossing_pairs": 5})))
    assert said.count(sentence) == 2
    assert said.count("correlation 0.988") == 10
    assert "in several classes" not in said and "10 pairs that are alike" in said


def test_ignored_files_are_counted_by_reason(page):
    said = text_of(
        page(some(), ignored=[("./a/.DS_Store", "system file"), ("./.DS_Store", "system file"), ("./x", "text")])
    )
    assert "system file 2 text 1 all 3" in said


def test_a_shortcut_of_the_files_is_told_from_one_of_the_pictures(page, monkeypatch):
    monkeypatch.setattr("triptych.data.shortcut_probe.PERMUTATIONS", 9)
    files = [*some(("daisy",)), *some(("rose",), format="PNG")]
    assert "A network may learn these and not what the pictures show." in text_of(page(files))
    bright = some(bytes=2000)
    for row in bright[40:]:
        row["brightness"] += 255
    said = text_of(page(bright))
    assert "Size, type and bytes of the files alone are not shown to do so. See Shortcuts." in said
    assert "A network may learn these" not in said


def test_pictures_are_small_and_from_the_cache_and_left_out_where_they_are_missing_or_not_wanted(page, tmp_path):
    images = some()
    without = page(images)
    assert "data:image/jpeg" not in without
    cache = Cache(tmp_path / "cache", StoredRule.of(SETTINGS))
    content = io.BytesIO()
    Image.fromarray(numpy.full((40, 40, 3), (250, 200, 10), numpy.uint8)).save(content, "PNG")
    cache.open()
    stored = cache.add(content.getvalue(), hashlib.sha256(content.getvalue()).hexdigest())
    images[0].update({"sha256": stored.facts["sha256"], "brightness": 255.0})
    with_one = page(images)
    [address] = set(re.findall(r'src="data:image/jpeg;base64,([^"]+)"', with_one))
    shown = numpy.asarray(Image.open(io.BytesIO(base64.b64decode(address))))
    assert numpy.abs(shown.astype(int) - (250, 200, 10)).max() < 10
    assert "<img " not in page(images, show="none")


def test_what_users_name_is_text_and_never_markup(page):
    name = "".join(NASTY.split("/"))
    images = [*some(("daisy", name)), image(name, 100, changes="grey", width=5000)]
    said = page(images, [("file", f"./{name}", name, name, name)], [(f"./{name}", name)], policy="quarantine")
    tags = Tags()
    tags.feed(said)
    assert "script" not in tags.names
    assert not {name for name in tags.attributes if name.startswith("on")}
    assert "‮" not in said
    assert r"\n\t\u202e" in text_of(said)


def test_the_page_is_self_contained_and_the_same_each_time(page):
    first = page(some())
    assert page(some()) == first
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", first)
    assert "{{" not in first
    assert "nan" not in text_of(first).split()


def test_groups_of_a_pattern_are_counted_and_what_they_make_of_the_shares(page):
    said = text_of(page(some(count=60), group=r"/(\d)\d?\.jpg"))
    assert "10 groups of 2 to 22 images, by the pattern" in said
    assert "group: /(\\d)" in said
    assert "Larger or smaller than asked for, because groups are not divided class split images asked for" in said
    assert "Groups and leaks" not in text_of(page(some(count=60)))


def test_a_pattern_that_matches_nothing_stops_training_and_says_why(page):
    said = text_of(page(some(), group="(patient)"))
    assert (
        "The images cannot be split: dataset.group: the pattern '(patient)' matches none of 80 paths, such as" in said
    )


def test_groups_in_several_given_splits_are_named_with_what_they_leak(page):
    images = [image(row["class"], n, split=("train", "validation", "test")[n % 3]) for n, row in enumerate(some())]
    images[0]["group"] = images[2]["group"] = "bush"
    said = text_of(page(images))
    assert "1 group is in several of the given splits: bush (train, test). Give each group one split." in said
    assert "1 of 26 test images has a counterpart in train or validation (an image of the same group: 1)" in said
    assert "group train validation test bush 1 0 1" in said


def test_images_that_left_test_after_it_was_opened_are_named(page, tmp_path):
    images = [image(row["class"], n, split=("train", "validation", "test")[n % 3]) for n, row in enumerate(some())]
    parts = {"test": [images[0]["sha256"]], "others": []}
    write_json(tmp_path / "openings" / "split.json", {"openings": 0, "last": None, "opened": parts})
    said = text_of(page(images, openings=tmp_path / "openings"))
    assert f"opened before, and since then 1 image moved out of test ({images[0]['path']}). Earlier test" in said


def test_near_duplicates_across_given_splits_are_counted_unless_they_are_a_property(page):
    images = [image(row["class"], n, split=("train", "validation", "test")[n % 3]) for n, row in enumerate(some())]
    pair = near_pair(images[2], images[3])
    said = text_of(page(images, near=([pair], {})))
    assert "1 of 26 test images has a counterpart in train or validation (a near-duplicate: 1)" in said
    said = text_of(page(images, near=([pair], {"reason": "too_many_images", "grouped": False})))
    assert "have a counterpart" not in said and "has a counterpart" not in said


def test_the_command_writes_the_page_of_real_files(tmp_path):
    """A process of its own shows that the options of both commands fit together."""
    random = numpy.random.default_rng(0)
    for label in ("daisy", "rose"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for number in range(12):
            pixels = random.integers(0, 255, (50, 60, 3), numpy.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / label / f"{number}.png")
    (tmp_path / "photos" / "rose" / "cut.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    checking = {key: value for key, value in SETTINGS.items() if key not in ("validation", "test", "seed", "policy")}
    tables = {name: tmp_path / f"{name}.csv" for name in ("images", "problems", "ignored")}
    used = {"path": tmp_path / "photos", "cache": tmp_path / "cache", "num_threads": 1}
    found = {"pairs": tmp_path / "pairs.csv", "duplicates": tmp_path / "duplicates.json"}
    options = {"dataset": json.dumps(checking), **used}
    calls = [
        command("check_data", **options, asked="0", listing=tmp_path / "listing.json", **tables),
        command("find_duplicates", **options, near_duplicates="group", images=tables["images"], **found),
        command(
            "report_data",
            dataset=json.dumps(SETTINGS),
            experiment="flowers",
            cache=tmp_path / "cache",
            show="all",
            report=tmp_path / "report.html",
            **tables,
            **found,
        ),
    ]
    for call in calls:
        subprocess.run(call, check=True, capture_output=True, timeout=120)
    page = (tmp_path / "report.html").read_text()
    assert "data:image/jpeg;base64," in page
    assert "./rose/cut.jpg" in page
    assert "1 file cannot be used. Fix or remove it" in text_of(page)
