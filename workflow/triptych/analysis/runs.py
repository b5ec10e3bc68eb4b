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
    """The labels of the test images (int64 [images]) and the names of the classes."""

    labels: numpy.ndarray
    classes: list[str]


@dataclass(frozen=True)
class Run:
    """One arm with one seed.

    Attributes:
        history: the columns of `schema.RUN_HISTORY`, a row an epoch from 0; accuracies in percent.
        predicted: the class number given to each test image by the network that is kept, [images].
        file_bytes: the size of the file of its initial weights.
        total_parameters, trainable_parameters: numbers of elements; buffers are not parameters.
        weight_delta, kernel_change: as `extract_weight_delta` wrote them, their cells as texts.
        cost: the measured part; at least `COST_KEYS`.
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
        """The epoch whose weights are the run's."""
        return int(self.history["kept"].argmax())

    @property
    def epochs_run(self) -> int:
        """How many epochs it was trained."""
        return len(self.history) - 1

    def kept(self, column: str) -> float:
        """A figure of the history after the epoch that is kept (NaN where there is none)."""
        return float(self.history[column].iloc[self.kept_epoch])


def run_folder(experiment_folder: Path, arm: str, seed: int) -> Path:
    """Return the folder of a run."""
    return experiment_folder / "runs" / arm / f"seed{seed}"


def read_truth(path: Path) -> Truth:
    """Read the labels and classes of a split; its images are left alone.

    Raises:
        InputError: it is not such a file, or has no image.
    """
    labels = map_tensor(path, "labels")
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
    history = read_history(folder / "history.csv", arm["training"])
    predicted = read_predicted(folder / "predictions.safetensors", test)
    accuracy = 100 * float((predicted == test.labels).sum()) / len(test.labels)
    recorded = float(history.loc[history["kept"] == 1, "test_accuracy"].iloc[0])
    if not math.isclose(accuracy, recorded, abs_tol=1e-9):
        raise InputError(
            f"{folder / 'predictions.safetensors'}: expected a test accuracy of {recorded} %, as history.csv beside it "
            f"says, found {accuracy} %"
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
    """Read a run's history and check that it has the figures of every epoch.

    Args:
        path: the file.
        training: the recipe of the run; with `patience` its `epochs` are the most.

    Raises:
        InputError: it is missing, has other epochs than the recipe, lacks a figure, or does not say what is kept.
    """
    history = read_table(path, RUN_HISTORY)
    epochs = training["epochs"]
    # with patience, training may have ended earlier, but not before its first epoch
    last = min(max(len(history) - 1, 1), epochs) if training["patience"] else epochs
    if history["epoch"].tolist() != list(range(last + 1)):
        found = ", ".join(f"{epoch:g}" for epoch in history["epoch"]) or "none"
        at_most = " (at most)" if training["patience"] else ""
        raise InputError(f"{path}: expected the epochs 0 to {epochs}{at_most}, found {found}")
    kept = [epoch for epoch, mark in enumerate(history["kept"]) if mark == 1]
    if len(kept) != 1 or kept[0] == 0 or (training["keep"] == "last" and kept[0] != last):
        expected = f"{last} alone" if training["keep"] == "last" else "one"
        found = ", ".join(map(str, kept)) or "none"
        raise InputError(f"{path}: expected the mark of what is kept (a 1) in epoch {expected}, found {found}")
    # Training figures do not exist before training; fit figures exist for the kept epoch alone.
    for split, rows in (("test", slice(None)), ("train", slice(1, None)), ("fit", slice(kept[0], kept[0] + 1))):
        for column in (f"{split}_loss", f"{split}_accuracy"):
            empty = history["epoch"][rows][history[column][rows].isna()]
            if len(empty):
                raise InputError(f"{path}: expected a number for {column} in epoch {empty.iloc[0]}, found none")
    return history


def read_predicted(path: Path, test: Truth) -> numpy.ndarray:
    """The number of the class with the largest logit for each test image (ties: the first, as torch counts them).

    Raises:
        InputError: the file is missing, or its logits are not one for each test image and class.
    """
    logits = map_tensor(path, "test_logits")
    expected = (len(test.labels), len(test.classes))
    if logits.shape != expected:
        raise InputError(f"{path}: expected test_logits {list(expected)} (images, classes), found {list(logits.shape)}")
    predicted: numpy.ndarray = logits.argmax(axis=1)
    return predicted


def read_weights(path: Path) -> dict[str, int]:
    """Read how large a run's network and its weight file are (`WEIGHTS_KEYS`).

    Raises:
        InputError: it is missing, or lacks a number.
    """
    weights = read_json(path, WEIGHTS_KEYS)
    for key in WEIGHTS_KEYS:
        if type(weights[key]) is not int or weights[key] < 0:
            raise InputError(f"{path}: expected a whole number for {key}, found {weights[key]!r}")
    return weights


def read_weight_delta(path: Path, weights: dict[str, int]) -> pandas.DataFrame:
    """Read what training changed, and check that it is about the network that `weights` (`read_weights`) describes.

    Raises:
        InputError: it is missing, or its tensors have other numbers of elements in all.
    """
    table = read_table(path, RUN_WEIGHT_DELTA, verbatim=True)
    if (table["size"] == "").any():
        raise InputError(f"{path}: expected whole numbers in the column size, found an empty cell")
    sizes = table["size"].astype(int).groupby(table["kind"]).sum()
    for kind, key in (("parameter", "parameters"), ("buffer", "buffer_elements")):
        found = int(sizes.get(kind, 0))
        if found != weights[key]:
            raise InputError(
                f"{path}: expected {kind}s of {weights[key]} elements, as weights.json beside it says, found {found}"
            )
    return table
