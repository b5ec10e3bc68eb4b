"""Figures that show a network block by block, from the input (left) to the head (right), on a log scale."""

from itertools import groupby

import numpy
import pandas
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from triptych.figures import style
from triptych.results.arm_styles import ArmStyle

MOST_NAMED = 32
"""Most blocks that each have a name below the axis; of more, runs of blocks of one module share its name."""

LONGEST_NAME = 16
NAME_DISTANCE = 0.15
"""Inches between two upright names below the axis."""

PANEL, SMALL_PANEL = 1.35, 0.95
"""Heights of a panel in inches; the small one is for tensors that one or two blocks have."""

POWERS = 4
"""Most powers of ten that are labelled."""


def panels_of(figure: Figure, changes: list[pandas.DataFrame], arms: int) -> list[Axes]:
    """Add a panel for each table of changes, one below another, and set the height of the figure.

    The height depends on the number of panels and of arms, not on that of the blocks.
    """
    heights = [PANEL if own["block"].nunique() > 2 else SMALL_PANEL for own in changes]
    figure.set_figheight(sum(heights) + 0.25 * len(heights) + 1.75 + 0.2 * legend_rows(arms))
    grid = figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)
    return list(grid[:, 0])


def legend_rows(arms: int) -> int:
    return -(-arms // legend_columns(arms))


def legend_columns(arms: int) -> int:
    return arms if arms <= 3 else 2


def blocks_by_arm(weight_delta: pandas.DataFrame) -> dict[str, list[str]]:
    """Return the names of each arm's blocks, from the input to the head."""
    blocks = weight_delta.drop_duplicates(["arm", "block"]).groupby("arm", sort=False)["block"].agg(list)
    return dict(blocks)


def draw_blocks(
    axes: Axes, changes: pandas.DataFrame, blocks: dict[str, list[str]], styles: dict[str, ArmStyle]
) -> None:
    """Draw a marker for each arm and block, the arms a little apart, on a log scale with places for 0 and infinity.

    Args:
        changes: columns arm, block, change (0 or more, may be infinite).
        blocks: from `blocks_by_arm`.
    """
    zero, infinity = outer_places(changes["change"])
    axes.set_yscale("log")
    axes.axhspan(zero / 3, zero * 3, color=style.BAND, linewidth=0, zorder=0)
    most = max(map(len, blocks.values()))
    for position, (arm, look) in enumerate(styles.items()):
        own = changes[changes["arm"] == arm]
        places = {block: place for place, block in enumerate(blocks[arm])}
        apart = 0.5 * ((position + 0.5) / len(styles) - 0.5)
        axes.plot(
            own["block"].map(places) + apart,
            own["change"].replace({0.0: zero, numpy.inf: infinity}),
            color=look.colour,
            marker=look.marker,
            markersize=4.5 if most <= MOST_NAMED else 3,
            markeredgecolor=style.PAPER,
            markeredgewidth=0.3,
            linewidth=0.8,
            linestyle=look.line,
            label=look.short_title,
        )
    scale_ticks(axes, zero, infinity if (changes["change"] == numpy.inf).any() else None)


def outer_places(changes: pandas.Series) -> tuple[float, float]:
    """Return where 0 and infinity are on the log scale: a decade or more beyond the finite changes."""
    finite = changes[(changes > 0) & numpy.isfinite(changes)]
    low, high = (finite.min(), finite.max()) if len(finite) else (1e-3, 1.0)
    return 10.0 ** (numpy.floor(numpy.log10(low)) - 1), 10.0 ** (numpy.ceil(numpy.log10(high)) + 1)


def scale_ticks(axes: Axes, zero: float, infinity: float | None) -> None:
    """Label powers of ten and the places of zero and, where it is drawn, of infinity."""
    _, highest = axes.dataLim.intervaly
    first, last = round(numpy.log10(zero)) + 1, max(int(numpy.ceil(numpy.log10(highest))), round(numpy.log10(zero)) + 2)
    powers = range(first, last if infinity else last + 1)
    step = -(-len(powers) // POWERS)
    ticks = [(zero, "0"), *((10.0**power, power_of_ten(power)) for power in powers[::step])]
    ticks += [(infinity, "∞")] if infinity else []
    axes.set_ylim(zero / 3, infinity * 3 if infinity else 10.0**last * 1.5)
    axes.set_yticks([place for place, _ in ticks], [text for _, text in ticks], fontsize=style.SMALL)
    axes.minorticks_off()


def power_of_ten(power: int) -> str:
    """Return a short power of ten as a decimal number, any other with a raised exponent."""
    if -3 <= power <= 3:
        return f"{10.0**power:g}"
    return "10" + str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def name_blocks(axes: Axes, blocks: list[list[str]]) -> None:
    """Name the blocks below the axis, if all arms have the same; otherwise count them."""
    count = max(map(len, blocks))
    axes.set_xlim(-0.7, count - 0.3)
    if any(own != blocks[0] for own in blocks):
        places = range(0, count, -(-count // 20))
        axes.set_xticks(places, [str(place + 1) for place in places], fontsize=style.SMALL)
        axes.set_xlabel("block, counted from the input")
        return
    names = list(enumerate(blocks[0])) if count <= MOST_NAMED else runs(blocks[0])
    distance = NAME_DISTANCE * count / (style.WIDTH - 1)
    shown = [names[0]]
    shown += [named for named in names[1:] if named[0] - shown[-1][0] >= distance or count <= MOST_NAMED]
    texts = [short_name(name) for _, name in shown]
    axes.set_xticks([place for place, _ in shown], texts, fontsize=style.SMALL, rotation=90)
    axes.set_xlabel("block, from the input to the head")


def runs(blocks: list[str]) -> list[tuple[float, str]]:
    """Return the middle and the name of each run of blocks that are in one module; a block alone keeps its own name."""
    found, start = [], 0
    for module, run in groupby(blocks, key=lambda block: block.rpartition(".")[0]):
        own = list(run)
        found.append((start + (len(own) - 1) / 2, module if len(own) > 1 and module else own[0]))
        start += len(own)
    return found


def short_name(name: str) -> str:
    """Return as many last parts of a module's name as fit into LONGEST_NAME characters."""
    parts = name.split(".")
    while len(".".join(parts)) > LONGEST_NAME and len(parts) > 1:
        parts = parts[1:]
    return style.shortened(".".join(parts), LONGEST_NAME)


def finish(figure: Figure, panels: list[Axes], blocks: dict[str, list[str]], heading: str) -> None:
    """Name the blocks, and add title and legend."""
    name_blocks(panels[-1], list(blocks.values()))
    for axes in panels:
        axes.tick_params(axis="x", length=0)
        axes.grid(visible=max(map(len, blocks.values())) <= MOST_NAMED, axis="x")
    style.title(figure, heading)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=legend_columns(len(labels)))


def over_seeds(weight_delta: pandas.DataFrame) -> str:
    """Return what the marks are means of, for a title; empty for one seed."""
    seeds = weight_delta["seed"].nunique()
    return f", mean of {seeds} seeds" if seeds > 1 else ""
