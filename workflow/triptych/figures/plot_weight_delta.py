"""How far each layer moved, relative to where it began, for every arm."""

from pathlib import Path

import numpy
import pandas
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from triptych.figures import style
from triptych.figures.tables import read_arms
from triptych.results import schema
from triptych.results.arm_styles import ArmStyle, arm_styles
from triptych.results.tables import read_table

MOST_ROWS = 110
KINDS = {"parameter": "parameters", "buffer": "BatchNorm statistics"}
COUNTERS = "num_batches_tracked"


def plot_weight_delta(*, weight_delta: Path, arms: Path, svg: Path, png: Path) -> None:
    """Draw the relative change of each layer's parameters and buffers by arm, on a log scale with a place for zero."""
    table = read_table(weight_delta, schema.WEIGHT_DELTA)
    styles = arm_styles(read_arms(arms))
    # A counter of batches is no weight: it always moves, and by how much says nothing.
    table = table[~table["tensor"].str.endswith(COUNTERS)]
    depth, table["layer"] = grouped(table["tensor"])
    changes = relative_changes(table)
    layers = list(dict.fromkeys(table["layer"]))
    kinds = [kind for kind in KINDS if (changes["kind"] == kind).any()]

    row_height = 0.17 if len(layers) <= 60 else 0.135
    legend_rows = -(-len(styles) // 2)
    figure = Figure(figsize=(style.WIDTH, 1.35 + row_height * len(layers) + 0.2 * legend_rows), layout="constrained")
    panels = figure.subplots(1, len(kinds), sharex=True, sharey=True, squeeze=False)[0]
    zero, infinity = outer_places(changes["change"])
    for axes, kind in zip(panels, kinds, strict=True):
        draw_rows(axes, changes[changes["kind"] == kind], layers, styles, zero, infinity)
        axes.set_title(KINDS[kind], fontsize=10)
        axes.set_xlabel("norm of change / norm before", fontsize=9)
        axes.tick_params(labeltop=True)
    panels[0].set_yticks(
        range(len(layers)),
        [style.shortened(layer, 24) for layer in layers],
        fontsize=style.SMALL if len(layers) <= 60 else 7,
    )
    # Rows run from the input (above) to the output.
    panels[0].set_ylim(len(layers) - 0.4, -0.6)
    scale_ticks(panels[0], zero, infinity)
    what = "layer" if depth == 1 else "block of layers"
    style.title(figure, f"Relative change by {what}, from the input (top) to the output; mean over seeds")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2 if len(styles) > 3 else len(styles))
    style.save(figure, svg, png)


def grouped(tensors: pandas.Series) -> tuple[int, pandas.Series]:
    """The layer of each tensor: its name without the last part, or without as many as leave at most MOST_ROWS layers.

    Returns how many parts were dropped, and the layers. A name with too few parts keeps its first.
    """
    parts = tensors.str.split(".")
    lengths = tensors.str.count(r"\.") + 1
    for depth in range(1, lengths.max() + 1):
        layers = parts.str[:-depth].str.join(".").where(lengths > depth, parts.str[0])
        if layers.nunique() <= MOST_ROWS:
            break
    return depth, layers


def relative_changes(table: pandas.DataFrame) -> pandas.DataFrame:
    """Columns arm, kind, layer, change: the norm of the change of a layer's tensors together over their norm before,
    mean over seeds; 0 where nothing changed, infinity where zeros became something.
    """
    squares = table.assign(initial=table["initial_norm"] ** 2, delta=table["delta_norm"] ** 2)
    sums = squares.groupby(["arm", "seed", "kind", "layer"], sort=False)[["initial", "delta"]].sum()
    ratio = (sums["delta"] / sums["initial"]).apply(numpy.sqrt).where(sums["delta"] > 0, 0.0)
    means: pandas.Series = ratio.rename("change").groupby(["arm", "kind", "layer"], sort=False).mean()
    return means.reset_index()


def outer_places(changes: pandas.Series) -> tuple[float, float]:
    """Where exactly 0 and infinity stand on the log scale: a decade or more beyond the finite changes."""
    finite = changes[(changes > 0) & numpy.isfinite(changes)]
    low, high = (finite.min(), finite.max()) if len(finite) else (1e-3, 1.0)
    return 10.0 ** (numpy.floor(numpy.log10(low)) - 1), 10.0 ** (numpy.ceil(numpy.log10(high)) + 1)


def draw_rows(
    axes: Axes,
    changes: pandas.DataFrame,
    layers: list[str],
    styles: dict[str, ArmStyle],
    zero: float,
    infinity: float,
) -> None:
    """Draw one kind of tensor: a row for each layer, a marker for each arm, a little apart so that all are seen."""
    axes.set_xscale("log")
    axes.axvspan(zero / 3, zero * 3, color="#f1f1f1", linewidth=0, zorder=0)
    rows = {layer: row for row, layer in enumerate(layers)}
    for position, (arm, look) in enumerate(styles.items()):
        own = changes[changes["arm"] == arm]
        apart = 0.5 * ((position + 0.5) / len(styles) - 0.5)
        axes.plot(
            own["change"].replace({0.0: zero, numpy.inf: infinity}),
            own["layer"].map(rows) + apart,
            color=look.colour,
            marker=look.marker,
            markersize=4.2,
            markeredgecolor="white",
            markeredgewidth=0.3,
            linewidth=0.7,
            linestyle=look.line,
            label=look.short_title,
        )
    axes.tick_params(axis="y", length=0)


def scale_ticks(axes: Axes, zero: float, infinity: float) -> None:
    """Label the log scale: powers of ten, and the places of zero and, if used, of infinity."""
    drawn = [numpy.asarray(line.get_xdata()) for line in axes.lines]
    used = max((places.max() for places in drawn if len(places)), default=zero)
    first, last = round(numpy.log10(zero)) + 1, round(numpy.log10(infinity)) - 1
    powers = range(first, last + 1)
    step = -(-len(powers) // 4)
    ticks = [(zero, "0")] + [(10.0**power, power_of_ten(power)) for power in powers[::step]]
    if used >= infinity:
        ticks.append((infinity, "∞"))
    axes.set_xlim(zero / 3, (infinity if used >= infinity else 10.0**last) * 3)
    axes.set_xticks([place for place, _ in ticks], [text for _, text in ticks])
    axes.minorticks_off()


def power_of_ten(power: int) -> str:
    """A power of ten as people write it where it is short, else with a raised exponent."""
    if -3 <= power <= 3:
        return f"{10.0**power:g}"
    return "10" + str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
