"""Images of the letters A to Z in the fonts of matplotlib, rendered to resemble coarse handwriting.

The default experiment pretrains on them. The transfer is real, because the target classes are different. The letters
are light on dark, thick and blurred, and fill the image, like scikit-learn's digits, which are scans downsampled to
8x8 pixels.
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

TRAIN_STREAM, VALIDATION_STREAM = 0, 1
"""The streams of `render_letters` from which the two splits are drawn."""

NOT_LETTERS = {
    "LastResortHE-Regular": "draws every character as a frame with the name of its Unicode block",
    "cmex10": "has large brackets and operators at the code points of letters",
}
"""Fonts whose character map has all letters, but whose glyphs are not letters."""

# Height of a letter and side of the square canvas in pixels, before the warp, with room for a W and the tail of a Q.
_CAPITAL_HEIGHT = 56
_CANVAS = 96
# Pixels added around the strokes of a letter, because printed strokes are thinner than those of a pen.
_PEN_WIDTHS = (0, 1, 2, 3, 4)
# Side in pixels of the coarse image to which a letter is downsampled; the digits have 8.
_COARSE_SIDES = (8, 9, 10, 11)
# Side in pixels of the image in which a letter is warped and blurred, before downsampling.
_FINE_SIDE = 48


@cache
def letter_fonts() -> tuple[Path, ...]:
    """Return the fonts of matplotlib that have all letters A to Z, sorted by name."""
    fonts = sorted((Path(matplotlib.get_data_path()) / "fonts" / "ttf").glob("*.ttf"), key=lambda font: font.stem)
    needed = {ord(letter) for letter in LETTERS}
    return tuple(font for font in fonts if font.stem not in NOT_LETTERS and needed <= set(FT2Font(font).get_charmap()))


@cache
def _drawn(font: Path, letter: str, pen_width: int) -> Image.Image:
    """Draw a letter in the middle of a dark square, grey levels 0 to 255."""
    # Basic layout, because the other one needs a library that may be missing.
    size = _CAPITAL_HEIGHT
    face = ImageFont.truetype(font, size, layout_engine=ImageFont.Layout.BASIC)
    left, top, right, bottom = face.getbbox(letter)
    # Scale the letters of all fonts to about the same height, so that the widest still fits.
    size = round(size * min(_CAPITAL_HEIGHT / (bottom - top), 1.3 * _CAPITAL_HEIGHT / (right - left)))
    face = ImageFont.truetype(font, size, layout_engine=ImageFont.Layout.BASIC)
    canvas = Image.new("L", (_CANVAS, _CANVAS))
    left, top, right, bottom = face.getbbox(letter)
    corner = ((_CANVAS - left - right) / 2, (_CANVAS - top - bottom) / 2)
    ImageDraw.Draw(canvas).text(corner, letter, fill=255, font=face, stroke_width=pen_width)
    return canvas


def _warp(generator: numpy.random.Generator) -> list[float]:
    """Return the coefficients of an affine map from the fine image to the canvas: size, rotation, shear and shift."""
    # As shares of the side of the image.
    height = generator.uniform(0.75, 1.05)
    width = height * generator.uniform(0.65, 1.0)
    angle, shear = generator.uniform(-0.26, 0.26), generator.uniform(-0.3, 0.3)
    cosine, sine = numpy.cos(angle), numpy.sin(angle)
    # Pillow needs the inverse map: from each pixel of the image to the canvas.
    to_canvas = numpy.array([[cosine, sine], [-sine, cosine]]) @ numpy.array([[1, shear], [0, 1]])
    to_canvas = numpy.diag([_CAPITAL_HEIGHT / width, _CAPITAL_HEIGHT / height]) @ to_canvas / _FINE_SIDE
    shift = generator.uniform(-0.08, 0.08, 2) * _FINE_SIDE
    offset = _CANVAS / 2 - to_canvas @ (_FINE_SIDE / 2 + shift)
    return [*to_canvas[0], offset[0], *to_canvas[1], offset[1]]


def render_letter(letter: str, image_size: int, generator: numpy.random.Generator) -> numpy.ndarray:
    """Render a letter with random font, pen, size, shift, rotation, shear, blur, coarseness and brightness.

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
    """Render `count` images of `image_size` px, the letters in turn.

    Each image has its own generator, seeded by (seed, stream, number). So another `stream` gives independent images,
    and a larger `count` does not change the first images.
    """
    images = numpy.empty((count, image_size, image_size, 3), dtype=numpy.uint8)
    labels = numpy.arange(count, dtype=numpy.int64) % len(LETTERS)
    for number, label in enumerate(labels):
        generator = numpy.random.default_rng([seed, stream, number])
        images[number] = render_letter(LETTERS[label], image_size, generator)[..., None]
    return Split(images, labels, list(LETTERS))
