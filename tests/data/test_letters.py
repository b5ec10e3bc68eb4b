"""The letters are drawn in real fonts, look like the digits, and are the same bytes every time."""

import numpy
import pytest

from triptych.data.letters import LETTERS, NOT_LETTERS, letter_fonts, render_letters
from triptych.data.sources import digits


@pytest.fixture(scope="module")
def letters():
    return render_letters(520, 32, seed=0, stream=0)


def test_fonts_are_matplotlibs_with_letters():
    names = [font.stem for font in letter_fonts()]
    assert names == sorted(names)
    assert {"DejaVuSans", "DejaVuSerif-BoldItalic", "STIXGeneral", "cmr10", "cmb10", "cmss10", "cmtt10"} <= set(names)
    assert not set(names) & set(NOT_LETTERS)
    assert not [name for name in names if name.startswith(("STIXSiz", "STIXNonUni"))]


def test_every_font_draws_26_different_letters():
    from triptych.data.letters import _drawn

    for font in letter_fonts():
        pictures = {_drawn(font, letter, 0).tobytes() for letter in LETTERS}
        assert len(pictures) == len(LETTERS), font
        for letter in LETTERS:
            # The widest pen, so that no stroke of any letter is cut off at the edge.
            picture = numpy.asarray(_drawn(font, letter, 4))
            assert picture.max() == 255
            edge = numpy.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
            assert not edge.any(), (font, letter)


def test_pictures(letters):
    assert letters.images.shape == (520, 32, 32, 3)
    assert letters.images.dtype == numpy.uint8
    assert (letters.images[..., :1] == letters.images).all()
    assert letters.classes == list(LETTERS)
    assert numpy.bincount(letters.labels).tolist() == [20] * 26
    assert len({image.tobytes() for image in letters.images}) == 520


def test_they_look_like_the_digits(letters):
    """Light strokes on a dark ground, about as much ink, and bright in the middle rather than at the corners."""
    assert abs(letters.images.mean() - digits.read({}, []).images.mean()) < 15
    assert (letters.images.max(axis=(1, 2, 3)) > 150).all()
    assert letters.images[:, 8:24, 8:24].mean() > 3 * letters.images[:, [0, 0, -1, -1], [0, -1, 0, -1]].mean()


def test_seeds_and_streams():
    first, again = (render_letters(30, 32, seed=3, stream=0).images for _ in range(2))
    assert numpy.array_equal(first, again)
    assert numpy.array_equal(render_letters(35, 32, seed=3, stream=0).images[:30], first)
    for other in (render_letters(30, 32, seed=4, stream=0), render_letters(30, 32, seed=3, stream=1)):
        assert not (other.images == first).all(axis=(1, 2, 3)).any()
