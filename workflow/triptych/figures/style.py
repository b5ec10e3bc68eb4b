"""What all figures share: sizes, fonts, colours on a light and on a dark ground, and saving with reproducible bytes.

Figures are made without pyplot, so neither a backend nor the user's matplotlibrc affects them.
"""

import base64
import functools
import io
import re
import textwrap
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
import numpy
import pandas
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.ft2font import FT2Font, LoadFlags
from matplotlib.text import Text
from matplotlib.ticker import FixedFormatter, Formatter, FuncFormatter, MaxNLocator
from PIL import Image

from triptych.results.arm_styles import DARK_PALETTE, MOST_SEED_LINES, PALETTE
from triptych.results.learning_curves import learning_curves, shows_lag
from triptych.storage.files import atomic_write, write_text

WIDTH = 5.4
"""Width of every figure in inches. On a phone of 390 pixels, one point of text is then one pixel."""

SMALL = 8
"""Smallest size of text in points."""

LAG_NOTE = "\nthin, dash-dotted: with BatchNorm’s moving averages"
"""What the second line of `draw_learning_curve` is, for a legend."""

DOTS_PER_INCH = 150
MOST_COLOURS = 10_000
"""Most colours of a PNG that is saved with a palette of 256."""

UNKNOWN = "\ufffd"
"""Stands for a character that the font lacks, or that is not printable, as a line break in the name of a file."""

EMBEDDED_IMAGE = re.compile(r"(data:image/png;base64,)\s*([A-Za-z0-9+/=\s]+)")
INDENTATION = re.compile("^ +", re.MULTILINE)
VECTOR_COLOUR = re.compile(r"(fill|stroke): (#[0-9a-f]{6})")

PAPER = "#ffffff"
INK = "#222222"
MUTED = "#6b6b6b"
GRID = "#e3e3e3"
BAND = "#f1f1f1"
GREY = "#949494"
DARK_GREY = "#808080"
DARK = {
    PAPER: "#1d2125",
    INK: "#e7e6e2",
    MUTED: "#a7aeb6",
    GRID: "#353b42",
    BAND: "#2a2f35",
    GREY: "#7a838c",
    DARK_GREY: "#98a0a8",
    **dict(zip(map(str.lower, PALETTE), map(str.lower, DARK_PALETTE), strict=True)),
}
"""The colour on a dark ground of each colour on white. Colours that are not here are the same on both."""

DIMMED = 0.8
"""The brightness of pictures and their colour bars on a dark ground, of that on white."""

# Text over an image, which looks the same on both grounds; each differs from a key of DARK by one step.
WHITE_ON_IMAGE = "#fefefe"
INK_ON_IMAGE = "#232323"
MUTED_ON_IMAGE = "#6c6c6c"

matplotlib.rcdefaults()
matplotlib.rcParams.update(
    {
        # Text as outlines: it looks the same wherever the picture is shown, and needs no font there.
        "svg.fonttype": "path",
        # Without a fixed salt the identifiers inside an SVG are random.
        "svg.hashsalt": "triptych",
        # A dollar sign in the name of a class is a dollar sign.
        "text.parse_math": False,
        "font.family": "DejaVu Sans",  # matplotlib ships it
        "font.size": 10,
        "axes.titlesize": 11,
        "axes.labelsize": 10,
        "xtick.labelsize": 9,
        "ytick.labelsize": 9,
        "legend.fontsize": 9,
        "legend.title_fontsize": 9,
        "legend.frameon": False,
        "figure.facecolor": PAPER,
        "savefig.facecolor": PAPER,
        "axes.facecolor": PAPER,
        "axes.titlelocation": "left",
        "axes.titlepad": 8,
        "axes.edgecolor": MUTED,
        "axes.labelcolor": INK,
        "text.color": INK,
        "xtick.color": INK,
        "ytick.color": INK,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": GRID,
        "grid.linewidth": 0.8,
        "lines.linewidth": 1.9,
        "lines.markersize": 5.5,
    }
)


def wrapped(text: str, size: float = 11, width: float = WIDTH) -> str:
    """Break `text` into lines that fit into `width` inches at `size` points."""
    # 0.62 em is about the mean width of DejaVu Sans' bold characters
    return "\n".join(textwrap.wrap(text, max(8, int(width * 72 / (0.62 * size)))))


def shortened(text: str, length: int) -> str:
    """Return `text`, cut to its last characters after an ellipsis if it is longer than `length`."""
    return text if len(text) <= length else "…" + text[1 - length :]


@functools.cache
def _font(bold: bool) -> FT2Font:
    return get_font(findfont(FontProperties(weight="bold" if bold else "normal")))


@functools.cache
def _advance(character: str, bold: bool) -> float:
    """Return the width of a character in em."""
    font = _font(bold)
    return float(font.load_char(ord(character), flags=LoadFlags.NO_SCALE).horiAdvance) / font.units_per_EM


@functools.cache
def _is_known(character: str) -> bool:
    return all(font.get_char_index(ord(character)) for font in (_font(False), _font(True)))


def drawable(text: str) -> str:
    """Return `text` with UNKNOWN for each character that the font lacks; line breaks stay."""
    known = (character if character == "\n" or _is_known(character) else UNKNOWN for character in text)
    return "".join(known)


def one_line(name: str) -> str:
    """Return a name from the user's data as one line that can be drawn."""
    composed = unicodedata.normalize("NFC", name)
    return drawable("".join(one if one.isprintable() else UNKNOWN for one in composed))


def width_of(text: str, size: float, bold: bool = False) -> float:
    """Return the width in inches of one line of text at `size` points."""
    return sum(_advance(character, bold) for character in text) * size / 72


def fitted(name: str, width: float, size: float = SMALL, bold: bool = False) -> str:
    """Return a name as one line of at most `width` inches at `size` points; a longer one loses its middle."""
    line = one_line(name)
    if width_of(line, size, bold) <= width:
        return line
    half = (width - width_of("…", size, bold)) / 2
    first, last = (_beginning(part, half, size, bold) for part in (line, line[::-1]))
    return f"{first}…{last[::-1]}"


def _beginning(line: str, width: float, size: float, bold: bool) -> str:
    """Return as many of the first characters of a line as fit."""
    used = 0.0
    for position, character in enumerate(line):
        used += _advance(character, bold) * size / 72
        if used > width:
            return line[:position]
    return line


def broken(name: str, width: float, most: int, size: float = SMALL, bold: bool = False) -> list[str]:
    """Break a name, at a space if there is one, into at most `most` lines of `width` inches at `size` points."""
    lines: list[str] = []
    rest = one_line(name)
    while rest and len(lines) < most - 1:
        line = _beginning(rest, width, size, bold)
        if line != rest:
            space = f"{line}{rest[len(line)]}".rfind(" ")
            line = line[:space] if space > 0 else line or rest[0]
        lines.append(line)
        rest = rest[len(line) :].lstrip(" ")
    return [*lines, fitted(rest, width, size, bold)] if rest else lines


def _drawable_labels(formatter: Formatter) -> Callable[[float, int], str]:
    return lambda value, position: drawable(formatter(value, position))


def replace_unknown_characters(figure: Figure) -> None:
    """Make every text of a figure `drawable`, since matplotlib warns of characters that its font lacks."""
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            formatter = axis.get_major_formatter()
            if isinstance(formatter, FixedFormatter | FuncFormatter):  # labels that were given; others are numbers
                axis.set_major_formatter(FuncFormatter(_drawable_labels(formatter)))
    for text in figure.findobj(Text):
        if isinstance(text, Text):
            text.set_text(drawable(text.get_text()))


def title(figure: Figure, text: str) -> None:
    """Put a title over a figure with a constrained layout, flush left."""
    figure.suptitle(wrapped(text), x=0.01, horizontalalignment="left", fontsize=11, fontweight="bold")


def place(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Add axes; the lengths are inches from the upper left corner of the figure."""
    figure_width, figure_height = figure.get_size_inches()
    return figure.add_axes(
        (
            left / figure_width,
            1 - (top + height) / figure_height,
            width / figure_width,
            height / figure_height,
        )
    )


def write(figure: Figure, left: float, top: float, text: str, **options: Any) -> None:
    """Write text; its upper left corner (or the one that `options` align) is in inches, as in `place`."""
    figure_width, figure_height = figure.get_size_inches()
    options = {"verticalalignment": "top", **options}
    figure.text(left / figure_width, 1 - top / figure_height, text, **options)


def epoch_axis(axes: Axes, epochs: int) -> None:
    """Set up the x axis for whole epochs from 0 to `epochs`."""
    margin = max(epochs, 1) * 0.03
    axes.set_xlim(-margin, max(epochs, 1) + margin)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=11, min_n_ticks=2))
    axes.set_xlabel("epoch (0 = before training)")


def draw_seeds(axes: Axes, runs: pandas.DataFrame, column: str, *, spread: bool = True, **line: Any) -> pandas.Series:
    """Draw one quantity by epoch, the mean over seeds as a thick line, and return that mean by epoch.

    With `spread`, each seed is a thin line; more than MOST_SEED_LINES seeds are a band from the lowest to the highest.
    The mean ends with the shortest run: beyond, it would be over fewer seeds. A ring marks the epoch that is kept of a
    seed, if it is not the last.

    Args:
        runs: columns seed, epoch, kept and `column`.
        line: the look of the mean; thin lines take its colour and dashes, a band its colour.
    """
    values = runs.pivot(index="epoch", columns="seed", values=column).replace([numpy.inf, -numpy.inf], numpy.nan)
    values = values.dropna(how="all")
    mean = values.loc[: runs.groupby("seed")["epoch"].max().min()].mean(axis="columns")
    if spread and len(values.columns) > MOST_SEED_LINES:
        low, high = values.min(axis="columns"), values.max(axis="columns")
        axes.fill_between(values.index, low, high, color=line["color"], alpha=0.2, linewidth=0, zorder=1.5)
    elif spread and len(values.columns) > 1:
        thin: dict[str, Any] = {"color": line["color"], "linestyle": line["linestyle"]}
        for seed in values:
            axes.plot(values.index, values[seed], linewidth=0.7, alpha=0.55, zorder=1.5, **thin)
    kept = kept_early(runs)
    if len(kept):
        ring: dict[str, Any] = {"marker": "o", "markersize": 10, "markerfacecolor": "none", "markeredgewidth": 1.2}
        axes.plot(kept["epoch"], kept[column], color=line["color"], linestyle="none", zorder=3, **ring)
    axes.plot(mean.index, mean, **line)  # last, since callers label the last line
    return mean


def draw_learning_curve(
    axes: Axes, runs: pandas.DataFrame, column: str, *, spread: bool = True, **line: Any
) -> tuple[pandas.Series, bool]:
    """Draw the learning curve of one arm by epoch; return the mean over seeds, and whether there is a second line.

    The second one is thin and dash-dotted: the mean with the moving averages of BatchNorm, if it differs visibly.

    Args:
        runs, column, spread, line: as in `draw_seeds`, with the columns of re-estimated statistics.
    """
    lags = shows_lag(runs, column)
    if lags:
        lagging = runs.groupby("epoch")[column].mean().replace(numpy.inf, numpy.nan)
        axes.plot(lagging.index, lagging, color=line["color"], linestyle="-.", linewidth=0.9, zorder=2)
    return draw_seeds(axes, learning_curves(runs), column, spread=spread, **line), lags


def cut_off_lag(axes: Axes, losses: pandas.DataFrame) -> None:
    """End the y axis a little above these losses of learning curves: those of lagging averages can be far above."""
    axes.set_ylim(0, 1.1 * float(numpy.nanmax(losses.replace(numpy.inf, numpy.nan).to_numpy())))


def kept_early(runs: pandas.DataFrame) -> pandas.DataFrame:
    """Return the rows of the kept epochs that are not the last of their run. One arm or several."""
    names = [name for name in ("arm", "seed") if name in runs]
    last = runs.groupby(names)["epoch"].transform("max")
    return runs[(runs["kept"] == 1) & (runs["epoch"] != last)]


def seeds_note(runs: pandas.DataFrame, spread: bool = True) -> str:
    """Return what the lines of `draw_seeds` are, for a legend."""
    seeds = runs["seed"].nunique()
    if "arm" in runs and runs.groupby("arm")["seed"].nunique().nunique() > 1:  # where runs are missing
        text = "mean over the seeds of each arm" + " (thin lines: each seed)" * spread
    elif seeds == 1:
        text = f"one run (seed {runs['seed'].iloc[0]})"
    elif not spread:
        text = f"mean of {seeds} seeds"
    else:
        each = "band: lowest to highest" if seeds > MOST_SEED_LINES else "thin lines: each seed"
        text = f"mean of {seeds} seeds ({each})"
    return f"{text}; ring: kept epoch" if len(kept_early(runs)) else text


def save(figure: Figure, svg: Path, png: Path) -> None:
    """Write a figure as SVG (dark where the reader prefers that) and as PNG (light), with reproducible bytes."""
    replace_unknown_characters(figure)
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    smaller = EMBEDDED_IMAGE.sub(lambda found: found[1] + with_palette(found[2]), text.getvalue())
    write_text(svg, with_dark_style(INDENTATION.sub("", smaller)))
    pixels = io.BytesIO()
    figure.savefig(pixels, format="png", dpi=DOTS_PER_INCH)
    small = with_few_colours(Image.open(pixels).convert("RGB"))
    with atomic_write(png) as temporary:
        small.save(temporary, format="png", dpi=(DOTS_PER_INCH, DOTS_PER_INCH), optimize=True)
    print(f"wrote {svg} and {png}", flush=True)


def with_dark_style(svg: str) -> str:
    """Return matplotlib's SVG with a style sheet for readers who prefer dark: other colours (DARK), dimmed pictures.

    The drawing itself keeps its light colours, for programs that know no media queries. Printed pages stay light.
    """
    used = sorted({(what, colour) for what, colour in VECTOR_COLOUR.findall(svg) if colour in DARK})
    rules = "".join(f'[style*="{what}: {colour}"] {{{what}: {DARK[colour]} !important}}\n' for what, colour in used)
    rules += f"image {{filter: brightness({DIMMED})}}\n"
    sheet = f"\n@media screen and (prefers-color-scheme: dark) {{\n{rules}}}\n"
    return svg.replace("</style>", sheet + "</style>", 1)


def with_few_colours(image: Image.Image) -> Image.Image:
    """Return an RGB image with one byte a pixel: a third of the size as PNG.

    The 256 most frequent colours are kept. The others, mostly of the edges of text and lines, become the nearest of
    these. An image with more than MOST_COLOURS colours, as figures with photographs, is returned as it is.
    """
    channels = numpy.asarray(image).astype(numpy.int32)
    codes, indices, counts = numpy.unique(
        channels @ numpy.array([1 << 16, 1 << 8, 1], dtype=numpy.int32), return_inverse=True, return_counts=True
    )
    if len(codes) > MOST_COLOURS:
        return image
    colours = numpy.stack([codes >> 16, codes >> 8 & 255, codes & 255], axis=1)
    kept = colours[numpy.argsort(-counts, kind="stable")[:256]]
    nearest = ((colours[:, None] - kept) ** 2).sum(axis=2).argmin(axis=1)
    small = Image.fromarray(nearest[indices].reshape(channels.shape[:2]).astype(numpy.uint8))
    small.putpalette(kept.astype(numpy.uint8).tobytes(), "RGB")
    return small


def with_palette(encoded: str) -> str:
    """Return a picture (a PNG in base64) with one byte a pixel, if it is opaque and has at most 256 colours.

    Matplotlib embeds every image with four bytes a pixel; pictures of kernels halve the size of their SVG in this way.
    """
    image = Image.open(io.BytesIO(base64.b64decode(encoded))).convert("RGBA")
    pixels = numpy.asarray(image)
    colours, indices = numpy.unique(pixels.reshape(-1, 4), axis=0, return_inverse=True)
    if len(colours) > 256 or (colours[:, 3] != 255).any():
        return encoded
    small = Image.fromarray(indices.reshape(pixels.shape[:2]).astype(numpy.uint8))
    small.putpalette(colours[:, :3].tobytes(), "RGB")
    buffer = io.BytesIO()
    small.save(buffer, format="png", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()
