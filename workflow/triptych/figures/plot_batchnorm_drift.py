"""How far BatchNorm's running statistics drifted, by layer and arm: what pictures of weights do not show."""

from pathlib import Path

from matplotlib.figure import Figure

from triptych.figures import style
from triptych.figures.plot_weight_delta import draw_rows, outer_places, scale_ticks
from triptych.figures.tables import read_arms
from triptych.results import schema
from triptych.results.arm_styles import arm_styles
from triptych.results.batchnorm import MEAN, STATISTICS, VARIANCE, statistics_drift
from triptych.results.tables import read_table

UNITS = {MEAN: "change / standard deviation before", VARIANCE: "norm of change / norm before"}


def plot_batchnorm_drift(*, weight_delta: Path, arms: Path, svg: Path, png: Path) -> None:
    """Draw the drift of each layer's running mean and running variance (`results.batchnorm`) by arm, on log scales."""
    table = read_table(weight_delta, schema.WEIGHT_DELTA)
    styles = arm_styles(read_arms(arms))
    drift = statistics_drift(table)
    layers = list(dict.fromkeys(drift["layer"]))
    if not layers:
        figure = Figure(figsize=(style.WIDTH, 1.2))
        style.write(figure, 0.06, 0.08, "Drift of BatchNorm’s statistics", fontsize=11, fontweight="bold")
        style.write(figure, 0.06, 0.55, "These networks have no BatchNorm.")
        style.save(figure, svg, png)
        return

    row_height = 0.19 if len(layers) <= 60 else 0.135
    legend_rows = -(-len(styles) // 2)
    figure = Figure(figsize=(style.WIDTH, 1.5 + row_height * len(layers) + 0.2 * legend_rows), layout="constrained")
    panels = figure.subplots(1, len(STATISTICS), sharey=True)
    for axes, (statistic, name) in zip(panels, STATISTICS.items(), strict=True):
        own = drift[drift["statistic"] == statistic].rename(columns={"drift": "change"})
        zero, infinity = outer_places(own["change"])
        draw_rows(axes, own, layers, styles, zero, infinity)
        axes.set_title(name, fontsize=10)
        axes.set_xlabel(UNITS[statistic], fontsize=style.SMALL)
        axes.tick_params(labeltop=True)
        scale_ticks(axes, zero, infinity)
    panels[0].set_yticks(
        range(len(layers)),
        [style.shortened(layer, 24) for layer in layers],
        fontsize=style.SMALL if len(layers) <= 60 else 7,
    )
    panels[0].set_ylim(len(layers) - 0.4, -0.6)
    style.title(figure, "Drift of BatchNorm’s statistics by layer, from the input (top) to the output; mean over seeds")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2 if len(styles) > 3 else len(styles))
    style.save(figure, svg, png)
