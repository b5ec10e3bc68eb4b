"""Weight changes, drawn as in the lecture's notebook and on a common scale (faults 11 to 13).

The notebook stretches each grid of kernels to its own minimum and maximum, takes absolute values, and shows before
minus after: of the first convolution in colour (RGB), of the second one filter in grey. A change of a thousandth of the
weights then fills the same range as the weights.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from triptych.figures import style
from triptych.figures.plot_kernels import (
    BETWEEN,
    MOST_KERNELS,
    PIXEL,
    Change,
    draw_colour_bar,
    draw_picture,
    frame,
    mosaic,
    panel_size,
    read_changes,
    symmetric,
    whole_pixels,
)
from triptych.figures.tables import read_arms
from triptych.results.arm_styles import arm_styles, style_of
from triptych.results.run_names import run_name
from triptych.storage.errors import InputError
from triptych.storage.tensors import load_metadata

SPACE = 30 * PIXEL
FIRST, SECOND = "first_convolution", "first_3x3_convolution"
HEAD = whole_pixels(0.52)
"""From the heading of a row to its pictures, in inches."""

GREY = BETWEEN / 255
"""Of what is between kernels, from 0 to 1."""

DRAWN: dict[str, str] = {
    FIRST: "As in the notebook: each stretched to its own range, then abs",
    SECOND: "As in the notebook: the same in grey",
}


@dataclass(frozen=True)
class Block:
    """A convolution, and how it is cut into a picture: [rows, columns], with a last dimension of three in colour."""

    convolution: str
    name: str
    change: Change
    picture: Callable[[numpy.ndarray], numpy.ndarray]


def plot_notebook_kernels(*, experiment_folder: Path, arms: Path, arm: str, seed: int, svg: Path, png: Path) -> None:
    """Draw one arm's first two convolutions before, after, and their difference: as in the notebook, and on one scale.

    The second one is left out where it is no 3x3 convolution with many inputs.
    """
    look = style_of(arm_styles(read_arms(arms)), arm, arms)
    path = experiment_folder / "runs" / arm / run_name(seed) / "kernels.safetensors"
    changes = read_changes(path)
    if FIRST not in changes:
        raise InputError(f"{path}: holds no first convolution")
    blocks = blocks_of(changes, load_metadata(path))

    heading = style.wrapped(f"{look.title}: weight changes, each drawn in two ways (seed {seed})")
    top = whole_pixels(0.2 * (heading.count("\n") + 1) + 0.12)
    figure = Figure(figsize=(style.WIDTH, top + sum(height_of(block) for block in blocks)))
    style.write(figure, 0.06, 0.08, heading, fontsize=11, fontweight="bold")
    for block in blocks:
        draw_block(figure, top, block)
        top += height_of(block)
    style.save(figure, svg, png)


def blocks_of(changes: dict[str, Change], names: dict[str, str]) -> list[Block]:
    """Return the first convolution, in colour where it reads three channels, and filter 0 of the second."""
    first = changes[FIRST]
    count, inputs = min(len(first.before), MOST_KERNELS), first.before.shape[1]
    if inputs == 3:
        blocks = [Block(FIRST, f"{names[FIRST]}, {count} kernels", first, in_colour)]
    else:
        name = f"{names[FIRST]}, input 0 only, {count} kernels"
        blocks = [Block(FIRST, name, first, lambda weights: mosaic(weights[:MOST_KERNELS, 0].astype(float)))]
    if SECOND in changes:
        second = changes[SECOND]
        outputs, channels = second.before.shape[:2]
        shown = min(channels, MOST_KERNELS)
        name = f"{names[SECOND]}, filter 0 of {outputs} only, {shown} of its {channels} channels"
        blocks.append(Block(SECOND, name, second, lambda weights: mosaic(weights[0, :MOST_KERNELS].astype(float))))
    return blocks


def in_colour(weights: numpy.ndarray) -> numpy.ndarray:
    """Return the kernels [out, 3, height, width] as one picture [rows, columns, 3]; NaN is between them."""
    return numpy.stack([mosaic(weights[:MOST_KERNELS, channel].astype(float)) for channel in range(3)], axis=-1)


def stretched(picture: numpy.ndarray) -> numpy.ndarray:
    """A picture (NaN between the kernels) as the notebook stretches it: to 0..1 by its own minimum and maximum, then
    abs, which does nothing any more; zero where all is the same.
    """
    low, high = numpy.nanmin(picture), numpy.nanmax(picture)
    scaled: numpy.ndarray = numpy.abs((picture - low) / ((high - low) or 1.0))
    return scaled


def height_of(block: Block) -> float:
    """Return the height in inches that `draw_block` takes."""
    picture = block.picture(block.change.before)
    below = whole_pixels(0.62 if picture.ndim == 2 else 0.2)  # the colour bar
    return whole_pixels(0.25) + 2 * (HEAD + panel_size(picture)[1]) + whole_pixels(0.1) + below


def draw_block(figure: Figure, top: float, block: Block) -> None:
    """Draw one convolution twice, from `top` inches down: two rows of three pictures, and a colour bar."""
    before, after = (block.picture(weights) for weights in (block.change.before, block.change.after))
    size = panel_size(before)
    style.write(figure, 0.06, top, block.name, fontsize=style.SMALL, color=style.MUTED)
    top += whole_pixels(0.25)
    style.write(figure, 0.06, top, DRAWN[block.convolution], fontweight="bold")
    notebook = (("before", before), ("after", after), ("before − after", before - after))
    for number, (text, picture) in enumerate(notebook):
        draw_stretched(panel(figure, number, top + HEAD, text, size), stretched(picture))
    top += HEAD + size[1] + whole_pixels(0.1)
    sizes = numpy.abs(numpy.stack((before, after)))
    bound = float(sizes[numpy.isfinite(sizes)].max())
    scale = symmetric(bound)
    words = f"zero is grey, full colour ±{bound:.2g}" if before.ndim == 3 else "zero is white"
    style.write(figure, 0.06, top, f"On one signed scale: {words}", fontweight="bold")
    signed = (("before", before), ("after", after), ("after − before", after - before))
    for number, (text, picture) in enumerate(signed):
        draw_picture(panel(figure, number, top + HEAD, text, size), picture, scale)
    bottom = top + HEAD + size[1]
    if before.ndim == 2:
        width = 2 * SPACE + 3 * size[0]
        draw_colour_bar(figure, place_of(0, size[0]), bottom, width, scale, "weight, and change of the weight")


def place_of(number: int, width: float) -> float:
    """Return the left edge of one of three pictures in a centred row, in inches."""
    return whole_pixels((style.WIDTH - 3 * width - 2 * SPACE) / 2 + number * (width + SPACE))


def panel(figure: Figure, number: int, top: float, text: str, size: tuple[float, float]) -> Axes:
    """Place one of three pictures in a row, with its name above it; `top` and `size` in inches."""
    left = place_of(number, size[0])
    style.write(figure, left + size[0] / 2, top - 0.05, text, horizontalalignment="center", verticalalignment="bottom")
    return style.place(figure, left, top, *size)


def draw_stretched(axes: Axes, picture: numpy.ndarray) -> None:
    """Draw a picture from 0 to 1: RGB as it is, one channel in grey; what is between kernels is light grey."""
    shown = numpy.where(numpy.isnan(picture), GREY, picture)
    axes.imshow(shown, cmap="gray", norm=Normalize(0, 1), interpolation="none", aspect="auto", zorder=3)
    frame(axes)
