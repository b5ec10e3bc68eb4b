"""Renditions and hashes: what changes them and what does not."""

import numpy
import pytest
from PIL import Image, ImageEnhance

from tests.data.near_pictures import picture
from triptych.data.near_duplicates import DHASH_BITS, PHASH_BITS, as_numbers, bits
from triptych.data.renditions import dhash, grey_of, phash


def hashes(image):
    grey = grey_of(image)
    return as_numbers([phash(grey)]), as_numbers([dhash(grey)])


def distances(one, other):
    return [int(bits(*pair)[0]) for pair in zip(hashes(one), hashes(other), strict=True)]


def test_of_a_picture_of_one_grey_no_bit_is_set_but_that_of_its_mean():
    for value in (0, 1, 127, 255):
        grey = grey_of(Image.new("RGB", (300, 200), (value,) * 3))
        assert (grey == value).all() and grey.shape == (64, 64) and grey.dtype == numpy.uint8
        assert phash(grey) == ("8000000000000000" if value else "0" * 16)
        assert dhash(grey) == "0" * 16


def test_bits_are_those_that_are_worked_out_by_hand():
    ramp = numpy.tile(numpy.arange(0, 256, 4, dtype=numpy.uint8), (64, 1))
    assert dhash(ramp) == "f" * 16 and dhash(ramp[:, ::-1]) == "0" * 16
    angles = numpy.pi * (2 * numpy.arange(32) + 1) / 64
    means = numpy.random.default_rng(0).integers(0, 256, (32, 32)).astype(numpy.uint8)
    cosines = numpy.cos(numpy.outer(numpy.arange(8), angles))
    frequencies = cosines @ means @ cosines.T
    expected = "".join(str(int(one)) for one in (frequencies > numpy.median(frequencies)).ravel())
    assert int(phash(means.repeat(2, 0).repeat(2, 1)), 16) == int(expected, 2)


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image.resize((image.width // 3, image.height // 3), Image.Resampling.BILINEAR),
        lambda image: image.resize((2 * image.width, image.height)),
        lambda image: ImageEnhance.Brightness(image).enhance(0.7),
        lambda image: image.convert("L").convert("RGB"),
        lambda image: image.crop((3, 2, image.width - 3, image.height - 2)),
    ],
    ids=["smaller", "wider", "darker", "grey", "cropped"],
)
def test_small_changes_of_a_picture_change_few_bits(change):
    for number in range(20):
        phash_bits, dhash_bits = distances(picture(number), change(picture(number)))
        assert phash_bits <= PHASH_BITS and dhash_bits <= DHASH_BITS


def test_other_pictures_differ_in_half_of_the_bits():
    found = numpy.array([distances(picture(number), picture(number + 1)) for number in range(0, 60, 2)])
    assert (found > [PHASH_BITS, DHASH_BITS]).all()
    assert (abs(found.mean(axis=0) - 32) < 6).all()
