"""Grids of data set images with a caption under each."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy
from matplotlib.figure import Figure

from triptych.figures import style

GAP = 0.12
CAPTION_LINE = 0.14


@dataclass(frozen=True)
class Tile:
    """One image (uint8 [H, W, 3]) and the lines under it; the first is drawn bold."""

    image: numpy.ndarray
    caption: tuple[str, ...]


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

    Pixels are enlarged without smoothing. A caption that is too long for its tile loses its beginning.
    """
    side = tile_width(columns, width)
    # 0.62 em holds digits, which are what names of images mostly end in
    characters = int((side + 0.8 * GAP) * 72 / (0.62 * style.SMALL))
    for number, tile in enumerate(tiles):
        row, column = divmod(number, columns)
        x = left + column * (side + GAP)
        y = top + row * tile_height(side, len(tile.caption))
        axes = style.place(figure, x, y, side, side)
        axes.imshow(tile.image, interpolation="none")
        axes.set_axis_off()
        for line, text in enumerate(tile.caption):
            style.write(
                figure,
                x + side / 2,
                y + side + 0.035 + CAPTION_LINE * line,
                style.shortened(text, characters),
                horizontalalignment="center",
                fontsize=style.SMALL,
                fontweight="bold" if line == 0 else "normal",
            )
