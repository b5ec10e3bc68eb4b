import math
import statistics
from collections import defaultdict

import numpy
import pytest
from scipy import stats

from triptych.analysis.variance_parts import (
    EACH_IMAGE,
    SMALLEST_P,
    Sampling,
    SeedPart,
    degrees_of_freedom,
    level_at,
    seed_part,
    squared_half_width,
)
from triptych.storage.errors import InputError

THREE_RUNS = numpy.array([[1, 1, 0, 0], [1, 0, 0, 0], [1, 1, 1, 0]], bool)


def test_the_seed_part_by_hand():
    """Shares 1/2, 1/4, 3/4 have the variance 1/16. Of the four images two vary over the seeds, each by 1/3."""
    part = seed_part(THREE_RUNS)
    assert float(part.observed) == pytest.approx(1 / 16 / 3)
    assert float(part.noise) == pytest.approx((1 / 3 + 1 / 3) / (3 * 16))
    assert float(part.variance) == pytest.approx(1 / 48 - 1 / 72)
    assert part.is_known


def test_seeds_that_differ_less_than_noise_does_add_nothing():
    runs = numpy.array([[1, 0], [0, 1], [1, 0]], bool)  # every seed has half of the images right
    part = seed_part(runs)
    assert (float(part.observed), float(part.variance)) == (0, 0)
    assert float(part.noise) == pytest.approx((1 / 3 + 1 / 3) / (3 * 4))


@pytest.mark.parametrize(("runs", "deterministic"), [(THREE_RUNS[:1], False), (THREE_RUNS, True)])
def test_a_single_run_and_a_deterministic_arm_have_no_seed_part(runs, deterministic):
    part = seed_part(runs, deterministic=deterministic)
    assert (float(part.observed), float(part.noise), float(part.variance)) == (0, 0, 0)
    assert not part.is_known
    assert part.seeds == (None if deterministic else 1)


def test_a_batch_is_every_one_by_itself():
    runs = numpy.random.default_rng(0).random((5, 4, 3, 20)) < 0.7
    whole = seed_part(runs)
    for row, column in ((0, 0), (4, 3), (2, 1)):
        own = seed_part(runs[row, column])
        assert (whole.observed[row, column], whole.noise[row, column]) == (own.observed, own.noise)


def part_of(observed, seeds):
    return SeedPart(numpy.array(observed), numpy.array(0.0), seeds)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([part_of(0.03, 3), part_of(0.01, 5)], 0.0016 / (0.0009 / 2 + 0.0001 / 4)),
        ([part_of(0.01, 3), part_of(0.02, 5)], 4),  # 6 by the formula; at most 2 (3 - 1)
        ([part_of(0.02, 4), part_of(0.02, 4)], 6),
        ([part_of(0.02, 4), part_of(0.0, 4)], 3),
        ([part_of(0.02, 4), part_of(0.0, None)], 3),  # a deterministic arm does not count
        ([part_of(0.0, 1), part_of(0.02, 4)], 3),  # nor does a single run
        ([part_of(0.0, 3), part_of(0.0, 5)], 4),  # undefined, and not used: any will do
        ([part_of(0.02, 4)], 3),
        ([part_of(0.0, 1), part_of(0.0, 1)], None),
        ([part_of(0.0, None), part_of(0.0, None)], None),
    ],
)
def test_degrees_of_freedom_by_hand(parts, expected):
    found = degrees_of_freedom(*parts)
    assert found is expected if expected is None else float(found) == pytest.approx(expected)


def test_each_part_has_its_own_quantile():
    # z(0.05) = 1.959964; Student's t(0.05, 2) = 4.302653
    both = squared_half_width(0.05, EACH_IMAGE, 100, (0.04, 0.01), numpy.array(2.0))
    assert both == pytest.approx(1.959964**2 * 0.04 + 4.302653**2 * 0.01, rel=1e-6)
    alone = squared_half_width(0.05, EACH_IMAGE, 100, (0.04, 0.01), None)
    assert alone == pytest.approx(1.959964**2 * 0.04, rel=1e-6)


# Balanced accuracy, groups (which no command passes yet), folds


def by_class(values, labels):
    """The mean of the classes' means, in plain Python."""
    classes = defaultdict(list)
    for value, label in zip(values, labels, strict=True):
        classes[label].append(value)
    return statistics.mean(statistics.mean(own) for own in classes.values())


LABELS = numpy.array([4, 4, 4, 9, 9, 4, 7, 7, 9, 4])
VALUES = numpy.random.default_rng(3).random(10)


def test_weights_make_the_mean_a_balanced_one():
    weights = Sampling(labels=LABELS).weights(10)
    assert weights.mean() == pytest.approx(1)
    assert (weights * VALUES).mean() == pytest.approx(by_class(VALUES, LABELS))
    assert weights[0] == pytest.approx(10 / (3 * 5))


def test_balanced_residuals_give_the_variance_of_a_mean_of_class_means():
    """A stratified mean's variance is the sum of the classes' var / n, over the squared number of classes."""
    residuals = Sampling(labels=LABELS).residuals(VALUES)
    strata = [VALUES[label == LABELS] for label in (4, 7, 9)]
    expected = sum(statistics.variance(own) / len(own) for own in strata) / 9
    assert (residuals**2).sum() / 10**2 == pytest.approx(expected)


def test_a_class_of_one_image_is_taken_from_the_mean_of_all():
    labels, values = numpy.array([0, 0, 1]), numpy.array([1.0, 0.0, 1.0])
    residuals = Sampling(labels=labels).residuals(values)
    weights, metric = [3 / 4, 3 / 4, 3 / 2], (0.5 + 1) / 2
    expected = [weights[0] * 0.5 * math.sqrt(2), -weights[1] * 0.5 * math.sqrt(2), weights[2] * (1 - metric)]
    assert residuals.tolist() == pytest.approx(expected)


GROUPS = numpy.array([8, 1, 8, 1, 1, 5, 5, 8, 2, 2])


def test_residuals_are_summed_over_groups():
    sampling, mean = Sampling(groups=GROUPS), statistics.mean(VALUES)
    expected = [sum(value - mean for value, own in zip(VALUES, GROUPS, strict=True) if own == g) for g in (1, 2, 5, 8)]
    assert sampling.residuals(VALUES).tolist() == pytest.approx(expected)
    assert sampling.units(10) == 4
    assert sampling.variance_factor(10) == pytest.approx(4 / 3)
    assert sampling.quantile(0.05, 10) == pytest.approx(3.182446, abs=1e-6)  # t(0.05, 3)


def test_seeds_and_noise_of_groups():
    runs = numpy.random.default_rng(5).random((3, 10)) < 0.6
    sums = [[int(run[group == GROUPS].sum()) for group in (1, 2, 5, 8)] for run in runs]
    part = seed_part(runs, Sampling(groups=GROUPS))
    assert float(part.observed) == pytest.approx(statistics.variance(sum(own) / 10 for own in sums) / 3)
    assert float(part.noise) == pytest.approx(sum(map(statistics.variance, zip(*sums, strict=True))) / (3 * 100))


def test_groups_of_one_image_differ_from_no_groups_by_the_factor_alone():
    single = Sampling(groups=numpy.arange(10)[::-1])
    assert sorted(single.residuals(VALUES)) == pytest.approx(sorted(EACH_IMAGE.residuals(VALUES)))
    assert single.variance_factor(10) == pytest.approx(10 / 9)


@pytest.mark.parametrize(("folds", "expected"), [(None, 0), (2, 1), (3, 1 / 2), (5, 1 / 2), (20, 1 / 2)])
def test_the_overlap_of_folds(folds, expected):
    assert Sampling(folds=folds).overlap == expected
    assert Sampling(folds=folds, groups=GROUPS).variance_factor(10) == pytest.approx(4 / 3)


def test_what_is_plain():
    others = [Sampling(folds=5), Sampling(groups=GROUPS), Sampling(labels=LABELS), Sampling(rows_per_seed=2)]
    assert EACH_IMAGE.is_plain and not any(sampling.is_plain for sampling in others)


def of_one_row(runs, sampling):
    """The mean over rows of the image variance of each, without folds."""
    images = runs.shape[-1]
    return statistics.mean((sampling.residuals(row.astype(float)) ** 2).sum() / images**2 for row in runs)


def test_folds_add_half_of_one_rows_variance_however_many_rows_there_are():
    """Rows with as many images right each, so that what rows differ in is no part of it."""
    runs = numpy.array([[1, 1, 0, 0, 1, 0], [1, 0, 1, 0, 1, 0], [1, 1, 1, 0, 0, 0]], bool)
    of_mean = ((runs.mean(axis=0) - runs.mean()) ** 2).sum() / 36
    found = Sampling(folds=5).with_overlap(numpy.array(of_mean), runs)
    assert float(found) == pytest.approx(of_mean + 0.25 / 6 / 2)
    assert of_one_row(runs, EACH_IMAGE) == pytest.approx(0.25 / 6)
    alone = Sampling(folds=5).with_overlap(numpy.array(0.25 / 6), runs[:1])
    assert float(alone) == pytest.approx(1.5 * 0.25 / 6)
    assert EACH_IMAGE.with_overlap(numpy.array(of_mean), runs) == of_mean


def test_folds_of_groups_add_half_of_one_rows_variance():
    """Each image is in a group of two that every row has right alike, so there are five units."""
    groups = numpy.arange(10) // 2
    units = numpy.array([[1, 1, 1, 0, 0], [0, 1, 1, 1, 0]], bool)
    runs, sampling = numpy.repeat(units, 2, axis=1), Sampling(groups=groups, folds=4)
    of_mean = (sampling.residuals(runs.mean(axis=0)) ** 2).sum() / 100
    expected = (of_mean + of_one_row(runs, sampling) / 2) * 5 / 4
    assert float(sampling.with_overlap(numpy.array(of_mean), runs)) == pytest.approx(expected)


def test_two_arms_have_the_rows_of_both():
    first, second = numpy.random.default_rng(8).random((2, 4, 30)) < 0.7
    sampling = Sampling(folds=10)
    found = sampling.with_overlap(numpy.array(0.01), first, second)
    between = (first.var(axis=0).sum() + second.var(axis=0).sum()) / 900
    assert float(found) == pytest.approx(0.01 + (0.01 + between) / 2)


# Rows that share a seed


def test_repeats_of_a_seed_are_no_seeds():
    """Two seeds with three rows each: their means are what the seed part is of."""
    runs = numpy.random.default_rng(6).random((6, 20)) < 0.7
    part = seed_part(runs, Sampling(rows_per_seed=3))
    means = [runs[:3].mean(axis=0), runs[3:].mean(axis=0)]
    assert part.seeds == 2
    assert float(part.observed) == pytest.approx(statistics.variance(float(mean.mean()) for mean in means) / 2)
    assert float(part.noise) == pytest.approx(sum(map(statistics.variance, zip(*means, strict=True))) / (2 * 400))
    only = seed_part(runs, Sampling(rows_per_seed=6))
    assert (only.seeds, float(only.observed), only.is_known) == (1, 0, False)


def test_rows_of_one_seed_each_are_seeds():
    runs = numpy.random.default_rng(7).random((5, 2, 4, 20)) < 0.7
    assert EACH_IMAGE.by_seed(runs) is runs
    batch = seed_part(runs, Sampling(rows_per_seed=2))
    assert batch.observed[3, 1] == seed_part(runs[3, 1], Sampling(rows_per_seed=2)).observed


@pytest.mark.parametrize("few", [{"groups": numpy.zeros(10, int)}, {"folds": 1}])
def test_one_group_or_fold_is_refused(few):
    with pytest.raises(InputError, match=f"{next(iter(few))}: expected at least 2, found 1"):
        Sampling(**few)


@pytest.mark.parametrize("away", [0.5, 3.0, 12.0])
def test_a_level_is_found_over_many_orders_of_magnitude(away):
    level = level_at(lambda level: float(stats.norm.isf(level / 2)) - away)
    assert level == pytest.approx(math.erfc(away / math.sqrt(2)), rel=1e-9)


def test_the_smallest_level():
    assert level_at(lambda level: -1.0) == SMALLEST_P
