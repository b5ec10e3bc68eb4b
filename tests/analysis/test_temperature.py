"""The temperature is the one that the logits were made with, and answers that are not unsure are right often enough."""

import numpy
import pytest

from triptych.analysis.temperature import FEWEST, TARGET, calibrate, calibrated, fitted_temperature, threshold
from triptych.results.mistakes import softmax


def drawn(images, temperature, seed=0):
    """Logits that are `temperature` times those that tell the truth about their labels."""
    generator = numpy.random.default_rng(seed)
    honest = generator.normal(0, 2, (images, 5))
    labels = numpy.array([generator.choice(5, p=row) for row in softmax(honest)])
    return honest * temperature, labels


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5])
def test_the_temperature_is_found(temperature):
    logits, labels = drawn(20_000, temperature)
    assert fitted_temperature(logits, labels) == pytest.approx(temperature, rel=0.03)
    assert fitted_temperature(logits.astype(numpy.float32), labels) == fitted_temperature(logits, labels)


def test_the_order_of_classes_is_never_changed():
    logits, _ = drawn(100, 3)
    assert (calibrated(logits, 3).argmax(axis=1) == logits.argmax(axis=1)).all()
    assert calibrated(logits, 1) == pytest.approx(softmax(logits))


def test_above_the_threshold_few_are_wrong_and_below_many():
    logits, labels = drawn(5_000, 2)
    found = calibrate(logits, labels)
    fresh, truth = drawn(5_000, 2, seed=1)
    wrong = fresh.argmax(axis=1) != truth
    sure = calibrated(fresh, found.temperature).max(axis=1) >= found.unsure_below
    assert sure.sum() > 500
    assert wrong[sure].mean() < TARGET + 0.02 < wrong[~sure].mean()


def test_the_threshold_is_the_smallest_that_serves():
    probability = numpy.linspace(0.2, 0.99, 100).round(4)
    wrong = numpy.zeros(100, bool)
    wrong[:10] = True
    assert threshold(probability, wrong) == probability[6]  # 4 of 94 are fewer than half of 10 %
    wrong[-FEWEST:] = True
    assert threshold(probability, wrong) is None


@pytest.mark.parametrize(
    ("images", "change"),
    [
        (FEWEST - 1, lambda logits, labels: labels),
        (100, lambda logits, labels: logits.argmax(axis=1)),
        (0, lambda logits, labels: labels),
    ],
    ids=["few images", "no mistake", "none"],
)
def test_where_it_cannot_be_fitted_there_is_none(images, change):
    logits, labels = drawn(images, 1) if images else (numpy.empty((0, 5)), numpy.empty(0, int))
    found = calibrate(logits, change(logits, labels))
    assert (found.temperature, found.unsure_below, found.images) == (None, None, images)
