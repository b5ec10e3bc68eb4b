"""Does a network do as well on other images? The difference of two samples of images that have nothing in common."""

import math
from dataclasses import dataclass

import numpy

from triptych.analysis.balanced_accuracy import balanced_accuracy, sampling_of
from triptych.analysis.groups import of_images
from triptych.analysis.intervals import accuracy_interval


@dataclass(frozen=True, eq=False)
class Sample:
    """Answers of one network about some images.

    Attributes:
        labels: class numbers, int64 [images].
        correct: bool [images].
        groups: that were drawn as a whole, int64 [images]; None where images were drawn one by one.
    """

    labels: numpy.ndarray
    correct: numpy.ndarray
    groups: numpy.ndarray | None = None

    @classmethod
    def of_counts(
        cls,
        classes: numpy.ndarray,
        images: numpy.ndarray,
        correct: numpy.ndarray,
        groups: numpy.ndarray | None = None,
    ) -> "Sample":
        """Return the sample with so many images and correct answers of a class, and of a group; int64 [rows] each."""
        right = numpy.concatenate([numpy.arange(n) < k for n, k in zip(images, correct, strict=True)])
        return cls(numpy.repeat(classes, images), right, None if groups is None else numpy.repeat(groups, images))

    def of_classes(self, classes: numpy.ndarray) -> "Sample":
        """Return the images of these classes."""
        rows = numpy.isin(self.labels, classes)
        return Sample(self.labels[rows], self.correct[rows], of_images(self.groups, rows))

    def metric(self, metric: str, confidence: float) -> tuple[float, float, float]:
        """Return accuracy or balanced_accuracy, and both ends of its interval over images or groups, in percent."""
        value = 100 * float(self.correct.mean())
        if metric == "balanced_accuracy":
            value = balanced_accuracy(self.correct, self.labels)
        low, high = accuracy_interval(self.correct[None], confidence, sampling_of(metric, self.labels, self.groups))
        return value, low, high


def difference_of_samples(
    first: Sample, second: Sample, confidence: float, metric: str = "accuracy"
) -> tuple[float, float, float]:
    """Return the metric of the first minus that of the second, and both ends of its interval, in points.

    The interval is made of those of both (Newcombe 1998, Statistics in Medicine 17, 873-890, method 10; Zou and Donner
    2008, Statistics in Medicine 27, 1693-1702). If 0 is outside, the two differ at this confidence.

    Args:
        confidence: such as 0.95.
    """
    a, a_low, a_high = first.metric(metric, confidence)
    b, b_low, b_high = second.metric(metric, confidence)
    low = a - b - math.hypot(a - a_low, b_high - b)
    high = a - b + math.hypot(a_high - a, b - b_low)
    return a - b, max(low, -100.0), min(high, 100.0)
