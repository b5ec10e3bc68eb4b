"""One run as its folder tells it, read once and checked."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import pandas

from triptych.analysis.extract_weight_delta import KERNEL_CHANGE_COLUMNS, WEIGHT_DELTA_COLUMNS
from triptych.analysis.reading import existing, read_json, read_number_table, read_shapes, read_tensor, read_text_table
from triptych.errors import InputError
from triptych.tensors import load_metadata

HISTORY_COLUMNS = [
    "epoch",
    "train_loss",
    "train_accuracy",
    "validation_loss",
    "validation_accuracy",
    "test_loss",
    "test_accuracy",
    "fit_loss",
    "fit_accuracy",
]
COST_KEYS = [
    "device",
    "device_name",
    "seconds",
    "images_per_second",
    "peak_memory_bytes",
    "training_seconds",
    "evaluation_seconds",
]
METADATA_KEYS = ("architecture", "classes", "input_size", "tensors", "buffers", "head")


@dataclass(frozen=True)
class Truth:
    """What is true of the test images: their labels (int64 [images]) and the names of the classes."""

    labels: numpy.ndarray
    classes: list[str]


@dataclass(frozen=True)
class Run:
    """One arm with one seed.

    Attributes:
        history: `HISTORY_COLUMNS`, a row an epoch from 0; accuracies in percent.
        predicted: the class number given to each test image after the last epoch, [images].
        total_parameters, trainable_parameters: numbers of elements; buffers are not parameters.
        weight_delta, kernel_change: as `extract_weight_delta` wrote them, their cells as texts.
        cost: the measured part; at least `COST_KEYS`.
    """

    arm: str
    seed: int
    history: pandas.DataFrame
    predicted: numpy.ndarray
    total_parameters: int
    trainable_parameters: int
    weight_delta: pandas.DataFrame
    kernel_change: pandas.DataFrame
    cost: dict[str, Any]

    def last(self, column: str) -> float:
        """A figure of the history after the last epoch (NaN where there is none)."""
        return float(self.history[column].iloc[-1])


def run_folder(experiment_folder: Path, arm: str, seed: int) -> Path:
    """Where the files of a run lie."""
    return experiment_folder / "runs" / arm / f"seed{seed}"


def read_truth(path: Path) -> Truth:
    """Read the labels and classes of a split; its images are left alone.

    Raises:
        InputError: it is not such a file, or has no image.
    """
    labels = read_tensor(path, "labels")
    classes = load_metadata(path).get("classes")
    if not len(labels) or not classes:
        raise InputError(f"{path}: expected test images and the names of their classes, found {len(labels)} images")
    return Truth(labels, classes)


def read_run(experiment_folder: Path, arm: dict[str, Any], seed: int, test: Truth) -> Run:
    """Read one run of an arm (as the configuration resolves it).

    Raises:
        InputError: a file is missing, or is not what the configuration, the test set or another file says.
    """
    folder = run_folder(experiment_folder, arm["name"], seed)
    history = read_history(folder / "history.csv", arm["training"]["epochs"])
    predicted = read_predicted(folder / "predictions.safetensors", test)
    accuracy = 100 * float((predicted == test.labels).sum()) / len(test.labels)
    recorded = float(history["test_accuracy"].iloc[-1])
    if not math.isclose(accuracy, recorded, abs_tol=1e-9):
        raise InputError(
            f"{folder / 'predictions.safetensors'}: expected a test accuracy of {recorded} %, as history.csv beside it "
            f"says, found {accuracy} %"
        )
    metadata, sizes = read_network(folder / "trained.safetensors", arm, test)
    parameters = [name for name in metadata["tensors"] if name not in set(metadata["buffers"])]
    trainable = parameters if arm["train"] == "all" else [name for name in parameters if name in metadata["head"]]
    weight_delta = read_text_table(folder / "weight_delta.csv", WEIGHT_DELTA_COLUMNS)
    if weight_delta["tensor"].tolist() != metadata["tensors"]:
        raise InputError(
            f"{folder / 'weight_delta.csv'}: expected a row for each of the {len(metadata['tensors'])} tensors of "
            f"trained.safetensors in their order, found {len(weight_delta)} rows or other tensors"
        )
    return Run(
        arm=arm["name"],
        seed=seed,
        history=history,
        predicted=predicted,
        total_parameters=sum(sizes[name] for name in parameters),
        trainable_parameters=sum(sizes[name] for name in trainable),
        weight_delta=weight_delta,
        kernel_change=read_text_table(folder / "kernel_change.csv", KERNEL_CHANGE_COLUMNS),
        cost=read_json(folder / "cost.json", COST_KEYS),
    )


def read_history(path: Path, epochs: int) -> pandas.DataFrame:
    """Read a run's history and check that it has the figures of every epoch.

    Raises:
        InputError: it is missing, or has other epochs than 0 to `epochs`, or lacks a figure.
    """
    history = read_number_table(path, HISTORY_COLUMNS)
    if history["epoch"].tolist() != list(range(epochs + 1)):
        found = ", ".join(f"{epoch:g}" for epoch in history["epoch"]) or "none"
        raise InputError(f"{path}: expected the epochs 0 to {epochs}, found {found}")
    # Training figures do not exist before training; those of the finished network stand in the last row alone.
    for split, first in (("test", 0), ("train", 1), ("fit", epochs)):
        for column in (f"{split}_loss", f"{split}_accuracy"):
            empty = history["epoch"][first:][history[column][first:].isna()]
            if len(empty):
                raise InputError(f"{path}: expected a number for {column} in epoch {empty.iloc[0]}, found none")
    return history


def read_predicted(path: Path, test: Truth) -> numpy.ndarray:
    """The number of the class with the largest logit for each test image (ties: the first, as torch counts them).

    Raises:
        InputError: the file is missing, or its logits are not one for each test image and class.
    """
    logits = read_tensor(path, "test_logits")
    expected = (len(test.labels), len(test.classes))
    if logits.shape != expected:
        raise InputError(f"{path}: expected test_logits {list(expected)} (images, classes), found {list(logits.shape)}")
    return logits.argmax(axis=1)


def read_network(path: Path, arm: dict[str, Any], test: Truth) -> tuple[dict[str, Any], dict[str, int]]:
    """What a weight file says about its network, and the number of elements of each tensor; no array is read.

    Raises:
        InputError: the file is missing, or is of another network than the arm's, or for other classes than the data's.
    """
    metadata = load_metadata(existing(path))
    missing = [key for key in METADATA_KEYS if key not in metadata]
    if missing:
        raise InputError(f"{path}: expected it to describe its network, found no {', '.join(missing)} in its metadata")
    expected = {**{key: arm["model"][key] for key in ("architecture", "input_size")}, "classes": test.classes}
    for key, value in expected.items():
        if metadata[key] != value:
            raise InputError(f"{path}: expected {key} {value}, found {metadata[key]}")
    shapes = read_shapes(path, metadata["tensors"])
    return metadata, {name: math.prod(shape) for name, shape in shapes.items()}
