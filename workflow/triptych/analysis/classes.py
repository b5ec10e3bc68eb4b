"""Confusion counts, recall and precision."""

import numpy

from triptych.analysis.groups import of_images
from triptych.analysis.intervals import accuracy_interval
from triptych.analysis.variance_parts import Sampling


def confusion_counts(labels: numpy.ndarray, predicted: numpy.ndarray, classes: int) -> numpy.ndarray:
    """Count images by true class (row) and predicted class (column): int64 [classes, classes].

    Args:
        labels, predicted: class numbers [images], each from 0 to `classes` - 1.
    """
    return numpy.bincount(labels * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def shares_of_rows(counts: numpy.ndarray) -> numpy.ndarray:
    """Divide each row of counts by its sum: 0 to 1, NaN if the sum is 0."""
    return _divided(counts, counts.sum(axis=1, keepdims=True))


def recall_and_precision(counts: numpy.ndarray) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Return recall and precision of each class in percent, from the counts of `confusion_counts`.

    Recall is the share of a class's images that are predicted as the class. Precision is the share of the images
    predicted as the class that belong to it. Without such images the share is NaN.
    """
    correct = counts.diagonal()
    return _divided(100 * correct, counts.sum(axis=1)), _divided(100 * correct, counts.sum(axis=0))


def recall_intervals(
    correct: numpy.ndarray,
    labels: numpy.ndarray,
    classes: int,
    confidence: float,
    rows_per_seed: int = 1,
    groups: numpy.ndarray | None = None,
) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Return both ends of the interval of each class's recall over its images and the seeds, in percent [classes].

    NaN where a class has no image. Of one run it is Wilson's.

    Args:
        correct: bool [rows, images].
        labels: class numbers [images].
        confidence: such as 0.95.
        rows_per_seed: consecutive rows that share a seed: the networks of its folds.
        groups: that were drawn as a whole, int64 [images].
    """
    ends = numpy.full((2, classes), numpy.nan)
    for label in numpy.unique(labels):
        own = labels == label
        sampling = Sampling(groups=of_images(groups, own), rows_per_seed=rows_per_seed)
        ends[:, label] = accuracy_interval(correct[:, own], confidence, sampling)
    return ends[0], ends[1]


def _divided(part: numpy.ndarray, whole: numpy.ndarray) -> numpy.ndarray:
    shares = numpy.full(part.shape, numpy.nan)
    numpy.divide(part, whole, out=shares, where=whole != 0)
    return shares
