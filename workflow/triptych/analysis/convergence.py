"""Convergence of learning curves: which arms still improve, which overfit, and where the training loss misleads."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas

from triptych.results import schema
from triptych.results.experiment import mean_curve
from triptych.results.learning_curves import learning_curves

OVERFITTING = 1.1
"""The final loss over the lowest one, above which an arm overfits."""

ABOVE_CHANCE = 1.5
"""The ratio of accuracy to chance below which it says nothing about a network (BatchNorm's statistics may lag)."""


@dataclass(frozen=True)
class Curves:
    """What learning curves are of: the split (validation or test), its number of images, the number of classes."""

    split: str
    images: int
    classes: int

    @property
    def accuracy(self) -> str:
        """The column of the table `history`."""
        return f"{self.split}_accuracy"

    @property
    def loss(self) -> str:
        """The column of the table `history`."""
        return f"{self.split}_loss"


def least_difference(first: float, second: float, images: int, margin: float) -> float:
    """Return the points by which two accuracies (%) must differ to count where no verdict decides.

    It is the larger of the margin and two standard errors of the difference, for `images` independent images each.
    Both accuracies are on the same images, so the true error is usually smaller.
    """
    variance = sum(accuracy * (100 - accuracy) for accuracy in (first, second)) / images
    return max(margin, 2 * math.sqrt(variance))


def convergence_table(tables: Mapping[str, pandas.DataFrame], curves: Curves, margin: float) -> pandas.DataFrame:
    """Return the table `convergence` from the tables arms, runs and history."""
    rows, histories = [], learning_curves(tables["history"])
    for _, arm in tables["arms"].iterrows():
        runs, history = (table[table["arm"] == arm["arm"]] for table in (tables["runs"], histories))
        accuracy = mean_curve(history, curves.accuracy).dropna()
        ended = stopped(arm, runs)
        gain, epochs = late_gain(accuracy)
        counts = (
            least_difference(accuracy.iloc[-1], accuracy.iloc[-1] - gain, curves.images, margin) if epochs else None
        )
        rows.append(
            {
                "arm": arm["arm"],
                "label": arm["label"],
                "stopped": int(ended),
                "late_epochs": epochs,
                "late_gain": gain,
                "least_difference": counts,
                "rising": int(counts is not None and not ended and gain > counts),
                "mean_steady_epoch": steady_epoch(accuracy, history, curves.accuracy, margin),
                **lowest_loss(history, curves.loss),
            }
        )
    return pandas.DataFrame(rows, columns=schema.CONVERGENCE.names)


def stopped(arm: pandas.Series, runs: pandas.DataFrame) -> bool:
    """Whether patience ended every run of an arm."""
    early = runs["epochs_run"] < arm["epochs"]
    if arm["keep"] == "best" and pandas.notna(arm["patience"]):  # patience may end in the last epoch
        early |= runs["epochs_run"] - runs["kept_epoch"] >= arm["patience"]
    return bool(pandas.notna(arm["patience"]) and early.all())


def late_gain(curve: pandas.Series) -> tuple[float, int]:
    """Return the gain of a curve in the last third of its epochs, and their number (NaN and 0 after one epoch)."""
    last = int(curve.index[-1])
    if last < 2:
        return math.nan, 0
    epochs = max(1, round(last / 3))
    return float(curve.loc[last] - curve.loc[last - epochs]), epochs


def steady_epoch(accuracy: pandas.Series, history: pandas.DataFrame, column: str, margin: float) -> int | None:
    """Return the first epoch from which on the curve stays within the margin of the kept accuracy.

    None if the seeds keep different epochs. Only epochs that every kept network has seen count.

    Args:
        accuracy: the curve by epoch, mean over seeds.
        history: one arm's; `column` is its accuracy.
    """
    kept = history[history["kept"] == 1]
    if kept["epoch"].nunique() != 1:
        return None
    accuracy = accuracy.loc[: kept["epoch"].min()]
    outside = accuracy.index[(accuracy - kept[column].mean()).abs() > margin]
    return int(outside.max()) + 1 if len(outside) else 0


def lowest_loss(history: pandas.DataFrame, column: str) -> dict[str, Any]:
    """Return where one arm's mean loss (a column of its history) is lowest, whether it and those of seeds rise, and how
    many seeds are lowest in the last epoch."""
    seeds = history.pivot(index="epoch", columns="seed", values=column).dropna()
    curve = seeds.mean(axis="columns") if len(seeds) else mean_curve(history, column).dropna()
    if curve.empty:
        nothing = dict.fromkeys(("lowest_epoch", "lowest_loss", "last_loss"))
        return {**nothing, "overfits": 0, "seeds_that_overfit": 0, "seeds_lowest_last": 0}
    lowest = curve.index[int(curve.argmin())]
    return {
        "lowest_epoch": int(lowest),
        "lowest_loss": float(curve.min()),
        "overfits": int(lowest > 0 and curve.iloc[-1] > OVERFITTING * curve.min()),
        "last_loss": float(curve.iloc[-1]),
        "seeds_that_overfit": int((seeds.iloc[-1] > OVERFITTING * seeds.min()).sum()) if len(seeds) else 0,
        "seeds_lowest_last": int((seeds.iloc[-1] < seeds.iloc[:-1].min()).sum()) if len(seeds) else 0,
    }


def loss_and_accuracy_table(tables: Mapping[str, pandas.DataFrame], curves: Curves, margin: float) -> pandas.DataFrame:
    """Return the table `loss_and_accuracy` from the tables arms and history; controls are not compared."""
    arms = [arm for arm, role in zip(tables["arms"]["arm"], tables["arms"]["role"], strict=True) if role != "control"]
    histories = learning_curves(tables["history"])
    first_epochs = histories[histories["epoch"] == 1]
    reached = first_epochs.groupby("arm")[curves.accuracy].mean()
    by_arm = {arm: first_epochs[first_epochs["arm"] == arm].set_index("seed") for arm in arms}
    rows = []
    for first in arms:
        for second in arms:
            least = least_difference(reached[first], reached[second], curves.images, margin)
            if (
                ABOVE_CHANCE * 100 / curves.classes <= reached[first] < reached[second] - least
                and _lower_in_every_seed(by_arm[first], by_arm[second], "train_loss")
                and _lower_in_every_seed(by_arm[first], by_arm[second], curves.accuracy)
            ):
                losses = [float(by_arm[arm]["train_loss"].mean()) for arm in (first, second)]
                rows.append((first, second, *losses, reached[first], reached[second], least))
    return pandas.DataFrame(rows, columns=schema.LOSS_AND_ACCURACY.names)


def _lower_in_every_seed(first: pandas.DataFrame, second: pandas.DataFrame, column: str) -> bool:
    """Whether the first arm has lower values than the second, in all common seeds."""
    less, more = first[column].align(second[column], join="inner")
    return len(less) > 0 and bool((less < more).all())
