"""The misclassified images of an arm, most confident first, for the figure and the table of them."""

from dataclasses import dataclass

import numpy

DECIMALS = 4
"""Of a probability in a table."""


@dataclass(frozen=True)
class Mistake:
    """An image that at least one run misclassifies.

    Attributes:
        row: of the image in its split.
        predicted: the index of the wrong class with the highest mean probability over runs.
        probability: that mean, 0 to 1.
        runs: the number of runs that misclassify the image.
    """

    row: int
    predicted: int
    probability: float
    runs: int


def softmax(logits: numpy.ndarray) -> numpy.ndarray:
    """Return probabilities [N, K] of logits [N, K], in float64."""
    powers = numpy.exp(logits.astype(numpy.float64) - logits.max(axis=1, keepdims=True))
    probabilities: numpy.ndarray = powers / powers.sum(axis=1, keepdims=True)
    return probabilities


def mistakes_of(probabilities: numpy.ndarray, labels: numpy.ndarray) -> list[Mistake]:
    """Return the images that any run misclassifies, the most confident first; equal ones in the order of the split.

    Args:
        probabilities: [runs, N, K].
        labels: true classes [N].
    """
    misclassified = (probabilities.argmax(axis=2) != labels).sum(axis=0)
    mistaken = numpy.flatnonzero(misclassified)
    wrong = probabilities.mean(axis=0)
    wrong[numpy.arange(len(labels)), labels] = -1
    rows = mistaken[numpy.argsort(-wrong[mistaken].max(axis=1), kind="stable")]
    return [
        Mistake(int(row), int(wrong[row].argmax()), float(wrong[row].max()), int(misclassified[row])) for row in rows
    ]
