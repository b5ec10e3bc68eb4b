"""How far the probabilities of a run can be trusted: its temperature, and the calibration error before and after it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy

from triptych.analysis.calibration_error import FEWEST_IMAGES, Bins, CalibrationError, bins_of, calibration_error
from triptych.analysis.runs import Truth, read_logits
from triptych.analysis.temperature import Calibration, calibrate, calibrated, of_members
from triptych.data.dataset import Split
from triptych.data.halves import decision_half, selects_epoch

ERROR_DECIMALS = 2
"""Of a calibration error in percent."""
PLAIN, CALIBRATED = "plain", "calibrated"


@dataclass(frozen=True)
class Measured:
    """The calibration of one kind of probabilities on labelled images.

    Attributes:
        probabilities: PLAIN, or CALIBRATED by the temperature.
        temperature: 1 for plain ones.
        bins: of the images.
        error: of the bins.
    """

    probabilities: str
    temperature: float
    bins: Bins
    error: CalibrationError


def calibration_of(
    predictions: Sequence[Path], validation: Split, recipe: Mapping[str, Any], decides: numpy.ndarray | None = None
) -> Calibration:
    """Calibrate on the validation images that did not choose the run's epoch; without any, there is no calibration.

    Args:
        predictions: of the run, or of each member of an ensemble.
        decides: which of the images choose no epoch, bool [images]; by default the half of them that decides.

    Raises:
        InputError: the predictions are not of these images.
    """
    if not len(validation):
        return Calibration(None, None, 0)
    truth = Truth(validation.labels, validation.classes, "validation")
    logits = of_members([read_logits(path, truth) for path in predictions])
    rows = numpy.ones(len(validation), bool)
    if selects_epoch(recipe["keep"], recipe["patience"]):
        rows = decision_half(validation.images, validation.labels) if decides is None else decides
        if not rows.any():  # of a fold of few images
            return Calibration(None, None, 0)
    return calibrate(logits[rows], validation.labels[rows])


def measure(
    logits: numpy.ndarray, labels: numpy.ndarray, temperature: float | None, confidence: float
) -> list[Measured]:
    """Measure the plain probabilities of images that calibrated nothing, and the calibrated ones if there are such.

    Fewer than `FEWEST_IMAGES` say nothing, nor do logits that are no numbers: nothing is measured then.

    Args:
        logits: float [N, classes].
        labels: int64 [N].
        temperature: None if it could not be fitted.
        confidence: of the intervals.
    """
    if len(labels) < FEWEST_IMAGES or not numpy.isfinite(logits).all():
        return []
    correct = logits.argmax(axis=1) == labels
    found = []
    for name, value in ((PLAIN, 1.0), (CALIBRATED, temperature)):
        if value is not None:
            bins = bins_of(calibrated(logits, value).max(axis=1), correct)
            found.append(Measured(name, value, bins, calibration_error(bins, confidence)))
    return found
