"""Memory for training and for inference by batch size."""

from pathlib import Path
from typing import Any

import pandas
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from triptych.figures import style
from triptych.figures.tables import read_arms
from triptych.results import schema
from triptych.results.arm_styles import ArmStyle, Line, arm_styles
from triptych.results.tables import read_table
from triptych.storage.errors import InputError

MODES = {"training_bytes": "training", "inference_bytes": "inference"}
UNITS = (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10), ("bytes", 1))
BATCH_LINE: dict[str, Any] = {"color": style.MUTED, "linewidth": 0.9, "linestyle": (0, (2, 2))}
DASH = 5
"""Length in line widths of one arm's dash where several arms have the same line."""


def plot_memory(*, memory: Path, arms: Path, svg: Path, png: Path) -> None:
    """Draw the memory that each arm needs by batch size; arms that need the same share a line of several colours."""
    table = read_table(memory, schema.MEMORY)
    known = read_arms(arms)
    styles = arm_styles(known)
    missing = [arm for arm in styles if arm not in set(table["arm"])]
    if missing:
        raise InputError(f"{memory}: no row of arm {missing[0]!r}, which {arms} names")
    table = table[table["arm"].isin(styles)]
    entries = []
    figure = Figure(figsize=(style.WIDTH, 3.4), layout="constrained")
    axes = figure.subplots()
    for column, mode in MODES.items():
        for members in same_lines(table, column, list(styles)):
            values = table[table["arm"] == members[0]].sort_values("batch_size")
            everyone = len(members) == len(styles) > 1
            looks = [styles[arm] for arm in members]
            draw_line(axes, values["batch_size"], values[column], looks, mode, everyone)
            names = "all arms" if everyone else " = ".join(look.short_title for look in looks)
            entries.append((legend_handle(looks, mode, everyone), f"{mode}: {names}"))
        if mode == "training":
            entries.append((Line2D([], [], **BATCH_LINE), "batch size trained with"))
    for batch_size in sorted(set(known["batch_size"].dropna())):
        axes.axvline(batch_size, **BATCH_LINE, zorder=1)
    scale_axes(axes, table)
    columns = 1 if len(entries) <= 6 else 2
    width = style.WIDTH / columns - 0.6
    entries = [(handle, style.wrapped(text, size=9, width=width)) for handle, text in entries]
    lines = sum(text.count("\n") + 1 for _, text in entries)
    figure.set_figheight(3.3 + 0.19 * lines / columns)
    style.title(figure, "Memory by batch size, computed from the layers")
    figure.legend(
        *zip(*entries, strict=True), loc="outside lower center", handlelength=3.4, alignment="left", ncols=columns
    )
    style.save(figure, svg, png)


def same_lines(table: pandas.DataFrame, column: str, arms: list[str]) -> list[list[str]]:
    """Return groups of arms that have the same values of `column` at every batch size, in their order."""
    groups: dict[tuple[tuple[float, ...], tuple[float, ...]], list[str]] = {}
    for arm in arms:
        own = table[table["arm"] == arm].sort_values("batch_size")
        groups.setdefault((tuple(own["batch_size"]), tuple(own[column])), []).append(arm)
    return list(groups.values())


def draw_line(axes: Axes, x: pandas.Series, y: pandas.Series, looks: list[ArmStyle], mode: str, everyone: bool) -> None:
    """Draw the line that the arms of `looks` share: training full, inference thin and dashed; all arms' one in grey."""
    if mode == "inference":
        colour = style.INK if everyone else looks[0].colour
        axes.plot(x, y, color=colour, linestyle="--", linewidth=1.4, marker=looks[0].marker, markersize=3.5)
        return
    for position, look in enumerate(looks):
        axes.plot(
            x,
            y,
            color=style.INK if everyone else look.colour,
            linestyle=alternating(position, 1 if everyone else len(looks)),
            marker=look.marker,
            # Every arm keeps its markers: those of a shared line take turns along it.
            markevery=(position, len(looks)),
        )


def alternating(position: int, count: int) -> Line:
    """Return dashes for the line at `position` of `count` coinciding lines, so that all are seen."""
    return "-" if count == 1 else (DASH * (count - position), (DASH, DASH * (count - 1)))


def legend_handle(looks: list[ArmStyle], mode: str, everyone: bool) -> Line2D | tuple[Line2D, ...]:
    """Return the legend's handle for a line of `draw_line`."""
    if everyone or len(looks) == 1 or mode == "inference":
        colour = style.INK if everyone else looks[0].colour
        line: Line = "--" if mode == "inference" else "-"
        size = 3.5 if mode == "inference" else 5.5
        return Line2D([], [], color=colour, linestyle=line, marker=looks[0].marker, markersize=size)
    return tuple(
        Line2D([], [], color=look.colour, linestyle=alternating(position, len(looks)))
        for position, look in enumerate(looks)
    )


def scale_axes(axes: Axes, table: pandas.DataFrame) -> None:
    """Set both axes to log scales with base 2, and label batch sizes and memory."""
    sizes = sorted(table["batch_size"].unique())
    axes.set_xscale("log", base=2)
    axes.set_yscale("log", base=2)
    axes.set_xticks(sizes, [f"{size:g}" for size in sizes])
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(lambda value, _: in_unit(value))
    axes.set_xlabel("batch size (images)")
    axes.set_ylabel("memory")


def in_unit(count: float) -> str:
    """Return bytes in the largest unit in which they are at least 1."""
    unit, size = next((unit for unit in UNITS if count >= unit[1]), UNITS[-1])
    return f"{count / size:g} {unit}"
