"""What leaked images are worth: the accuracy of a split with and without images that have a counterpart elsewhere.

It is a difference between two parts of the images, the leaked ones and the others, that the same runs have answered. As
in `triptych.analysis.comparisons`, its variance has a part of the images and a part of the seeds, with a quantile each.
The two parts of the images are independent of each other, so two images, one right and one wrong, are added to each of
them (Agresti and Caffo 2000, The American Statistician 54, 280-288): they keep the level where few images leak.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy
import pandas

from triptych.analysis.variance_parts import EACH_IMAGE, SeedPart, degrees_of_freedom, squared_half_width
from triptych.results.leaks import leaked_rows
from triptych.results.schema import LEAK_PRICE

DECIMALS = 4
"""Of percentages and points."""


@dataclass(frozen=True, eq=False)
class Price:
    """What leaked images add to an accuracy. Shares are 0 to 1; [...] each.

    Attributes:
        accuracy: of all images.
        without: of those that are not leaked; NaN if all are.
        low, high: the interval of `difference`; NaN if all images are leaked.
    """

    accuracy: numpy.ndarray
    without: numpy.ndarray
    low: numpy.ndarray
    high: numpy.ndarray

    @property
    def difference(self) -> numpy.ndarray:
        """Accuracy with leaked images minus accuracy without."""
        difference: numpy.ndarray = self.accuracy - self.without
        return difference


def price_of(correct: numpy.ndarray, leaked: numpy.ndarray, confidence: float) -> Price:
    """Return what leaked images add to the accuracy of an arm, with an interval over images and seeds.

    The share of leaked images is taken as given; the interval is for other images of both kinds.

    Args:
        correct: whether each run has each image right, bool [..., seeds, images]; or the share of a seed's networks.
        leaked: bool [images], at least one of them.
        confidence: such as 0.95.
    """
    accuracy = correct.mean(axis=(-2, -1))
    if leaked.all():
        nothing = numpy.full_like(accuracy, numpy.nan)
        return Price(accuracy, nothing, nothing, nothing)
    images = len(leaked)
    share = leaked.mean()
    mean = correct.mean(axis=-2)
    (one, first), (other, second) = (_with_two_images(mean[..., part]) for part in (leaked, ~leaked))
    of_seeds = _seed_part(correct, leaked)
    variances, degrees = (first + second, of_seeds.variance / share**2), degrees_of_freedom(of_seeds)
    half = numpy.sqrt(squared_half_width(1 - confidence, EACH_IMAGE, images, variances, degrees))
    low, high = (share * numpy.clip(one - other + end, -1, 1) for end in (-half, half))
    return Price(accuracy, mean[..., ~leaked].mean(axis=-1), low, high)


def _with_two_images(mean: numpy.ndarray) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Return the mean of shares [..., images] and one right and one wrong image, and its variance; [...] each."""
    images = mean.shape[-1] + 2
    centre = (mean.sum(axis=-1) + 1) / images
    squares = ((mean - centre[..., None]) ** 2).sum(axis=-1) + centre**2 + (1 - centre) ** 2
    return centre, squares / images**2


def _seed_part(correct: numpy.ndarray, leaked: numpy.ndarray) -> SeedPart:
    """Return what seeds add to the variance of the difference of accuracies: the same runs answer both kinds."""
    *batch, seeds, images = correct.shape
    if seeds == 1:
        return SeedPart(numpy.zeros(batch), numpy.zeros(batch), 1)
    weighted = correct * numpy.where(leaked, 1 / images, -leaked.mean() / (~leaked).sum())
    observed = weighted.sum(axis=-1).var(axis=-1, ddof=1) / seeds
    return SeedPart(observed, weighted.var(axis=-2, ddof=1).sum(axis=-1) / seeds, seeds)


def leak_price_table(
    leaks: pandas.DataFrame, correct: Mapping[str, Mapping[str, numpy.ndarray]], confidence: float
) -> pandas.DataFrame:
    """Return the table `leak_price`: a row for each arm and split with leaked images; without such images it is empty.

    Args:
        leaks: the table `leaks`.
        correct: by split and arm, whether each run has each image right: bool [seeds, images].
        confidence: of the intervals.

    Raises:
        InputError: `leaks` has a row that a split does not have.
    """
    rows = []
    for arm in next(iter(correct.values()), {}):
        for split, of_arms in correct.items():
            leaked = leaked_rows(leaks, split, of_arms[arm].shape[-1])
            if leaked.any():
                price = price_of(of_arms[arm], leaked, confidence)
                shares = (price.accuracy, price.without, price.difference, price.low, price.high)
                percent = [round(100 * float(share), DECIMALS) for share in shares]
                rows.append([arm, split, len(leaked), int(leaked.sum()), *percent])
    return pandas.DataFrame(rows, columns=LEAK_PRICE.names)
