"""How precisely a number of images will measure an accuracy, and which difference they can show, before training."""

import math

from scipy import stats

from triptych.analysis.intervals import wilson_interval

FEW_IMAGES, FEW_OF_A_CLASS = 100, 20
"""Test images, in all and of the smallest class, below which a warning says what they cannot show."""
CONFIDENCE = 0.95
POWER = 0.8
DISAGREEMENT = 0.1
"""The share of images that exactly one of two networks has right, as it is assumed."""
TYPICAL = 80
"""Percent: the accuracy at which sentences give intervals."""
LEAD = 5
"""Points: the lead of which sentences say how often it is seen."""


def interval(images: int, accuracy: float) -> tuple[float, float]:
    """Wilson's interval in percent, if the accuracy on this many images is the nearest possible one to `accuracy`."""
    low, high = wilson_interval(round(images * accuracy / 100), images, CONFIDENCE)
    return 100 * low, 100 * high


def visible_difference(images: int) -> float:
    """The difference of two networks' accuracies, in points, that a test of paired answers sees with POWER.

    The difference d has the variance (q - d²) / images, q being the share of images that one network alone has right:
    `DISAGREEMENT`, or d where that is more.
    """
    needed = (stats.norm.ppf(1 - (1 - CONFIDENCE) / 2) + stats.norm.ppf(POWER)) ** 2
    at_disagreement = math.sqrt(needed * DISAGREEMENT / (images + needed))
    return 100 * (at_disagreement if at_disagreement <= DISAGREEMENT else needed / (images + needed))


def power(images: int, lead: float) -> float:
    """The probability, 0 to 1, that the same test sees a lead of `lead` points."""
    difference = lead / 100
    variance = max(DISAGREEMENT, difference) - difference**2
    return float(stats.norm.cdf(math.sqrt(images * difference**2 / variance) - stats.norm.ppf((1 + CONFIDENCE) / 2)))


def few_images(test: int, smallest: int, offers_folds: bool) -> list[str]:
    """Say what few test images cannot show, and what would help; nothing where there are enough.

    Args:
        test, smallest: test images, and those of the class that has the fewest.
        offers_folds: whether folds can be asked for.
    """
    said = []
    if 0 < test < FEW_IMAGES:
        low, high = interval(test, TYPICAL)
        said.append(
            f"{_images(test)}: a test accuracy near {TYPICAL} % will have a {100 * CONFIDENCE:g} % CI from {low:.0f} "
            f"to {high:.0f} %. A lead of {LEAD} points is seen in about {_how_often(power(test, LEAD))}. Two networks "
            f"must differ by about {visible_difference(test):.0f} points to be told apart in {100 * POWER:g} % of "
            "experiments."
        )
    if 0 < smallest < FEW_OF_A_CLASS:
        low, high = interval(smallest, TYPICAL)
        said.append(
            f"The smallest class has {_images(smallest)}: a recall near {TYPICAL} % will have a "
            f"{100 * CONFIDENCE:g} % CI from {low:.0f} to {high:.0f} %."
        )
    if said and offers_folds:
        said.append(
            "With dataset: {folds: 5} the arms are compared on every image that is not a test image, so that smaller "
            "differences are seen."
        )
    return said


def _images(count: int) -> str:
    return f"{count} test image{'' if count == 1 else 's'}"


def _how_often(share: float) -> str:
    """A share as cases: `1 of 5 experiments`; of many as ten."""
    if share < 0.5:
        return f"1 of {round(1 / share)} experiments"
    return f"{round(10 * share)} of 10 experiments"
