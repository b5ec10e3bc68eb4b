"""Facts of images whose values are known."""

import numpy
import pytest

from triptych.data.facts import FACTS, facts_of


def test_a_plain_image_has_its_colour_and_nothing_else():
    pixels = numpy.empty((5, 7, 3), dtype=numpy.uint8)
    pixels[:] = (200, 100, 50)
    assert facts_of(pixels) == {
        "brightness": 124.0,  # 0.299 * 200 + 0.587 * 100 + 0.114 * 50 = 124.2
        "contrast": 0.0,
        "sharpness": 0.0,
        "red": 200.0,
        "green": 100.0,
        "blue": 50.0,
    }


def test_values_are_those_of_a_plain_computation():
    pixels = numpy.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=numpy.uint8)
    pixels[..., 1] = pixels[..., 2] = pixels[..., 0]  # grey, so that luminance is the value itself
    grey = pixels[..., 0].astype(float)
    laplacian = 4 * grey[1:-1, 1:-1] - grey[:-2, 1:-1] - grey[2:, 1:-1] - grey[1:-1, :-2] - grey[1:-1, 2:]
    facts = facts_of(pixels)
    assert tuple(facts) == FACTS
    expected = {"brightness": grey.mean(), "contrast": grey.std(), "sharpness": laplacian.var(), "red": grey.mean()}
    for name, value in expected.items():
        assert facts[name] == pytest.approx(value, abs=0.0006), name
        assert facts[name] == round(facts[name], 3)


@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 9, 3)])
def test_the_smallest_images_have_no_laplacian(shape):
    assert facts_of(numpy.full(shape, 9, dtype=numpy.uint8))["sharpness"] == 0.0


def test_the_extremes_of_a_large_image_do_not_overflow():
    pixels = numpy.zeros((1000, 1000, 3), dtype=numpy.uint8)
    pixels[::2, ::2] = pixels[1::2, 1::2] = 255
    assert facts_of(pixels)["sharpness"] == pytest.approx(1020**2, rel=0.01)
