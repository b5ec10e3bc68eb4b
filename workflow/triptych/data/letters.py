"""Pictures of the letters A to Z, drawn in the fonts that matplotlib ships and made to look like coarse handwriting.

They are what the default experiment's network learns first: real transfer, since the target's classes are others. They
are light on dark, thick and blurred, with the letter filling the picture, because scikit-learn's digits are: those are
scans, summed up to 8x8 pixels.
"""

import string
from functools import cache
from pathlib import Path

import matplotlib
import numpy
from matplotlib.ft2font import FT2Font
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from triptych.data.dataset import Split

LETTERS = string.ascii_uppercase

NOT_LETTERS = {
    "LastResortHE-Regular": "draws every character as a frame that names its block of Unicode",
    "cmex10": "holds large brackets and operators in the places of the letters",
}
"""Fonts that claim to have all letters and do not draw them. The others without letters say so themselves."""

# Height of a letter, and side of the square that it is drawn in, before it is warped: room for a W and for Q's tail.
_CAPITAL_HEIGHT = 56
_CANVAS = 96
# Pixels added around the strokes of a letter: printed strokes are thin beside a pen's on an 8x8 grid.
_PEN_WIDTHS = (0, 1, 2, 3, 4)
# Side in pixels of the coarse picture that a letter is summed up to; the digits have 8.
_COARSE_SIDES = (8, 9, 10, 11)
# Side of the picture in which a letter is warped and blurred, before it is summed up.
_FINE_SIDE = 48


@cache
def letter_fonts() -> tuple[Path, ...]:
    """The fonts among matplotlib's own that draw all of A to Z, sorted by name."""
    fonts = sorted((Path(matplotlib.get_data_path()) / "fonts" / "ttf").glob("*.ttf"), key=lambda font: font.stem)
    needed = {ord(letter) for letter in LETTERS}
    return tuple(font for font in fonts if font.stem not in NOT_LETTERS and needed <= set(FT2Font(font).get_charmap()))


@cache
def _drawn(font: Path, letter: str, pen_width: int) -> Image.Image:
    """A letter in the middle of a dark square, grey levels 0 to 255."""
    # Basic layout: the other one depends on a library that may be missing.
    size = _CAPITAL_HEIGHT
    face = ImageFont.truetype(font, size, layout_engine=ImageFont.Layout.BASIC)
    left, top, right, bottom = face.getbbox(letter)
    # The letters of all fonts get about one height, and the widest still fit.
    size = round(size * min(_CAPITAL_HEIGHT / (bottom - top), 1.3 * _CAPITAL_HEIGHT / (right - left)))
    face = ImageFont.truetype(font, size, layout_engine=ImageFont.Layout.BASIC)
    canvas = Image.new("L", (_CANVAS, _CANVAS))
    left, top, right, bottom = face.getbbox(letter)
    corner = ((_CANVAS - left - right) / 2, (_CANVAS - top - bottom) / 2)
    ImageDraw.Draw(canvas).text(corner, letter, fill=255, font=face, stroke_width=pen_width)
    return canvas


def _warp(generator: numpy.random.Generator) -> list[float]:
    """Coefficients of an affine map from the fine picture to the canvas: size, turn, shear and shift."""
    # Of the picture's side.
    height = generator.uniform(0.75, 1.05)
    width = height * generator.uniform(0.65, 1.0)
    angle, shear = generator.uniform(-0.26, 0.26), generator.uniform(-0.3, 0.3)
    cosine, sine = numpy.cos(angle), numpy.sin(angle)
    # Pillow asks for the place on the canvas of each of the picture's pixels.
    to_canvas = numpy.array([[cosine, sine], [-sine, cosine]]) @ numpy.array([[1, shear], [0, 1]])
    to_canvas = numpy.diag([_CAPITAL_HEIGHT / width, _CAPITAL_HEIGHT / height]) @ to_canvas / _FINE_SIDE
    shift = generator.uniform(-0.08, 0.08, 2) * _FINE_SIDE
    offset = _CANVAS / 2 - to_canvas @ (_FINE_SIDE / 2 + shift)
    return [*to_canvas[0], offset[0], *to_canvas[1], offset[1]]


def render_letter(letter: str, image_size: int, generator: numpy.random.Generator) -> numpy.ndarray:
    """One random picture of a letter: font, pen, size, shift, turn, shear, blur, coarseness and brightness are drawn.

    Returns:
        uint8 [image_size, image_size], light on dark.
    """
    fonts = letter_fonts()
    font = fonts[generator.integers(len(fonts))]
    pen_width = _PEN_WIDTHS[generator.integers(len(_PEN_WIDTHS))]
    picture = _drawn(font, letter, pen_width).transform(
        (_FINE_SIDE, _FINE_SIDE), Image.Transform.AFFINE, _warp(generator), Image.Resampling.BILINEAR
    )
    picture = picture.filter(ImageFilter.GaussianBlur(generator.uniform(0.0, 1.5)))
    coarse = _COARSE_SIDES[generator.integers(len(_COARSE_SIDES))]
    picture = picture.resize((coarse, coarse), Image.Resampling.BOX)
    brightest = max(int(numpy.asarray(picture).max()), 1)
    level = generator.uniform(0.85, 1.0) * 255 / brightest
    picture = picture.point([min(255, round(value * level)) for value in range(256)])
    return numpy.asarray(picture.resize((image_size, image_size), Image.Resampling.BILINEAR))


def render_letters(count: int, image_size: int, seed: int, stream: int) -> Split:
    """`count` pictures of `image_size` px, the letters taken in turn.

    Each picture has a generator of its own, of (seed, stream, number): another `stream` gives pictures drawn apart,
    and more pictures leave the first ones as they were.
    """
    images = numpy.empty((count, image_size, image_size, 3), dtype=numpy.uint8)
    labels = numpy.arange(count, dtype=numpy.int64) % len(LETTERS)
    for number, label in enumerate(labels):
        generator = numpy.random.default_rng([seed, stream, number])
        images[number] = render_letter(LETTERS[label], image_size, generator)[..., None]
    return Split(images, labels, list(LETTERS))
