"""The prepared files, their index and their sizes agree with each other and with the source."""

import hashlib
import json
import subprocess

import numpy
import pandas
import pytest

from benchmarks import growth
from tests.conftest import command
from tests.data.test_cifar import cifar10_members, cifar100_members, write_archive
from triptych.data.dataset import load_split
from triptych.data.prepare_dataset import check_sizes, prepare_dataset
from triptych.data.sources import digits
from triptych.data.stratify import SPLITS
from triptych.storage.errors import InputError
from triptych.storage.files import sha256
from triptych.storage.tensors import load_metadata


def prepare(folder, files=None, **changes):
    settings = {"source": "digits", "train_per_class": 30, "validation_per_class": 20, "seed": 0} | changes
    outputs = {split: folder / f"{split}.safetensors" for split in SPLITS}
    tables = {name: folder / f"{name}.csv" for name in ("index", "sizes", "left_out", "leaks")}
    prepare_dataset(dataset=json.dumps(settings), files=files, **outputs, **tables)
    return outputs


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    return folder, prepare(folder)


def test_every_image_is_named_and_is_the_sources(prepared):
    folder, outputs = prepared
    source = digits.read({}, [])
    index = pandas.read_csv(folder / "index.csv", dtype={"class": str}, keep_default_na=False)
    assert list(index.columns) == ["split", "row", "name", "sha256", "class", "group", "changes"]
    assert sorted(index["name"]) == sorted(source.names)
    for split, path in outputs.items():
        part, lines = load_split(path), index[index["split"] == split]
        assert lines["row"].tolist() == list(range(len(part)))
        images = [source.names.index(name) for name in lines["name"]]
        assert numpy.array_equal(part.images, source.images[images])
        assert numpy.array_equal(part.labels, source.labels[images])
        assert lines["class"].tolist() == [part.classes[label] for label in part.labels]
        assert lines["sha256"].iloc[0] == hashlib.sha256(part.images[0].tobytes()).hexdigest()
        assert load_metadata(path) == {"classes": list("0123456789"), "source": "digits", "split": split}


def test_no_picture_is_in_two_splits(prepared):
    index = pandas.read_csv(prepared[0] / "index.csv")
    assert index["sha256"].is_unique


def test_sizes(prepared, capsys, tmp_path):
    sizes = pandas.read_csv(prepared[0] / "sizes.csv")
    assert list(sizes.columns) == ["split", "class", "images"]
    assert sizes.groupby("split")["images"].sum().to_dict() == {"train": 300, "validation": 200, "test": 1297}
    prepare(tmp_path)
    printed = capsys.readouterr().out
    assert "1797 images, 10 classes" in printed
    assert printed.splitlines()[-1].split() == ["all", "300", "200", "1297", "1797"]


def test_no_file_is_left_out(prepared):
    assert (prepared[0] / "left_out.csv").read_text() == "path,class,problem\n"


def test_same_bytes_again(prepared, tmp_path):
    folder, _ = prepared
    prepare(tmp_path)
    names = sorted(path.name for path in folder.iterdir())
    assert len(names) == 7
    assert [sha256(folder / name) for name in names] == [sha256(tmp_path / name) for name in names]


def test_validation_may_be_empty(tmp_path):
    outputs = prepare(tmp_path, validation_per_class=0, test_per_class=5)
    assert len(load_split(outputs["validation"])) == 0
    assert len(load_split(outputs["test"])) == 50
    sizes = pandas.read_csv(tmp_path / "sizes.csv")
    assert sizes[sizes["split"] == "validation"]["images"].tolist() == [0] * 10


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source": "digit"}, "'digit' is not allowed; give one of cifar10, cifar100, digits, folder, table"),
        ({"train_per_class": None}, "because digits has no test part; give a number"),
        ({"source": "cifar10"}, "dataset: expected_train is missing; cifar10 needs it"),
        ({"source": 3}, "dataset: expected a JSON object with the key source, found"),
        ({"validation_per_class": None}, "validation_per_class is missing"),
        ({"source": "os"}, "'os' is not allowed"),
        ({"train_per_class": 160}, "class '8' has 174 images, but 181"),
    ],
)
def test_what_cannot_be_writes_nothing(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        prepare(tmp_path, **changes)
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def cifar(tmp_path_factory):
    """An archive of ten training and two test images of each class, and the settings that read it."""
    path = write_archive(tmp_path_factory.mktemp("archive") / "c.tar.gz", cifar10_members())
    numbers = {"expected_train": 100, "expected_test": 20}
    return {"source": "cifar10", "files": [path], "sha256": sha256(path), **numbers}


@pytest.mark.parametrize(
    ("train", "validation", "test", "sizes"),
    [(None, 0, None, (100, 0, 20)), (None, 3, None, (70, 30, 20)), (4, 3, 1, (40, 30, 10)), (7, 3, 2, (70, 30, 20))],
)
def test_a_source_with_a_test_part_of_its_own(cifar, tmp_path, train, validation, test, sizes):
    wanted = {"train_per_class": train, "validation_per_class": validation, "test_per_class": test}
    outputs = prepare(tmp_path, **cifar, **wanted)
    parts = {split: load_split(path) for split, path in outputs.items()}
    assert tuple(len(parts[split]) for split in SPLITS) == sizes
    for part in parts.values():
        assert (numpy.bincount(part.labels, minlength=10) == len(part) / 10).all()
    index = pandas.read_csv(tmp_path / "index.csv", keep_default_na=False)
    assert index["name"].is_unique
    assert (index["name"].str.startswith("test-") == (index["split"] == "test")).all()


def test_the_command_prepares_cifar100_by_its_fine_labels(tmp_path):
    archive = write_archive(tmp_path / "c.tar.gz", cifar100_members(train=3, test=2), "cifar-100-binary")
    outputs = {split: tmp_path / f"{split}.safetensors" for split in SPLITS}
    settings = {"source": "cifar100", "sha256": sha256(archive), "expected_train": 300, "expected_test": 200}
    settings |= {"train_per_class": 2, "validation_per_class": 1, "test_per_class": 1, "seed": 0}
    tables = {name: tmp_path / f"{name}.csv" for name in ("index", "sizes", "left_out", "leaks")}
    call = command("prepare_dataset", dataset=json.dumps(settings), files=archive, **outputs, **tables)
    subprocess.run(call, check=True, timeout=120)
    for split, count in zip(SPLITS, (2, 1, 1), strict=True):
        part = load_split(outputs[split])
        assert part.classes == [f"fine{number}" for number in range(100)]
        assert (numpy.bincount(part.labels) == count).all()


def test_a_part_is_drawn_by_seed_and_a_larger_one_holds_it(cifar, tmp_path):
    def names(folder, **changes):
        settings = {"train_per_class": 4, "validation_per_class": 2, "test_per_class": 1} | changes
        prepare(tmp_path / folder, **cifar, **settings)
        index = pandas.read_csv(tmp_path / folder / "index.csv")
        return {split: set(index.loc[index["split"] == split, "name"]) for split in SPLITS}

    first, again, other, larger = names("a"), names("b"), names("c", seed=1), names("d", train_per_class=6)
    assert first == again
    assert all(first[split] != other[split] for split in SPLITS)
    assert first["train"] < larger["train"]
    assert (first["validation"], first["test"]) == (larger["validation"], larger["test"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_per_class": 11}, "class 'class0' has 10 images in the training part, but 11 are needed"),
        ({"train_per_class": None, "validation_per_class": 10}, "in the training part, but 11 are needed"),
        ({"test_per_class": 3}, r"has 2 images in the test part, but 3 .*train_per_class 5, .*test_per_class 3"),
        ({"train_per_class": 0}, "train_per_class: 0 is not allowed"),
        ({"expected_test": 10_000}, "test part of CIFAR-10 has 20 images .*, expected 10,000"),
    ],
)
def test_more_than_an_archive_has_writes_nothing(cifar, tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        prepare(tmp_path, **(cifar | {"train_per_class": 5, "validation_per_class": 0} | changes))
    assert not list(tmp_path.iterdir())


def test_counted_sizes_are_compared_with_what_is_asked_for():
    table = pandas.DataFrame({"split": ["train", "test"], "class": ["a", "a"], "images": [3, 0]})
    check_sizes(table[:1], {"train": 3}, "pets")
    with pytest.raises(InputError, match="pets: train has 3 images of class 'a', expected 4"):
        check_sizes(table, {"train": 4, "test": None}, "pets")
    with pytest.raises(InputError, match="test has 0 images of class 'a', expected at least 1"):
        check_sizes(table, {"train": 3, "test": None}, "pets")


@pytest.mark.slow
def test_sixty_thousand_images_are_prepared_within_a_gigabyte(tmp_path):
    _, peak = growth.prepare(tmp_path, 10)
    assert len(load_split(tmp_path / "train.st")) + len(load_split(tmp_path / "test.st")) == 60_000
    assert 60_000 * 3072 < peak < 1e9
