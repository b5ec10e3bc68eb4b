import math

import pytest

from triptych.analysis.intervals import mean_interval, wilson_interval


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


def test_t_interval_by_hand():
    """Mean 92, sd 2, n 3: t(0.975, 2) is 4.3027, so the half width is 4.3027 x 2 / sqrt(3) = 4.9683."""
    interval = mean_interval([90.0, 92.0, 94.0], 0.95)
    assert (interval.n, interval.mean, interval.sd) == (3, 92.0, 2.0)
    assert (interval.low, interval.high) == pytest.approx((87.0317, 96.9683), abs=1e-4)


def test_t_interval_takes_its_confidence():
    """t(0.95, 1) is 6.3138; two values 1 apart have sd 1 / sqrt(2), so the half width is 6.3138 / 2."""
    interval = mean_interval([1.0, 2.0], 0.90)
    assert interval.high - interval.mean == pytest.approx(3.1569, abs=1e-4)


def test_equal_values_have_an_interval_without_width():
    interval = mean_interval([50.0] * 4, 0.95)
    assert (interval.sd, interval.low, interval.high) == (0.0, 50.0, 50.0)


def test_a_single_value_has_no_interval():
    interval = mean_interval([91.5], 0.95)
    assert (interval.n, interval.mean) == (1, 91.5)
    assert all(math.isnan(value) for value in (interval.sd, interval.low, interval.high))
