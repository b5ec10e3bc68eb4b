"""Measure the stored pixels of an image: brightness, contrast, sharpness and the mean of each channel."""

import numpy
from PIL import Image

FACTS = ("brightness", "contrast", "sharpness", "red", "green", "blue")
LEVELS = numpy.arange(256)
DECIMALS = 3


def facts_of(pixels: numpy.ndarray) -> dict[str, float]:
    """Return the facts of an image, rounded to three decimals.

    All sums are of whole numbers, so that every machine gets the same digits.

    Args:
        pixels: uint8 [H, W, 3], both sides at least 1.

    Returns:
        brightness: mean luminance (ITU-R 601), 0 to 255; contrast: its standard deviation; sharpness: the variance of
        its Laplacian (0 if a side is below 3 px); red, green, blue: mean of the channel, 0 to 255.
    """
    image = Image.fromarray(pixels)
    grey = image.convert("L")
    count = pixels.shape[0] * pixels.shape[1]
    histogram = numpy.array(grey.histogram())
    channels = numpy.array(image.histogram()).reshape(3, 256)
    values = {
        "brightness": int(histogram @ LEVELS) / count,
        "contrast": _variance(int(histogram @ LEVELS), int(histogram @ LEVELS**2), count) ** 0.5,
        "sharpness": _sharpness(numpy.asarray(grey)),
        **{name: int(channel @ LEVELS) / count for name, channel in zip(FACTS[3:], channels, strict=True)},
    }
    return {name: round(value, DECIMALS) for name, value in values.items()}


def _sharpness(grey: numpy.ndarray) -> float:
    if min(grey.shape) < 3:
        return 0.0
    values = grey.astype(numpy.int16)
    laplacian = 4 * values[1:-1, 1:-1]
    laplacian -= values[:-2, 1:-1]
    laplacian -= values[2:, 1:-1]
    laplacian -= values[1:-1, :-2]
    laplacian -= values[1:-1, 2:]
    squares = numpy.square(laplacian, dtype=numpy.int32)
    return _variance(int(laplacian.sum(dtype=numpy.int64)), int(squares.sum(dtype=numpy.int64)), laplacian.size)


def _variance(total: int, squares: int, count: int) -> float:
    """Return the variance of `count` whole numbers from their sum and the sum of their squares."""
    return (count * squares - total * total) / (count * count)
