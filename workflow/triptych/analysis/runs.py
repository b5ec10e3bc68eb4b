"""Read and validate the output files of one run."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy
import pandas
from scipy.special import logsumexp

from triptych.data.folds import Folds
from triptych.results.learning_curves import kept_value
from triptych.results.run_files import COST_KEYS, WEIGHTS_KEYS
from triptych.results.run_names import fold_cells, run_name
from triptych.results.schema import EVERY_EPOCH, REESTIMATED, RUN_HISTORY, RUN_KERNEL_CHANGE, RUN_WEIGHT_DELTA, Mode
from triptych.results.tables import read_table
from triptych.storage.errors import InputError
from triptych.storage.files import read_json
from triptych.storage.tensors import load_metadata, map_tensor


@dataclass(frozen=True)
class Truth:
    """The labels of a split's images (int64 [images]), the names of the classes, and the name of the split."""

    labels: numpy.ndarray
    classes: list[str]
    split: str


@dataclass(frozen=True)
class Answers:
    """What a network says about the images of a split.

    Attributes:
        predicted: the class number with the largest logit [images] (ties: the first, as torch counts them).
        correct: whether that is the image's class: bool [images].
        losses: the cross-entropy of each image in nats: float64 [images].
    """

    predicted: numpy.ndarray
    correct: numpy.ndarray
    losses: numpy.ndarray

    def of(self, chosen: numpy.ndarray) -> "Answers":
        """Return those about some of the images, a boolean [images]."""
        return Answers(self.predicted[chosen], self.correct[chosen], self.losses[chosen])

    @property
    def accuracy(self) -> float:
        """The share of correct images in percent."""
        return 100 * int(self.correct.sum()) / len(self.correct)

    @property
    def loss(self) -> float:
        """The mean cross-entropy in nats."""
        return float(self.losses.mean())


@dataclass(frozen=True)
class Run:
    """One arm with one seed, and with folds one fold.

    Attributes:
        fold: its number; None without folds.
        history: the columns that `schema.RUN_HISTORY` has in the mode, a row an epoch from 0; accuracies in percent.
        answers: of the network that is kept, by split: validation where there are such images, and test where these are
            evaluated every epoch.
        file_bytes: the size of the file of its initial weights.
        total_parameters, trainable_parameters: numbers of elements; buffers are not parameters.
        weight_delta, kernel_change: as `extract_weight_delta` wrote them, their cells as texts.
        cost: the measured part; at least `COST_KEYS`.
    """

    arm: str
    seed: int
    history: pandas.DataFrame
    answers: Mapping[str, Answers]
    file_bytes: int
    total_parameters: int
    trainable_parameters: int
    weight_delta: pandas.DataFrame
    kernel_change: pandas.DataFrame
    cost: dict[str, Any]
    fold: int | None = None

    @property
    def names(self) -> dict[str, Any]:
        """The cells of a table that name it: `arm`, `seed` and, with folds, `fold`."""
        return {"arm": self.arm, "seed": self.seed, **fold_cells(self.fold)}

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


def run_folder(experiment_folder: Path, arm: str, seed: int, fold: int | None = None) -> Path:
    """Return the folder of a run."""
    return experiment_folder / "runs" / arm / run_name(seed, fold)


def read_truths(experiment_folder: Path, mode: Mode, folds: Folds | None = None) -> dict[str, Truth]:
    """Read the labels and classes of the splits that decide or have curves, by split: of test in `EVERY_EPOCH` alone.

    With folds the training images validate, each in the fold that holds it out.

    Raises:
        InputError: a file is not such a file, or has no image; of validation images there may be none in `EVERY_EPOCH`.
    """
    data = experiment_folder / "data"
    if folds is not None:
        return {"validation": replace(read_truth(data / "train.safetensors"), split="validation")}
    if mode != EVERY_EPOCH:
        return {"validation": read_truth(data / "validation.safetensors")}
    truths = {"test": read_truth(data / "test.safetensors")}
    validation = data / "validation.safetensors"
    return ({"validation": read_truth(validation)} if len(map_tensor(validation, "labels")) else {}) | truths


def read_truth(path: Path) -> Truth:
    """Read the labels and classes of a split from its file, which is called as the split; its images are left alone.

    Raises:
        InputError: the file is not a split, or has no image.
    """
    labels = map_tensor(path, "labels")
    classes = load_metadata(path).get("classes")
    if not len(labels) or not classes:
        raise InputError(
            f"{path}: expected {path.stem} images and the names of their classes, found {len(labels)} images"
        )
    return Truth(labels, classes, path.stem)


def of_fold(truth: Truth, folds: Folds | None, fold: int | None) -> Truth:
    """Return the labels of the validation images of a run: with folds, of those that its fold holds out."""
    return truth if folds is None or fold is None else replace(truth, labels=truth.labels[folds.held_out(fold)])


def read_run(
    experiment_folder: Path,
    arm: dict[str, Any],
    seed: int,
    truths: Mapping[str, Truth],
    mode: Mode,
    fold: int | None = None,
) -> Run:
    """Read one run of an arm (as the configuration resolves it).

    Args:
        truths: of the splits that its predictions are about, by split (`read_truths`).

    Raises:
        InputError: a file is missing, or is not what the configuration, the data or another file says.
    """
    folder = run_folder(experiment_folder, arm["name"], seed, fold)
    history = read_history(folder / "history.csv", arm["training"], mode, list(truths))
    check_reestimated(folder / "history.csv", history, arm, list(truths))
    answers = {split: read_answers(folder / "predictions.safetensors", truth) for split, truth in truths.items()}
    for split, found in answers.items():
        recorded = float(kept_value(history, f"{split}_accuracy", arm["training"]["recalibrate_batchnorm"]).iloc[0])
        if not math.isclose(found.accuracy, recorded, abs_tol=1e-9):
            raise InputError(
                f"{folder / 'predictions.safetensors'}: expected a {split} accuracy of {recorded} %, as history.csv "
                f"beside it says, found {found.accuracy} %"
            )
    weights = read_weights(folder / "weights.json")
    weight_delta = read_weight_delta(folder / "weight_delta.csv", weights)
    return Run(
        arm=arm["name"],
        seed=seed,
        history=history,
        answers=answers,
        file_bytes=weights["file_bytes"],
        total_parameters=weights["parameters"],
        trainable_parameters=weights["trained_parameters"],
        weight_delta=weight_delta,
        kernel_change=read_table(folder / "kernel_change.csv", RUN_KERNEL_CHANGE, verbatim=True),
        cost=read_json(folder / "cost.json", COST_KEYS),
        fold=fold,
    )


def read_history(path: Path, training: dict[str, Any], mode: Mode, splits: Sequence[str]) -> pandas.DataFrame:
    """Read a run's history and check that it has the figures of every epoch.

    Args:
        path: the file.
        training: the recipe of the run; with `patience` its `epochs` are the most.
        splits: those with figures in every epoch.

    Raises:
        InputError: it is missing, has other epochs than the recipe, lacks a value, or does not mark the kept epoch.
    """
    history = read_table(path, RUN_HISTORY.in_mode(mode))
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
    # Training figures do not exist before training; fit figures exist for the kept epoch alone.
    every = dict.fromkeys(splits, slice(None))
    for split, rows in (every | {"train": slice(1, None), "fit": slice(kept[0], kept[0] + 1)}).items():
        for column in (f"{split}_loss", f"{split}_accuracy"):
            empty = history["epoch"][rows][history[column][rows].isna()]
            if len(empty):
                raise InputError(f"{path}: expected a number for {column} in epoch {empty.iloc[0]}, found none.")
    return history


def check_reestimated(path: Path, history: pandas.DataFrame, arm: dict[str, Any], splits: Sequence[str]) -> None:
    """Check in which epochs a run has losses and accuracies with re-estimated BatchNorm statistics.

    With `recalibrate_batchnorm: final` all epochs from 1 on have them, else the first ones; or none has, without
    BatchNorm that follows the batches.

    Raises:
        InputError: other epochs have them, or an epoch has only some of them.
    """
    columns = [f"{REESTIMATED}{split}_{what}" for split in splits for what in ("loss", "accuracy")]
    recorded = history[columns].notna()
    count = int(recorded.any(axis="columns").sum())
    final = arm["training"]["recalibrate_batchnorm"] == "final"
    expected = history["epoch"].between(1, history["epoch"].max() if final and count else count)
    if (recorded.ne(expected, axis="index")).any(axis=None) or (count and arm["batchnorm"] == "frozen"):
        epochs = ", ".join(f"{epoch:g}" for epoch in history["epoch"][recorded.any(axis="columns")])
        raise InputError(
            f"{path}: values with re-estimated BatchNorm statistics in the epochs {epochs} do not fit the recipe "
            f"(recalibrate_batchnorm {arm['training']['recalibrate_batchnorm']}, BatchNorm {arm['batchnorm']})."
        )


def read_answers(path: Path, truth: Truth) -> Answers:
    """Read what a network says about a split's images, from their logits (`read_logits`).

    Raises:
        InputError: as `read_logits`.
    """
    logits, rows = read_logits(path, truth), numpy.arange(len(truth.labels))
    predicted = logits.argmax(axis=1)
    exact = logits.astype(numpy.float64)
    losses = logsumexp(exact, axis=1) - exact[rows, truth.labels]
    return Answers(predicted, predicted == truth.labels, losses)


def read_logits(path: Path, truth: Truth) -> numpy.ndarray:
    """Read the logits of a split's images: `validation_logits` or `test_logits`, float32 [images, classes].

    Raises:
        InputError: the file is missing, or its logits are not one for each image and class.
    """
    name = f"{truth.split}_logits"
    logits = map_tensor(path, name)
    expected = (len(truth.labels), len(truth.classes))
    if logits.shape != expected:
        raise InputError(f"{path}: expected {name} {list(expected)} (images, classes), found {list(logits.shape)}")
    return logits


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
