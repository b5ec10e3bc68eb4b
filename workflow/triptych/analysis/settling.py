"""How many seeds or images would settle an undecided comparison: a range, since few seeds say little about seeds."""

from dataclasses import dataclass, replace

import numpy
from scipy import optimize, stats

from triptych.analysis.comparisons import ROUNDING, SEEDS_FOR_A_VERDICT, Difference, unseen
from triptych.analysis.variance_parts import Sampling, degrees_of_freedom, squared_half_width

MOST_SEEDS = 1_000
"""More seeds than these count as no answer."""
SAFE_SHARE = 0.8
"""How sure the upper bound of the seeds' variance is."""


@dataclass(frozen=True)
class Settlement:
    """What would make the interval of a difference as narrow as wanted.

    Attributes:
        about: the fewest seeds of each arm if seeds vary as observed; None: more seeds alone cannot.
        safe: the same with the upper bound of their variance, at least `about`.
        images: the factor by which the images must become more, at the present seeds; None: more images alone cannot.
    """

    about: int | None
    safe: int | None
    images: float | None


def what_settles(difference: Difference, margin: float, confidence: float, look: int = 1) -> Settlement | None:
    """Return the seeds and the images that would settle an undecided comparison; see `what_would_settle_it`.

    The interval must become narrow enough to leave out zero, or to lie within the margin, whichever is nearer; the
    difference is taken as observed. Within the margin it settles nothing with fewer images than equivalence needs
    (`unseen`), which more seeds do not change.

    Args:
        margin: of equivalence, in points.
    """
    away = abs(100 * float(difference.centre))
    found = what_would_settle_it(difference, max(away, margin - away), confidence, look)
    if found is None or margin - away <= away:
        return found
    of_zero = what_would_settle_it(difference, away, confidence, look)
    assert of_zero is not None
    sampling, images, level = difference.sampling, difference.images, 1 - confidence
    if unseen(sampling, images, level / look) >= margin:
        tied = away < 100 * ROUNDING  # seeds tell no difference of zero from zero
        found = replace(found, about=None if tied else of_zero.about, safe=None if tied else of_zero.safe)
    factors = [] if of_zero.images is None else [of_zero.images]
    if found.images is not None:
        factors.append(max(found.images, images_for_equivalence(sampling, images, margin, level)))
    return replace(found, images=min(factors, default=None))


def images_for_equivalence(sampling: Sampling, images: int, margin: float, level: float) -> float:
    """Return by what factor the number of images must grow to show equivalence within `margin` points; at least 1."""

    def excess(times: float) -> float:
        return unseen(sampling, images, level, times) - margin

    if excess(1.0) < 0:
        return 1.0
    upper = 2.0
    while excess(upper) >= 0:
        upper *= 2
    return float(optimize.brentq(excess, upper / 2, upper))


def what_would_settle_it(
    difference: Difference, half_width: float, confidence: float, look: int = 1
) -> Settlement | None:
    """Return the seeds and the images that would make the interval of a difference as narrow as wanted.

    More seeds also average out run-by-image noise, which is part of the image variance.

    Args:
        half_width: wanted of the interval, in points.
        confidence: of the interval, such as 0.95.
        look: that at which more seeds would be compared, as in `compare_arms`: the next one. More images are other
            images, which are compared at the first look.

    Returns:
        None where an arm has a single run, which says nothing about its seeds.
    """
    parts = (difference.first, difference.second)
    if any(part.seeds == 1 for part in parts):
        return None
    level, wanted = 1 - confidence, (half_width / 100) ** 2
    sampling, images = difference.sampling, difference.images
    known = [(part, part.seeds) for part in parts if part.seeds is not None]
    degrees = degrees_of_freedom(*parts)

    # of one seed of each arm; their means over S seeds vary by an S-th of it
    each = numpy.array([seeds * float(part.observed) for part, seeds in known])
    noise = sum(seeds * float(part.noise) for part, seeds in known)
    observed = sum(seeds * float(part.variance) for part, seeds in known)
    upper = observed
    if degrees is not None:
        bound = each.sum() * float(degrees) / stats.chi2.ppf(1 - SAFE_SHARE, float(degrees))
        upper = max(observed, bound - noise)

    seeds = numpy.arange(max([SEEDS_FOR_A_VERDICT, *(own for _, own in known)]), MOST_SEEDS + 1)
    shrinking = difference.shrinking**2 * sampling.variance_factor(images)
    averaged = sum(float(part.noise) * (1 - own / seeds) for part, own in known)
    image_variance = numpy.maximum(float(difference.image_variance) - shrinking * averaged, 0.0)
    per_seed = each.sum() ** 2 / (each**2).sum() if each.any() else len(known)

    def fewest(seed_variance: float) -> int | None:
        parts_then = (image_variance, seed_variance / seeds)
        degrees_then = per_seed * (seeds - 1) if known else None
        then = squared_half_width(level / look, sampling, images, parts_then, degrees_then)
        enough = numpy.flatnonzero(then <= wanted)
        return int(seeds[enough[0]]) if len(enough) else None

    now = squared_half_width(
        level, sampling, images, (0.0, difference.first.variance + difference.second.variance), degrees
    )
    left = wanted - float(now)
    of_images = squared_half_width(level, sampling, images, (float(difference.image_variance), 0.0), None)
    factor = max(1.0, float(of_images) / left) if left > 0 else None
    return Settlement(fewest(observed), fewest(upper), factor)
