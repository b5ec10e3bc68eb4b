"""Test accuracy against measured training time."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from triptych.figures import style
from triptych.figures.tables import read_arms
from triptych.results import schema
from triptych.results.arm_styles import ArmStyle, arm_styles
from triptych.results.tables import read_table
from triptych.storage.errors import InputError

LABEL_HEIGHT = 0.17
"""Least distance in inches between the names of two arms."""

LOG_FROM = 8
"""Ratio of the longest to the shortest training time from which the scale is logarithmic."""


def plot_cost(*, cost: Path, summary: Path, arms: Path, svg: Path, png: Path) -> None:
    """Draw test accuracy against the training time of a run, for every arm, making cached features included."""
    runs = read_table(cost, schema.COST)
    runs["training_seconds"] += runs["features_seconds"]
    results = read_table(summary, schema.SUMMARY).set_index("arm")
    styles = arm_styles(read_arms(arms))
    figure = Figure(figsize=(style.WIDTH, 3.6 + 0.16 * max(0, len(styles) - 4)), layout="constrained")
    axes = figure.subplots()
    points = []
    for arm, look in styles.items():
        seconds = runs.loc[runs["arm"] == arm, "training_seconds"]
        if arm not in results.index or seconds.empty:
            raise InputError(f"{summary if len(seconds) else cost}: no row of arm {arm!r}, which {arms} names")
        result = results.loc[[arm]].iloc[0]
        draw_arm(axes, look, seconds, result)
        points.append(Point(look, seconds.min(), seconds.max(), result["test_accuracy_mean"]))
    longest, shortest = runs["training_seconds"].max(), runs["training_seconds"].min()
    if shortest > 0 and longest / shortest >= LOG_FROM:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.xaxis.set_minor_formatter(lambda value, _: "")
    else:
        axes.set_xlim(0, longest * 1.08)
    devices = ", ".join(dict.fromkeys(runs["device_name"]))
    axes.set_xlabel(style.wrapped(f"training time of one run (s), on {devices}", size=10, width=style.WIDTH - 0.8))
    axes.set_ylabel("test accuracy (%)")
    axes.set_title(heading(results.loc[list(styles)]), fontsize=9, color=style.MUTED)
    style.title(figure, "Test accuracy against measured training time")
    label_points(figure, axes, points)
    style.save(figure, svg, png)


def heading(results: pandas.DataFrame) -> str:
    """Return what the marks are. The tables do not hold the confidence of the intervals, so the text omits it."""
    seeds = int(results["n"].max())
    if seeds < 2:
        return "one run each: no interval over seeds"
    ticks = f"ticks: seconds of each of {seeds if results['n'].nunique() == 1 else 'its'} seeds"
    bars = "Bars: interval of the mean over seeds; " if any(has_interval(row) for _, row in results.iterrows()) else ""
    return f"{bars}{ticks}"


def has_interval(result: pandas.Series) -> bool:
    """Return whether there is an interval over seeds; one seed has none."""
    ends = result[["test_accuracy_low", "test_accuracy_high"]].astype(float)
    return bool(result["n"] > 1 and ends.notna().all())


@dataclass(frozen=True)
class Point:
    """The position of an arm in the figure: its seconds over the seeds and its mean accuracy."""

    look: ArmStyle
    first_second: float
    last_second: float
    accuracy: float


def draw_arm(axes: Axes, look: ArmStyle, seconds: pandas.Series, result: pandas.Series) -> None:
    """Draw one arm: its mean with the interval of its accuracy, and a tick for the seconds of each seed."""
    mean = result["test_accuracy_mean"]
    interval = (mean - result["test_accuracy_low"], result["test_accuracy_high"] - mean)
    axes.errorbar(
        [seconds.mean()],
        [mean],
        yerr=[[end] for end in interval] if has_interval(result) else None,
        color=look.colour,
        marker=look.marker,
        markersize=8,
        linestyle="none",
        elinewidth=1.5,
        capsize=4,
    )
    if len(seconds) > 1:
        axes.plot(seconds, [mean] * len(seconds), color=look.colour, marker="|", markersize=9, linestyle="none")


def label_points(figure: Figure, axes: Axes, points: Sequence[Point]) -> None:
    """Write each arm's name beside its point, on the side with more room, without overlap.

    A line joins a name to its point if the two differ in height.
    """
    figure.draw_without_rendering()  # computes the positions of the axes
    centre = axes.bbox.x0 + axes.bbox.width / 2
    inch = figure.dpi
    for on_right in (False, True):
        places = []
        for point in points:
            x, y = axes.transData.transform(((point.first_second + point.last_second) / 2, point.accuracy))
            if (x < centre) == on_right:
                places.append((y, point))
        places.sort(key=lambda place: place[0])
        heights = spread([y for y, _ in places], LABEL_HEIGHT * inch, axes.bbox.y0, axes.bbox.y1)
        for (y, point), height in zip(places, heights, strict=True):
            moved = abs(height - y) > 0.02 * inch
            axes.annotate(
                point.look.short_title,
                (point.last_second if on_right else point.first_second, point.accuracy),
                xytext=((24 if moved else 11) * (1 if on_right else -1), (height - y) * 72 / inch),
                textcoords="offset points",
                horizontalalignment="left" if on_right else "right",
                verticalalignment="center",
                fontsize=9,
                arrowprops={"arrowstyle": "-", "color": point.look.colour, "linewidth": 0.8} if moved else None,
            )


def spread(heights: list[float], distance: float, lowest: float, highest: float) -> list[float]:
    """Move ascending heights as little as needed to be `distance` apart and, if there is room, between the limits."""
    moved: list[float] = []
    for height in heights:
        moved.append(max(height, moved[-1] + distance if moved else lowest))
    limit = highest
    for number in reversed(range(len(moved))):
        moved[number] = min(moved[number], limit)
        limit = moved[number] - distance
    return moved
