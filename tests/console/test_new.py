"""`triptych new`: every number of the file says where it comes from, and the file does what the folder alone does."""

import re

import pytest
import yaml

from tests.data.user_images import age, traces
from triptych.configuration.effective import effective
from triptych.configuration.given_files import load_given, read_files
from triptych.console.__main__ import main


@pytest.fixture
def written(photos, capsys):
    age(photos)
    before = traces(photos)
    age(photos)
    assert main(["new", "photos"]) == 0
    assert traces(photos) == before
    assert capsys.readouterr().out == (
        "photos.yaml: written. Next: triptych check photos.yaml; triptych estimate photos.yaml; triptych run "
        "photos.yaml\n"
    )
    return photos.absolute().parent / "photos.yaml"


def numbers(value):
    """All numbers in a value of YAML."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [number for one in value for number in numbers(one)]
    return [value] if isinstance(value, (int, float)) and not isinstance(value, bool) else []


def test_every_number_says_where_it_comes_from(written):
    commented, kinds = 0, set()
    for line in written.read_text().splitlines():
        content, _, comment = line.partition(" # ")
        if line.startswith("#") or not re.search(r": (.+)$", content):
            continue
        found = numbers(yaml.safe_load(content.strip()))
        if found:
            kind = re.match(r"(fixed|rule|measured): \w", comment)
            assert kind, line
            kinds.add(kind[1])
            commented += len(found)
    assert commented == len(numbers(yaml.safe_load(written.read_text()))) > 10
    assert kinds == {"fixed", "rule", "measured"}


def test_it_does_what_the_folder_alone_does(written):
    alone, file = (effective(load_given(given)) for given in ({"images": "photos"}, read_files([written])))
    assert file == alone


def test_it_says_what_was_counted_and_measured(written):
    text = written.read_text()
    assert "# 28 files in 3 classes, from 8 (ash) to 12 (elm) (counted)\n" in text
    assert "# median size 40 x 30 px (measured on 28 files)\n" in text
    assert "most images here are smaller (40 x 30)" in text
    assert "; about 4 images here\n" in text


def test_a_file_that_is_there_is_not_replaced(written, capsys):
    before = written.read_bytes()
    assert main(["new", "photos"]) == 1
    assert capsys.readouterr().err.startswith("error: photos.yaml: this file exists and is not replaced; ")
    assert written.read_bytes() == before
    assert main(["new", "photos", "--output", "mine.yaml"]) == 0
    assert written.with_name("mine.yaml").read_bytes() == before


def test_a_table_is_named_and_given_splits_are_counted(photos, capsys):
    lines = ["path,label,split"]
    for path in sorted(photos.rglob("*.jpg")):
        number = int(re.search(r"(\d+)", path.stem)[1])
        part = {0: "test", 1: "validation"}.get(number % 4, "train")
        lines.append(f"{path.relative_to(photos.parent)},{path.parent.name},{part}")
    (photos.parent / "trees.csv").write_text("\n".join(lines) + "\n")
    assert main(["new", "trees.csv"]) == 0
    text = (photos.parent / "trees.yaml").read_text()
    assert "      source: table\n      path: trees.csv #" in text
    assert re.search(r"test: 0\.15 # fixed: .*; not used, \d+ images are given here\n", text)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (["nothere"], "nothere: there is no such file or folder; give a folder of images or a CSV file."),
        (
            ["empty"],
            "empty: 1 problem.\n  there is no image in the folder; put the images into one folder for each class.",
        ),
        (["mine.yaml"], "mine.yaml: this is a configuration already; give a folder of images or a CSV file."),
        (["photos", "--output", "a/b.yaml"], "a: there is no such folder; make it first."),
    ],
)
def test_bad_input_is_one_message(call, said, photos, capsys):
    (photos.parent / "empty").mkdir()
    (photos.parent / "mine.yaml").write_text("experiments: {a: {arms: {b: {}}}}\n")
    assert main(["new", *call]) == 1
    assert capsys.readouterr().err == f"error: {said}\n"
