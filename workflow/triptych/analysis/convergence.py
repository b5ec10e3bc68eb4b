"""Convergence of learning curves: which arms still improve, which overfit, and where the training loss misleads."""

import math
from collections.abc import Mapping
from typing import Any

import pandas

from triptych.results import schema
from triptych.results.experiment import mean_curve

OVERFITTING = 1.1
"""The final test loss over the lowest one, above which an arm overfits."""

ABOVE_CHANCE = 1.5
"""The ratio of accuracy to chance below which it says nothing about a network (BatchNorm's statistics may lag)."""


def least_difference(first: float, second: float, test_images: int, margin: float) -> float:
    """Return the points by which two test accuracies (%) must differ to count, if there is no verdict.

    It is the larger of the margin and two standard errors of the difference, for `test_images` independent images each.
    Both accuracies are on the same images, so the true error is usually smaller.
    """
    variance = sum(accuracy * (100 - accuracy) for accuracy in (first, second)) / test_images
    return max(margin, 2 * math.sqrt(variance))


def convergence_table(tables: Mapping[str, pandas.DataFrame], test_images: int, margin: float) -> pandas.DataFrame:
    """Return the table `convergence` from the tables arms, runs and history."""
    rows = []
    for _, arm in tables["arms"].iterrows():
        runs, history = (tables[name][tables[name]["arm"] == arm["arm"]] for name in ("runs", "history"))
        accuracy = mean_curve(history, "test_accuracy").dropna()
        ended = stopped(arm, runs)
        gain, epochs = late_gain(accuracy)
        counts = least_difference(accuracy.iloc[-1], accuracy.iloc[-1] - gain, test_images, margin) if epochs else None
        rows.append(
            {
                "arm": arm["arm"],
                "label": arm["label"],
                "stopped": int(ended),
                "late_epochs": epochs,
                "late_gain": gain,
                "least_difference": counts,
                "rising": int(counts is not None and not ended and gain > counts),
                "steady_epoch": steady_epoch(accuracy, runs, margin),
                **lowest_test_loss(history),
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


def steady_epoch(accuracy: pandas.Series, runs: pandas.DataFrame, margin: float) -> int | None:
    """Return the first epoch after which the curve stays within the margin of the accuracy of the kept epoch.

    None if the seeds keep different epochs. Epochs after the kept one do not count.
    """
    if runs["kept_epoch"].nunique() != 1:
        return None
    accuracy = accuracy.loc[: runs["kept_epoch"].min()]
    outside = accuracy.index[(accuracy - runs["test_accuracy"].mean()).abs() > margin]
    return int(outside.max()) + 1 if len(outside) else 0


def lowest_test_loss(history: pandas.DataFrame) -> dict[str, Any]:
    """Return where one arm's test loss is lowest, and whether it rises again."""
    seeds = history.pivot(index="epoch", columns="seed", values="test_loss").dropna()
    curve = seeds.mean(axis="columns") if len(seeds) else mean_curve(history, "test_loss").dropna()
    if curve.empty:
        return {"lowest_epoch": None, "lowest_loss": None, "overfits": 0}
    lowest = curve.index[int(curve.argmin())]
    in_every_seed = len(seeds) > 0 and bool((seeds.iloc[-1] > seeds.loc[lowest]).all())
    overfits = lowest > 0 and in_every_seed and curve.iloc[-1] > OVERFITTING * curve.min()
    return {"lowest_epoch": int(lowest), "lowest_loss": float(curve.min()), "overfits": int(overfits)}


def loss_and_accuracy_table(
    tables: Mapping[str, pandas.DataFrame], test_images: int, classes: int, margin: float
) -> pandas.DataFrame:
    """Return the table `loss_and_accuracy` from the tables arms, history and summary; controls are not compared."""
    arms = [arm for arm, role in zip(tables["arms"]["arm"], tables["arms"]["role"], strict=True) if role != "control"]
    reached = tables["summary"].set_index("arm")["first_epoch_accuracy_mean"]
    first_epochs = tables["history"][tables["history"]["epoch"] == 1]
    by_arm = {arm: first_epochs[first_epochs["arm"] == arm].set_index("seed") for arm in arms}
    rows = []
    for first in arms:
        for second in arms:
            least = least_difference(reached[first], reached[second], test_images, margin)
            if (
                ABOVE_CHANCE * 100 / classes <= reached[first] < reached[second] - least
                and _lower_in_every_seed(by_arm[first], by_arm[second], "train_loss")
                and _lower_in_every_seed(by_arm[first], by_arm[second], "test_accuracy")
            ):
                losses = [float(by_arm[arm]["train_loss"].mean()) for arm in (first, second)]
                rows.append((first, second, *losses, reached[first], reached[second], least))
    return pandas.DataFrame(rows, columns=schema.LOSS_AND_ACCURACY.names)


def _lower_in_every_seed(first: pandas.DataFrame, second: pandas.DataFrame, column: str) -> bool:
    """Whether the first arm has lower values than the second, in all common seeds."""
    less, more = first[column].align(second[column], join="inner")
    return len(less) > 0 and bool((less < more).all())
