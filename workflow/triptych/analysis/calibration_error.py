"""The expected calibration error (ECE) of a network's probabilities, and its interval.

The ECE is the mean distance between probability and accuracy over bins of images (Guo et al. 2017, ICML), here with as
many images in each bin (Nixon et al. 2019, CVPR workshops). As counted it is above the true one, since in a bin of few
images the accuracy differs from the probability by chance alone: 200 images with perfect probabilities show 8 %.

So the interval asks of each true error whether it explains what is counted (a parametric bootstrap, inverted): answers
are drawn as they would be right if the distances in the bins were all larger or smaller by one factor. The interval
holds the errors that would show the counted one in the middle 95 % of the draws, and the corrected error is the one
with the counted error as their median.
"""

from dataclasses import dataclass

import numpy
from scipy.special import bdtr

BINS = 15
"""The most bins, as Guo et al. have them."""
FEWEST_IN_BIN = 10
"""Images of a bin; with fewer than `BINS` times as many there are fewer bins."""
FEWEST_IMAGES = 20
"""Of which an error is counted."""
DRAWS = 2000
STEPS = 16
"""Of each bisection: its range, of at most 100 points, is then below 0.01 points."""
SEED = 0


@dataclass(frozen=True, eq=False)
class Bins:
    """Images in bins of rising probability; [bins] each.

    Attributes:
        images: their numbers.
        correct: how many of them are predicted correctly.
        probability: the mean probability of the predicted class, 0 to 1.
    """

    images: numpy.ndarray
    correct: numpy.ndarray
    probability: numpy.ndarray

    @property
    def accuracy(self) -> numpy.ndarray:
        """The share of correct predictions, 0 to 1."""
        share: numpy.ndarray = self.correct / self.images
        return share

    @property
    def error(self) -> float:
        """The expected calibration error as it is counted, 0 to 1."""
        return float((self.images * numpy.abs(self.accuracy - self.probability)).sum() / self.images.sum())


@dataclass(frozen=True)
class CalibrationError:
    """An expected calibration error. Shares are 0 to 1.

    Attributes:
        counted: as it is usually given; too high.
        by_chance: the median of what perfect probabilities would show.
        corrected: the true error under which the counted one is the median.
        low, high: the interval of the true error.
    """

    counted: float
    by_chance: float
    corrected: float
    low: float
    high: float


def bins_of(probability: numpy.ndarray, correct: numpy.ndarray) -> Bins:
    """Divide images into bins of nearly as many images, ordered by probability; equal ones in their own order.

    Args:
        probability: of the predicted class, 0 to 1; [N], N at least 1.
        correct: bool [N].
    """
    order = numpy.argsort(probability, kind="stable")
    parts = numpy.array_split(order, min(BINS, max(1, len(order) // FEWEST_IN_BIN)))
    return Bins(
        numpy.array([len(part) for part in parts]),
        numpy.array([int(correct[part].sum()) for part in parts]),
        numpy.array([float(probability[part].mean()) for part in parts]),
    )


def calibration_error(bins: Bins, confidence: float) -> CalibrationError:
    """Return the error of bins with its interval. The same bins give the same numbers.

    Args:
        confidence: of the interval, such as 0.95.
    """
    draws = numpy.random.default_rng(SEED).random((DRAWS, len(bins.images)))
    families = [_Family(bins, direction, draws) for direction in _directions(bins)]
    first, counted = families[0], bins.error
    by_chance, tail = float(numpy.median(first.shown(0.0))), (1 - confidence) / 2
    return CalibrationError(
        counted=counted,
        by_chance=by_chance,
        corrected=first.largest(counted, 0.5),
        low=min(family.largest(counted, 1 - tail) for family in families),
        # less than chance shows says no more than as much (Cowan et al. 2011, arXiv 1105.3166)
        high=max(family.largest(max(counted, by_chance), tail) for family in families),
    )


def _directions(bins: Bins) -> list[numpy.ndarray]:
    """What the accuracies of bins may differ by, up to a factor: as counted; all too low, all too high."""
    as_counted = bins.accuracy - bins.probability
    even = numpy.ones(len(bins.images))
    return ([as_counted] if bins.error > 0 else []) + [-even, even]


@dataclass(frozen=True, eq=False)
class _Family:
    """Accuracies of bins that differ from their probabilities in one direction, by a factor.

    Attributes:
        bins: of the images.
        direction: of the difference, [bins].
        draws: from 0 to 1, [draws, bins]: the same for all factors, so that the shown errors rise with them.
    """

    bins: Bins
    direction: numpy.ndarray
    draws: numpy.ndarray

    def accuracy(self, factor: float) -> numpy.ndarray:
        return numpy.clip(self.bins.probability + factor * self.direction, 0.0, 1.0)

    def error(self, factor: float) -> float:
        """The true error at a factor."""
        away = numpy.abs(self.accuracy(factor) - self.bins.probability)
        return float((self.bins.images * away).sum() / self.bins.images.sum())

    def shown(self, factor: float) -> numpy.ndarray:
        """The counted error of each draw, [draws]."""
        total = numpy.zeros(len(self.draws))
        accuracies = self.accuracy(factor)
        for column, (images, probability) in enumerate(zip(self.bins.images, self.bins.probability, strict=True)):
            below = bdtr(numpy.arange(images), images, accuracies[column])
            correct = numpy.searchsorted(below, self.draws[:, column])
            total += numpy.abs(correct - images * probability)
        shares: numpy.ndarray = total / self.bins.images.sum()
        return shares

    def largest(self, counted: float, quantile: float) -> float:
        """The largest true error of which the counted one is at least this quantile of what is shown; 0 if there is
        none."""

        def explains(factor: float) -> bool:
            return float(numpy.quantile(self.shown(factor), quantile)) <= counted

        if not explains(0.0):
            return 0.0
        inside, outside = 0.0, 1 / float(numpy.abs(self.direction).max())
        for _ in range(STEPS):
            middle = (inside + outside) / 2
            inside, outside = (middle, outside) if explains(middle) else (inside, middle)
        return self.error(inside)
