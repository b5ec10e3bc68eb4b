"""Confidence intervals: of a mean over seeds, and of the accuracy of one run."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy
from scipy import stats


@dataclass(frozen=True)
class MeanInterval:
    """The mean of `n` values, their sample standard deviation, and the interval of the mean (NaN if `n` is 1)."""

    n: int
    mean: float
    sd: float
    low: float
    high: float


def mean_interval(values: Sequence[float], confidence: float) -> MeanInterval:
    """Return Student's t interval of a mean: mean ± t(n - 1) sd / sqrt(n), with the sample standard deviation (n - 1).

    The interval is not truncated, so it may include impossible values, such as an accuracy above 100 %.

    Args:
        values: one or more independent values.
        confidence: such as 0.95.
    """
    array = numpy.asarray(values, dtype=numpy.float64)
    n, mean = len(array), float(array.mean())
    if n == 1:
        return MeanInterval(n, mean, math.nan, math.nan, math.nan)
    sd = float(array.std(ddof=1))
    half = float(stats.t.ppf((1 + confidence) / 2, n - 1)) * sd / math.sqrt(n)
    return MeanInterval(n, mean, sd, mean - half, mean + half)


def wilson_interval(successes: int, trials: int, confidence: float) -> tuple[float, float]:
    """Return Wilson's score interval (1927) of a binomial proportion, 0 to 1.

    Args:
        successes: the successes in `trials` independent trials.
        confidence: such as 0.95.
    """
    interval = stats.binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)
