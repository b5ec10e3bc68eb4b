"""Training images of every class, with their names."""

from pathlib import Path

import numpy
from matplotlib.figure import Figure

from triptych.data.dataset import load_split
from triptych.figures import style
from triptych.figures.tables import image_names
from triptych.figures.tiles import Tile, captioned, draw_tiles, padded, tile_height, tile_rows, tile_width
from triptych.storage.errors import InputError
from triptych.storage.tensors import load_metadata

COLUMNS = 6
MOST_TILES = 120
MARGIN = 0.1


def images_of_a_class(classes: int) -> int:
    """Return how many images of each class are shown: a divisor of COLUMNS, fewer for many classes."""
    return next((count for count, most in ((6, 5), (3, 20), (2, 30)) if classes <= most), 1)


def plot_samples(*, data: Path, index: Path, svg: Path, png: Path) -> None:
    """Draw the first images of every class, each with its class and its name in index.csv."""
    shown_split, split = load_split(data), load_metadata(data)["split"]
    images, labels, classes = shown_split.images, shown_split.labels, shown_split.classes
    if not len(images):
        raise InputError(f"{data}: there are no images")
    names = image_names(index, split)
    each = images_of_a_class(len(classes))
    shown = min(len(classes), MOST_TILES // each)
    side = tile_width(COLUMNS, style.WIDTH - 2 * MARGIN)
    tiles: list[Tile] = []
    for label in range(shown):
        rows = numpy.flatnonzero(labels == label)[:each]
        tiles += [captioned(images[row], side, [classes[label]], names[row], most_lines=2) for row in rows]
    tiles = padded(tiles)
    which = f"{len(classes)} classes" if shown == len(classes) else f"the first {shown} of {len(classes)} classes"
    height, width = images.shape[1:3]
    heading = style.wrapped(f"The first images of {which} in the {split} split, each with its class and name")
    top = 0.2 * (heading.count("\n") + 1) + 0.35
    lines = tile_rows(len(tiles), COLUMNS)
    figure = Figure(figsize=(style.WIDTH, top + lines * tile_height(side, len(tiles[0].caption))))
    style.write(figure, MARGIN, 0.08, heading, fontsize=11, fontweight="bold")
    style.write(
        figure, MARGIN, top - 0.27, f"{width} x {height} pixels, as stored, enlarged", fontsize=9, color=style.MUTED
    )
    draw_tiles(figure, tiles, COLUMNS, MARGIN, top, style.WIDTH - 2 * MARGIN)
    style.save(figure, svg, png)
