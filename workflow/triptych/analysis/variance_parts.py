"""The variance of an accuracy in two parts: one of the images that it was measured on, one of the seeds.

An arm is a way to train, not one network, so what is compared is a population of images and of seeds: the multi-reader
multi-case analysis of Obuchowski and Rockette (1995, Communications in Statistics B 24, 285-308) and Hillis (2007,
Statistics in Medicine 26, 596-619), with seeds for readers and images for cases. The readers of two arms are unpaired.

All functions take arrays whose last axis is that of the images and work along it; what comes before is kept (`...`).
Shares are 0 to 1.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy
from scipy import optimize, stats

from triptych.storage.errors import InputError

SMALLEST_P = 1e-100
"""The smallest p-value that is told apart from 0."""

LEAST_OVERLAP = 1 / 2
"""The least `Sampling.overlap`, from a simulation (`benchmarks/folds_calibration.py`).

1 / (k - 1) falls as k grows. What training sets have in common does not: those of many folds are nearly one set.
"""


@dataclass(frozen=True, eq=False)
class Sampling:
    """How the images were drawn, and how each counts.

    Attributes:
        labels: the class of each image, int64 [images], for balanced accuracy; None for accuracy.
        groups: the group of each image, int64 [images], where groups (patients, bursts) were drawn as a whole; None
            where images were drawn one by one.
        folds: of cross-validation, where predictions are out-of-fold; None where they are not.
        rows_per_seed: consecutive rows of an arm that share a seed: repeats of the folds, or networks of several folds.

    Raises:
        InputError: there are fewer than two groups or folds.
    """

    labels: numpy.ndarray | None = None
    groups: numpy.ndarray | None = None
    folds: int | None = None
    rows_per_seed: int = 1

    def __post_init__(self) -> None:
        for name, number in (("groups", self.groups is not None and len(self._starts)), ("folds", self.folds)):
            if number is not False and number is not None and number < 2:
                raise InputError(f"{name}: expected at least 2, found {number}")

    @property
    def is_plain(self) -> bool:
        """Whether every image counts alike, was drawn by itself, and a row has one network's answers to all of them."""
        return self.labels is None and self.groups is None and self.folds is None and self.rows_per_seed == 1

    @cached_property
    def _classes(self) -> tuple[numpy.ndarray, numpy.ndarray]:
        """The position of each image's class, and the images of each class."""
        assert self.labels is not None
        _, positions, counts = numpy.unique(self.labels, return_inverse=True, return_counts=True)
        return positions, counts

    @cached_property
    def _order(self) -> numpy.ndarray:
        """The images, group by group."""
        assert self.groups is not None
        return numpy.argsort(self.groups, kind="stable")

    @cached_property
    def _starts(self) -> numpy.ndarray:
        """Where each group starts in `_order`."""
        assert self.groups is not None
        ordered = self.groups[self._order]
        return numpy.flatnonzero(numpy.r_[True, ordered[1:] != ordered[:-1]])

    def weights(self, images: int) -> numpy.ndarray:
        """Return what each image counts, float64 [images], 1 on average; the metric is the mean of weight x share."""
        if self.labels is None:
            return numpy.ones(images)
        positions, counts = self._classes
        weights: numpy.ndarray = images / (len(counts) * counts[positions])
        return weights

    @property
    def class_sizes(self) -> numpy.ndarray:
        """The number of images of each class that has some, int64 [classes]; for balanced accuracy alone."""
        return self._classes[1]

    def by_class(self, values: numpy.ndarray) -> numpy.ndarray:
        """Sum over the images of each class: [..., images] to [..., classes]; for balanced accuracy alone."""
        positions, counts = self._classes
        order = numpy.argsort(positions, kind="stable")
        sums: numpy.ndarray = numpy.add.reduceat(values[..., order], numpy.cumsum(counts) - counts, axis=-1)
        return sums

    def by_seed(self, values: numpy.ndarray) -> numpy.ndarray:
        """Return the mean over the rows of each seed: [..., rows, images] to [..., seeds, images].

        A seed may act on all of its rows alike (it draws the first weights of each network), so rows are no seeds.
        """
        if self.rows_per_seed == 1:
            return values
        *batch, rows, images = values.shape
        means: numpy.ndarray = values.reshape(*batch, self.seeds(rows), self.rows_per_seed, images).mean(axis=-2)
        return means

    def seeds(self, rows: int) -> int:
        """Return the number of seeds of so many rows."""
        return rows // self.rows_per_seed

    def units(self, images: int) -> int:
        """Return the number of groups, or of images where these were drawn one by one."""
        return images if self.groups is None else len(self._starts)

    def by_unit(self, values: numpy.ndarray) -> numpy.ndarray:
        """Sum over the images of each unit: [..., images] to [..., units]."""
        if self.groups is None:
            return values
        sums: numpy.ndarray = numpy.add.reduceat(values[..., self._order], self._starts, axis=-1)
        return sums

    def residuals(self, values: numpy.ndarray) -> numpy.ndarray:
        """Return what is left of each unit's weighted values without their mean, float64 [..., units].

        For balanced accuracy the mean is that of the class, and sqrt(n / (n - 1)) allows for its n images. A class of
        one image has no residual of its own: there the mean of all classes is taken.

        Args:
            values: unweighted, [..., images].
        """
        weights = self.weights(values.shape[-1])
        metric = (weights * values).mean(axis=-1, keepdims=True)
        if self.labels is None:
            return self.by_unit(values - metric)
        positions, counts = self._classes
        means = numpy.where(counts == 1, metric, self.by_class(values) / counts)[..., positions]
        factors = numpy.sqrt(counts / numpy.maximum(counts - 1, 1))[positions]
        return self.by_unit(weights * factors * (values - means))

    def variance_factor(self, images: int) -> float:
        """Return what the image variance is multiplied by: U / (U - 1) for U groups."""
        return 1.0 if self.groups is None else self.units(images) / (self.units(images) - 1)

    @property
    def overlap(self) -> float:
        """The share of one row's image variance that k folds add, since their training sets overlap; 0 without folds.

        It is 1 / (k - 1), the ratio of held-out images to training images (Nadeau and Bengio 2003, Machine Learning 52,
        239-281), and at least `LEAST_OVERLAP`. It is of one row, since more seeds or repeats are trained on the same
        images.
        """
        return 0.0 if self.folds is None else max(1 / (self.folds - 1), LEAST_OVERLAP)

    def with_overlap(self, variance: numpy.ndarray, *rows: numpy.ndarray) -> numpy.ndarray:
        """Return the image variance of a mean over rows, [...], and what the overlap of training sets adds.

        Args:
            variance: of the mean, [...].
            rows: whether each row has each image right, of one arm or of the two that differ: bool [..., rows, images].
        """
        factor = self.variance_factor(rows[0].shape[-1])
        if self.folds is None:
            return variance * factor
        of_one_row = variance + sum(self._between_rows(own) for own in rows)
        return (variance + self.overlap * of_one_row) * factor

    def _between_rows(self, correct: numpy.ndarray) -> numpy.ndarray:
        """By how much the image variance of one row exceeds that of the mean over rows, [...]."""
        images = correct.shape[-1]
        by_unit = self.by_unit(correct * self.weights(images))
        between: numpy.ndarray = by_unit.var(axis=-2).sum(axis=-1) / images**2
        return between

    def quantile(self, level: float, images: int) -> float:
        """Return the two-sided quantile of the image part: normal, or for U groups Student's t with U - 1 degrees."""
        if self.groups is None:
            return float(stats.norm.isf(level / 2))
        return float(stats.t.isf(level / 2, self.units(images) - 1))


EACH_IMAGE = Sampling()
"""Accuracy of images that were drawn one by one."""


@dataclass(frozen=True, eq=False)
class SeedPart:
    """What an arm's seeds add to the variance of its mean over seeds.

    Attributes:
        observed: the variance of the runs' metrics, divided by the seeds; [...].
        noise: what of it run-by-image noise alone explains; it is part of the image variance already; [...].
        seeds: their number; None for a deterministic arm, which counts as having any number.
    """

    observed: numpy.ndarray
    noise: numpy.ndarray
    seeds: int | None

    @property
    def variance(self) -> numpy.ndarray:
        """What the seeds add, [...]."""
        variance: numpy.ndarray = numpy.maximum(self.observed - self.noise, 0.0)
        return variance

    @property
    def is_known(self) -> bool:
        """Whether there are seeds to learn it from."""
        return self.seeds is not None and self.seeds > 1


def seed_part(correct: numpy.ndarray, sampling: Sampling = EACH_IMAGE, deterministic: bool = False) -> SeedPart:
    """Return the seed part of an arm; 0 for a single run and for a deterministic arm.

    Args:
        correct: whether each run has each image right, bool [..., rows, images]; a row for each seed, or
            `sampling.rows_per_seed` of them.
    """
    *batch, rows, images = correct.shape
    seeds = sampling.seeds(rows)
    if deterministic or seeds == 1:
        return SeedPart(numpy.zeros(batch), numpy.zeros(batch), None if deterministic else seeds)
    by_unit = sampling.by_unit(sampling.by_seed(correct) * sampling.weights(images))
    observed = (by_unit.sum(axis=-1) / images).var(axis=-1, ddof=1) / seeds
    noise = by_unit.var(axis=-2, ddof=1).sum(axis=-1) / (seeds * images**2)
    return SeedPart(observed, noise, seeds)


def degrees_of_freedom(*parts: SeedPart) -> numpy.ndarray | None:
    """Return Satterthwaite's degrees of freedom of a sum of seed parts (Hillis 2007); [...].

    They are at most as many times S - 1 as there are parts, S the smallest number of seeds. None if no part is known.
    """
    known = [part for part in parts if part.is_known]
    if not known:
        return None
    each = [(part.seeds or 0) - 1 for part in known]
    most = len(known) * min(each)
    total = sum(part.observed for part in known)
    below = sum(part.observed**2 / degrees for part, degrees in zip(known, each, strict=True))
    with numpy.errstate(invalid="ignore", divide="ignore"):
        # where no seed differs there is no seed part, and any number of degrees does
        found: numpy.ndarray = numpy.where(numpy.asarray(total) > 0, numpy.minimum(total**2 / below, most), most)
    return found


def squared_half_width(
    level: float, sampling: Sampling, images: int, variances: tuple[Any, Any], degrees: numpy.ndarray | None
) -> Any:
    """Return z² V + t² T, the parts with a quantile each; [...].

    Args:
        level: such as 0.05 for an interval of 95 %.
        variances: V of the images and T of the seeds, [...] each.
        degrees: of freedom of T; None if nothing is known about seeds.
    """
    of_images = sampling.quantile(level, images) ** 2 * variances[0]
    if degrees is None:
        return of_images
    return of_images + stats.t.isf(level / 2, degrees) ** 2 * variances[1]


def level_at(excess: Callable[[float], float]) -> float:
    """Return the level at which an interval just reaches a value: the root of `excess`, which falls as levels rise.

    Args:
        excess: how far the interval of a level reaches beyond the value; not above 0 at the level 1.

    Returns:
        The level, at least `SMALLEST_P`.
    """
    if excess(SMALLEST_P) <= 0:
        return SMALLEST_P
    # levels span many orders of magnitude, so their logarithm is looked for
    return math.exp(optimize.brentq(lambda log_level: excess(math.exp(log_level)), math.log(SMALLEST_P), 0.0))
