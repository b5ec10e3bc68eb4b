"""Mean and standard deviation of the input."""

import numpy
import pytest

from triptych.models.normalisation import normalisation_of
from triptych.storage.errors import InputError

IMAGES = numpy.random.default_rng(1).integers(0, 256, (7, 5, 4, 3), dtype=numpy.uint8)


def test_none_and_imagenet():
    assert normalisation_of("none", IMAGES) == {"mean": [0, 0, 0], "std": [1, 1, 1]}
    assert normalisation_of("imagenet", IMAGES)["mean"] == [0.485, 0.456, 0.406]
    assert normalisation_of("imagenet", IMAGES)["std"] == [0.229, 0.224, 0.225]


def test_dataset():
    found = normalisation_of("dataset", IMAGES)
    pixels = IMAGES.reshape(-1, 3) / 255
    assert found["mean"] == pytest.approx(pixels.mean(0), rel=1e-12)
    assert found["std"] == pytest.approx(pixels.std(0), rel=1e-12)
    assert normalisation_of("dataset", IMAGES[::-1]) == found


@pytest.mark.parametrize(
    ("word", "images", "message"),
    [
        ("zscore", IMAGES, "'zscore' is not allowed; give none, imagenet or dataset"),
        ("dataset", numpy.zeros((2, 4, 4, 3), dtype=numpy.uint8), "is constant"),
        ("dataset", IMAGES[:0], "is constant"),
    ],
)
def test_refused(word, images, message):
    with pytest.raises(InputError, match=message):
        normalisation_of(word, images)
