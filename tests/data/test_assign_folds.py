"""Folds of real files: by their contents and groups, never by their names."""

import json
import shutil

import numpy
import pandas
import pytest

from tests.data.photos import SPLITTING, check_options, find_options, prepare_options, tree
from triptych.data.assign_folds import assign_folds
from triptych.data.check_data import check_data
from triptych.data.find_duplicates import find_duplicates
from triptych.data.folds import load_folds
from triptych.data.prepare_dataset import prepare_dataset
from triptych.results.schema import PAIRS
from triptych.results.tables import save_table
from triptych.storage.errors import InputError
from triptych.storage.files import write_table

SETTINGS = {"source": "folder", **SPLITTING, "validation": 0, "test": 2, "folds": 3, "repeats": 2}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """The tables of prepared images: 8 of a, 7 of b."""
    folder = tmp_path_factory.mktemp("prepared")
    photos, out, cache = tree(folder / "photos", {"a": 8, "b": 7}), folder / "data", folder / "cache"
    check_data(**check_options(photos, out, cache))
    find_duplicates(**find_options(photos, out, cache))
    prepare_dataset(**prepare_options(photos, out, cache, **SETTINGS))
    return out


def assigned(out, tmp_path, **changes):
    """By the name of an image the parts that it is held out in, [repeats]; its class."""
    settings = {**SETTINGS, **changes}
    folds = tmp_path / "folds.safetensors"
    tables = {name: out / f"{name}.csv" for name in ("images", "pairs", "index")}
    assign_folds(dataset=json.dumps(settings), **tables, folds=folds)
    train = pandas.read_csv(out / "index.csv").query("split == 'train'").sort_values("row")
    found = load_folds(folds, len(train))
    assert found.count == settings["folds"] and found.repeats == settings["repeats"]
    return {name: tuple(own) for name, own in zip(train["name"], found.parts.T.tolist(), strict=True)}


def test_every_class_is_in_every_fold_and_repeats_differ(prepared, tmp_path):
    parts = assigned(prepared, tmp_path)
    assert len(parts) == 11
    for repeat in range(2):
        for label, images in (("a", 6), ("b", 5)):
            counts = numpy.bincount([own[repeat] for name, own in parts.items() if name.startswith(f"./{label}/")])
            assert counts.sum() == images and len(counts) == 3 and counts.max() - counts.min() <= 1
    assert len({first == second for first, second in parts.values()}) == 2
    assert assigned(prepared, tmp_path) == parts
    assert assigned(prepared, tmp_path, seed=1) != parts
    assert {name: own[:1] for name, own in parts.items()} == assigned(prepared, tmp_path, repeats=1)


def changed(prepared, tmp_path, **columns):
    """The tables in another folder, with other columns of the index or of the images."""
    shutil.copy(prepared / "pairs.csv", tmp_path)
    for file in ("index", "images"):
        table = pandas.read_csv(prepared / f"{file}.csv", keep_default_na=False)
        own = {name: function(table) for name, function in columns.items() if name in table or name == "name"}
        write_table(tmp_path / f"{file}.csv", table.assign(**{name: own[name] for name in own if name in table}))
    return tmp_path


def test_groups_and_equal_pixels_stay_together(prepared, tmp_path):
    names = pandas.read_csv(prepared / "index.csv").query("split == 'train' and `class` == 'a'")["name"].tolist()
    grouped, alike = names[:2], names[3:5]
    out = changed(
        prepared,
        tmp_path,
        group=lambda table: ["burst" if name in grouped else "" for name in table.get("name", table.get("path"))],
        pixels=lambda table: ["same" if path in alike else path for path in table["path"]],
    )
    parts = assigned(out, tmp_path)
    assert len({parts[name] for name in grouped}) == 1 and len({parts[name] for name in alike}) == 1
    with pytest.raises(
        InputError, match=r"^dataset: folds: 5 needs 5 different images .* too few: a \(4\)\. Duplicates"
    ):
        assigned(out, tmp_path, folds=5)


def test_a_pair_that_a_unit_holds_is_in_one_fold(prepared, tmp_path):
    names = pandas.read_csv(prepared / "index.csv").query("split == 'train' and `class` == 'b'")["name"].tolist()
    out = changed(prepared, tmp_path)
    for unit, together in (("true", True), ("false", False)):
        row = dict.fromkeys(PAIRS.names, "") | {"kind": "near", "unit": unit}
        pairs = pandas.DataFrame([row | dict(zip(("first", "second"), sorted(names[:2]), strict=True))])
        numbers = {"phash": 1, "dhash": 1, "correlation": 0.99}
        classes = {"first_class": "b", "second_class": "b"}
        save_table(out / "pairs.csv", pairs.assign(**numbers, **classes), PAIRS)
        parts = [assigned(out, tmp_path, seed=seed) for seed in range(6)]
        assert all(own[names[0]] == own[names[1]] for own in parts) == together


def test_an_index_of_other_images_is_one_message(prepared, tmp_path):
    out = changed(prepared, tmp_path, path=lambda table: [f"{path}x" for path in table["path"]])
    with pytest.raises(InputError, match=r"index\.csv: expected images of .*images\.csv, found \./a/"):
        assigned(out, tmp_path)
