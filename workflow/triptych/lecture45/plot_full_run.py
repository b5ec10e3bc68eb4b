"""Test accuracy of this run and of the full run of the lecture, by number of training images seen."""

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from triptych.figures import style
from triptych.figures.tables import read_arms
from triptych.lecture45.schema import FULL_RUN
from triptych.results.arm_styles import Line, arm_styles
from triptych.results.tables import read_table
from triptych.storage.errors import InputError

RUNS: tuple[tuple[str, Line, dict[str, Any]], ...] = (
    ("full run", "--", {"markerfacecolor": "white"}),
    ("this run", "-", {}),
)
"""The runs in drawing order, with their line styles and marker faces."""


def plot_full_run(*, full_run: Path, arms: Path, svg: Path, png: Path) -> None:
    """Draw the test accuracy of the lecture's nets: this run solid, the full run dashed (means over seeds).

    Args:
        full_run: from `compare_full_run`.
        arms: the experiment's arms, for their colours and names.
    """
    table = read_table(full_run, FULL_RUN)
    styles = arm_styles(read_arms(arms))
    table = table[table["epoch"] > 0]  # before training no images were seen, and the axis is a log scale
    figure = Figure(figsize=(style.WIDTH, 4.1), layout="constrained")
    axes = figure.subplots()
    handles = []
    for arm in dict.fromkeys(table["arm"]):
        own = table[table["arm"] == arm]
        if arm not in styles:
            raise InputError(f"{arms}: no row of arm {arm!r}, which {full_run} names")
        look = styles[arm]
        line: dict[str, Any] = {"color": look.colour, "marker": look.marker}
        for run, dashes, face in RUNS:
            mean = own[own["run"] == run].groupby("images_seen")["test_accuracy"].mean()
            axes.plot(mean.index, mean, linestyle=dashes, zorder=2.5, **line, **face)
        handles.append(Line2D([], [], linestyle="-", label=look.short_title, **line))
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.xaxis.set_minor_formatter(lambda value, _: "")
    axes.set_xlabel("training images seen (log scale; a mark an epoch)")
    axes.set_ylabel("test accuracy (%)")
    style.title(figure, "Test accuracy of this run and of the full run")
    for run, dashes, face in reversed(RUNS):
        handles.append(Line2D([], [], color=style.INK, linestyle=dashes, marker="o", label=run, **face))
    figure.legend(handles=handles, loc="outside lower center", ncols=2, columnspacing=1.2, handlelength=2.6)
    style.save(figure, svg, png)
