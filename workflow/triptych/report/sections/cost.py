"""What training costs: computed, and measured."""

import math
from collections.abc import Sequence

from triptych.analysis.costs import resident_bytes, run_seconds
from triptych.report import formatting as words
from triptych.report.blocks import ARM, Block, Bullets, Column, Section, Table, arm_cell, declared, figure, over_seeds
from triptych.results import schema
from triptych.results.experiment import Results

TENSORS = "weights, gradients, Adam’s moments and the activations of a batch"


def blocks(results: Results) -> list[Block]:
    return [
        table(results),
        Bullets([times(results), memory_gap(results), fixed_part(results), *same_arithmetic(results)]),
        *([figure("cost_accuracy", accuracy_caption(results))] if results.is_tested else []),
        figure("memory"),
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
    memory = memory_term(results)
    columns = [
        ARM,
        Column("time", "Wall time, measured: training, evaluation, cached features and all else, without imports."),
        Column("training", "Measured time in training steps."),
        Column("evaluation", "Measured time in evaluations."),
        declared(schema.COST, "features_seconds"),
        Column("other", "The rest of the wall time: reading, building the network, saving."),
        Column(memory, f"Peak, measured: {MEASURED[memory]}."),
        Column("operations", "Computed multiply-accumulates of a run’s training and evaluation until the decision."),
        Column("tensor memory", f"Peak, computed: {TENSORS}, of training or of an evaluation between epochs."),
        declared(schema.COST, "images_per_second"),
        declared(schema.COST, "of_peak"),
        Column(
            "computed / measured",
            "Tensor memory, with images on the GPU, over the measured peak of torch’s allocations. The rest: "
            "workspaces, gradients of activations.",
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
            "time": words.duration(float(run_seconds(results.of("cost", arm)).mean())),
            "training": words.duration(training),
            "evaluation": words.duration(evaluation),
            "features": words.duration(features) if features else words.NOTHING,
            "other": words.duration(max(0.0, seconds - training - evaluation)),
            memory: words.size(results.mean("cost", arm, "peak_memory_bytes")),
            "operations": words.operations(computed["macs"]),
            "tensor memory": words.size(computed["peak_bytes"]),
            "images/s": words.count(results.mean("cost", arm, "images_per_second")),
            "share of peak": words.share(results.mean("cost", arm, "of_peak")),
            "computed / measured": _computed_over_measured(results, arm),
        }
        rows.append([cells[title] for title in titles])
    return Table(f"Cost of one run{over_seeds(results, 'means')}", shown, rows, "tables/cost.csv", stacks=True)


MEASURED = {
    "process memory": "of the process, with Python, libraries, images and workspaces",
    "GPU memory": "torch’s allocations on the GPU, with workspaces",
    "peak memory": "of the process on a CPU, of torch’s allocations on a GPU",
}
"""What each term of `memory_term` is."""


def memory_term(results: Results, arms: Sequence[str] = ()) -> str:
    """The term for the measured peak memory of these arms (by default of all)."""
    cost = results.tables["cost"]
    devices = set(cost.loc[cost["arm"].isin(arms), "device"] if arms else cost["device"])
    return {("cpu",): "process memory", ("cuda",): "GPU memory"}.get(tuple(devices), "peak memory")


def accuracy_caption(results: Results) -> str:
    """What the marks of the figure of accuracy against time are."""
    over = "test images only" if results.numbers_of_runs == [1] else "test images and seeds"
    cached = ", computing cached features included" if (results.arms["features"] == "cached").any() else ""
    return (
        f"Small marks: single runs. Bars: mean accuracy with its {words.interval(results.confidence)} over {over}, at "
        f"the mean time. Time: wall time, measured{cached}."
    )


def _computed_over_measured(results: Results, arm: str) -> str:
    """The share on a GPU; on a CPU the measured memory is the whole process, Python and libraries included."""
    if results.arms["features"][arm] == "cached" or set(results.of("cost", arm)["device"]) != {"cuda"}:
        return words.NOTHING
    computed = results.one("computed_cost", arm)["peak_bytes"] + resident_bytes(results, arm)
    share = computed / results.mean("cost", arm, "peak_memory_bytes")
    return words.NOTHING if math.isnan(share) else words.percent(100 * share, 0)


def times(results: Results) -> str:
    """What measured times are good for."""
    cost = results.tables["cost"]
    devices = sorted({name or device for device, name in zip(cost["device"], cost["device_name"], strict=True)})
    text = (
        "The decision compares costs by computed operations, then by tensor memory. Times are measured: other jobs may "
        "have shared the cores."
    )
    if len(devices) > 1:
        text += f" The runs used different devices ({words.listing(devices)}): do not compare their times."
    return text


def memory_gap(results: Results) -> str:
    """Why measured memory is more than tensor memory, and by how much."""
    memory, cost = memory_term(results), results.tables["cost"]
    gaps = [
        results.mean("cost", arm, "peak_memory_bytes") - results.one("computed_cost", arm)["peak_bytes"]
        for arm in results.arms["arm"]
        if results.arms["features"][arm] != "cached"
    ]
    rest = {"process memory": "Python, libraries, images and workspaces", "GPU memory": "workspaces and images"}
    text = f"Tensor memory is computed: {TENSORS}."
    if not gaps or memory not in rest or cost["peak_memory_bytes"].isna().any() or min(gaps) < 0:
        return text
    low, high = words.size(min(gaps)), words.size(max(gaps))
    more = low if low == high else f"{low} to {high}"
    return f"{text} {memory[0].upper()}{memory[1:]} is measured: {more} more, for {rest[memory]}."


def fixed_part(results: Results) -> str:
    """Which part of the computed memory does not depend on the batch."""
    table = results.tables["computed_cost"]
    shares = table["fixed_bytes"] / table["peak_bytes"]
    low, high = words.share(shares.min(), 0), words.share(shares.max(), 0)
    part = low if low == high else f"{low} to {high}"
    return f"Weights, gradients and Adam’s moments are {part} of the tensor memory."


def same_arithmetic(results: Results) -> list[str]:
    """Which arms do the same arithmetic, so that their costs count as equal."""
    groups = results.tables["computed_cost"].groupby("same_work", sort=False)["arm"]
    return [
        f"{words.listing(results.names_of(arms))} do equal computed work: their costs count as equal, whatever their "
        "measured times."
        for _, arms in groups
        if len(arms) > 1
    ]
