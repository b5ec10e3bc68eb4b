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


@pytest.fixture
def experiment(fabricated, tmp_path):
    """The same, for a test to change."""
    return fabricated.copy(tmp_path / "experiment")
