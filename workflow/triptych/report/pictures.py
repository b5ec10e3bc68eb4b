"""Small pictures of images inside a page."""

import base64
import io
from collections.abc import Iterable

import numpy
from markupsafe import Markup
from PIL import Image

from triptych.data.dataset import load_split
from triptych.report.blocks import Thumbnail
from triptych.report.formatting import shortened, visible
from triptych.results.experiment import Results
from triptych.results.schema import OUT_OF_FOLD

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


def stored_addresses(results: Results, split: str, rows: Iterable[float]) -> list[str]:
    """The stored pictures of images of a split as addresses that hold them; empty where none is to be shown.

    Args:
        split: as tables call it; out-of-fold predictions are of training images.
        rows: positions in the split.

    Raises:
        InputError: the file of the split is missing or broken.
    """
    numbers = [int(row) for row in rows]
    if not results.shows_images or not numbers:
        return [""] * len(numbers)
    images = load_split(results.folder / "data" / f"{'train' if split == OUT_OF_FOLD else split}.safetensors").images
    return [jpeg_address(numpy.asarray(images[number])) for number in numbers]
