"""By how much the highest of several accuracies flatters its arm."""

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy

FURTHEST, STEPS = 9.0, 4001
"""Standard deviations to each side, and points, of the numerical integration."""


def expected_largest(count: int) -> float:
    """Return the expected largest of so many independent standard normals, to 1e-6; 0 of one."""
    normal = NormalDist()
    points = numpy.linspace(-FURTHEST, FURTHEST, STEPS)
    density, below = (numpy.array([function(point) for point in points]) for function in (normal.pdf, normal.cdf))
    return float(numpy.trapezoid(points * count * density * below ** (count - 1), points))


def optimism(differences: Sequence[tuple[float, float]], arms: int, confidence: float) -> float:
    """Return by how many points the highest accuracy is too high on average, at most: if all arms are equally good.

    What arms have in common, since they were tested on the same images, flatters none: so it goes by their differences,
    whose variance is twice that of what is an arm's own. Their standard errors are taken as the widths of the intervals
    over twice the normal quantile. That is too large, since seeds have Student's t quantiles, so this is a bound.

    Args:
        differences: both ends of the interval of each pair's difference, in points; at least one.
        arms: their number.
        confidence: of the intervals, such as 0.95.
    """
    width = 2 * NormalDist().inv_cdf((1 + confidence) / 2)
    variances = [((high - low) / width) ** 2 for low, high in differences]
    return expected_largest(arms) * math.sqrt(sum(variances) / len(variances) / 2)
