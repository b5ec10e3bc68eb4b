"""What near-duplicates are found by: a small grey rendition of an image, and two hashes of it.

They are made of the image as it is decoded for a store of at most `SMALLEST_SIDE` pixels (`triptych.data.decoding`), so
that another `store_size` or `fit` finds the same pairs. All arithmetic is of whole numbers, in float64 far below 2**53:
every machine gets the same hashes.
"""

import numpy
from PIL import Image

GREY_SIDE = 64
"""Pixels of a side of the rendition."""
HASH_SIDE = 8
"""Of the squares of numbers that hashes are made of: 64 bits."""
DCT_SIDE = 32
DCT_SCALE = 2**14


def grey_of(image: Image.Image) -> numpy.ndarray:
    """Return the grey rendition of an upright RGB image, uint8 [64, 64]: the whole image, squashed."""
    return numpy.array(image.convert("L").resize((GREY_SIDE, GREY_SIDE), Image.Resampling.BOX))


def phash(grey: numpy.ndarray) -> str:
    """Return the perceptual hash of a rendition [64, 64]: 16 hexadecimal digits.

    A bit is set where one of the 8 x 8 lowest frequencies of the cosine transform of 32 x 32 means is above the median.
    """
    means = grey.reshape(DCT_SIDE, 2, DCT_SIDE, 2).sum(axis=(1, 3), dtype=numpy.float64)
    frequencies = _COSINES @ means @ _COSINES.T
    ordered = numpy.sort(frequencies, axis=None)
    middle = len(ordered) // 2
    return _hexadecimal(2 * frequencies > ordered[middle - 1] + ordered[middle])


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
