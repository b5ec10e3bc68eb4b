"""Memory for training and for inference by batch size."""

import math
from pathlib import Path
from typing import Any

import pandas
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from triptych.figures import style
from triptych.results import schema
from triptych.results.arm_styles import ArmStyle, arm_styles
from triptych.results.tables import read_table
from triptych.storage.errors import InputError

MODES = {"training": ("training_bytes", "batch_size"), "inference": ("inference_bytes", "evaluation_batch_size")}
"""Each panel: its column of the table of memory, and the column of the arms with the batch size of the recipe."""

UNITS = (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10), ("bytes", 1))
RECIPE_LINE: dict[str, Any] = {"color": style.MUTED, "linewidth": 0.9, "linestyle": (0, (2, 2))}
CORE, RIM = 1.6, 2.4
"""Line widths: of the innermost line of a shared one, and by how much each next one is wider."""

MOST_RIMS = 3
"""The most arms whose colours find room in a shared line; the line of more is drawn in ink."""

MOST_LABELS = 8
"""The most labels of the memory axis."""


def plot_memory(*, memory: Path, arms: Path, svg: Path, png: Path) -> None:
    """Draw the computed memory of each arm by batch size, training and inference in a panel each.

    Arms that need the same share a line: the colour of the first is its core, those of the others are its rims.
    """
    table = read_table(memory, schema.MEMORY)
    columns = ["arm", "label", "role", *(size for _, size in MODES.values())]
    known = read_table(arms, schema.ARMS, columns)
    styles = arm_styles(known)
    missing = [arm for arm in styles if arm not in set(table["arm"])]
    if missing:
        raise InputError(f"{memory}: no row of arm {missing[0]!r}, which {arms} names")
    table = table[table["arm"].isin(styles)]
    figure = Figure(figsize=(style.WIDTH, 3.4), layout="constrained")
    panels = figure.subplots(1, len(MODES), sharex=True, sharey=True)
    entries: dict[str, tuple[Line2D, ...]] = {}
    for axes, (mode, (column, recipe)) in zip(panels, MODES.items(), strict=True):
        axes.set_title(mode, fontsize=10)
        axes.set_xlabel("batch size (log scale)")
        for batch_size in sorted(set(known[recipe].dropna())):
            axes.axvline(batch_size, **RECIPE_LINE, zorder=1)
        for members in same_lines(table, column, list(styles)):
            values = table[table["arm"] == members[0]].sort_values("batch_size")
            everyone = len(members) == len(styles) > 1
            strokes = strokes_of([styles[arm] for arm in members])
            for stroke in strokes:
                axes.plot(values["batch_size"], values[column], **stroke)
            name = "all arms" if everyone else " = ".join(styles[arm].short_title for arm in members)
            entries[name] = tuple(Line2D([], [], **stroke) for stroke in strokes)
    entries["batch size of the recipe"] = (Line2D([], [], **RECIPE_LINE),)
    scale_axes(panels[0], table)
    add_legend(figure, entries)
    style.title(figure, "Memory by batch size, computed from the layers")
    style.save(figure, svg, png)


def same_lines(table: pandas.DataFrame, column: str, arms: list[str]) -> list[list[str]]:
    """Return groups of arms that have the same values of `column` at every batch size, in their order."""
    groups: dict[tuple[tuple[float, ...], tuple[float, ...]], list[str]] = {}
    for arm in arms:
        own = table[table["arm"] == arm].sort_values("batch_size")
        groups.setdefault((tuple(own["batch_size"]), tuple(own[column])), []).append(arm)
    return list(groups.values())


def strokes_of(looks: list[ArmStyle]) -> list[dict[str, Any]]:
    """Return the lines, the widest first, that make up the line of these arms: solid, each as wide as it is seen."""
    if len(looks) > MOST_RIMS:
        return [{"color": style.INK, "linewidth": CORE}]
    if len(looks) == 1:
        return [{"color": looks[0].colour, "linewidth": CORE, "marker": looks[0].marker, "markersize": 4}]
    widths = [CORE + RIM * position for position in range(len(looks))]
    return [{"color": look.colour, "linewidth": width} for look, width in zip(looks, widths, strict=True)][::-1]


def scale_axes(axes: Axes, table: pandas.DataFrame) -> None:
    """Set both shared axes to log scales with base 2, and label all powers of two, or every second or third."""
    sizes = sorted(table["batch_size"].unique())
    axes.set_xscale("log", base=2)
    axes.set_yscale("log", base=2)
    axes.set_xticks(sizes[::2], [f"{size:g}" for size in sizes[::2]])
    values = table[[column for column, _ in MODES.values()]].to_numpy()
    marks = memory_marks(values.min(), values.max())
    axes.set_yticks(marks, [in_unit(mark) for mark in marks])
    axes.set_ylim(marks[0], marks[-1])
    axes.minorticks_off()
    axes.set_ylabel("tensor memory (log scale)")


def memory_marks(smallest: float, largest: float) -> list[float]:
    """Return powers of two, evenly spaced, the first at most `smallest` and the last at least `largest`."""
    first, last = math.floor(math.log2(smallest)), math.ceil(math.log2(largest))
    last = max(last, first + 1)
    step = math.ceil((last - first) / (MOST_LABELS - 1))
    return [2.0**power for power in range(first, last + step, step)]


def add_legend(figure: Figure, entries: dict[str, tuple[Line2D, ...]]) -> None:
    """Put the legend below the panels, and make room for it."""
    columns = 1 if len(entries) <= 6 else 2
    width = style.WIDTH / columns - 0.6
    texts = [style.wrapped(text, size=9, width=width) for text in entries]
    figure.set_figheight(3.4 + 0.19 * sum(text.count("\n") + 1 for text in texts) / columns)
    handles: list[Any] = list(entries.values())
    figure.legend(handles, texts, loc="outside lower center", handlelength=3.4, alignment="left", ncols=columns)


def in_unit(count: float) -> str:
    """Return bytes in the largest unit in which they are at least 1."""
    unit, size = next((unit for unit in UNITS if count >= unit[1]), UNITS[-1])
    return f"{count / size:g} {unit}"
