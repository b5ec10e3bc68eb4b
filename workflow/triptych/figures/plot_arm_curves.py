"""Loss and accuracy of one arm by epoch."""

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from triptych.figures import style
from triptych.figures.tables import read_arms
from triptych.results import schema
from triptych.results.arm_styles import arm_styles, style_of
from triptych.results.by_seed import read_by_seed
from triptych.results.learning_curves import learning_curves
from triptych.storage.errors import InputError

QUANTITIES = {"loss": "loss (cross-entropy, nats)", "accuracy": "accuracy (%)"}


def plot_arm_curves(
    *,
    history: Path,
    arms: Path,
    arm: str,
    loss_svg: Path,
    loss_png: Path,
    accuracy_svg: Path,
    accuracy_png: Path,
) -> None:
    """Draw loss and accuracy of one arm by epoch, for training, validation and test, where test images have curves."""
    tested = [column.name for column in schema.HISTORY.columns if column.modes != schema.MODES]
    runs = read_by_seed(history, schema.HISTORY, absent=dict.fromkeys(tested))
    look = style_of(arm_styles(read_arms(arms)), arm, arms)
    runs = runs[runs["arm"] == arm]
    if runs.empty:
        raise InputError(f"{history}: no row of arm {arm!r}")
    # The arm's colour is for images that it is not trained on, and its line for the last of these.
    only_validation = runs[tested].isna().all(axis=None)
    last = {"color": look.colour, "linestyle": "-", "marker": look.marker}
    lines: dict[str, dict[str, Any]] = {
        "train": {
            "label": "train (running mean)",
            "color": style.MUTED,
            "linestyle": "--",
            "marker": look.marker,
            "markerfacecolor": "white",
        },
        "validation": {
            "label": "validation",
            **(last if only_validation else {"color": look.colour, "linestyle": ":", "linewidth": 1.6}),
        },
        "test": {"label": "test", **last},
    }
    for quantity, svg, png in (("loss", loss_svg, loss_png), ("accuracy", accuracy_svg, accuracy_png)):
        figure = Figure(figsize=(style.WIDTH, 3.6), layout="constrained")
        axes = figure.subplots()
        drawn = [split for split in lines if runs[f"{split}_{quantity}"].notna().any()]
        lagging = [style.draw_learning_curve(axes, runs, f"{split}_{quantity}", **lines[split])[1] for split in drawn]
        style.epoch_axis(axes, int(runs["epoch"].max()))
        axes.set_ylabel(QUANTITIES[quantity])
        if quantity == "loss":
            axes.set_ylim(bottom=0)
            if any(lagging):
                losses = learning_curves(runs)[[f"{split}_loss" for split in drawn]]
                style.cut_off_lag(axes, losses)
        style.title(figure, f"{look.title}: {quantity} by epoch")
        figure.legend(
            loc="outside lower center",
            ncols=3,
            title=f"{style.seeds_note(runs)}{style.LAG_NOTE * any(lagging)}",
            columnspacing=1.2,
            handlelength=2.6,
        )
        style.save(figure, svg, png)
