"""The images that an estimate counts are those that the workflow prepares."""

import pytest

from tests.data.photos import tree
from triptych.configuration.given_files import load_given
from triptych.console.check import found_in
from triptych.console.sizes import images_of
from triptych.data.prepare_dataset import prepare_dataset
from triptych.data.splitting import split_rows
from triptych.results.schema import SIZES
from triptych.results.tables import read_table
from triptych.storage.errors import InputError
from triptych.workflow.options import as_json


def dataset_of(dataset):
    experiment = load_given({"experiments": {"a": {"dataset": dataset, "arms": {"b": {}}}}}).experiments["a"]
    return experiment.dataset


@pytest.mark.parametrize(
    "keys", [{}, {"train_per_class": 4, "test_per_class": 3}, {"validation_per_class": 1, "train_per_class": 100}]
)
def test_digits_are_counted_as_they_are_prepared(keys, tmp_path):
    dataset = dataset_of({"source": "digits", **keys})
    files = {name: tmp_path / f"{name}.safetensors" for name in ("train", "validation", "test")}
    tables = {name: tmp_path / f"{name}.csv" for name in ("index", "sizes", "left_out", "leaks")}
    prepare_dataset(dataset=as_json(dataset.deciding()), **files, **tables)
    sizes = read_table(tables["sizes"], SIZES).groupby("split")["images"].sum().to_dict()
    images = images_of(dataset, 24, None)
    assert {"train": images.train, "validation": images.validation, "test": images.test} == {
        name: sizes.get(name, 0) for name in files
    }
    assert (images.classes, images.side, images.from_files) == (10, 8, False)
    assert sum(path.stat().st_size for path in files.values()) == pytest.approx(
        images.stored_bytes(), rel=0.2, abs=3000
    )


@pytest.mark.parametrize("source", ["cifar10", "cifar100"])
def test_cifar_has_sixty_thousand(source):
    images = images_of(dataset_of({"source": source, "validation_per_class": 20}), 32, None)
    assert images.stored == 60_000 and images.test == 10_000
    assert images.validation == 20 * images.classes


@pytest.mark.parametrize("shares", [{}, {"validation": 2, "test": 0.25}])
@pytest.mark.parametrize("given", ["", "test"])
def test_image_files_are_counted_about_as_they_are_split(shares, given, tmp_path):
    import pandas

    parts = ["train", given] if given else ["."]
    for number, part in enumerate(parts):
        tree(tmp_path / "photos" / part, {"ash": 20, "elm": 40}, start=100 * number)
    dataset = dataset_of({"source": "folder", "path": str(tmp_path / "photos"), **shares})
    found = found_in(dataset)
    rows = [(item.label, item.split, item.group, item.path, item.path) for item in found.items]
    table = pandas.DataFrame(rows, columns=["class", "split", "group", "sha256", "pixels"])
    split = split_rows(table, dataset.model_dump())
    images = images_of(dataset, 24, found)
    for part, count in (("train", images.train), ("validation", images.validation), ("test", images.test)):
        assert abs(len(split[part]) - count) <= 1
    assert images.stored == len(found.items) and images.from_files and images.crop


def test_what_was_prepared_counts_if_the_files_are_gone(tmp_path):
    dataset = dataset_of({"source": "folder", "path": str(tmp_path / "gone")})
    sizes = tmp_path / "sizes.csv"
    with pytest.raises(InputError, match=r"gone: the images are gone, and were not prepared; restore them\."):
        images_of(dataset, 24, None, sizes)
    sizes.write_text("split,class,images\ntrain,ash,7\ntrain,elm,8\nvalidation,ash,2\ntest,elm,3\n")
    images = images_of(dataset, 24, None, sizes)
    assert (images.train, images.validation, images.test, images.classes) == (15, 2, 3, 2)
