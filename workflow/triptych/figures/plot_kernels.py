"""The weights of the first convolutions before and after training, and their difference.

Before and after share one signed scale, the difference (after minus before) has another, and both are the same for all
arms. Zero is white, and grey in the pictures in colour. The figure prints the second bound as a share of the first.
Bounds are a high percentile, not the maximum, so that one outlier does not fade the rest; the pointed ends of the
colour bars are for values beyond.
"""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure

from triptych.figures import style
from triptych.figures.tables import read_arms
from triptych.results.arm_styles import arm_styles, style_of
from triptych.results.run_files import kernels_before_and_after
from triptych.results.run_names import run_in_words
from triptych.storage.errors import InputError
from triptych.storage.tensors import load_metadata, load_tensors

CONVOLUTIONS = {"first_convolution": "First convolution", "first_3x3_convolution": "First 3x3 convolution"}
PERCENTILE = 99.5
MOST_KERNELS = 64
STRONGEST = 16
"""Kernels of a convolution with many inputs that are drawn large enough to see."""

LONGEST_NAME = 34
"""Most characters of a tensor's name in a heading."""

COLOURS = ("red", "green", "blue")
BETWEEN = 200
"""The grey (of 255) between kernels."""

COLOUR_LEVELS = 32
"""Levels of each colour above and below zero: few enough to keep the files small."""

# Purple to orange through pure white: blue and red would seem to speak of colour channels. An odd number of levels puts
# zero on white; few levels keep the pictures small.
SIGNED = LinearSegmentedColormap.from_list(
    "signed", ("#2d004b", "#6a51a3", "#b9b0d9", "#ffffff", "#fdbe73", "#d95f0e", "#662506"), N=65
).with_extremes(bad=(BETWEEN / 255,) * 3)

# Places in pixels of the PNG, so that each weight has a whole number of them: other sizes give stripes by aliasing.
PIXEL = 1 / style.DOTS_PER_INCH
LEFT = 93 * PIXEL
PANEL = 225 * PIXEL
SPACE = 12 * PIXEL


@dataclass(frozen=True)
class Change:
    """One convolution's weights [out, in, height, width] of one arm before and after training."""

    before: numpy.ndarray
    after: numpy.ndarray

    @property
    def difference(self) -> numpy.ndarray:
        """After minus before."""
        change: numpy.ndarray = self.after - self.before
        return change


@dataclass(frozen=True)
class Row:
    """A row of pictures: its name, and the picture of a convolution's weights [out, in, height, width].

    A picture is an array [rows, columns], with a last dimension of red, green and blue where the row is in colour; NaN
    is between kernels.
    """

    name: str
    picture: Callable[[numpy.ndarray], numpy.ndarray]


@dataclass(frozen=True)
class Scale:
    """The largest absolute weight and change that the two colour scales tell apart."""

    weights: float
    difference: float


def plot_kernels(*, experiment_folder: Path, arms: Path, arm: str, runs: str, svg: Path, png: Path) -> None:
    """Draw the kernels of one arm's first convolutions: before, after, and after minus before.

    `runs` is JSON: for each arm by its name the name of the run that is shown.
    """
    styles = arm_styles(read_arms(arms))
    look = style_of(styles, arm, arms)
    shown = json.loads(runs)
    files = {name: experiment_folder / "runs" / name / shown[name] / "kernels.safetensors" for name in styles}
    changes = {name: read_changes(path) for name, path in files.items()}
    tensor_names = load_metadata(files[arm])
    if not changes[arm]:
        raise InputError(f"{files[arm]}: holds no convolution")

    blocks = []
    for convolution, change in changes[arm].items():
        scale = common_scale([own[convolution] for own in changes.values() if convolution in own])
        rows = rows_of(change.before, reads_images=convolution == "first_convolution")
        name = style.shortened(tensor_names[convolution], LONGEST_NAME)
        blocks.append((f"{CONVOLUTIONS[convolution]}, {name}", rows, change, scale))
    heading = style.wrapped(
        f"{look.title}: weights of the first convolutions before and after training ({run_in_words(shown[arm])})"
    )
    top = whole_pixels(0.2 * (heading.count("\n") + 1) + 0.15)
    heights = [block_height(rows, change.before) for _, rows, change, _ in blocks]
    figure = Figure(figsize=(style.WIDTH, top + sum(heights)))
    style.write(figure, 0.06, 0.08, heading, fontsize=11, fontweight="bold")
    for (name, rows, change, scale), height in zip(blocks, heights, strict=True):
        draw_block(figure, top, name, rows, change, scale)
        top += height
    style.save(figure, svg, png)


def read_changes(path: Path) -> dict[str, Change]:
    """Return the convolutions in a run's `kernels.safetensors`, by the keys of CONVOLUTIONS.

    Raises:
        InputError: there is no such file.
    """
    if not path.is_file():
        raise InputError(f"{path}: missing; the scales need the kernels of every arm")
    tensors = load_tensors(path)
    return {key: Change(*kernels_before_and_after(tensors, key)) for key in CONVOLUTIONS if f"{key}_initial" in tensors}


def common_scale(changes: list[Change]) -> Scale:
    """Return the scales for all arms: the largest percentile of absolute values of any arm."""

    def bound(weights: numpy.ndarray) -> float:
        # A diverged run (not finite) must not set the scale of the others.
        sizes = numpy.abs(weights[numpy.isfinite(weights)])
        # If hardly any weight changed, the percentile is 0, but the maximum is not.
        return float(numpy.percentile(sizes, PERCENTILE) or sizes.max()) if sizes.size else 0.0

    return Scale(
        weights=max(bound(numpy.stack((change.before, change.after))) for change in changes),
        difference=max(bound(change.difference) for change in changes),
    )


def rows_of(before: numpy.ndarray, reads_images: bool) -> list[Row]:
    """Return the rows of pictures of a convolution with these weights [out, in, height, width] before training.

    - Few inputs: mosaics of kernels, one for each input; if it reads images, in colour before that.
    - Many: all kernels as one matrix, an output a row, an input a column; below it the strongest.

    A picture stops at MOST_KERNELS, or fewer where kernels are large.
    """
    _, inputs, height, width = before.shape
    if inputs > 4:
        pairs = strongest(before.reshape(-1, height, width), STRONGEST)
        return [
            Row("matrix", matrix),
            Row("strongest", lambda weights: mosaic(weights.reshape(-1, height, width)[pairs])),
        ]
    shown = strongest(before, most_kernels(max(height, width)))

    def of_input(number: int) -> Callable[[numpy.ndarray], numpy.ndarray]:
        return lambda weights: mosaic(weights[shown, number])

    if inputs != 3 or not reads_images:
        return [Row(f"input {number}" if inputs > 1 else "", of_input(number)) for number in range(inputs)]
    by_channel = [Row(name, of_input(number)) for number, name in enumerate(COLOURS)]
    in_colour = Row("colour", lambda weights: numpy.stack([row.picture(weights) for row in by_channel], axis=-1))
    return [in_colour, *by_channel]


def most_kernels(size: int) -> int:
    """Return how many kernels of `size` x `size` a mosaic shows: a square number, two pixels a weight or more."""
    pixels = round(PANEL / PIXEL)
    side = min(math.isqrt(MOST_KERNELS), (pixels // 2 - 1) // (size + 1))
    return max(1, side) ** 2


def strongest(kernels: numpy.ndarray, count: int) -> numpy.ndarray:
    """Return the indices of the `count` kernels [number, ...] with the largest norms, ascending; of all if fewer."""
    norms = (numpy.nan_to_num(kernels.astype(float)) ** 2).sum(axis=tuple(range(1, kernels.ndim)))
    return numpy.sort(numpy.argsort(-norms, kind="stable")[:count])


def matrix(weights: numpy.ndarray) -> numpy.ndarray:
    """Return the first MOST_KERNELS outputs (down) and inputs (across) of [out, in, height, width] as one picture."""
    shown = weights[:MOST_KERNELS, :MOST_KERNELS]
    outputs, inputs, height, width = shown.shape
    picture: numpy.ndarray = shown.transpose(0, 2, 1, 3).reshape(outputs * height, inputs * width)
    return picture


def in_colours(picture: numpy.ndarray, bound: float) -> numpy.ndarray:
    """Return uint8 [rows, columns, 3] of weights from -`bound` to `bound`: zero is grey, NaN is between kernels."""
    levels = numpy.round(COLOUR_LEVELS * numpy.clip(picture / (bound or 1), -1, 1)) / COLOUR_LEVELS
    colours = numpy.where(numpy.isnan(picture), BETWEEN, numpy.round(127.5 * (1 + levels)))
    return colours.astype(numpy.uint8)


def mosaic(kernels: numpy.ndarray) -> numpy.ndarray:
    """Return a grid of kernels [count, height, width], with lines of NaN between them."""
    count, height, width = kernels.shape
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    picture = numpy.full((rows * (height + 1) + 1, columns * (width + 1) + 1), numpy.nan)
    for number, kernel in enumerate(kernels):
        y, x = (number // columns) * (height + 1) + 1, (number % columns) * (width + 1) + 1
        picture[y : y + height, x : x + width] = kernel
    return picture


def description(rows: list[Row], weights: numpy.ndarray) -> str:
    """Return in words, wrapped, what the rows of pictures of a convolution's weights show."""
    return style.wrapped(in_words(weights, in_colour=rows[0].name == "colour"), size=style.SMALL)


def in_words(weights: numpy.ndarray, in_colour: bool) -> str:
    """Return what the pictures of a convolution's weights show."""
    outputs, inputs, height, width = weights.shape
    if inputs > 4:
        first = "first " if max(outputs, inputs) > MOST_KERNELS else ""
        down, across = min(outputs, MOST_KERNELS), min(inputs, MOST_KERNELS)
        return (
            f"{first}{down} outputs (down) x {across} inputs (across) of {height}x{width} weights; below, the "
            f"{STRONGEST} kernels with the largest norm before training"
        )
    shown = min(outputs, most_kernels(max(height, width)))
    text = f"{outputs:,} kernels of {height}x{width}"
    if shown < outputs:
        text = f"the {shown} of {text} with the largest norm before training"
    if in_colour:
        return f"{text}; in colour (zero is grey) and by channel"
    return f"{text}, each of one channel (depthwise)" if inputs == 1 else f"{text}, by input of their group"


def whole_pixels(inches: float) -> float:
    """Round a length in inches to a whole number of pixels of the PNG."""
    return round(inches / PIXEL) * PIXEL


def panel_size(picture: numpy.ndarray) -> tuple[float, float]:
    """Return width and height in inches of a picture: at most PANEL wide, each weight a whole number of pixels.

    A picture with more weights across than PANEL has pixels would need less than one: it is as wide as PANEL.
    """
    rows, columns = picture.shape[:2]
    pixels = math.floor(PANEL / PIXEL + 1e-6) // columns
    if not pixels:
        return PANEL, whole_pixels(PANEL * rows / columns)
    return columns * pixels * PIXEL, rows * pixels * PIXEL


def block_height(rows: list[Row], weights: numpy.ndarray) -> float:
    """Return the height in inches that `draw_block` takes."""
    heights = sum(panel_size(row.picture(weights))[1] + SPACE for row in rows)
    return head(description(rows, weights)) + heights + whole_pixels(0.62)


def head(words: str) -> float:
    """Return the height in inches of a convolution's name, its description and the headings of its columns."""
    return whole_pixels(0.62 + 0.13 * words.count("\n"))


def draw_block(figure: Figure, top: float, name: str, rows: list[Row], change: Change, scale: Scale) -> None:
    """Draw one convolution from `top` inches down: before, after, their difference, and two colour bars."""
    style.write(figure, 0.06, top, name, fontsize=10, fontweight="bold")
    words = description(rows, change.before)
    style.write(figure, 0.06, top + 0.19, words, fontsize=style.SMALL, color=style.MUTED)
    top += head(words)
    weight_norm, difference_norm = symmetric(scale.weights), symmetric(scale.difference)
    columns = (
        ("before", change.before, weight_norm),
        ("after", change.after, weight_norm),
        ("after − before", change.difference, difference_norm),
    )
    bottom, panel = top, panel_size(rows[0].picture(change.before))[0]
    for number, (heading, weights, norm) in enumerate(columns):
        left = LEFT + number * (PANEL + SPACE)
        style.write(
            figure, left + panel / 2, top - 0.05, heading, horizontalalignment="center", verticalalignment="bottom"
        )
        bottom = top
        for row in rows:
            picture = row.picture(weights)
            width, height = panel_size(picture)
            axes = style.place(figure, left, bottom, width, height)
            draw_picture(axes, picture, norm)
            if number == 0:
                axes.set_ylabel(row.name, fontsize=9)
            bottom += height + SPACE
    if not numpy.any(change.difference):
        style.write(
            figure,
            LEFT + 2 * (PANEL + SPACE) + panel / 2,
            (top + bottom - SPACE) / 2,
            "exactly zero",
            horizontalalignment="center",
            verticalalignment="center",
            bbox={"facecolor": style.PAPER, "edgecolor": style.MUTED, "boxstyle": "round"},
        )
    draw_colour_bar(figure, LEFT, bottom, PANEL + SPACE + panel, weight_norm, "weight before and after training")
    if scale.difference:  # else no arm changed any weight
        share = f"bounds: {100 * scale.difference / scale.weights:.2g} % of the left"
        draw_colour_bar(figure, LEFT + 2 * (PANEL + SPACE), bottom, panel, difference_norm, share)


def draw_picture(axes: Axes, picture: numpy.ndarray, norm: Normalize) -> None:
    """Draw a picture of weights in its frame."""
    assert norm.vmax is not None  # of `symmetric`
    # above the frame, which would hide the outermost weights
    look: dict[str, Any] = {"interpolation": "none", "aspect": "auto", "zorder": 3}
    if picture.ndim == 3:
        axes.imshow(in_colours(picture, norm.vmax), **look)
    else:
        axes.imshow(picture, cmap=SIGNED, norm=norm, **look)
    frame(axes)


def symmetric(bound: float) -> Normalize:
    """Return a scale from -`bound` to `bound`, or from -1 to 1 if `bound` is 0."""
    return Normalize(-(bound or 1), bound or 1)


def frame(axes: Axes) -> None:
    """Leave only a thin frame around a picture."""
    axes.set(xticks=[], yticks=[])
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set(visible=True, linewidth=1.2)


def draw_colour_bar(figure: Figure, left: float, top: float, width: float, norm: Normalize, label: str) -> None:
    """Draw a flat colour bar with ticks at both bounds and at zero."""
    assert norm.vmin is not None and norm.vmax is not None  # of `symmetric`
    axes = style.place(figure, left, top + 0.06, width, 0.1)
    bar = figure.colorbar(
        ScalarMappable(norm, SIGNED), cax=axes, orientation="horizontal", extend="both", extendfrac=0.05
    )
    bar.set_ticks([norm.vmin, 0, norm.vmax], labels=[f"{norm.vmin:.2g}".replace("-", "−"), "0", f"{norm.vmax:.2g}"])
    bar.ax.tick_params(labelsize=style.SMALL, length=2)
    # The outer numbers stay within the bar, since two bars stand side by side.
    for text, side in zip(bar.ax.get_xticklabels(), ("left", "center", "right"), strict=True):
        text.set(horizontalalignment=side)
    bar.ax.grid(visible=False)
    bar.set_label(label, fontsize=style.SMALL, labelpad=1)
