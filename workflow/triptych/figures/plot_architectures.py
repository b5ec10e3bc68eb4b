"""Networks side by side: parameters, operations, activations and the largest batch that fits."""

import math
from pathlib import Path
from typing import Any

import pandas
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from triptych.figures import style
from triptych.results import schema
from triptych.results.arm_styles import PALETTE
from triptych.results.tables import read_table
from triptych.storage.errors import InputError

KEY = ["architecture", "input_size", "auxiliary"]
QUANTITIES = (
    ("parameters", "parameters (million)", 1e6),
    ("macs", "GMAC an image", 1e9),
    ("activation_bytes", "activations an image (MiB)", 2**20),
)
OWN, OTHER = PALETTE[0], style.GREY
LEFT, GAP, RIGHT, TOP = 1.5, 0.2, 0.14, 0.3
"""Inches: room for the names of networks, between columns, right of the second, and for the title."""
LINE, HEAD, FOOT = 0.3, 0.28, 0.38
"""Inches: the height of a network's line, of a panel's heading, and of a panel's scale."""
MARKS = 4
"""Most marks of the scale of batches; its numbers are up to six digits wide."""
ROOM = 1.28
"""How far a scale reaches beyond the longest bar, so that its number has room."""


def plot_architectures(*, architectures: Path, largest_batch: Path, svg: Path, png: Path) -> None:
    """Draw parameters, operations and activations of every network, and the largest batch where everything is trained.

    The networks of the arms are in colour, with the largest batch also where only the last layer is trained.

    Raises:
        InputError: a table is missing or not what it should be, or the second lacks a network of the first.
    """
    networks = read_table(architectures, schema.ARCHITECTURES)
    batches = read_table(largest_batch, schema.LARGEST_BATCH)
    missing = networks[KEY].merge(batches[KEY].drop_duplicates(), how="left", indicator=True)
    missing = missing[missing["_merge"] == "left_only"]
    if len(missing):
        one_line = name_of(missing.iloc[0]).replace("\n", ", ")
        raise InputError(f"{largest_batch}: no row of {one_line}, which {architectures} names")
    height = LINE * len(networks)
    figure = Figure(figsize=(style.WIDTH, TOP + 2 * (HEAD + height + FOOT) + 0.1))
    style.write(figure, 0.05, 0.08, "Networks side by side, computed", fontsize=11, fontweight="bold")
    width = (style.WIDTH - LEFT - GAP - RIGHT) / 2
    panels = []
    for number in range(4):
        row, column = divmod(number, 2)
        left, top = LEFT + column * (width + GAP), TOP + HEAD + row * (HEAD + height + FOOT)
        axes = style.place(figure, left, top, width, height)
        name_lines(axes, networks, named=column == 0)
        panels.append(axes)
    for axes, (quantity, heading, unit) in zip(panels[:3], QUANTITIES, strict=True):
        draw_bars(axes, networks, networks[quantity] / unit)
        axes.set_title(heading, fontsize=9, loc="left", pad=4)
    draw_batches(panels[3], networks, batches)
    panels[3].set_title("largest batch (circles: head)", fontsize=9, pad=4)
    memories = ", ".join(f"{memory:g}" for memory in sorted(set(batches["memory_gb"])))
    panels[3].set_xlabel(f"in {memories} GB", fontsize=style.SMALL)
    style.save(figure, svg, png)


def name_of(network: pandas.Series) -> str:
    """Return a network in two lines: its architecture; its input size and auxiliary heads."""
    heads = ", auxiliary" if network["auxiliary"] else ""
    return f"{style.shortened(network['architecture'], 20)}\n{network['input_size']:.0f} px{heads}"


def name_lines(axes: Axes, networks: pandas.DataFrame, named: bool) -> None:
    """Label one line a network, the first on top; the names of the arms' networks in their colour."""
    places = range(len(networks))
    axes.set_ylim(len(networks) - 0.5, -0.5)
    axes.set_yticks(places, [name_of(network) for _, network in networks.iterrows()] if named else [])
    axes.tick_params(axis="y", length=0, labelsize=style.SMALL)
    axes.tick_params(axis="x", labelsize=style.SMALL)
    axes.grid(False, axis="y")
    for label, role in zip(axes.get_yticklabels(), networks["role"], strict=False):
        label.set_color(OWN if role == "arm" else style.INK)


def colours(networks: pandas.DataFrame) -> list[str]:
    """Return the colour of each network."""
    return [OWN if role == "arm" else OTHER for role in networks["role"]]


def draw_bars(axes: Axes, networks: pandas.DataFrame, values: pandas.Series) -> None:
    """Draw a bar a network with its number at its end."""
    axes.barh(range(len(networks)), values, height=0.62, color=colours(networks))
    axes.set_xlim(0, values.max() * ROOM)
    for place, value in enumerate(values):
        axes.annotate(
            three_digits(value),
            (value, place),
            xytext=(3, 0),
            textcoords="offset points",
            verticalalignment="center",
            fontsize=style.SMALL,
        )


def three_digits(value: float) -> str:
    """Return a number with three significant digits, trailing zeros included: 0.0372, 1.50, 13.0, 138."""
    return f"{value:#.3g}".removesuffix(".") if value < 1000 else f"{value:.0f}"


def draw_batches(axes: Axes, networks: pandas.DataFrame, batches: pandas.DataFrame) -> None:
    """Draw a dot for each memory in which at least one image fits, from the smallest memory to the largest.

    Below them, for the networks of the arms, circles for training the last layer only.
    """
    drawn: list[int] = []
    for place, ((_, network), colour) in enumerate(zip(networks.iterrows(), colours(networks), strict=True)):
        own = batches[(batches[KEY] == network[KEY]).all(axis=1) & (batches["largest_batch"] > 0)]
        own = own.sort_values("memory_gb")
        dots = style.DARK_GREY if colour == OTHER else colour
        look: dict[str, Any] = {"color": dots, "marker": "o", "markersize": 4.5, "linewidth": 1.2}
        ways = list(zip(batches["train"].unique(), (0.0, 0.28), (dots, "white"), strict=False))  # everything first
        for trainable, aside, face in ways[: 1 + (network["role"] == "arm")]:
            sizes = own.loc[own["train"] == trainable, "largest_batch"]
            axes.plot(sizes, [place + aside] * len(sizes), markerfacecolor=face, **look)
            drawn += list(sizes)
    largest = max([2, *drawn])
    smallest = min(drawn) if largest > 2 else 1
    axes.set_xscale("log", base=2)
    axes.set_xlim(smallest / 1.6, largest * 1.6)
    first, last = math.ceil(math.log2(smallest / 1.6)), math.floor(math.log2(largest * 1.2))
    powers = [2**power for power in range(max(first, 0), last + 1, max(2, math.ceil((last - first + 1) / MARKS)))]
    axes.set_xticks(powers, [f"{power}" for power in powers])
    axes.minorticks_off()
