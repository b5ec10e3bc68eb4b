"""Calibrate a network's probabilities on images that it was not trained on: a temperature, and when to be unsure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy
from scipy import optimize
from scipy.special import log_softmax, logsumexp

from triptych.results.mistakes import DECIMALS, softmax

FEWEST = 20
"""Images from which a network is calibrated, and that must be above the threshold of being unsure."""
COLDEST, HOTTEST = 0.05, 20.0
TARGET = 0.05
"""The largest share of mistakes among answers that are not unsure."""


@dataclass(frozen=True)
class Calibration:
    """How to read a network's logits.

    Attributes:
        temperature: logits are divided by it before the softmax; None where it cannot be fitted.
        unsure_below: a prediction is unsure if its calibrated probability, with `DECIMALS` decimals, is below; None
            where no threshold can be given.
        images: how many images it was fitted on.
    """

    temperature: float | None
    unsure_below: float | None
    images: int


def calibrate(logits: numpy.ndarray, labels: numpy.ndarray) -> Calibration:
    """Fit the temperature, and the probability below which a prediction is unsure.

    Neither can be fitted on fewer than `FEWEST` images, or where every image is classified correctly: any temperature
    would then seem too high.

    Args:
        logits: float [N, classes].
        labels: int64 [N].
    """
    wrong = logits.argmax(axis=1) != labels
    if len(labels) < FEWEST or not wrong.any() or not numpy.isfinite(logits).all():
        return Calibration(None, None, len(labels))
    temperature = fitted_temperature(logits, labels)
    probability = calibrated(logits, temperature).max(axis=1).round(DECIMALS)
    return Calibration(temperature, threshold(probability, wrong), len(labels))


def fitted_temperature(logits: numpy.ndarray, labels: numpy.ndarray) -> float:
    """Return the temperature with the smallest cross-entropy (Guo et al. 2017, ICML), with four decimals."""
    rows = numpy.arange(len(labels))

    def loss(logarithm: float) -> float:
        return -float(log_softmax(logits.astype(numpy.float64) / numpy.exp(logarithm), axis=1)[rows, labels].mean())

    bounds = (numpy.log(COLDEST), numpy.log(HOTTEST))
    found = optimize.minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-7})
    return round(float(numpy.exp(found.x)), 4)


def calibrated(logits: numpy.ndarray, temperature: float) -> numpy.ndarray:
    """Return calibrated probabilities, float64 [N, classes]."""
    return softmax(logits.astype(numpy.float64) / temperature)


def of_members(logits: Sequence[numpy.ndarray]) -> numpy.ndarray:
    """Return logits whose softmax is the mean of the members' softmax, [N, classes]; of one member its own.

    They are the logarithm of that mean, in float64, so a temperature divides them as those of one network.

    Args:
        logits: of each member, float [N, classes].
    """
    if len(logits) == 1:
        return logits[0]
    logarithms = log_softmax(numpy.stack(logits).astype(numpy.float64), axis=2)
    mean: numpy.ndarray = logsumexp(logarithms, axis=0) - numpy.log(len(logits))
    return mean


def threshold(probability: numpy.ndarray, wrong: numpy.ndarray) -> float | None:
    """Return the smallest probability from which on predictions are wrong rarely enough; None if there is none.

    Rarely enough: at most half as often as all predictions, and in at most `TARGET`.

    Args:
        probability: of the predicted class, [N].
        wrong: bool [N].
    """
    allowed = min(TARGET, wrong.mean() / 2)
    for value in numpy.unique(probability):
        sure = probability >= value
        if sure.sum() < FEWEST:
            return None
        if wrong[sure].mean() <= allowed:
            return float(value)
    return None
