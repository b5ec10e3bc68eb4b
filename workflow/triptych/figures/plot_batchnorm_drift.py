"""How far BatchNorm's running statistics drifted, by block and arm."""

from pathlib import Path

import pandas
from matplotlib.figure import Figure

from triptych.figures import blocks, style
from triptych.figures.tables import read_arms
from triptych.results import schema
from triptych.results.arm_styles import arm_styles
from triptych.results.batchnorm import MEAN, STATISTICS, VARIANCE, statistics_drift
from triptych.results.by_seed import read_by_seed

UNITS = {MEAN: "change / standard deviation before", VARIANCE: "norm of change / norm before"}


def plot_batchnorm_drift(*, weight_delta: Path, arms: Path, svg: Path, png: Path) -> None:
    """Draw the drift of the running mean and the running variance (`results.batchnorm`) by block and arm."""
    table = read_by_seed(weight_delta, schema.WEIGHT_DELTA)
    styles = arm_styles(read_arms(arms))
    drift = drift_of_blocks(table)
    if drift.empty:
        figure = Figure(figsize=(style.WIDTH, 1.2))
        style.write(figure, 0.06, 0.08, "Drift of BatchNorm’s statistics", fontsize=11, fontweight="bold")
        style.write(figure, 0.06, 0.55, "No network here has BatchNorm.")
        style.save(figure, svg, png)
        return

    own_blocks = blocks.blocks_by_arm(table)
    figure = Figure(figsize=(style.WIDTH, 4), layout="constrained")
    of_statistics = [drift[drift["statistic"] == statistic] for statistic in STATISTICS]
    panels = blocks.panels_of(figure, of_statistics, len(styles))
    for axes, own, (statistic, name) in zip(panels, of_statistics, STATISTICS.items(), strict=True):
        blocks.draw_blocks(axes, own, own_blocks, styles)
        axes.set_title(f"{name}: {UNITS[statistic]}", fontsize=10, pad=4)
    figure.supylabel("mean over a block’s layers (log scale)", fontsize=10)
    blocks.finish(figure, panels, own_blocks, f"Drift of BatchNorm’s statistics by block{blocks.over_seeds(table)}")
    style.save(figure, svg, png)


def drift_of_blocks(weight_delta: pandas.DataFrame) -> pandas.DataFrame:
    """Return columns arm, statistic, block, change: the mean drift of a block's BatchNorm layers."""
    drift = statistics_drift(weight_delta)
    block_of_layer = dict(zip(weight_delta["tensor"].str.rpartition(".")[0], weight_delta["block"], strict=True))
    by_layer = drift.assign(block=drift["layer"].map(block_of_layer))
    means: pandas.Series = by_layer.groupby(["arm", "statistic", "block"], sort=False)["drift"].mean()
    return means.rename("change").reset_index()
