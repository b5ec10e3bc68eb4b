"""The rendered letters on which weights are pretrained."""

from pathlib import Path

from matplotlib.figure import Figure

from triptych.data.letters import LETTERS, TRAIN_STREAM, render_letters
from triptych.figures import style
from triptych.figures.tiles import Tile, draw_tiles, tile_height, tile_rows, tile_width

COLUMNS = 13
EACH = 2
"""Images of each letter."""

MARGIN = 0.1


def plot_letters(*, image_size: int, seed: int, svg: Path, png: Path) -> None:
    """Draw the first images of every letter in the training set of the pretraining.

    They are rendered anew, because the workflow deletes the images after the pretraining.

    Args:
        image_size, seed: as in `triptych.data.prepare_letters`.
    """
    letters = render_letters(EACH * len(LETTERS), image_size, seed, TRAIN_STREAM)
    tiles = [Tile(image, (LETTERS[label],)) for image, label in zip(letters.images, letters.labels, strict=True)]
    top, width = 0.55, style.WIDTH - 2 * MARGIN
    lines = tile_rows(len(tiles), COLUMNS)
    figure = Figure(figsize=(style.WIDTH, top + lines * tile_height(tile_width(COLUMNS, width), 1)))
    style.write(figure, MARGIN, 0.08, "The first letters of the pretraining", fontsize=11, fontweight="bold")
    described = f"{image_size} x {image_size} pixels, rendered by the workflow, enlarged"
    style.write(figure, MARGIN, top - 0.27, described, fontsize=9, color=style.MUTED)
    draw_tiles(figure, tiles, COLUMNS, MARGIN, top, width)
    style.save(figure, svg, png)
