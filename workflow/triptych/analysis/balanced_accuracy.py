"""Balanced accuracy, the mean of the recalls of all classes: which sampling it has, and its interval for one arm.

A rare class weighs as much as a frequent one, so a few of its images decide much of the variance. Wilson's interval
with an effective number of images takes that variance from these few as if it were known, and is too narrow. The score
interval asks of each balanced accuracy whether the recalls that fit best under it explain what was observed.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy
from scipy import stats

from triptych.analysis.variance_parts import EACH_IMAGE, Sampling, degrees_of_freedom, seed_part

STEPS = 60
"""Of each bisection: more than a double can tell apart."""
FURTHEST = 1 - 1e-12
"""The end of each bisection: there a mean recall that may move is within 1e-12 of 0 or 1."""
ROUNDING = 1e-13


def sampling_of(metric: str, labels: numpy.ndarray, groups: numpy.ndarray | None = None) -> Sampling:
    """Return how images count for a metric. Where all classes have as many images, both metrics are one number.

    Args:
        metric: accuracy or balanced_accuracy.
        labels: int64 [images].
        groups: that were drawn as a whole, int64 [images]; None where images were drawn one by one.
    """
    sizes = numpy.unique(labels, return_counts=True)[1]
    counts_alike = metric == "accuracy" or sizes.min() == sizes.max()
    if groups is not None:
        return Sampling(labels=None if counts_alike else labels, groups=groups)
    return EACH_IMAGE if counts_alike else Sampling(labels=labels)


def balanced_accuracy(correct: numpy.ndarray, labels: numpy.ndarray) -> float:
    """Return the mean of the recalls of all classes that have images, in percent.

    Args:
        correct: bool [images].
        labels: int64 [images].
    """
    sampling = Sampling(labels=labels)
    return float(100 * (sampling.by_class(correct.astype(float)) / sampling.class_sizes).mean())


@dataclass(frozen=True, eq=False)
class BalancedShare:
    """An arm's balanced accuracy, and what its interval needs. Shares are 0 to 1.

    Attributes:
        share: mean over classes and seeds; [...].
        recalls: mean over seeds; [..., classes].
        design: the image variance of the mean over seeds over that of one run; [...].
        seed_variance: of the share; [...].
        degrees: of freedom of the seed variance; None if there is none.
        sampling: of the images; it has labels.
        images: their number.
    """

    share: numpy.ndarray
    recalls: numpy.ndarray
    design: numpy.ndarray
    seed_variance: numpy.ndarray
    degrees: numpy.ndarray | None
    sampling: Sampling
    images: int

    def excess(self, value: float) -> Callable[[float], float]:
        """Return a function of the level of one arm's interval: above 0 where the interval reaches beyond a value."""
        recalls, distance = self._recalls_at(value), (self.share - value) ** 2
        return lambda level: float(self._squared_half_width(level, recalls) - distance)

    def interval(self, level: float) -> tuple[numpy.ndarray, numpy.ndarray]:
        """Return both ends of the score interval, [...] each, within 0 and 1."""
        low, high = (self._end(level, sign) for sign in (1.0, -1.0))
        return low, high

    def _end(self, level: float, sign: float) -> numpy.ndarray:
        """The end below the share (sign 1) or above it: where the distance is as large as the half-width there."""
        inside, outside = numpy.zeros(self.share.shape), numpy.full(self.share.shape, FURTHEST)
        for _ in range(STEPS):
            middle = (inside + outside) / 2
            recalls = self._recalls(sign * middle / (1 - middle))
            distance = (self.share - recalls.mean(axis=-1)) ** 2
            holds = distance <= self._squared_half_width(level, recalls) + ROUNDING
            inside, outside = numpy.where(holds, middle, inside), numpy.where(holds, outside, middle)
        ends: numpy.ndarray = self._recalls(sign * inside / (1 - inside)).mean(axis=-1)
        return ends

    def _squared_half_width(self, level: float, recalls: numpy.ndarray) -> numpy.ndarray:
        """z² V + t² T if these were the recalls, [..., classes]; T shrinks towards 0 and 1 as a binomial variance."""
        sizes = self.sampling.class_sizes
        # n - 1.5 rather than n: unbiased of standard deviations, and enough where a class has three images
        of_images = (recalls * (1 - recalls) / numpy.maximum(sizes - 1.5, 0.5)).sum(axis=-1) / len(sizes) ** 2
        squared: numpy.ndarray = self.sampling.quantile(level, self.images) ** 2 * self.design * of_images
        if self.degrees is None:
            return squared
        mean, observed = recalls.mean(axis=-1), self.share * (1 - self.share)
        shrinking = numpy.where(observed > 0, mean * (1 - mean) / numpy.where(observed > 0, observed, 1), 0.0)
        squared += stats.t.isf(level / 2, self.degrees) ** 2 * self.seed_variance * shrinking
        return squared

    def _recalls(self, pull: numpy.ndarray) -> numpy.ndarray:
        """The most likely recalls of all with one mean, [..., classes]: rarer classes give way more.

        With the multiplier m of the constraint, n (observed - r) = m r (1 - r) for each class of n images.

        Args:
            pull: m / N; above 0 for a lower mean than observed, below 0 for a higher one; [...].
        """
        sizes = self.sampling.class_sizes
        multiplier = (pull * self.images)[..., None]
        sum_ = multiplier + sizes
        root = numpy.sqrt(numpy.maximum(sum_**2 - 4 * multiplier * sizes * self.recalls, 0.0))
        with numpy.errstate(invalid="ignore", divide="ignore"):  # each form where it cancels nothing
            found = numpy.where(sum_ > 0, 2 * sizes * self.recalls / (sum_ + root), (sum_ - root) / (2 * multiplier))
        recalls: numpy.ndarray = numpy.clip(found, 0.0, 1.0)
        return recalls

    def _recalls_at(self, value: float) -> numpy.ndarray:
        """The most likely recalls with this mean, [..., classes]."""
        low, high = numpy.full(self.share.shape, -FURTHEST), numpy.full(self.share.shape, FURTHEST)
        for _ in range(STEPS):
            middle = (low + high) / 2
            above = self._recalls(middle / (1 - numpy.abs(middle))).mean(axis=-1) > value
            low, high = numpy.where(above, middle, low), numpy.where(above, high, middle)
        return self._recalls(low / (1 - numpy.abs(low)))


def balanced_share(correct: numpy.ndarray, sampling: Sampling, deterministic: bool = False) -> BalancedShare:
    """Return an arm's balanced accuracy, and what its interval needs.

    Args:
        correct: whether each run has each image right, bool [..., seeds, images].
        sampling: with labels.
        deterministic: whether every seed gives the same network.
    """
    seeds, images = correct.shape[-2:]
    mean = correct.mean(axis=-2)
    recalls = sampling.by_class(mean) / sampling.class_sizes
    part = seed_part(correct, sampling, deterministic)
    return BalancedShare(
        share=recalls.mean(axis=-1),
        recalls=recalls,
        design=_with_overlap(_design(mean, recalls, sampling, seeds), sampling) * sampling.variance_factor(images),
        seed_variance=part.variance,
        degrees=degrees_of_freedom(part),
        sampling=sampling,
        images=images,
    )


def _design(mean: numpy.ndarray, recalls: numpy.ndarray, sampling: Sampling, seeds: int) -> numpy.ndarray:
    """The image variance of the mean over seeds over that of one run, at least 1 / seeds; 1 where nothing varies.

    Few images of a class say little about it, so classes share one number: that over all images or over what counts,
    whichever is larger. Of groups it may be above 1.
    """
    sizes, images = sampling.class_sizes, mean.shape[-1]
    binomial = sizes * recalls * (1 - recalls)
    if sampling.groups is not None:
        weights = images / (len(sizes) * sizes)
        squares = (sampling.residuals(mean) ** 2).sum(axis=-1)
        return _ratio(squares, (weights**2 * sizes / numpy.maximum(sizes - 1, 1) * binomial).sum(axis=-1), 1 / seeds)
    squares = sampling.by_class(mean**2) - sizes * recalls**2
    found: numpy.ndarray = numpy.maximum(
        _ratio(squares.sum(axis=-1), binomial.sum(axis=-1), 1 / seeds),
        _ratio((squares / sizes**2).sum(axis=-1), (binomial / sizes**2).sum(axis=-1), 1 / seeds),
    )
    return found.clip(max=1.0)


def _with_overlap(design: numpy.ndarray, sampling: Sampling) -> numpy.ndarray:
    """The design with what folds add: a share of the variance of one run, which is 1 (of groups it may be more)."""
    return design if sampling.folds is None else design + sampling.overlap * numpy.maximum(design, 1.0)


def _ratio(above: numpy.ndarray, below: numpy.ndarray, least: float) -> numpy.ndarray:
    """A ratio, at least `least`; 1 where the divisor is 0."""
    found: numpy.ndarray = numpy.where(
        below > ROUNDING, numpy.maximum(above / numpy.where(below > ROUNDING, below, 1.0), least), 1.0
    )
    return found
