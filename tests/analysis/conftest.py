"""A small experiment with classes that look like something else, whose mistakes are chosen one by one."""

import pytest

from tests.fabricated import Experiment

OPTIONS = {
    "seeds": (0, 1),
    "classes": ("01", "NA", "a, b"),
    "test_labels": (0, 0, 0, 0, 1, 1, 1, 2, 2, 2),
    "images": (60, 0),
    "test": "every_epoch",
    "image_size": 2,
    "whole_kernels": False,
}

DECIDED = {"test": "after_decision", "images": (60, 30)}
"""The options of an experiment whose arms are chosen on validation images."""


def only(table, **values):
    """The one row with these values, as a mapping of texts."""
    for column, value in values.items():
        table = table[table[column] == str(value)]
    (row,) = table.to_dict("records")
    return row


@pytest.fixture
def make_experiment(tmp_path):
    """A function that starts an experiment without arms, of `epochs`, with other options of `Experiment`."""
    return lambda epochs=2, **options: Experiment(
        tmp_path / "experiment", **{**OPTIONS, "training": {"epochs": epochs}, **options}
    )


@pytest.fixture(scope="session")
def fabricated(tmp_path_factory):
    """Three arms and a control, two seeds, two epochs, ten test images of three classes.

    Right of the ten: good 10 and 9, middle 8 and 8, poor 5 and 6, the control 10 and 10.
    """
    folder = tmp_path_factory.mktemp("fabricated") / "experiment"
    poor = {"label": "label of poor", "train": "head", "training": {"train_images": 30}, "first": 20, "last": 60}
    return (
        Experiment(folder, **OPTIONS, training={"epochs": 2})
        .add_arm("middle", wrong=[[0, 4], [0, 4]])
        .add_arm("good", wrong=[[], [9]], label="label of good", first=50, last=90)
        .add_arm("poor", wrong=[[0, 1, 4, 7, 8], [0, 1, 4, 7]], **poor)
        .add_arm("sanity", wrong=[[], []], role="control")
    )


@pytest.fixture(scope="session")
def fabricated_decided(tmp_path_factory):
    """Two arms, two seeds, 30 validation images of three classes and ten test images; and the tables of all."""
    experiment = Experiment(
        tmp_path_factory.mktemp("decided") / "experiment", **{**OPTIONS, **DECIDED, "training": {"epochs": 2}}
    )
    experiment.add_arm("a", wrong=[[], [9]], wrong_validation=[[0, 1, 2], [3]])
    experiment.add_arm("b", wrong=[[0], [1]], wrong_validation=[[], [0]])
    experiment.collect()
    return experiment


@pytest.fixture
def decided(fabricated_decided, tmp_path):
    """The same, for a test to change, without its tables and its decision."""
    decided = fabricated_decided.copy(tmp_path / "decided", without=("tables", "decision.json", "opened.json"))
    (decided.folder / "validation.safetensors").unlink()
    return decided


@pytest.fixture
def opened(fabricated_decided, tmp_path):
    """The same, for a test to change."""
    return fabricated_decided.copy(tmp_path / "opened")


@pytest.fixture
def experiment(fabricated, tmp_path):
    """The same, for a test to change."""
    return fabricated.copy(tmp_path / "experiment")
