"""The networks beside others, the batch that fits, and how well computed memory foretells the measured one."""

from dataclasses import replace
from typing import Any

import pandas

from triptych.report import formatting as words
from triptych.report.content import Column, Table, declared
from triptych.report.results import Results
from triptych.results import schema

KEY = ["architecture", "input_size", "auxiliary"]
QUANTITIES = ("parameters", "macs", "activation_bytes")


def network_name(network: pandas.Series) -> str:
    """A network, the size of its images, and whether it has auxiliary heads; all arms at once have no size."""
    if pandas.isna(network["input_size"]):
        return str(network["architecture"])
    heads = ", with auxiliary heads" if network["auxiliary"] else ""
    return f"{network['architecture']}, {network['input_size']:.0f}{words.NO_BREAK}px{heads}"


def references(results: Results) -> pandas.DataFrame:
    """The networks that those of the arms are compared with."""
    table = results.tables["architectures"]
    return table[table["role"] == "reference"]


def beside_others(results: Results) -> str:
    """How many times as much each reference has and takes as the first network of the arms."""
    table = results.tables["architectures"]
    own = table.iloc[0]
    counted = "Counted with a head for ImageNet’s 1,000 classes, as published numbers are."
    others = references(results)
    if others.empty:
        return f"{counted} No other network is named to compare with (reference_models in the configuration)."
    ratios = [
        f"{network_name(network)} "
        f"{words.listing([words.number(network[quantity] / own[quantity], 2) for quantity in QUANTITIES])}"
        for _, network in others.iterrows()
    ]
    return (
        f"{counted} Parameters, operations and activations as multiples of those of {network_name(own)}: "
        f"{'; '.join(ratios)}. The time of a training goes with the operations, the batch that fits with the "
        "activations; neither follows from the parameters."
    )


def architectures(results: Results) -> Table:
    """What the networks are, those of the arms first."""
    columns = [
        Column(
            "network",
            "torchvision’s name of the architecture, and the size of its images in pixels. Auxiliary heads are second "
            "heads that run in training only. Below it whether it is an arm’s, or only compared with.",
            "text",
        ),
        *(declared(schema.ARCHITECTURES, name) for name in ("parameters", "weight_bytes", "macs", "activation_bytes")),
    ]
    rows = [
        [
            (network_name(network), "of an arm" if network["role"] == "arm" else "compared with"),
            words.count(network["parameters"]),
            words.size(network["weight_bytes"]),
            words.operations(network["macs"]),
            words.size(network["activation_bytes"]),
        ]
        for _, network in results.tables["architectures"].iterrows()
    ]
    return Table("The networks beside others", columns, rows, "tables/architectures.csv", stacks=True)


def largest_batch(results: Results) -> Table:
    """The largest batch by network, what is trained, and memory."""
    table = results.tables["largest_batch"]
    memories = sorted(set(table["memory_gb"]))
    columns = [
        Column("network", "As above.", "text"),
        declared(schema.LARGEST_BATCH, "train", "text"),
        Column("arms", "The arms that train this network in this way.", "text"),
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
    for (*key, train), own in table.groupby([*KEY, "train"], sort=False, dropna=False):
        by_memory = own.set_index("memory_gb")["largest_batch"]
        network = pandas.Series(dict(zip(KEY, key, strict=True)))
        rows.append(
            [
                network_name(network),
                train,
                ", ".join(arms_with(results, network, str(train))) or words.NOTHING,
                *(words.count(by_memory.get(memory, float("nan"))) for memory in memories),
            ]
        )
    return Table("The largest batch that fits", columns, rows, "tables/largest_batch.csv")


def arms_with(results: Results, network: pandas.Series, train: str) -> list[str]:
    """The arms that train a network in one way; those that stand for all arms at once are no controls."""
    arms = results.arms
    if pandas.isna(network["input_size"]):
        return list(arms.loc[arms["role"] != "control", "arm"])
    same = (arms["architecture"] == network["architecture"]) & (arms["input_size"] == network["input_size"])
    return list(arms.loc[same & (arms["train"] == train), "arm"]) if not network["auxiliary"] else []


def at_once(results: Results) -> str:
    """Whether all arms but the controls fit into each memory at the same time, each at its own batch size."""
    arms = results.contestants
    sizes = {arm: int(results.arms["batch_size"][arm]) for arm in arms}
    needed = sum(results.bytes_at(arm, "training_bytes", sizes[arm]) for arm in arms)
    memories = sorted(set(results.tables["largest_batch"]["memory_gb"]))
    holding = [f"{memory:g}" for memory in memories if needed <= memory * 1e9]
    lacking = [f"{memory:g}" for memory in memories if needed > memory * 1e9]
    one_size = len(set(sizes.values())) == 1
    batch = f"at batch size {sizes[arms[0]]}" if one_size else "each at its own batch size"
    who = f"{words.listing(arms)} need" if len(arms) > 1 else f"{arms[0]} alone needs"
    they = "All at once they fit" if len(arms) > 1 else "It fits"
    text = f"To train {batch}, {who} {words.size(needed)}{' together' if len(arms) > 1 else ''} by this computation. "
    if not holding:
        return f"{text}{they} into none of these memories."
    clause = f"{they} into {words.listing(holding)}{words.NO_BREAK}GB"
    return f"{text}{clause}{f', but not into {words.listing(lacking)}{words.NO_BREAK}GB' if lacking else ''}."


def computed_peak(results: Results, arm: str) -> float:
    """The computed memory of a run at its fullest: while it trains, or while it evaluates in larger batches, when the
    gradients and the optimiser's moments stay; and the images, where the recipe does not keep them elsewhere.
    """
    own = results.of("arms", arm).iloc[0]
    empty = {column: results.bytes_at(arm, column, 0) for column in ("training_bytes", "inference_bytes")}
    sizes = {"training_bytes": own["batch_size"], "inference_bytes": own["evaluation_batch_size"]}
    of_batches = (
        in_precision(results.bytes_at(arm, column, size) - empty[column], size, own) for column, size in sizes.items()
    )
    return empty["training_bytes"] + max(of_batches) + resident_bytes(results, arm)


def in_precision(activations: float, batch_size: float, arm: pandas.Series) -> float:
    """Bytes of activations, counted in float32, in the arm's precision: in a mixed one they halve, but for the images,
    of which there is a copy of half the size beside the float32 one.
    """
    if arm["precision"] not in ("bfloat16", "float16"):
        return activations
    images = batch_size * 3 * float(arm["input_size"]) ** 2 * 4
    return (activations - images) / 2 + 1.5 * images


def resident_bytes(results: Results, arm: str) -> float:
    """Bytes of the images and labels on the device: their files', as far as they are used."""
    if results.configuration["arms"][arm]["training"].get("residency", "auto") in ("host", "mapped"):
        return 0.0
    counts = results.sizes.groupby("split")["images"].sum()
    used = {"train": results.arms["train_images"][arm]}
    return float(
        sum(
            (results.folder / "data" / f"{split}.safetensors").stat().st_size * used.get(split, count) / count
            for split, count in zip(counts.index, counts, strict=True)
            if count
        )
    )


def with_prediction(cost: Table, results: Results) -> Table:
    """The table of runs with a column that sets computed memory beside measured memory, where a run used a GPU.

    On a CPU the measured figure is the whole process's, Python and libraries included, and compares with nothing.
    """
    runs = results.tables["cost"]
    if not (runs["device"] == "cuda").any():
        return cost
    column = Column(
        "computed / measured",
        "Computed memory (weights, gradients, optimiser, images on the GPU, and the activations while it trains or, if "
        "those are more, while it evaluates in its larger batches) as a share of the measured peak of torch’s "
        "allocations on the GPU. In a mixed precision activations count half. The rest is what the computation leaves "
        "out: workspaces, gradients of activations.",
    )
    return replace(
        cost,
        columns=[*cost.columns, column],
        rows=[[*cells, _prediction(results, run)] for cells, (_, run) in zip(cost.rows, runs.iterrows(), strict=True)],
    )


def _prediction(results: Results, run: pandas.Series) -> Any:
    """The share, and the computed memory below it."""
    own = results.arms.loc[run["arm"]]
    if run["device"] != "cuda" or own["features"] == "cached":  # computed is a whole network that sees images
        return words.NOTHING
    computed = computed_peak(results, run["arm"])
    return words.percent(100 * computed / run["peak_memory_bytes"], 0), words.size(computed)
