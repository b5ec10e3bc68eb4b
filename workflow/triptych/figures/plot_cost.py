"""Test accuracy against the measured time of a run."""

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
from triptych.results.by_seed import read_by_seed
from triptych.results.tables import read_table
from triptych.storage.errors import InputError

LABEL_HEIGHT = 0.17
"""Least distance in inches between the names of two arms."""

LOG_FROM = 8
"""Ratio of the longest to the shortest time from which the scale is logarithmic."""


def plot_cost(*, cost: Path, test_results: Path, summary: Path, arms: Path, svg: Path, png: Path) -> None:
    """Draw test accuracy against the measured wall time, cached features included, for every run and arm.

    With folds a mark is the mean over the folds of a seed.

    Raises:
        InputError: a table is missing or not what it should be, or lacks an arm.
    """
    runs = read_by_seed(cost, schema.COST)
    runs["time"] = runs["seconds"] + runs["features_seconds"]
    tested = read_by_seed(test_results, schema.TEST_RESULTS, ["arm", "seed", "test_accuracy"])
    runs = runs.merge(tested, on=["arm", "seed"], validate="one_to_one")
    results = read_table(summary, schema.SUMMARY).set_index("arm")
    styles = arm_styles(read_arms(arms))
    figure = Figure(figsize=(style.WIDTH, 3.6 + 0.16 * max(0, len(styles) - 4)), layout="constrained")
    axes = figure.subplots()
    points = []
    for arm, look in styles.items():
        own = runs[runs["arm"] == arm]
        if arm not in results.index or own.empty:
            raise InputError(f"{summary if len(own) else cost}: no row of arm {arm!r}, which {arms} names")
        result = results.loc[[arm]].iloc[0]
        draw_arm(axes, look, own, result)
        points.append(Point(look, own["time"].min(), own["time"].max(), result["test_accuracy_mean"]))
    longest, shortest = runs["time"].max(), runs["time"].min()
    if shortest > 0 and longest / shortest >= LOG_FROM:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.xaxis.set_minor_formatter(lambda value, _: "")
    else:
        axes.set_xlim(0, longest * 1.08)
    devices = ", ".join(dict.fromkeys(runs["device_name"]))
    scale = ", log scale" if axes.get_xscale() == "log" else ""
    label = f"time of one run (s{scale}), on {devices}"
    axes.set_xlabel(style.wrapped(label, size=10, width=style.WIDTH - 0.8))
    axes.set_ylabel("test accuracy (%)")
    axes.set_title(heading(results.loc[list(styles)]), fontsize=9, color=style.MUTED)
    style.title(figure, "Test accuracy against measured time")
    label_points(figure, axes, points)
    style.save(figure, svg, png)


def heading(results: pandas.DataFrame) -> str:
    """Return what the marks are. The tables do not hold the confidence of the intervals, so the text omits it."""
    if int(results["n"].max()) < 2:
        return "one run each; bars: interval of the accuracy over test images only"
    return "marks: single runs; bars: mean and its interval over test images and seeds"


@dataclass(frozen=True)
class Point:
    """The position of an arm in the figure: its seconds over the seeds and its mean accuracy."""

    look: ArmStyle
    first_second: float
    last_second: float
    accuracy: float


def draw_arm(axes: Axes, look: ArmStyle, runs: pandas.DataFrame, result: pandas.Series) -> None:
    """Draw one arm: a hollow mark for each run, and over them its mean with its interval at the mean time.

    The caps and the mean are wider than a mark, so that a short interval is seen as well.
    """
    mean = result["test_accuracy_mean"]
    axes.plot(
        runs["time"],
        runs["test_accuracy"],
        color=look.colour,
        marker=look.marker,
        markersize=5,
        markerfacecolor="none",
        markeredgewidth=1,
        linestyle="none",
        zorder=2,
    )
    axes.errorbar(
        [runs["time"].mean()],
        [mean],
        yerr=[[mean - result["test_accuracy_low"]], [result["test_accuracy_high"] - mean]],
        color=look.colour,
        marker="_",
        markersize=18,
        markeredgewidth=1.8,
        linestyle="none",
        elinewidth=1.4,
        capsize=6,
        capthick=1,
        zorder=3,
    )


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
                xytext=((26 if moved else 14) * (1 if on_right else -1), (height - y) * 72 / inch),
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
