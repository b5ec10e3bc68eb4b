"""Confidence intervals of accuracy and balanced accuracy, over images and seeds, and what they say about guessing."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy
from scipy import stats

from triptych.analysis.balanced_accuracy import BalancedShare, balanced_share
from triptych.analysis.variance_parts import (
    EACH_IMAGE,
    Sampling,
    degrees_of_freedom,
    level_at,
    seed_part,
    squared_half_width,
)


def wilson_interval(successes: int, trials: int, confidence: float) -> tuple[float, float]:
    """Wilson's score interval (1927) of a binomial share, both ends from 0 to 1.

    Args:
        successes: of `trials` independent trials.
        confidence: such as 0.95.
    """
    interval = stats.binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


@dataclass(frozen=True, eq=False)
class ArmShare:
    """The share of images that an arm has right, and the variance of its parts.

    Attributes:
        share: mean over seeds and images, 0 to 1; [...].
        image_variance, seed_variance: of it; [...] each.
        degrees: of freedom of the seed variance; None if there is none.
        seeds, images: their numbers.
        sampling: of the images.
    """

    share: numpy.ndarray
    image_variance: numpy.ndarray
    seed_variance: numpy.ndarray
    degrees: numpy.ndarray | None
    seeds: int
    images: int
    sampling: Sampling

    def inverse_size(self, level: float) -> numpy.ndarray:
        """Return z² / n of Wilson's interval for the size n of a sample that leaves as much variance; [...].

        It is at least that of as many independent answers as there are. Where all answers are right, or all are wrong,
        the variance says nothing, and n is the number of images (or groups).
        """
        z = self.sampling.quantile(level, self.images)
        binomial = self.share * (1 - self.share)
        variances = (self.image_variance, self.seed_variance)
        squared = squared_half_width(level, self.sampling, self.images, variances, self.degrees)
        with numpy.errstate(invalid="ignore", divide="ignore"):
            found: numpy.ndarray = numpy.where(
                binomial > 0,
                numpy.maximum(squared / binomial, z**2 / (self.seeds * self.images)),
                z**2 * (1 + self.sampling.overlap) / self.sampling.units(self.images),
            )
        return found

    def excess(self, value: float) -> Callable[[float], float]:
        """Return a function of the level of one arm's interval: above 0 where the interval reaches beyond a value.

        The value is an end of Wilson's interval where (share - value)² = `inverse_size` x value x (1 - value).
        """
        wanted = (float(self.share) - value) ** 2 / (value * (1 - value))
        return lambda level: float(self.inverse_size(level)) - wanted

    def interval(self, level: float) -> tuple[numpy.ndarray, numpy.ndarray]:
        """Return Wilson's interval (1927) with the effective size; [...] each, within 0 and 1."""
        inverse = self.inverse_size(level)
        centre = (self.share + inverse / 2) / (1 + inverse)
        half = numpy.sqrt(inverse * self.share * (1 - self.share) + inverse**2 / 4) / (1 + inverse)
        return numpy.clip(centre - half, 0.0, 1.0), numpy.clip(centre + half, 0.0, 1.0)


def arm_share(
    correct: numpy.ndarray, sampling: Sampling = EACH_IMAGE, deterministic: bool = False
) -> ArmShare | BalancedShare:
    """Return an arm's accuracy (of `sampling` with labels: its balanced accuracy), and what its interval needs.

    Args:
        correct: whether each run has each image right, bool [..., seeds, images].
        deterministic: whether every seed gives the same network.
    """
    if sampling.labels is not None:
        return balanced_share(correct, sampling, deterministic)
    seeds, images = correct.shape[-2:]
    mean = correct.mean(axis=-2)
    part = seed_part(correct, sampling, deterministic)
    return ArmShare(
        share=mean.mean(axis=-1),
        image_variance=sampling.with_overlap((sampling.residuals(mean) ** 2).sum(axis=-1) / images**2, correct),
        seed_variance=part.variance,
        degrees=degrees_of_freedom(part),
        seeds=seeds,
        images=images,
        sampling=sampling,
    )


def accuracy_interval(
    correct: numpy.ndarray, confidence: float, sampling: Sampling = EACH_IMAGE, deterministic: bool = False
) -> tuple[float, float]:
    """Return the interval of an arm's accuracy in percent, over images and seeds; of one run Wilson's, over images.

    Of `sampling` with labels it is that of its balanced accuracy: a score interval.

    Args:
        correct: bool [seeds, images].
        confidence: such as 0.95.
    """
    low, high = arm_share(correct, sampling, deterministic).interval(1 - confidence)
    return 100 * float(low), 100 * float(high)


def p_of_guessing(
    correct: numpy.ndarray, chance: float, sampling: Sampling = EACH_IMAGE, deterministic: bool = False
) -> float:
    """Return the one-sided p-value of an arm's accuracy if it were that of guessing, by inverting its interval.

    It is half the level of the interval that ends at `chance`.

    Args:
        correct: bool [seeds, images].
        chance: the accuracy of guessing, above 0 and at most 1.
    """
    arm = arm_share(correct, sampling, deterministic)
    away = float(arm.share) - chance
    if chance == 1 or away == 0:
        return 1.0 if chance == 1 else 0.5
    two_sided = level_at(arm.excess(chance))
    return two_sided / 2 if away > 0 else 1 - two_sided / 2
