"""What changed in the weights."""

from collections.abc import Iterable, Mapping

import numpy
import pandas

from triptych.figures.catalogue import FIGURES
from triptych.report import formatting as words
from triptych.report.blocks import (
    ARM,
    Block,
    Bullets,
    Column,
    Paragraph,
    Section,
    Table,
    arm_cell,
    figure,
    figure_of_arm,
)
from triptych.results.batchnorm import STATISTICS, statistics_drift
from triptych.results.experiment import Results

MOST_NAMED = 4
"""The most tensors that are named rather than counted."""

LARGE_PART = 0.3
"""The share of a tensor's parameters that are exactly unchanged, above which the tensor is mentioned."""

VISIBLE = 0.005
"""By how much the unchanged share of a tensor must exceed what padding explains, to be mentioned."""

ROUNDING = 1e-6
"""The share of colour in a change below which it is rounding: the three colours changed alike."""


def blocks(results: Results) -> list[Block]:
    arms = list(results.arms["arm"])
    remarks = [text for arm in arms for text in (frozen(results, arm), partly_unchanged(results, arm)) if text]
    return [
        Paragraph("Every tensor of every network was compared, bit by bit, with its values before training."),
        *([Bullets(remarks)] if remarks else []),
        table(results),
        figure("relative_change", leads=True),
        figure("batchnorm_drift", drift(results), leads=True),
        *(figure_of_arm(results, "kernels", arm, kernels(results, arm)) for arm in arms),
    ]


SECTION = Section("weights", "Weight changes", blocks)


def table(results: Results) -> Table:
    """What changed in each arm, counted."""
    columns = [
        ARM,
        Column("tensors changed", "Parameter tensors that changed in any seed, of all tensors."),
        Column("unchanged", "Share of the single parameters that are exactly unchanged."),
        Column("nearly unchanged", "Share that changed by less than a thousandth of its tensor’s largest weight."),
        Column(
            "median change",
            f"Norm of the change over the norm before, each arm’s own start: median over {common(results)}.",
        ),
        Column("BatchNorm statistics", "Running means and variances that changed, of all."),
    ]
    rows = []
    for arm in results.arms["arm"]:
        delta = results.of("weight_delta", arm)
        parameters = delta[delta["kind"] == "parameter"]
        change = float(results.one("median_change", arm)["median_change"])
        rows.append(
            [
                arm_cell(results, arm),
                _changed(parameters),
                *(
                    words.share(numpy.average(parameters[column], weights=parameters["size"]))
                    for column in ("unchanged_fraction", "near_zero_fraction")
                ),
                words.share(change) if change < 10 else words.times(change),
                _changed(_statistics(delta)),
            ]
        )
    return Table("Changes, counted", columns, rows, "tables/weight_delta.csv", stacks=True)


def common(results: Results) -> str:
    """The tensors that the medians are over."""
    table = results.tables["median_change"]
    sizes = table.groupby("arm", sort=False)[["common_tensors", "tensors"]].first().drop_duplicates()
    counts = words.listing([f"{own['common_tensors']:.0f} of {own['tensors']:.0f}" for _, own in sizes.iterrows()])
    return (
        f"the {counts} parameter tensors with such a ratio in every arm of this network; a tensor that starts at zero "
        "has none"
    )


def _changed(tensors: pandas.DataFrame) -> str:
    changed = tensors.loc[tensors["unchanged_fraction"] < 1, "tensor"].nunique()
    return f"{changed} of {tensors['tensor'].nunique()}"


def _statistics(delta: pandas.DataFrame) -> pandas.DataFrame:
    return delta[(delta["kind"] == "buffer") & delta["tensor"].str.endswith(tuple(STATISTICS))]


def frozen(results: Results, arm: str) -> str:
    """Which tensors of an arm are exactly unchanged, and what of BatchNorm drifts all the same; over all seeds."""
    delta = results.of("weight_delta", arm)
    parameters, statistics = delta[delta["kind"] == "parameter"], _statistics(delta)
    changed = list(dict.fromkeys(parameters.loc[parameters["unchanged_fraction"] < 1, "tensor"]))
    total = parameters["tensor"].nunique()
    if len(changed) == total:
        return ""
    name = results.name_of(arm)
    if not changed:
        text = f"{name}: all {total} parameter tensors are exactly unchanged."
    elif len(changed) <= MOST_NAMED:
        text = (
            f"{name}: only {words.listing(changed)} changed; the other {total - len(changed)} of {total} parameter "
            "tensors are exactly unchanged."
        )
    else:
        text = f"{name}: {len(changed)} of {total} parameter tensors changed; the others are exactly unchanged."
    drifted = statistics.loc[statistics["unchanged_fraction"] < 1, "tensor"].nunique()
    if drifted:
        how = {
            "never": "moving averages of training",
            "final": "re-estimated after training",
        }[results.arms["recalibrate_batchnorm"][arm]]
        text += (
            f" Yet {drifted} of {statistics['tensor'].nunique()} running statistics of BatchNorm changed ({how}), so "
            "the frozen layers compute another function."
        )
    return text


def partly_unchanged(results: Results, arm: str) -> str:
    """Which tensors of a fully trained arm changed only in part, and why; empty if none did."""
    if not results.trains_everything(arm):
        return ""
    delta = results.of("weight_delta", arm)
    parameters = (
        delta[delta["kind"] == "parameter"].groupby("tensor", sort=False)[["size", "unchanged_fraction"]].mean()
    )
    unchanged = parameters["unchanged_fraction"]
    partly = parameters[(unchanged > LARGE_PART) & (unchanged < 1)]
    if partly.empty:
        return ""
    still = (partly["size"] * partly["unchanged_fraction"]).sum()
    named = f" ({words.listing(list(partly.index))})" if len(partly) <= MOST_NAMED else ""
    text = (
        f"{results.name_of(arm)}: in {len(partly)} of {len(parameters)} tensors{named} more than "
        f"{words.share(LARGE_PART, 0)} of the parameters are exactly unchanged; the unchanged ones are "
        f"{words.share(still / parameters['size'].sum())} of the network’s parameters."
    )
    layers = _in_padding(results, arm)
    explained = {tensor: layers[layer] for tensor, layer in _layers(partly.index).items() if layer in layers}
    if not explained:
        return f"{text} The tables do not show why."
    sizes = words.listing(list(dict.fromkeys(_size_of_output(layer) for layer in explained.values())))
    others = [tensor for tensor in partly.index if tensor not in explained]
    which = "Their kernels" if not others else f"The kernels of {len(explained)} of them"
    text = (
        f"{text} {which} have outer weights that only meet padding and get no gradient: their output is {sizes} pixels "
        f"at {results.arms['input_size'][arm]:.0f}{words.NO_BREAK}px."
    )
    text += _beyond_padding(
        {name: (float(row["in_padding"]), float(unchanged[name])) for name, row in explained.items()}
    )
    if 0 < len(others) <= MOST_NAMED:
        shares = words.listing([f"{name} ({words.share(unchanged[name])})" for name in others])
        text += f" The tables do not show why in {shares}."
    return text


def _layers(tensors: Iterable[str]) -> dict[str, str]:
    """The layer of each weight by its name."""
    return {tensor: tensor.removesuffix(".weight") for tensor in tensors}


def _in_padding(results: Results, arm: str) -> dict[str, pandas.Series]:
    """The convolutions of an arm's network with weights that only meet padding, by name."""
    layers, own = results.tables["layers"], results.arms.loc[arm]
    layers = layers[(layers["architecture"] == own["architecture"]) & (layers["input_size"] == own["input_size"])]
    found = layers[layers["in_padding"] > 0].drop_duplicates("layer")
    return {str(row["layer"]): row for _, row in found.iterrows()}


def _size_of_output(layer: pandas.Series) -> str:
    return f"{layer['output_height']:.0f}{words.NO_BREAK}×{words.NO_BREAK}{layer['output_width']:.0f}"


def _beyond_padding(shares: Mapping[str, tuple[float, float]]) -> str:
    """In which tensors more is unchanged than padding explains; empty if in none.

    Args:
        shares: the share that only meets padding and the share that is unchanged, by tensor.
    """
    more = [name for name, (padding, unchanged) in shares.items() if unchanged > padding + VISIBLE]
    if not more:
        return ""
    named = f"{len(more)} of them"
    if len(more) <= MOST_NAMED:
        named = words.listing(
            [f"{name} ({words.number(100 * shares[name][0])} of {words.share(shares[name][1])})" for name in more]
        )
    return f" That explains a part of {named}; the tables do not show why the rest is unchanged."


def drift(results: Results) -> str:
    """What the figure of BatchNorm's drift shows, and which arms do not drift."""
    found = statistics_drift(results.tables["weight_delta"])
    if found.empty:
        return "These networks have no BatchNorm."
    largest = found.groupby("arm", sort=False)["drift"].max()
    still = [arm for arm in results.arms["arm"] if largest.get(arm, 1) == 0]
    text = FIGURES["batchnorm_drift"].caption
    return f"{text} No drift: {words.listing(results.names_of(still))}." if still else text


def kernels(results: Results, arm: str) -> str:
    """What the change of the first convolution is: none, or so much brightness and so much colour."""
    change = results.of("kernel_change", arm)
    if change.empty:
        return "This network has no convolution."
    tensor = change["tensor"].iloc[0]
    delta = results.of("weight_delta", arm)
    rows = delta[delta["tensor"] == tensor]
    if (rows["unchanged_fraction"] == 1).all():
        return f"{tensor} did not change: its difference is exactly zero in every seed."
    text = f"{tensor} changed by {words.share(rows['relative_delta'].mean())} of its norm."
    colour = change["colour_share"].mean()
    if colour < ROUNDING:
        return f"{text} All three colour channels changed alike, as grey images imply."
    return (
        f"{text} Of the squared change {words.share(change['brightness_share'].mean())} is brightness, "
        f"{words.share(colour)} is colour."
    )
