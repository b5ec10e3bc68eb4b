from pathlib import Path

import pytest
import yaml

from tests.data.photos import tree

TINY = {
    "dataset": {"source": "digits", "train_per_class": 4, "validation_per_class": 4, "test_per_class": 4},
    "model": {"architecture": "resnet18", "input_size": 16},
    "training": {"epochs": 1, "device": "cpu", "num_threads": 1},
    "arms": {"all": {"weights": "random"}, "head": {"weights": "random", "train": "head"}},
}
"""An experiment that needs neither a download nor pretraining."""


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """An empty folder in which commands run."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def photos(here) -> Path:
    """A folder of real photographs of three classes."""
    tree(here / "photos", {"ash": 8, "beech": 8, "elm": 12})
    return Path("photos")


def configuration(folder: Path, name: str = "tiny", **changes) -> Path:
    """Write the tiny experiment into a folder; keys may be other ones."""
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump({"experiments": {name: {**TINY, **changes}}}))
    return path
