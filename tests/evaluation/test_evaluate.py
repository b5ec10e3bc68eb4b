"""Evaluation on labelled folders: the numbers are those of the predictions, and what does not fit is refused."""

import json
import os
import re
import shutil

import numpy
import pandas
import pytest

from tests.evaluation.conftest import CLASSES, mean_of_members, model_options, with_groups
from triptych.data.dataset import load_split
from triptych.evaluation.evaluate import evaluate
from triptych.evaluation.write_model import write_model
from triptych.storage.errors import InputError


def table(path):
    return pandas.read_csv(path, dtype=str, keep_default_na=False)


@pytest.fixture
def delivery(experiment, tmp_path):
    """The test images in folders of their classes."""
    index = table(experiment / "data" / "index.csv").query("split == 'test'")
    for name in index["name"]:
        path = tmp_path / "delivery" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        os.link(experiment.parent / "photos" / name, path)
    return tmp_path / "delivery"


def test_on_the_test_images_it_is_what_was_tested(experiment, delivery, tmp_path, capsys):
    evaluate(experiment, delivery, csv=tmp_path / "mine.csv")
    said = capsys.readouterr().out
    (here, there) = re.search(r"^accuracy (.*), tested (.*)$", said, flags=re.M).groups()
    assert here == there
    assert re.search(
        r"^  difference \+0\.0 points \(-\d+\.\d to \+\d+\.\d\): a difference is not shown$", said, flags=re.M
    )
    expected = table(experiment / "tables" / "predictions.csv").query("split == 'test'").set_index("path")
    found = table(tmp_path / "mine.csv").set_index("path").loc[expected.index]
    for column in ("class", "predicted", "probability"):
        assert found[column].tolist() == expected[column].tolist()


def test_the_tested_interval_is_over_groups_where_there_are_some(experiment, delivery, tmp_path, capsys):
    copy = tmp_path / "model"
    shutil.copytree(experiment / "model", copy, copy_function=os.link)
    for name in ("model.json", "README.md", "predict.py", "decode.py"):
        (copy / name).unlink()
    write_model(**model_options(experiment, copy, index=with_groups(experiment, tmp_path / "index.csv", 15)))
    tested = json.loads((copy / "model.json").read_text())["tested"]
    capsys.readouterr()
    evaluate(copy, delivery)
    said = capsys.readouterr().out
    assert "Tested: on 45 test images in 3 groups, over which its interval is." in said
    (there,) = re.findall(r"^accuracy .*, tested (.*)$", said, flags=re.M)
    assert there == f"{tested['accuracy']:.1f} % ({tested['low']:.1f} to {tested['high']:.1f})"


def test_an_ensemble_is_compared_with_what_it_reached_together(ensemble, delivery, capsys):
    evaluate(ensemble, delivery)
    said = capsys.readouterr().out
    (here, there) = re.search(r"^accuracy (.*), tested (.*)$", said, flags=re.M).groups()
    labels = load_split(ensemble / "data" / "test.safetensors").labels
    accuracy = 100 * (mean_of_members(ensemble, "test", "test").argmax(axis=1) == labels).mean()
    assert here == there and here.startswith(f"{accuracy:.1f} % (")


def test_images_of_other_colours_differ_beyond_doubt(experiment, delivery, capsys):
    first, second = (delivery / name for name in CLASSES[:2])
    first.rename(delivery / "waiting")
    second.rename(first)
    (delivery / "waiting").rename(second)
    evaluate(experiment, delivery)
    said = capsys.readouterr().out
    assert said.count(": it differs beyond doubt") == 2
    matrix = said[said.index("Confusion matrix") :].splitlines()[2:]
    counts = numpy.array([[int(number) for number in line.split()[-3:]] for line in matrix])
    assert counts.sum() == 45 and counts.trace() < 30


def test_one_class_alone_is_evaluated(experiment, delivery, capsys):
    for name in CLASSES[1:]:
        shutil.rmtree(delivery / name)
    evaluate(experiment, delivery)
    said = capsys.readouterr().out
    assert "15 images of 1 of 3 classes" in said
    assert "mean recall" not in said
    assert re.search(r"^ *weed +0 +- ", said, flags=re.M)


def test_a_broken_file_is_named_and_the_others_are_evaluated(experiment, delivery, capsys):
    (delivery / "weed" / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    (delivery / "weed" / "link.jpg").symlink_to("nowhere")
    with pytest.raises(InputError, match=r"2 of 47 files could not be used; they are named above\."):
        evaluate(experiment, delivery)
    said = capsys.readouterr()
    assert "./weed/broken.jpg: " in said.err and "./weed/link.jpg: " in said.err
    assert "45 images of 3 of 3 classes" in said.out


def as_splits(folder):
    for split in ("train", "test"):
        shutil.copytree(folder, folder.parent / "two" / split)
    return folder.parent / "two"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda folder: (folder / "weed").rename(folder / "Weeds").parent,
            "the model has no class Weeds; its classes are",
        ),
        (as_splits, "it has the splits test, train; give the folder of one of them"),
        (lambda folder: folder / "weed", "15 images are in no class folder"),
        (lambda folder: folder / "none", "the folder .* does not exist"),
    ],
)
def test_a_folder_that_does_not_fit_is_refused(experiment, delivery, change, message):
    with pytest.raises(InputError, match=message):
        evaluate(experiment, change(delivery))
