"""Grids of data set images with a caption under each."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy
from matplotlib.figure import Figure

from triptych.figures import style

GAP = 0.12
OVERHANG = 0.6 * GAP
"""The part of the gap that the lines under an image may use."""
CAPTION_LINE = 0.14
BASELINE = 0.12
"""Of the first line, below the image: other characters than its own do not move a line."""
MOST_LINES = 4
"""Most lines of the name of a class; a longer one loses its middle."""


@dataclass(frozen=True)
class Tile:
    """One image (uint8 [H, W, 3]) and the lines under it, of which the first `bold` are drawn bold."""

    image: numpy.ndarray
    caption: tuple[str, ...]
    bold: int = 1


def captioned(
    image: numpy.ndarray, width: float, classes: Sequence[str], path: str, *below: str, most_lines: int = MOST_LINES
) -> Tile:
    """Return a tile `width` inches wide with its names below it.

    Args:
        classes: names of classes, each over at most `most_lines` lines; the first is drawn bold.
        path: of the image, in one line; a long one loses its middle.
        below: further lines.
    """
    first, *rest = classes
    bold = style.broken(first, width + OVERHANG, most_lines, bold=True)
    plain = [line for name in rest for line in style.broken(name, width + OVERHANG, most_lines)]
    return Tile(image, (*bold, *plain, style.fitted(path, width + OVERHANG), *below), len(bold))


def padded(tiles: Sequence[Tile]) -> list[Tile]:
    """Return tiles whose captions have the same number of lines."""
    lines = max((len(tile.caption) for tile in tiles), default=0)
    return [replace(tile, caption=tile.caption + ("",) * (lines - len(tile.caption))) for tile in tiles]


def tile_rows(count: int, columns: int) -> int:
    """Return the number of rows of `count` tiles in `columns` columns."""
    return math.ceil(count / columns)


def tile_height(tile_width: float, caption_lines: int) -> float:
    """Return the height in inches of a row of tiles with its captions."""
    return tile_width + CAPTION_LINE * caption_lines + GAP


def tile_width(columns: int, width: float) -> float:
    """Return the width in inches of one of `columns` tiles that share `width` inches."""
    return (width - GAP * (columns - 1)) / columns


def draw_tiles(figure: Figure, tiles: Sequence[Tile], columns: int, left: float, top: float, width: float) -> None:
    """Draw tiles in rows; the first tile's upper left corner is at (`left`, `top`) inches from that of the figure.

    Pixels are enlarged without smoothing. A line that is too long for its tile loses its middle.
    """
    side = tile_width(columns, width)
    for number, tile in enumerate(tiles):
        row, column = divmod(number, columns)
        x = left + column * (side + GAP)
        y = top + row * tile_height(side, len(tile.caption))
        axes = style.place(figure, x, y, side, side)
        axes.imshow(tile.image, interpolation="none")
        axes.set_axis_off()
        for line, text in enumerate(tile.caption):
            bold = line < tile.bold
            style.write(
                figure,
                x + side / 2,
                y + side + BASELINE + CAPTION_LINE * line,
                style.fitted(text, side + OVERHANG, bold=bold),
                horizontalalignment="center",
                verticalalignment="baseline",
                fontsize=style.SMALL,
                fontweight="bold" if bold else "normal",
            )
