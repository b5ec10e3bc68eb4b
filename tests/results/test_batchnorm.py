"""The drift of BatchNorm's statistics, by hand."""

import math

import pandas
import pytest

from triptych.results.batchnorm import MEAN, VARIANCE, statistics_drift


def table(*rows):
    columns = ["arm", "seed", "tensor", "size", "initial_norm", "delta_norm"]
    return pandas.DataFrame(rows, columns=columns)


def drift_of(*rows):
    return statistics_drift(table(*rows)).set_index(["arm", "layer", "statistic"])["drift"]


def test_means_go_by_standard_deviations_and_variances_by_themselves():
    # four channels, variances 9, so a standard deviation of 3; each mean went 1.5, each variance 4.5
    drift = drift_of(
        ("a", "0", "layer1.bn1.running_mean", 4, 0.0, 3.0),
        ("a", "0", "layer1.bn1.running_var", 4, 18.0, 9.0),
        ("a", "0", "layer1.bn1.num_batches_tracked", 1, 0.0, 70.0),
        ("a", "0", "layer1.conv1.weight", 9, 1.0, 1.0),
    )
    assert drift["a", "layer1.bn1", MEAN] == pytest.approx(0.5)
    assert drift["a", "layer1.bn1", VARIANCE] == pytest.approx(0.5)
    assert len(drift) == 2


def test_seeds_are_averaged_and_arms_are_not():
    rows = [
        (arm, seed, f"bn1{statistic}", 1, 1.0, change)
        for arm, seed, change in (("a", "0", 0.2), ("a", "1", 0.4), ("b", "0", 0.0))
        for statistic in (MEAN, VARIANCE)
    ]
    drift = drift_of(*rows)
    assert drift["a", "bn1", MEAN] == pytest.approx(0.3)
    assert drift["b", "bn1", VARIANCE] == 0.0


def test_what_began_at_zero_is_infinitely_far_unless_it_stayed():
    rows = [("a", "0", "bn1.running_mean", 2, 0.0, 1.0), ("a", "0", "bn1.running_var", 2, 0.0, 1.0)]
    assert all(math.isinf(value) for value in drift_of(*rows))
    still = [("a", "0", "bn1.running_mean", 2, 0.0, 0.0), ("a", "0", "bn1.running_var", 2, 0.0, 0.0)]
    assert (drift_of(*still) == 0).all()


def test_a_network_without_batchnorm_has_none():
    assert statistics_drift(table(("a", "0", "encoder.ln.weight", 4, 1.0, 1.0))).empty
