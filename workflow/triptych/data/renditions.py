"""What near-duplicates are found by: a small grey rendition of an image, and two hashes of it.

No setting of the store affects them, so that another `store_size` or `fit` finds the same pairs. All arithmetic is of
whole numbers (in float64, far below 2**53), so that every machine gets the same hashes.
"""

import numpy
from PIL import Image

from triptych.data.decoding import SMALLEST_SIDE

SIDE = SMALLEST_SIDE
"""Pixels of a side of the rendition."""
GREY_SIDE = 64
"""Pixels of a side of what is kept of it."""
HASH_SIDE = 8
"""Of the squares of numbers that hashes are made of: 64 bits."""
DCT_SIDE = 32
DCT_SCALE = 2**14


def grey_of(image: Image.Image) -> numpy.ndarray:
    """Return the grey rendition of an upright RGB image, uint8 [64, 64]: squashed to 256 px a side, then averaged."""
    squashed = image.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
    return numpy.array(squashed.reduce(SIDE // GREY_SIDE))


def phash(grey: numpy.ndarray) -> str:
    """Return the perceptual hash of a rendition [64, 64]: 16 hexadecimal digits.

    A bit is set where one of the 8 x 8 lowest frequencies of the cosine transform of 32 x 32 means is above the median.
    """
    means = grey.reshape(DCT_SIDE, 2, DCT_SIDE, 2).sum(axis=(1, 3), dtype=numpy.float64)
    frequencies = _COSINES @ means @ _COSINES.T
    return _hexadecimal(frequencies > numpy.median(frequencies))


def dhash(grey: numpy.ndarray) -> str:
    """Return the difference hash of a rendition [64, 64]: 16 hexadecimal digits.

    A bit is set where one of 8 x 9 means is above its left neighbour.
    """
    means = numpy.asarray(Image.fromarray(grey).resize((HASH_SIDE + 1, HASH_SIDE), Image.Resampling.BOX))
    return _hexadecimal(means[:, 1:] > means[:, :-1])


def _hexadecimal(bits: numpy.ndarray) -> str:
    return numpy.packbits(bits).tobytes().hex()


def _cosines() -> numpy.ndarray:
    """Return the lowest rows of the matrix of the cosine transform, float64 [8, 32], rounded to whole numbers."""
    angles = numpy.outer(numpy.arange(HASH_SIDE), 2 * numpy.arange(DCT_SIDE) + 1) * (numpy.pi / (2 * DCT_SIDE))
    cosines: numpy.ndarray = numpy.rint(numpy.cos(angles) * DCT_SCALE)
    return cosines


_COSINES = _cosines()
