"""Small pictures of images inside a page."""

import base64
import io

import numpy
from markupsafe import Markup
from PIL import Image

from triptych.report.blocks import Thumbnail
from triptych.report.formatting import shortened, visible

SIDE = 112
"""Pixels of a thumbnail's side."""
QUALITY = 80
"""Of its JPEG."""
MOST_CHARACTERS = 60
"""Of a name below a thumbnail, or in a sentence. Tables have whole names."""


def jpeg_address(pixels: numpy.ndarray) -> Markup:
    """A picture as a small JPEG inside an address.

    Args:
        pixels: uint8 [S, S, 3].
    """
    image = Image.fromarray(pixels)
    if image.width > SIDE:
        image = image.resize((SIDE, SIDE), Image.Resampling.BOX, reducing_gap=2.0)
    content = io.BytesIO()
    image.save(content, "JPEG", quality=QUALITY)
    return Markup(f"data:image/jpeg;base64,{base64.b64encode(content.getvalue()).decode()}")


def thumbnail(address: str, label: str, path: str, note: str = "") -> Thumbnail:
    """A picture with its class and path as users gave them, shortened.

    Args:
        address: holds the picture; empty for none.
    """
    return Thumbnail(address, in_sentence(label), in_sentence(path), note, visible(path))


def in_sentence(name: str) -> str:
    """A name that a user has given, as a sentence shows it."""
    return shortened(visible(name), MOST_CHARACTERS)
