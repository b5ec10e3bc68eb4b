"""What training costs: computed, and measured."""

import math

from triptych.analysis.costs import resident_bytes
from triptych.report import formatting as words
from triptych.report.blocks import ARM, Block, Bullets, Column, Section, Table, arm_cell, declared, figure, over_seeds
from triptych.results import schema
from triptych.results.experiment import Results

ACCURACY = "Training time of one run, without start-up and evaluation. Bars are intervals."


def blocks(results: Results) -> list[Block]:
    return [
        table(results),
        Bullets([times(results), *same_arithmetic(results)]),
        *([figure("cost_accuracy", ACCURACY)] if results.is_tested else []),
        figure(
            "memory",
            "Computed memory. Activations grow with the batch and decide what fits; without a backward pass through "
            "all layers an arm keeps few.",
        ),
    ]


SECTION = Section("cost", "Cost", blocks)


def table(results: Results) -> Table:
    """Computed and measured cost of every arm, means over its runs."""
    cost = results.tables["cost"]
    optional = {
        "features": results.caches_features,
        "share of peak": cost["of_peak"].notna().any(),
        "computed / measured": (cost["device"] == "cuda").any(),
    }
    columns = [
        ARM,
        Column("operations", "Computed multiply-accumulates of training one run."),
        Column("memory", "Computed: weights, gradients, optimiser, activations at the batch size of the recipe."),
        Column("training", "Measured time in training steps."),
        Column("evaluation", "Measured time in evaluations."),
        Column("other", "The rest of the wall time: reading, building the network, saving."),
        declared(schema.COST, "features_seconds"),
        declared(schema.COST, "images_per_second"),
        declared(schema.COST, "of_peak"),
        Column(
            "computed / measured",
            "Computed peak memory (training or evaluation, with images on the GPU) over the measured peak of torch’s "
            "allocations. The rest: workspaces, gradients of activations.",
        ),
    ]
    shown = [column for column in columns if optional.get(column.title, True)]
    titles = [column.title for column in shown]
    rows = []
    for arm in results.arms["arm"]:
        computed = results.one("computed_cost", arm)
        seconds, training, evaluation, features = (
            results.mean("cost", arm, f"{part}seconds") for part in ("", "training_", "evaluation_", "features_")
        )
        cells = {
            "arm": arm_cell(results, arm),
            "operations": words.operations(computed["macs"]),
            "memory": words.size(computed["training_bytes"]),
            "training": words.duration(training),
            "evaluation": words.duration(evaluation),
            "other": words.duration(max(0.0, seconds - training - evaluation)),
            "features": words.duration(features) if features else words.NOTHING,
            "images/s": words.count(results.mean("cost", arm, "images_per_second")),
            "share of peak": words.share(results.mean("cost", arm, "of_peak")),
            "computed / measured": _computed_over_measured(results, arm),
        }
        rows.append([cells[title] for title in titles])
    return Table(f"Cost of one run{over_seeds(results, 'means')}", shown, rows, "tables/cost.csv", stacks=True)


def _computed_over_measured(results: Results, arm: str) -> str:
    """The share on a GPU; on a CPU the measured memory is the whole process, Python and libraries included."""
    if results.arms["features"][arm] == "cached" or set(results.of("cost", arm)["device"]) != {"cuda"}:
        return words.NOTHING
    computed = results.one("computed_cost", arm)["peak_bytes"] + resident_bytes(results, arm)
    share = computed / results.mean("cost", arm, "peak_memory_bytes")
    return words.NOTHING if math.isnan(share) else words.percent(100 * share, 0)


def times(results: Results) -> str:
    """What measured times are good for."""
    devices = sorted(set(results.tables["cost"]["device_name"]))
    text = "Costs are compared by computed operations and memory. Other jobs may have shared the cores during timing."
    if len(devices) > 1:
        text += f" The runs used different devices ({words.listing(devices)}): do not compare their times."
    return text


def same_arithmetic(results: Results) -> list[str]:
    """Which arms do the same arithmetic, so that their times differ by chance alone."""
    groups = results.tables["computed_cost"].groupby("same_work", sort=False)["arm"]
    return [
        f"{words.listing(results.names_of(arms))} do the same arithmetic: any difference in their times is noise."
        for _, arms in groups
        if len(arms) > 1
    ]
