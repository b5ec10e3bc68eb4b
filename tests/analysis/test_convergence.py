"""What counts as rising, overfitting and misleading follows from the curves."""

import math

import pandas
import pytest

from triptych.analysis.convergence import (
    Curves,
    convergence_table,
    late_gain,
    least_difference,
    loss_and_accuracy_table,
    lowest_loss,
)
from triptych.results.experiment import read_results

LONG = {"name": "long", "train": "head", "first": 60, "last": 90.0}
PATIENT = {**LONG, "training": {"epochs": 60, "patience": 5, "keep": "best"}}


@pytest.fixture
def read(shelf):
    return lambda arms=None, **options: read_results(
        (shelf(arms, whole_kernels=False, **options) if arms else shelf()).folder
    )


def row(found, arm, images=200):
    return convergence_table(found.tables, Curves("validation", images, 10), 1.0).set_index("arm").loc[arm]


def test_rising_arms_gained_more_than_counts(read):
    found = read([{"name": "flat", "first": 94.9, "last": 95.0}, {"name": "steep", "first": 20.0, "last": 80.0}])
    assert row(found, "flat")["rising"] == 0
    steep = row(found, "steep")
    assert (steep["rising"], steep["late_epochs"]) == (1, 3) and steep["late_gain"] == pytest.approx(11.0, abs=0.1)
    few = row(found, "steep", images=50)  # two standard errors are 17 points
    assert few["rising"] == 0 and few["least_difference"] > 16
    stored = found.tables["convergence"].set_index("arm")
    assert stored["late_gain"]["steep"] == steep["late_gain"]


def test_the_lag_of_batchnorm_is_no_progress(read):
    """Without re-estimated statistics it rises and is not steady; its losses order the arms differently."""
    steady = {"first": 90.0, "last": 91.0, "training": {"epochs": 3}}
    found = read([{"name": "lagging", "lag": 80.0, **steady}, {"name": "plain", **steady}])
    lagging = row(found, "lagging")
    assert (lagging["rising"], lagging["lowest_epoch"]) == (0, 3)
    assert lagging["mean_steady_epoch"] == row(found, "plain")["mean_steady_epoch"]
    assert lagging["late_gain"] == pytest.approx(row(found, "plain")["late_gain"], abs=0.5)
    plain = [column for column in found.tables["history"] if not column.startswith("reestimated_")]
    found.tables["history"] = found.tables["history"][plain]
    assert row(found, "lagging")["rising"] == 1 and row(found, "lagging")["late_gain"] > 15


def test_two_standard_errors_or_the_margin():
    assert least_difference(50, 50, 1000, 1.0) == pytest.approx(2 * (2 * 2500 / 1000) ** 0.5)
    assert least_difference(99, 99, 1_000_000, 1.0) == 1.0


def test_the_last_third():
    curve = pandas.Series([10.0, 50, 60, 70, 80, 85, 90], index=range(7))
    assert late_gain(curve) == (10.0, 2)
    assert late_gain(curve.loc[:1]) == (pytest.approx(math.nan, nan_ok=True), 0)


def test_an_arm_that_patience_ended_does_not_rise(read):
    ended = read([{**PATIENT, "ran": (12, 20, 30), "kept": (7, 15, 25)}])
    assert row(ended, "long")[["stopped", "rising"]].tolist() == [1, 0]
    assert pandas.isna(row(ended, "long")["mean_steady_epoch"])  # its seeds keep different epochs
    used_up = read([{**PATIENT, "ran": (60, 60, 60), "kept": (59, 60, 58)}])
    assert row(used_up, "long")["stopped"] == 0
    # patience that ran out in the last epoch is patience that ran out
    assert row(read([{**PATIENT, "ran": (60, 60, 60), "kept": (55, 54, 50)}]), "long")["stopped"] == 1


@pytest.mark.parametrize(
    ("ends", "overfits"),
    [
        ((0.32, 0.32, 0.32), (0, 0)),
        ((0.6, 0.6, 0.29), (1, 2)),
        ((0.34, 0.34, 0.34), (1, 3)),
        ((0.35, 0.3, 0.3), (0, 1)),
    ],
    ids=["a rise of 7 %", "in two of three seeds", "more than a tenth", "the mean does not"],
)
def test_the_mean_loss_overfits_and_its_seeds_are_counted(ends, overfits):
    losses = [[1.0, 0.5, 0.3, end] for end in ends]
    history = pandas.DataFrame(
        [(seed, epoch, loss) for seed, own in enumerate(losses) for epoch, loss in enumerate(own)],
        columns=["seed", "epoch", "validation_loss"],
    )
    found = lowest_loss(history, "validation_loss")
    assert (found["lowest_epoch"], found["lowest_loss"]) == (2, pytest.approx(0.3))
    assert (found["overfits"], found["seeds_that_overfit"]) == overfits
    assert found["last_loss"] == pytest.approx(sum(ends) / 3)


@pytest.mark.parametrize(("ends", "lowest"), [((0.2, 0.2, 0.2), 3), ((0.2, 0.3, 0.4), 1), ((0.3, 0.3, 0.3), 0)])
def test_seeds_whose_loss_is_lowest_at_the_end_are_counted(ends, lowest):
    losses = [[1.0, 0.5, 0.3, end] for end in ends]
    history = pandas.DataFrame(
        [(seed, epoch, loss) for seed, own in enumerate(losses) for epoch, loss in enumerate(own)],
        columns=["seed", "epoch", "validation_loss"],
    )
    assert lowest_loss(history, "validation_loss")["seeds_lowest_last"] == lowest


def test_a_loss_that_was_never_below_that_before_training_is_no_overfitting():
    history = pandas.DataFrame({"seed": 0, "epoch": [0, 1, 2], "validation_loss": [1.0, 5.0, 9.0]})
    assert lowest_loss(history, "validation_loss")["overfits"] == 0


def misleading(found, losses, accuracy=None):
    """The rows after train losses of last_layer by seed, in the first epoch, in which it reaches this accuracy."""
    tables = {name: found.tables[name].copy() for name in ("arms", "history")}
    history = tables["history"]
    first = (history["arm"] == "last_layer") & (history["epoch"] == 1)
    history.loc[first, "train_loss"] = losses
    if accuracy is not None:
        history.loc[first, "validation_accuracy"] = accuracy
    return loss_and_accuracy_table(tables, Curves("validation", 1000, 10), 1.0)


def test_a_lower_train_loss_with_a_lower_accuracy_is_found(read):
    found = read()
    assert found.tables["loss_and_accuracy"].empty
    rows = misleading(found, [0.01] * 3)
    assert ("last_layer", "scratch") in set(zip(rows["arm_a"], rows["arm_b"], strict=True))
    assert misleading(found, [9.0, 0.01, 0.01]).empty  # not in every seed
    assert misleading(found, [0.01] * 3, accuracy=14.9).empty  # near chance
    close = misleading(found, [0.01] * 3, accuracy=found.at("scratch", "validation_accuracy", 1) - 1.0)
    assert "scratch" not in set(close["arm_b"])  # chance may order these
