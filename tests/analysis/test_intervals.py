import math

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from triptych.analysis.intervals import accuracy_interval, p_of_guessing, wilson_interval
from triptych.analysis.variance_parts import Sampling


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        # Newcombe (1998), "Two-sided confidence intervals for the single proportion", table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_as_published(successes, trials, low, high):
    assert wilson_interval(successes, trials, 0.95) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(("share", "half_width"), [(0.80, 0.8), (0.94, 0.5)])
def test_wilson_on_ten_thousand_images(share, half_width):
    """10,000 test images leave 0.8 points at 80 % and 0.5 at 94 %."""
    low, high = wilson_interval(round(10_000 * share), 10_000, 0.95)
    assert round(100 * (high - low) / 2, 1) == half_width


def test_wilson_stays_within_zero_and_one():
    assert wilson_interval(50, 50, 0.95)[1] == 1.0
    assert wilson_interval(0, 50, 0.95)[0] == 0.0
    assert wilson_interval(0, 1, 0.95)[1] == pytest.approx(3.8415 / 4.8415, abs=1e-4)  # z² / (1 + z²)


def test_wilson_mirrors_and_widens():
    low, high = wilson_interval(30, 40, 0.95)
    assert wilson_interval(10, 40, 0.95) == pytest.approx((1 - high, 1 - low))
    wider = wilson_interval(30, 40, 0.99)
    assert wider[0] < low
    assert wider[1] > high


# One arm, over images and seeds


def random_runs(share, seeds=3, images=500, seed=2):
    return numpy.random.default_rng(seed).random((seeds, images)) < share


@pytest.mark.parametrize(("right", "images"), [(81, 263), (0, 20), (20, 20), (1, 1), (0, 1), (5000, 10_000)])
@pytest.mark.parametrize("confidence", [0.5, 0.95])
def test_one_run_has_wilsons_interval(right, images, confidence):
    correct = (numpy.arange(images) < right)[None]
    low, high = wilson_interval(right, images, confidence)
    assert accuracy_interval(correct, confidence) == pytest.approx((100 * low, 100 * high))


def test_two_seeds_by_hand():
    """Four images: right are 4 and 2 of them, and of each image 1 or 1/2."""
    correct = numpy.array([[1, 1, 1, 1], [1, 1, 0, 0]], bool)
    share, images = 3 / 4, 4 * (1 / 4) ** 2 / 16
    seeds = ((1 - 1 / 2) ** 2 / 2) / 2 - (1 / 2 + 1 / 2) / (2 * 16)  # variance of the mean, without noise
    # z = 1.959964; t(0.05, 1) = 12.706205
    k = (1.959964**2 * images + 12.706205**2 * seeds) / (share * (1 - share))
    half = math.sqrt(k * share * (1 - share) + k**2 / 4) / (1 + k)
    centre = (share + k / 2) / (1 + k)
    low, high = accuracy_interval(correct, 0.95)
    assert (low, high) == pytest.approx((100 * (centre - half), 100 * (centre + half)), rel=1e-6)


def test_the_test_images_count_where_seeds_agree():
    """Seeds that differ in no image leave what the images leave: a t interval over the seeds has no width."""
    run = random_runs(0.8, seeds=1, images=200)
    low, high = wilson_interval(int(run.sum()), 200, 0.95)
    assert accuracy_interval(run.repeat(3, axis=0), 0.95) == pytest.approx((100 * low, 100 * high))


def test_runs_that_find_other_images_hard_are_at_most_so_many_images():
    """Each image is right with half of the runs: no image varies, and no run. At most that many answers count."""
    correct = numpy.tile([[1, 0], [0, 1], [1, 0], [0, 1]], 50).astype(bool)
    low, high = wilson_interval(200, 400, 0.95)
    assert accuracy_interval(correct, 0.95) == pytest.approx((100 * low, 100 * high))


@pytest.mark.parametrize("right", [True, False])
def test_all_right_or_all_wrong_has_the_interval_of_one_run(right):
    correct = numpy.full((3, 50), right)
    low, high = wilson_interval(50 * right, 50, 0.95)
    assert accuracy_interval(correct, 0.95) == pytest.approx((100 * low, 100 * high))


@settings(max_examples=100, deadline=None)
@given(st.tuples(st.integers(1, 4), st.integers(1, 9)).flatmap(lambda shape: arrays(bool, shape)), st.randoms())
def test_what_holds_for_any_arm(correct, random):
    low, high = accuracy_interval(correct, 0.95)
    assert 0 <= low < high <= 100
    assert low - 1e-9 <= 100 * correct.mean() <= high + 1e-9
    wider = accuracy_interval(correct, 0.99)
    assert wider[0] <= low + 1e-9 and high - 1e-9 <= wider[1]
    # the order of seeds and images does not matter, and what is wrong mirrors what is right
    seeds, images = (random.sample(range(length), length) for length in correct.shape)
    assert accuracy_interval(correct[seeds][:, images], 0.95) == pytest.approx((low, high))
    assert accuracy_interval(~correct, 0.95) == pytest.approx((100 - high, 100 - low), abs=1e-9)


def test_groups_and_folds():
    correct = random_runs(0.8, seeds=1, images=60)

    def wilson(k):
        centre, half = (share + k / 2) / (1 + k), math.sqrt(k * share * (1 - share) + k**2 / 4) / (1 + k)
        return 100 * (centre - half), 100 * (centre + half)

    share, alike = correct.mean(), numpy.sort(correct)  # five of a group, of which most are alike
    sums = alike[0].reshape(12, 5).sum(axis=1) - 5 * share
    variance, size = (sums**2).sum() / 60**2 * 12 / 11, share * (1 - share)
    grouped = accuracy_interval(alike, 0.95, Sampling(groups=numpy.repeat(numpy.arange(12), 5)))
    assert grouped == pytest.approx(wilson(2.200985**2 * variance / size), rel=1e-6)  # t(0.05, 11)

    folded = accuracy_interval(correct, 0.95, Sampling(folds=5))
    assert folded == pytest.approx(wilson(1.5 * 1.959964**2 / 60), rel=1e-6)
    right = numpy.ones((1, 60), bool)
    assert accuracy_interval(right, 0.95, Sampling(folds=5))[0] == pytest.approx(100 / (1 + 1.5 * 1.959964**2 / 60))


def test_a_deterministic_arm_needs_no_seeds():
    run = random_runs(0.8, seeds=1)
    assert accuracy_interval(run, 0.95, deterministic=True) == accuracy_interval(run, 0.95)


# Guessing


@pytest.mark.parametrize(("right", "chance"), [(60, 0.5), (40, 0.5), (100, 0.5), (0, 0.5), (30, 0.1), (99, 0.97)])
def test_one_run_is_wilsons_score_test(right, chance):
    correct = (numpy.arange(100) < right)[None]
    z = (right / 100 - chance) / math.sqrt(chance * (1 - chance) / 100)
    assert p_of_guessing(correct, chance) == pytest.approx(math.erfc(z / math.sqrt(2)) / 2, rel=1e-6)


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.integers(1, 4), st.integers(1, 9)).flatmap(lambda shape: arrays(bool, shape)),
    st.sampled_from([0.1, 0.25, 0.5, 0.9]),
)
def test_chance_is_an_end_of_the_interval_at_twice_the_p_value(correct, chance):
    p_value = p_of_guessing(correct, chance)
    assert 0 < p_value <= 1
    share = correct.mean()
    assert (p_value < 0.5) == (share > chance)
    if 1e-9 < p_value < 1 - 1e-9 and share != chance:
        level = 2 * min(p_value, 1 - p_value)
        low, high = accuracy_interval(correct, 1 - level)
        assert 100 * chance == pytest.approx(low if share > chance else high, rel=1e-6)


def test_seeds_that_disagree_make_guessing_likelier():
    alike = numpy.array([[True] * 60 + [False] * 40] * 3)
    apart = numpy.array([[True] * 90 + [False] * 10, [True] * 60 + [False] * 40, [True] * 30 + [False] * 70])
    assert p_of_guessing(alike, 0.5) == pytest.approx(math.erfc(2 / math.sqrt(2)) / 2, rel=1e-6)
    assert 0.2 < p_of_guessing(apart, 0.5) < 0.5


def test_as_good_as_guessing_and_one_class_alone():
    correct = (numpy.arange(100) < 60)[None]
    assert p_of_guessing(correct, 0.6) == 0.5
    assert p_of_guessing(numpy.ones((3, 10), bool), 1.0) == 1.0
