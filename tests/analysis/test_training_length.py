"""More or fewer epochs are advised only where the validation curves of several seeds support it."""

import numpy
import pandas
import pytest

from triptych.analysis.training_length import training_length_table

RISING = [10, 30, 45, 55, 62, 68, 73, 77.5, 81.5, 85, 88]
"""Validation accuracy before training and after each of ten epochs."""

LEVEL = [10, 60, 80, 88, 90, 90.5, 90.4, 90.6, 90.5, 90.6, 90.5]


def table(curves, images=2000, fit=95.0, **changes):
    """The row of an arm whose seeds have these curves."""
    last = len(curves[0]) - 1
    arm = {"arm": "one", "label": "", "epochs": last, "keep": "last", "patience": numpy.nan}
    history = [
        {"arm": "one", "seed": str(seed), "epoch": epoch, "validation_accuracy": value, "test_accuracy": 50 + 5 * epoch}
        for seed, curve in enumerate(curves)
        for epoch, value in enumerate(curve)
    ]
    runs = {"arm": "one", "seed": [str(seed) for seed in range(len(curves))], "epochs_run": last, "kept_epoch": last}
    runs = pandas.DataFrame({**runs, "fit_accuracy": fit}).assign(**changes.pop("runs", {}))
    history = pandas.DataFrame(history)
    history["reestimated_validation_accuracy"] = history["epoch"].map(dict(enumerate(changes.pop("reestimated", ()))))
    tables = {"arms": pandas.DataFrame([arm | changes]), "runs": runs, "history": history}
    return training_length_table(tables, images, 1.0, 0.95)


def row(curves, **options):
    (own,) = table(curves, **options).to_dict("records")
    return own


def seeds(curve, spread=0.3):
    return [[value + away for value in curve] for away in (-spread, 0, spread)]


def test_a_curve_that_rises_to_its_end_in_every_seed_supports_more_epochs():
    own = row(seeds(RISING))
    assert (own["longer"], own["shorter"]) == (1, 0)
    assert (own["late_epochs"], own["last_epochs"]) == (3, 1)
    assert (own["late_gain"], own["last_gain"]) == (pytest.approx(10.5), pytest.approx(3.0))


def test_a_jump_before_a_level_end_supports_nothing():
    """12.3 points in the last three epochs, nine of them in one, and 0.8 in the last."""
    own = row(seeds([*RISING[:7], 75.7, 78.2, 87.2, 88.0]))
    assert own["late_gain"] > own["least_difference"] and own["late_gain_low"] > 0
    assert own["longer"] == 0


def test_a_rise_within_the_spread_of_the_seeds_supports_nothing():
    ends = [[*RISING[:-1], end] for end in (82.0, 88.0, 94.0)]  # the mean still gains 3 points in the last epoch
    own = row(ends)
    assert own["last_gain"] == pytest.approx(3.0) and own["last_gain_low"] < 0 and own["longer"] == 0


@pytest.mark.parametrize(
    "options",
    [
        {"curves": seeds(RISING)[:1]},
        {"curves": seeds(RISING)[:2]},
        {"images": 40},  # two standard errors are more than the gain
        {"fit": 99.5},
        {"curves": seeds(RISING[:4])},  # its last third is a single epoch
        {"patience": 2, "keep": "best", "runs": {"kept_epoch": [10, 10, 8]}},
    ],
    ids=["one seed", "two seeds", "few images", "fits its images", "few epochs", "patience"],
)
def test_what_cannot_show_it_supports_no_more_epochs(options):
    assert row(**{"curves": seeds(RISING), **options})["longer"] == 0


def test_a_level_curve_supports_fewer_epochs_where_the_images_can_show_it():
    own = row(seeds(LEVEL), images=10_000)
    assert (own["steady_epoch"], own["shorter"], own["longer"]) == (4, 1, 0)
    assert row(seeds(LEVEL), images=200)["shorter"] == 0  # one point is two images


@pytest.mark.parametrize(
    "options",
    [
        {"curves": seeds(LEVEL)[:2]},
        {"curves": [*seeds(LEVEL)[:2], [*LEVEL[:9], 88.0, 90.5]]},  # one seed leaves the margin in epoch 9
        {"curves": seeds([*LEVEL[:7], 88, 88, 90.5, 90.5])},  # two of ten epochs would be saved
        {"runs": {"kept_epoch": [10, 10, 8]}},
    ],
    ids=["two seeds", "one seed moves", "little is saved", "another epoch is kept"],
)
def test_what_cannot_show_it_supports_no_fewer_epochs(options):
    assert row(**{"curves": seeds(LEVEL), "images": 10_000, **options})["shorter"] == 0


def test_a_lag_of_batchnorm_is_no_reason_for_more_epochs():
    """Accuracies in eval mode rise to the end; with re-estimated statistics they are level."""
    assert row(seeds(RISING))["longer"] == 1
    lagging = row(seeds(RISING), reestimated=LEVEL)
    assert lagging["longer"] == 0 and lagging["late_gain"] == pytest.approx(LEVEL[10] - LEVEL[7])


def test_test_images_never_count():
    """Their accuracy rises by five points an epoch."""
    assert row(seeds(LEVEL))["longer"] == 0
    assert table(seeds(RISING), images=0).empty
