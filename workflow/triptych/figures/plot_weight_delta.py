"""How far each block moved, relative to where it began, for every arm, by role of the tensors."""

from pathlib import Path

import numpy
import pandas
from matplotlib.figure import Figure

from triptych.figures import blocks, style
from triptych.figures.tables import read_arms
from triptych.results import schema
from triptych.results.arm_styles import arm_styles
from triptych.results.by_seed import read_by_seed

ROLES = {
    "weight": "weights",
    "bias": "biases",
    "normalisation": "scales and shifts of normalisation",
    "other": "tokens, embeddings and other parameters",
    "statistic": "BatchNorm statistics",
}
"""The roles of the tensors that are drawn, and the titles of their panels."""


def plot_weight_delta(*, weight_delta: Path, arms: Path, svg: Path, png: Path) -> None:
    """Draw the relative change of each block by arm, a panel for each role of tensors."""
    table = read_by_seed(weight_delta, schema.WEIGHT_DELTA)
    styles = arm_styles(read_arms(arms))
    changes = relative_changes(table[table["role"].isin(list(ROLES))])
    roles = {role: changes[changes["role"] == role] for role in ROLES if (changes["role"] == role).any()}
    own_blocks = blocks.blocks_by_arm(table)
    figure = Figure(figsize=(style.WIDTH, 4), layout="constrained")
    panels = blocks.panels_of(figure, list(roles.values()), len(styles))
    for axes, (role, own) in zip(panels, roles.items(), strict=True):
        blocks.draw_blocks(axes, own, own_blocks, styles)
        axes.set_title(ROLES[role], fontsize=10, pad=4)
    figure.supylabel("norm of change / norm before (log scale)", fontsize=10)
    blocks.finish(figure, panels, own_blocks, f"Relative change by block{blocks.over_seeds(table)}")
    style.save(figure, svg, png)


def relative_changes(table: pandas.DataFrame) -> pandas.DataFrame:
    """Return columns arm, role, block, change: the norm of the change of a block's tensors of one role together over
    their norm before, mean over seeds; 0 where nothing changed, infinity where zeros became something.
    """
    squares = table.assign(initial=table["initial_norm"] ** 2, delta=table["delta_norm"] ** 2)
    sums = squares.groupby(["arm", "seed", "role", "block"], sort=False)[["initial", "delta"]].sum()
    ratio = (sums["delta"] / sums["initial"]).apply(numpy.sqrt).where(sums["delta"] > 0, 0.0)
    means: pandas.Series = ratio.rename("change").groupby(["arm", "role", "block"], sort=False).mean()
    return means.reset_index()
