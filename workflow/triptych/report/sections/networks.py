"""The networks, compared with others where these are named, and the batch that fits where memory limits it."""

from typing import Any

import pandas

from triptych.report import formatting as words
from triptych.report.blocks import Block, Column, Paragraph, Section, Table, declared, figure
from triptych.results import schema
from triptych.results.experiment import Results

KEY = ["architecture", "input_size", "auxiliary"]


def blocks(results: Results) -> list[Block]:
    found: list[Block] = [networks(results)]
    if has_references(results):
        found += [architectures(results), figure("architectures", leads=True)]
    if memory_limits(results):
        found += [largest_batch(results), Paragraph(at_once(results))]
    return found


SECTION = Section("networks", "Networks", blocks)


def networks(results: Results) -> Table:
    """What the networks are, computed from their layers."""
    columns = [
        Column("network", "Architecture, and the size of its input in pixels.", "text"),
        *(declared(schema.MODELS, name) for name in ("parameters", "head_parameters", "macs", "activation_bytes")),
        *(declared(schema.MODELS, name) for name in ("weight_bytes", "file_bytes")),
    ]
    rows = [
        [
            network_name(row),
            words.count(row["parameters"]),
            words.count(row["head_parameters"]),
            words.operations(row["macs"]),
            words.size(row["activation_bytes"]),
            words.size(row["weight_bytes"]),
            words.size(row["file_bytes"]),
        ]
        for _, row in results.tables["models"].iterrows()
    ]
    return Table("The networks of the arms", columns, rows, "tables/models.csv", stacks=True)


def network_name(network: pandas.Series) -> str:
    """A network, the size of its images, and whether it has auxiliary heads; all arms at once have no size."""
    if pandas.isna(network["input_size"]):
        return str(network["architecture"])
    heads = ", with auxiliary heads" if network.get("auxiliary") else ""
    return f"{network['architecture']}, {network['input_size']:.0f}{words.NO_BREAK}px{heads}"


def has_references(results: Results) -> bool:
    """Whether the arms' networks are compared with others."""
    return bool((results.tables["architectures"]["role"] == "reference").any())


def architectures(results: Results) -> Table:
    """The networks beside those that they are compared with, the arms' first."""
    own = results.tables["architectures"].iloc[0]
    quantities = ("parameters", "macs", "activation_bytes")
    columns = [
        Column(
            "network",
            "Architecture, input in pixels. Auxiliary heads run in training only. All have a head for 1,000 classes. "
            "×: multiple of the first network.",
            "text",
        ),
        *(declared(schema.ARCHITECTURES, name) for name in (*quantities, "weight_bytes")),
    ]
    shown = {"parameters": words.count, "macs": words.operations, "activation_bytes": words.size}
    rows = []
    for _, network in results.tables["architectures"].iterrows():
        cells: list[Any] = [(network_name(network), "of an arm" if network["role"] == "arm" else "compared with")]
        for quantity in quantities:
            ratio = f"× {words.number(network[quantity] / own[quantity], 2)}"
            cells.append((shown[quantity](network[quantity]), ratio))
        rows.append([*cells, words.size(network["weight_bytes"])])
    return Table(
        "Compared with other networks",
        columns,
        rows,
        "tables/architectures.csv",
        stacks=True,
    )


def memory_limits(results: Results) -> bool:
    """Whether the smallest memory of the table limits any arm: its batch, or all training images at once."""
    arms, table = results.arms, results.tables["largest_batch"]
    smallest = table[table["memory_gb"] == table["memory_gb"].min()]
    for _, network in smallest.iterrows():
        own = arms.loc[_arms_with(results, network, str(network["train"]))]
        if len(own) and network["largest_batch"] < max(own["train_images"].max(), own["batch_size"].max()):
            return True
    return False


def largest_batch(results: Results) -> Table:
    """The largest batch by network, what is trained, and memory."""
    table = results.tables["largest_batch"]
    memories = sorted(set(table["memory_gb"]))
    columns = [
        Column("network", "", "text"),
        declared(schema.LARGEST_BATCH, "train", "text"),
        Column("arms", "The arms that train this network in this way.", "prose"),
        *(
            Column(
                f"{memory:g}{words.NO_BREAK}GB",
                "" if position else schema.LARGEST_BATCH["largest_batch"].meaning,
                term="memory",
            )
            for position, memory in enumerate(memories)
        ),
    ]
    rows = []
    for (*key, trainable), own in table.groupby([*KEY, "train"], sort=False, dropna=False):
        by_memory = own.set_index("memory_gb")["largest_batch"]
        network = pandas.Series(dict(zip(KEY, key, strict=True)))
        arms = results.names_of(_arms_with(results, network, str(trainable)))
        rows.append(
            [
                network_name(network),
                trainable,
                ", ".join(arms) or words.NOTHING,
                *(words.count(by_memory.get(memory, float("nan"))) for memory in memories),
            ]
        )
    return Table("The largest batch that fits", columns, rows, "tables/largest_batch.csv", stacks=True)


def _arms_with(results: Results, network: pandas.Series, trainable: str) -> list[str]:
    """The arms that train a network in one way; a row of all arms at once has those that are no controls."""
    arms = results.arms
    if pandas.isna(network["input_size"]):
        return list(arms.loc[arms["role"] != "control", "arm"])
    same = (arms["architecture"] == network["architecture"]) & (arms["input_size"] == network["input_size"])
    return list(arms.loc[same & (arms["train"] == trainable), "arm"]) if not network["auxiliary"] else []


def at_once(results: Results) -> str:
    """What all arms but the controls need at the same time, each at its own batch sizes.

    Peaks that were measured on a GPU count. A computed sum is a lower bound: it can say what is too small only.
    """
    arms = [arm for arm in results.arms["arm"] if arm not in results.controls]
    memories = sorted(set(results.tables["largest_batch"]["memory_gb"]))
    who = "All arms at once need" if len(arms) > 1 else f"{results.name_of(arms[0])} needs"
    cost = results.tables["cost"].loc[lambda table: table["arm"].isin(arms)]
    summed = ", summed" if len(arms) > 1 else ""
    if set(cost["device"]) == {"cuda"} and cost["peak_memory_bytes"].notna().all():
        needed = cost.groupby("arm")["peak_memory_bytes"].max().sum()
        holding = [f"{memory:g}" for memory in memories if needed <= memory * 1e9]
        fits = f"fits into {words.listing(holding)}{words.NO_BREAK}GB" if holding else "fits into no memory here"
        return f"{who} {words.size(needed)} (measured peaks{summed}; without CUDA contexts): {fits}."
    needed = sum(results.one("computed_cost", arm)["peak_bytes"] for arm in arms)
    small = [f"{memory:g}" for memory in memories if needed > memory * 1e9]
    exceeded = f" This exceeds {words.listing(small)}{words.NO_BREAK}GB." if small else ""
    return (
        f"{who} at least {words.size(needed)} (computed peaks of training or evaluation{summed}; workspaces come on "
        f"top).{exceeded}"
    )
