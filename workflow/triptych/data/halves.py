"""Divide validation images in two: one half selects epochs inside an arm, the other decides between arms.

An arm whose epoch was selected on the images that decide is overestimated: the more, the more its curve fluctuates.
"""

import hashlib

import numpy


def selects_epoch(keep: str, patience: int | None) -> bool:
    """Whether a run with these values of its recipe chooses its epoch on validation images."""
    return keep == "best" or patience is not None


def decision_half(images: numpy.ndarray, labels: numpy.ndarray) -> numpy.ndarray:
    """Return which images decide between arms; the others select the epoch.

    In each class the images are ordered by the SHA-256 of their pixels. The first half (rounded down) selects, the
    rest decides. So the order of the images does not matter, and one more image moves at most one other.

    Args:
        images: uint8 [N, ...]; N may be 0.
        labels: int64 [N].

    Returns:
        bool [N]: True for the images that decide.
    """
    decides = numpy.ones(len(labels), dtype=bool)
    digests = [hashlib.sha256(image.tobytes()).digest() for image in images]
    for label in numpy.unique(labels):
        rows = sorted(numpy.flatnonzero(labels == label), key=lambda row: digests[row])
        decides[rows[: len(rows) // 2]] = False
    return decides
