"""The calibration error is that of its definition, and its interval holds the true one often enough."""

import numpy
import pytest

from triptych.analysis.calibration_error import BINS, bins_of, calibration_error


def drawn(images, accuracy, seed):
    """Probabilities, and answers that are right as often as `accuracy` says of each."""
    generator = numpy.random.default_rng(seed)
    probability = 1 - 0.8 * generator.beta(0.6, 2.0, images)
    return probability, generator.random(images) < accuracy(probability)


def test_bins_have_as_many_images_and_the_error_is_that_of_the_definition():
    probability, correct = drawn(1000, lambda p: p - 0.1, 0)
    bins = bins_of(probability, correct)
    assert len(bins.images) == BINS and set(bins.images) == {66, 67} and bins.correct.sum() == correct.sum()
    assert (numpy.diff(bins.probability) > 0).all()
    order, expected = numpy.argsort(probability), 0.0
    for part in numpy.array_split(order, BINS):
        expected += len(part) / 1000 * abs(probability[part].mean() - correct[part].mean())
    assert bins.error == pytest.approx(expected)
    assert [len(bins_of(probability[:n], correct[:n]).images) for n in (1, 19, 20, 149, 150)] == [1, 1, 2, 14, 15]


@pytest.mark.parametrize("images", [200, 1000])
def test_perfect_probabilities_show_an_error_but_the_interval_holds_0(images):
    found = [calibration_error(bins_of(*drawn(images, lambda p: p, seed)), 0.95) for seed in range(12)]
    assert min(one.counted for one in found) > 0.01
    assert sum(one.low == 0 for one in found) >= 10
    assert sum(one.corrected == 0 for one in found) >= 2
    assert all(one.low <= one.corrected <= one.high and one.high > 0 for one in found)


def test_a_clear_error_is_found_and_its_size_too():
    found = [calibration_error(bins_of(*drawn(1000, lambda p: p - 0.15, seed)), 0.95) for seed in range(6)]
    assert all(one.low > 0.05 for one in found)
    assert sum(one.low <= 0.15 <= one.high for one in found) >= 5


def test_the_same_bins_give_the_same_numbers():
    bins = bins_of(*drawn(300, lambda p: p, 0))
    assert calibration_error(bins, 0.95) == calibration_error(bins, 0.95)
    wide, narrow = calibration_error(bins, 0.99), calibration_error(bins, 0.9)
    assert wide.low <= narrow.low and wide.high >= narrow.high


@pytest.mark.parametrize(("probability", "right"), [(1.0, True), (1.0, False), (0.5, True)])
def test_all_alike_is_no_trouble(probability, right):
    found = calibration_error(bins_of(numpy.full(40, probability), numpy.full(40, right)), 0.95)
    assert 0 <= found.low <= found.corrected <= found.high <= 1 and found.high > 0
    assert found.counted == pytest.approx(abs(probability - right))
