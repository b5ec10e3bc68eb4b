"""Read and validate the output files of one run."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import pandas

from triptych.results.run_files import COST_KEYS, WEIGHTS_KEYS
from triptych.results.schema import RUN_HISTORY, RUN_KERNEL_CHANGE, RUN_WEIGHT_DELTA
from triptych.results.tables import read_table
from triptych.storage.errors import InputError
from triptych.storage.files import read_json
from triptych.storage.tensors import load_metadata, map_tensor


@dataclass(frozen=True)
class Truth:
    """The labels of the test images, int64 [images], and the class names."""

    labels: numpy.ndarray
    classes: list[str]


@dataclass(frozen=True)
class Run:
    """One arm with one seed.

    Attributes:
        history: the columns of `schema.RUN_HISTORY`, one row per epoch from 0; accuracies in percent.
        predicted: the predicted class of each test image in the kept epoch, [images].
        file_bytes: the size of the file of initial weights.
        total_parameters, trainable_parameters: numbers of elements, without buffers.
        weight_delta, kernel_change: the tables of `extract_weight_delta`, with cells as text.
        cost: the measurements; at least `COST_KEYS`.
    """

    arm: str
    seed: int
    history: pandas.DataFrame
    predicted: numpy.ndarray
    file_bytes: int
    total_parameters: int
    trainable_parameters: int
    weight_delta: pandas.DataFrame
    kernel_change: pandas.DataFrame
    cost: dict[str, Any]

    @property
    def kept_epoch(self) -> int:
        """The epoch whose weights are kept."""
        return int(self.history["kept"].argmax())

    @property
    def epochs_run(self) -> int:
        """The number of epochs that were trained."""
        return len(self.history) - 1

    def kept(self, column: str) -> float:
        """Return a value of the history in the kept epoch (NaN if it is missing)."""
        return float(self.history[column].iloc[self.kept_epoch])


def run_folder(experiment_folder: Path, arm: str, seed: int) -> Path:
    """Return the folder of a run."""
    return experiment_folder / "runs" / arm / f"seed{seed}"


def read_truth(path: Path) -> Truth:
    """Read the labels and classes of a split, without its images.

    Raises:
        InputError: the file is not a split, or has no image.
    """
    labels = map_tensor(path, "labels")
    classes = load_metadata(path).get("classes")
    if not len(labels) or not classes:
        raise InputError(f"{path}: expected test images and class names, found {len(labels)} images.")
    return Truth(labels, classes)


def read_run(experiment_folder: Path, arm: dict[str, Any], seed: int, test: Truth) -> Run:
    """Read one run of an arm (of the effective configuration).

    Raises:
        InputError: a file is missing, or contradicts the configuration, the test set or another file.
    """
    folder = run_folder(experiment_folder, arm["name"], seed)
    history = read_history(folder / "history.csv", arm["training"])
    predicted = read_predicted(folder / "predictions.safetensors", test)
    accuracy = 100 * float((predicted == test.labels).sum()) / len(test.labels)
    recorded = float(history.loc[history["kept"] == 1, "test_accuracy"].iloc[0])
    if not math.isclose(accuracy, recorded, abs_tol=1e-9):
        raise InputError(
            f"{folder / 'predictions.safetensors'}: expected a test accuracy of {recorded} %, as in history.csv, "
            f"found {accuracy} %."
        )
    weights = read_weights(folder / "weights.json")
    weight_delta = read_weight_delta(folder / "weight_delta.csv", weights)
    return Run(
        arm=arm["name"],
        seed=seed,
        history=history,
        predicted=predicted,
        file_bytes=weights["file_bytes"],
        total_parameters=weights["parameters"],
        trainable_parameters=weights["trained_parameters"],
        weight_delta=weight_delta,
        kernel_change=read_table(folder / "kernel_change.csv", RUN_KERNEL_CHANGE, verbatim=True),
        cost=read_json(folder / "cost.json", COST_KEYS),
    )


def read_history(path: Path, training: dict[str, Any]) -> pandas.DataFrame:
    """Read the history of a run and check that it has the values of all epochs.

    Args:
        path: the file.
        training: the recipe of the run; with `patience`, `epochs` is the maximum.

    Raises:
        InputError: it is missing, has other epochs than the recipe, lacks a value, or does not mark the kept epoch.
    """
    history = read_table(path, RUN_HISTORY)
    epochs = training["epochs"]
    # patience may end training early, but not before the first epoch
    last = min(max(len(history) - 1, 1), epochs) if training["patience"] else epochs
    if history["epoch"].tolist() != list(range(last + 1)):
        found = ", ".join(f"{epoch:g}" for epoch in history["epoch"]) or "none"
        at_most = " (at most)" if training["patience"] else ""
        raise InputError(f"{path}: expected the epochs 0 to {epochs}{at_most}, found {found}.")
    kept = [epoch for epoch, mark in enumerate(history["kept"]) if mark == 1]
    if len(kept) != 1 or kept[0] == 0 or (training["keep"] == "last" and kept[0] != last):
        expected = f"{last} only" if training["keep"] == "last" else "one"
        found = ", ".join(map(str, kept)) or "none"
        raise InputError(f"{path}: expected the mark of the kept epoch (1) in epoch {expected}, found {found}.")
    # There are no training values before training, and fit values only in the kept epoch.
    for split, rows in (("test", slice(None)), ("train", slice(1, None)), ("fit", slice(kept[0], kept[0] + 1))):
        for column in (f"{split}_loss", f"{split}_accuracy"):
            empty = history["epoch"][rows][history[column][rows].isna()]
            if len(empty):
                raise InputError(f"{path}: expected a number for {column} in epoch {empty.iloc[0]}, found none.")
    return history


def read_predicted(path: Path, test: Truth) -> numpy.ndarray:
    """Read the predicted class of each test image: the largest logit (ties: the first, as in torch).

    Raises:
        InputError: the file is missing, or the shape of the logits is wrong.
    """
    logits = map_tensor(path, "test_logits")
    expected = (len(test.labels), len(test.classes))
    if logits.shape != expected:
        raise InputError(
            f"{path}: expected test_logits {list(expected)} (images, classes), found {list(logits.shape)}."
        )
    predicted: numpy.ndarray = logits.argmax(axis=1)
    return predicted


def read_weights(path: Path) -> dict[str, int]:
    """Read the sizes of a network and of its weight file (`WEIGHTS_KEYS`).

    Raises:
        InputError: the file is missing, or lacks a number.
    """
    weights = read_json(path, WEIGHTS_KEYS)
    for key in WEIGHTS_KEYS:
        if type(weights[key]) is not int or weights[key] < 0:
            raise InputError(f"{path}: expected a whole number for {key}, found {weights[key]!r}.")
    return weights


def read_weight_delta(path: Path, weights: dict[str, int]) -> pandas.DataFrame:
    """Read the weight changes, and check the total size of their tensors against `weights` (`read_weights`).

    Raises:
        InputError: the file is missing, or the total size is wrong.
    """
    table = read_table(path, RUN_WEIGHT_DELTA, verbatim=True)
    if (table["size"] == "").any():
        raise InputError(f"{path}: expected whole numbers in the column size, found an empty cell.")
    sizes = table["size"].astype(int).groupby(table["kind"]).sum()
    for kind, key in (("parameter", "parameters"), ("buffer", "buffer_elements")):
        found = int(sizes.get(kind, 0))
        if found != weights[key]:
            raise InputError(
                f"{path}: expected {kind}s with {weights[key]} elements, as in weights.json, found {found}."
            )
    return table
