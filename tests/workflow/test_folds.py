"""One real graph with folds, from image files to the report and a model."""

import json
import re
import subprocess
import sys

import numpy
import pandas
import pytest

from tests.workflow.conftest import rules_of, snakemake, untracked, write_configuration
from tests.workflow.test_image_files import EXPERIMENT, photograph
from triptych.data.folds import load_folds
from triptych.data.halves import decision_half
from triptych.storage.tensors import load_metadata, load_tensors, map_tensor

FOLDS, REPEATS = 2, 2
FOLDED = {
    **EXPERIMENT,
    "dataset": {"source": "folder", "path": "photos", "test": 2, "folds": FOLDS, "repeats": REPEATS},
    "weights": {"source": "letters", "train_images": 52, "validation_images": 26, "epochs": 1},
    "arms": {
        "scratch": {"weights": "random", "training": {"keep": "best"}},
        "frozen": {"weights": "pretrained", "train": "head", "batchnorm": "frozen"},
    },
}
RUNS = [f"seed0_fold{fold}" for fold in range(FOLDS * REPEATS)]
CALL = ["--configfile", "mine.yaml"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder in which it has run to its end: 3 classes of 6 images, 2 of them test images."""
    folder = tmp_path_factory.mktemp("folds")
    photograph(folder / "photos", names=tuple(f"{number}.png" for number in range(6)))
    write_configuration(folder, FOLDED, name="mine", keep_weights="model")
    snakemake("--cores", "2", *CALL, directory=folder)
    return folder
