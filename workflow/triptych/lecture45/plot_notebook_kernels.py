"""One weight change, drawn as in the lecture's notebook and on a common scale (faults 11 and 12).

The notebook stretches each grid of kernels to its own minimum and maximum, takes absolute values, and shows before
minus after. A change of a thousandth of the weights then fills the same colour range as the weights.
"""

from pathlib import Path

import numpy
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure

from triptych.figures import style
from triptych.figures.plot_kernels import (
    MOST_KERNELS,
    PIXEL,
    SIGNED,
    common_scale,
    draw_colour_bar,
    frame,
    mosaic,
    panel_size,
    read_changes,
    symmetric,
    whole_pixels,
)
from triptych.figures.tables import read_arms
from triptych.results.arm_styles import arm_styles, style_of
from triptych.storage.errors import InputError
from triptych.storage.tensors import load_metadata

CONVOLUTION = "first_convolution"
SPACE = 30 * PIXEL
COLOURS = ("red", "green", "blue")
NOTEBOOK_COLOURS = "viridis"
"""Matplotlib's default, which the notebook uses."""


def plot_notebook_kernels(*, experiment_folder: Path, arms: Path, arm: str, seed: int, svg: Path, png: Path) -> None:
    """Draw one arm's first convolution before, after, and their difference: as in the notebook, and on one scale."""
    look = style_of(arm_styles(read_arms(arms)), arm, arms)
    path = experiment_folder / "runs" / arm / f"seed{seed}" / "kernels.safetensors"
    change = read_changes(path).get(CONVOLUTION)
    if change is None:
        raise InputError(f"{path}: holds no first convolution")
    inputs = change.before.shape[1]
    # The input channel that moved most: one is enough to see the difference.
    channel = int(numpy.abs(change.difference).sum(axis=(0, 2, 3)).argmax())
    before, after = (mosaic(weights[:MOST_KERNELS, channel].astype(float)) for weights in (change.before, change.after))
    scale = symmetric(common_scale([change]).weights)
    name = load_metadata(path)[CONVOLUTION]
    of = COLOURS[channel] if inputs == 3 else f"input {channel}"

    heading = style.wrapped(f"{look.title}: one weight change, drawn in two ways (seed {seed})")
    top = whole_pixels(0.2 * (heading.count("\n") + 1) + 0.12)
    width, height = panel_size(before)
    block = whole_pixels(0.62) + height + whole_pixels(0.12)
    figure = Figure(figsize=(style.WIDTH, top + 0.25 + 2 * block + whole_pixels(0.45)))
    style.write(figure, 0.06, 0.08, heading, fontsize=11, fontweight="bold")
    shown = f"{name}, {of} only; {min(len(change.before), MOST_KERNELS)} kernels"
    style.write(figure, 0.06, top, shown, fontsize=style.SMALL, color=style.MUTED)
    top += whole_pixels(0.25)

    notebook = [
        ("before", stretched(before)),
        ("after", stretched(after)),
        ("before − after", stretched(before - after)),
    ]
    style.write(figure, 0.06, top, "As in the notebook: each stretched to its own range, then abs", fontweight="bold")
    for number, (text, picture) in enumerate(notebook):
        draw(
            figure, number, top + whole_pixels(0.52), text, picture, NOTEBOOK_COLOURS, Normalize(0, 1), (width, height)
        )
    top += block + whole_pixels(0.1)
    common = [("before", before), ("after", after), ("after − before", after - before)]
    style.write(figure, 0.06, top, "On one signed scale: zero is white", fontweight="bold")
    for number, (text, picture) in enumerate(common):
        draw(figure, number, top + whole_pixels(0.52), text, picture, SIGNED, scale, (width, height))
    bottom = top + whole_pixels(0.52) + height
    draw_colour_bar(
        figure, place_of(0, width), bottom, 2 * SPACE + 3 * width, scale, "weight, and change of the weight"
    )
    style.save(figure, svg, png)


def stretched(picture: numpy.ndarray) -> numpy.ndarray:
    """A picture (NaN between the kernels) as the notebook stretches it: to 0..1 by its own minimum and maximum, then
    abs, which does nothing any more; zero where all is the same.
    """
    low, high = numpy.nanmin(picture), numpy.nanmax(picture)
    scaled: numpy.ndarray = numpy.abs((picture - low) / ((high - low) or 1.0))
    return scaled


def place_of(number: int, width: float) -> float:
    """Return the left edge of one of three pictures in a centred row, in inches."""
    return whole_pixels((style.WIDTH - 3 * width - 2 * SPACE) / 2 + number * (width + SPACE))


def draw(
    figure: Figure,
    number: int,
    top: float,
    text: str,
    picture: numpy.ndarray,
    colours: str | Colormap,
    norm: Normalize,
    size: tuple[float, float],
) -> None:
    """Draw one of three pictures in a row with its name above it; `top` and `size` in inches."""
    left = place_of(number, size[0])
    style.write(figure, left + size[0] / 2, top - 0.05, text, horizontalalignment="center", verticalalignment="bottom")
    axes = style.place(figure, left, top, *size)
    axes.imshow(picture, cmap=colours, norm=norm, interpolation="none", aspect="auto", zorder=3)
    frame(axes)
