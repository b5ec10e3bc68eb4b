"""The weights of the first convolutions before and after training, and their difference.

Before and after share one signed scale, the difference (after minus before) has another, both are the same for all
arms, and zero is white. The share that the second bound is of the first is printed. Bounds are a high percentile, not
the maximum, so that one outlier does not blanch all else; pointed ends of the colour bars stand for what lies beyond.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure

from triptych.figures import style
from triptych.figures.tables import read_arms
from triptych.results.arm_styles import arm_styles, style_of
from triptych.storage.errors import InputError
from triptych.storage.tensors import load_metadata, load_tensors

CONVOLUTIONS = {"first_convolution": "First convolution", "first_3x3_convolution": "First 3x3 convolution"}
PERCENTILE = 99.5
MOST_KERNELS = 64

# Purple to orange through pure white: blue and red would seem to speak of colour channels. An odd number of levels puts
# zero on white; few levels keep the pictures small.
SIGNED = LinearSegmentedColormap.from_list(
    "signed", ("#2d004b", "#6a51a3", "#b9b0d9", "#ffffff", "#fdbe73", "#d95f0e", "#662506"), N=65
).with_extremes(bad="#c8c8c8")

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
class Scale:
    """The largest absolute weight and change that the two colour scales tell apart."""

    weights: float
    difference: float


def plot_kernels(*, experiment_folder: Path, arms: Path, arm: str, seeds: str, svg: Path, png: Path) -> None:
    """Draw the kernels of one arm's first convolutions: before, after, and after minus before.

    `seeds` is JSON: for each arm by its name the seed of the run that is shown.
    """
    styles = arm_styles(read_arms(arms))
    look = style_of(styles, arm, arms)
    shown = json.loads(seeds)
    files = {name: experiment_folder / "runs" / name / f"seed{shown[name]}" / "kernels.safetensors" for name in styles}
    changes = {name: read_changes(path) for name, path in files.items()}
    tensor_names = load_metadata(files[arm])
    if not changes[arm]:
        raise InputError(f"{files[arm]}: holds no convolution")

    blocks = []
    for convolution, change in changes[arm].items():
        scale = common_scale([own[convolution] for own in changes.values() if convolution in own])
        blocks.append((f"{CONVOLUTIONS[convolution]}, {tensor_names[convolution]}", change, scale))
    heading = style.wrapped(
        f"{look.title}: weights of the first convolutions before and after training (seed {shown[arm]})"
    )
    top = whole_pixels(0.2 * (heading.count("\n") + 1) + 0.15)
    heights = [block_height(change.before) for _, change, _ in blocks]
    figure = Figure(figsize=(style.WIDTH, top + sum(heights)))
    style.write(figure, 0.06, 0.08, heading, fontsize=11, fontweight="bold")
    for (name, change, scale), height in zip(blocks, heights, strict=True):
        draw_block(figure, top, name, change, scale)
        top += height
    style.save(figure, svg, png)


def read_changes(path: Path) -> dict[str, Change]:
    """The convolutions that a run's `kernels.safetensors` holds, by the keys of CONVOLUTIONS.

    Raises:
        InputError: there is no such file.
    """
    if not path.is_file():
        raise InputError(f"{path}: missing; the scales need the kernels of every arm")
    tensors = load_tensors(path)
    return {
        key: Change(tensors[f"{key}_initial"], tensors[f"{key}_trained"])
        for key in CONVOLUTIONS
        if f"{key}_initial" in tensors
    }


def common_scale(changes: list[Change]) -> Scale:
    """The scales that hold for all arms: the largest percentile of absolute values that any of them has."""

    def bound(weights: numpy.ndarray) -> float:
        # A run that diverged (not finite) must not take the others' scale away.
        sizes = numpy.abs(weights[numpy.isfinite(weights)])
        # Where hardly any weight changed, the percentile is 0, though not all is.
        return float(numpy.percentile(sizes, PERCENTILE) or sizes.max()) if sizes.size else 0.0

    return Scale(
        weights=max(bound(numpy.stack((change.before, change.after))) for change in changes),
        difference=max(bound(change.difference) for change in changes),
    )


def panels(weights: numpy.ndarray) -> list[tuple[str, numpy.ndarray]]:
    """The pictures of a convolution's weights [out, in, height, width], each with its name.

    Few inputs (colours): for each input a mosaic of the kernels. Many: all kernels as one matrix, a row of kernels for
    each output, a column for each input. Both stop at MOST_KERNELS.
    """
    _, inputs, height, width = weights.shape
    if inputs <= 4:
        colours = ("red", "green", "blue") if inputs == 3 else [f"input {number}" for number in range(inputs)]
        return [(colour, mosaic(weights[:MOST_KERNELS, number])) for number, colour in enumerate(colours)]
    shown = weights[:MOST_KERNELS, :MOST_KERNELS]
    matrix = shown.transpose(0, 2, 1, 3).reshape(shown.shape[0] * height, shown.shape[1] * width)
    return [("all", matrix)]


def mosaic(kernels: numpy.ndarray) -> numpy.ndarray:
    """Kernels [count, height, width] beside and under each other, with lines of NaN between them."""
    count, height, width = kernels.shape
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    picture = numpy.full((rows * (height + 1) + 1, columns * (width + 1) + 1), numpy.nan)
    for number, kernel in enumerate(kernels):
        y, x = (number // columns) * (height + 1) + 1, (number % columns) * (width + 1) + 1
        picture[y : y + height, x : x + width] = kernel
    return picture


def description(weights: numpy.ndarray) -> str:
    """What the pictures of a convolution's weights show, in words."""
    outputs, inputs, height, width = weights.shape
    part = f"the first {MOST_KERNELS} of " if outputs > MOST_KERNELS else ""
    if inputs <= 4:
        return f"{part}{outputs} kernels of {height}x{width}, a row of pictures for each colour they read"
    part = "the first " if max(outputs, inputs) > MOST_KERNELS else ""
    down, across = min(outputs, MOST_KERNELS), min(inputs, MOST_KERNELS)
    return f"{part}{down} outputs (down) x {across} inputs (across), {height}x{width} weights each"


def whole_pixels(inches: float) -> float:
    """A length in inches that is a whole number of pixels of the PNG."""
    return round(inches / PIXEL) * PIXEL


def panel_size(picture: numpy.ndarray) -> tuple[float, float]:
    """Width and height in inches of a picture: at most PANEL wide, each weight a whole number of pixels.

    A picture with more weights across than PANEL has pixels would need less than one: it is as wide as PANEL.
    """
    rows, columns = picture.shape
    pixels = math.floor(PANEL / PIXEL + 1e-6) // columns
    if not pixels:
        return PANEL, whole_pixels(PANEL * rows / columns)
    return columns * pixels * PIXEL, rows * pixels * PIXEL


def block_height(weights: numpy.ndarray) -> float:
    """The height in inches that `draw_block` takes."""
    heights = sum(panel_size(picture)[1] + SPACE for _, picture in panels(weights))
    return whole_pixels(0.6) + heights + whole_pixels(0.62)


def draw_block(figure: Figure, top: float, name: str, change: Change, scale: Scale) -> None:
    """Draw one convolution from `top` inches down: before, after, their difference, and two colour bars."""
    style.write(figure, 0.06, top, name, fontsize=10, fontweight="bold")
    style.write(figure, 0.06, top + 0.19, description(change.before), fontsize=style.SMALL, color=style.MUTED)
    top += whole_pixels(0.6)
    weight_norm, difference_norm = symmetric(scale.weights), symmetric(scale.difference)
    columns = (
        ("before", change.before, weight_norm),
        ("after", change.after, weight_norm),
        ("after − before", change.difference, difference_norm),
    )
    bottom, panel = top, panel_size(panels(change.before)[0][1])[0]
    for number, (heading, weights, norm) in enumerate(columns):
        left = LEFT + number * (PANEL + SPACE)
        style.write(
            figure, left + panel / 2, top - 0.05, heading, horizontalalignment="center", verticalalignment="bottom"
        )
        bottom = top
        for row_name, picture in panels(weights):
            width, height = panel_size(picture)
            axes = style.place(figure, left, bottom, width, height)
            # above the frame, which would hide the outermost weights
            axes.imshow(picture, cmap=SIGNED, norm=norm, interpolation="none", aspect="auto", zorder=3)
            frame(axes)
            if number == 0 and row_name != "all":
                axes.set_ylabel(row_name, fontsize=9)
            bottom += height + SPACE
    if not numpy.any(change.difference):
        style.write(
            figure,
            LEFT + 2 * (PANEL + SPACE) + panel / 2,
            (top + bottom - SPACE) / 2,
            "exactly zero",
            horizontalalignment="center",
            verticalalignment="center",
            bbox={"facecolor": "white", "edgecolor": style.MUTED, "boxstyle": "round"},
        )
    draw_colour_bar(figure, LEFT, bottom, PANEL + SPACE + panel, weight_norm, "weight before and after training")
    if scale.difference:  # else no arm changed any weight
        share = f"bound: {100 * scale.difference / scale.weights:.2g} % of the first"
        draw_colour_bar(figure, LEFT + 2 * (PANEL + SPACE), bottom, panel, difference_norm, share)


def symmetric(bound: float) -> Normalize:
    """A scale from -`bound` to `bound`; where all is zero, any will do."""
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
