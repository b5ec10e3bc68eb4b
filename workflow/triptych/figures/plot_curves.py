"""One quantity of all arms by epoch."""

from pathlib import Path

import numpy
from matplotlib.figure import Figure

from triptych.figures import style
from triptych.figures.tables import read_arms
from triptych.results import schema
from triptych.results.arm_styles import PALETTE, arm_styles
from triptych.results.by_seed import read_by_seed
from triptych.results.learning_curves import kept_value, learning_curves
from triptych.results.tables import read_table
from triptych.storage.errors import InputError

QUANTITIES = {
    f"{split}_{quantity}": (f"{split.capitalize()} {quantity}", label, number)
    for split in ("train", "validation", "test")
    for quantity, label, number in (
        ("loss", "cross-entropy loss (nats)", "{:.3f}"),
        ("accuracy", "accuracy (%)", "{:.1f} %"),
    )
    if (split, quantity) != ("train", "accuracy")
}
RECALIBRATE = "recalibrate_batchnorm"
"""The column of the arms that says which statistics of BatchNorm the kept network has."""
MOST_ARMS_WITH_SEEDS = len(PALETTE)
"""Most arms whose seeds are drawn beside the mean: with more, colours repeat. Figures of one arm always show seeds."""


def plot_curves(*, history: Path, arms: Path, quantity: str, svg: Path, png: Path) -> None:
    """Draw one quantity (train_loss, or loss or accuracy of validation or test images) of all arms by epoch."""
    if quantity not in QUANTITIES:
        raise InputError(f"quantity: {quantity!r} is none of {', '.join(QUANTITIES)}")
    name, axis_label, number = QUANTITIES[quantity]
    reestimated = [name for name in (f"{schema.REESTIMATED}{quantity}",) if name in schema.HISTORY.names]
    runs = read_by_seed(history, schema.HISTORY, ["arm", "seed", "epoch", "kept", quantity, *reestimated])
    curves, lagging = learning_curves(runs), False
    styles = arm_styles(read_arms(arms))
    recipes = read_table(arms, schema.ARMS, ["arm", RECALIBRATE], absent={RECALIBRATE: "never"}).set_index("arm")
    spread = len(styles) <= MOST_ARMS_WITH_SEEDS
    legend_rows = -(-len(styles) // 2)
    figure = Figure(figsize=(style.WIDTH, 3.5 + 0.2 * legend_rows), layout="constrained")
    axes = figure.subplots()
    for arm, look in styles.items():
        own = runs[runs["arm"] == arm]
        if own.empty:
            raise InputError(f"{history}: no row of arm {arm!r}, which {arms} names")
        line = {"color": look.colour, "linestyle": look.line, "marker": look.marker, "zorder": 2.5}
        mean, lags = style.draw_learning_curve(axes, own, quantity, spread=spread, **line)
        lagging |= lags
        kept = kept_value(own, quantity, recipes[RECALIBRATE][arm]).replace([numpy.inf, -numpy.inf], numpy.nan).mean()
        value = number.format(kept) if len(mean) and numpy.isfinite(kept) else "no value"
        axes.lines[-1].set_label(f"{look.short_title}: {value}")
    style.epoch_axis(axes, int(runs["epoch"].max()))
    axes.set_ylabel(axis_label)
    if quantity.endswith("loss"):
        axes.set_ylim(bottom=0)
        if lagging:
            style.cut_off_lag(axes, curves[[quantity]])
    style.title(figure, f"{name} by epoch" + (", all arms" if len(styles) > 1 else ""))
    end = "kept" if len(style.kept_early(runs)) else "last"
    figure.legend(
        loc="outside lower center",
        ncols=1 if len(styles) < 4 else 2,
        title=f"{style.seeds_note(runs, spread)}; number: {end} epoch{style.LAG_NOTE * lagging}",
        columnspacing=1.2,
        handlelength=2.6,
    )
    style.save(figure, svg, png)
