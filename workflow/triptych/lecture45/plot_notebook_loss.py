"""The true test loss and the one that the lecture's notebook would draw (fault 2).

The notebook does not reset its running loss before the test pass. Its test loss is the true one plus the train loss
times the number of training images over the number of test images.
"""

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from triptych.figures import style
from triptych.figures.tables import read_arms
from triptych.results import schema
from triptych.results.arm_styles import Line, arm_styles
from triptych.results.tables import read_table
from triptych.storage.errors import InputError


def plot_notebook_loss(*, history: Path, arms: Path, sizes: Path, svg: Path, png: Path) -> None:
    """Draw the true test loss of each arm but the controls (solid), and the notebook's test loss (dashed)."""
    runs = read_table(history, schema.HISTORY.in_mode(schema.EVERY_EPOCH))
    table = read_arms(arms)
    trained_on = read_table(arms, schema.ARMS).set_index("arm")["train_images"]
    images = read_table(sizes, schema.SIZES).groupby("split")["images"].sum()
    if not images.get("test"):
        raise InputError(f"{sizes}: no test images")
    styles = arm_styles(table)
    drawn = table.loc[table["role"] != "control", "arm"]
    runs = runs[runs["arm"].isin(drawn)]
    ratio = runs["arm"].map(trained_on) / images["test"]
    # there is no train loss before the first epoch, so the notebook draws nothing there
    runs = runs.assign(notebook_loss=runs["test_loss"] + ratio * runs["train_loss"])

    figure = Figure(figsize=(style.WIDTH, 4.1), layout="constrained")
    axes = figure.subplots()
    handles = []
    for arm in drawn:
        own, look = runs[runs["arm"] == arm], styles[arm]
        if own.empty:
            raise InputError(f"{history}: no row of arm {arm!r}, which {arms} names")
        line: dict[str, Any] = {"color": look.colour, "marker": look.marker, "zorder": 2.5}
        style.draw_seeds(axes, own, "test_loss", linestyle="-", **line)
        style.draw_seeds(axes, own, "notebook_loss", linestyle="--", markerfacecolor="white", **line)
        handles.append(Line2D([], [], linestyle="-", label=look.short_title, **line))
    axes.set_ylabel("test loss (nats, log scale)")
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    ticks = [digit * 10.0**power for power in range(-6, 7) for digit in (1, 2, 5)]
    axes.set_yticks(
        [tick for tick in ticks if low <= tick <= high], [f"{tick:g}" for tick in ticks if low <= tick <= high]
    )
    axes.minorticks_off()
    axes.set_ylim(low, high)
    style.epoch_axis(axes, int(runs["epoch"].max()))
    style.title(figure, "Test loss: the true one and the notebook’s")
    ways: tuple[tuple[Line, str], ...] = (("-", "true"), ("--", "the notebook’s: train loss added"))
    for dashes, text in ways:
        face: dict[str, Any] = {} if dashes == "-" else {"markerfacecolor": "white"}
        handles.append(Line2D([], [], color=style.INK, linestyle=dashes, marker="o", label=text, **face))
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=2,
        title=style.seeds_note(runs),
        columnspacing=1.2,
        handlelength=2.6,
    )
    style.save(figure, svg, png)
