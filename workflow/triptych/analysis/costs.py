"""Operations and memory of the runs of an arm, computed, beside what was measured of them."""

import itertools
from collections.abc import Mapping
from typing import Any

import numpy
import pandas

from triptych.analysis.device_peaks import peak_flops
from triptych.configuration.training import RECIPE
from triptych.results import schema
from triptych.results.experiment import Results
from triptych.training.reestimation import every_kth

SAME_WORK = [
    *("architecture", "input_size", "train", "batchnorm", "epochs_run", "features"),
    *(name for name, key in RECIPE.items() if key.same_work),
]
"""Arms with equal values of all these do the same arithmetic in the same way."""

FLOPS_OF_A_MAC = 2
"""Floating point operations of a multiply-accumulate."""

HALF_PRECISIONS = ("bfloat16", "float16")

LEAST_SAVING = 0.1
"""The share of measured time or memory from which a saving is worth a sentence."""


def computed_cost_table(
    tables: Mapping[str, pandas.DataFrame], evaluated_images: int, classes: int
) -> pandas.DataFrame:
    """Return the table `computed_cost` from the tables arms, runs, history, models and memory.

    Args:
        evaluated_images: the images that are evaluated after every epoch, of all splits.
        classes: their number.
    """
    arms, epochs = tables["arms"], tables["runs"].groupby("arm")["epochs_run"].mean()
    groups = arms.assign(epochs_run=arms["arm"].map(epochs)).groupby(SAME_WORK, sort=False, dropna=False).ngroup()
    rows = []
    for (_, arm), group in zip(arms.iterrows(), groups, strict=True):
        memory = tables["memory"][tables["memory"]["arm"] == arm["arm"]].astype(
            dict.fromkeys(("batch_size", "training_bytes", "inference_bytes"), float)
        )
        training = training_macs(arm, tables["runs"], tables["models"])
        evaluation = evaluation_macs(arm, tables, evaluated_images, classes)
        parts = memory_parts(arm, memory)
        rows.append(
            {
                "arm": arm["arm"],
                "label": arm["label"],
                "macs": training + evaluation,
                "training_macs": training,
                "evaluation_macs": evaluation,
                **parts,
                "peak_bytes": max(parts["training_bytes"], parts["evaluation_bytes"]),
                "same_work": int(group),
            }
        )
    return pandas.DataFrame(rows, columns=schema.COMPUTED_COST.names)


def forward_macs(arm: pandas.Series, models: pandas.DataFrame) -> float:
    """Return the multiply-accumulates of one image's forward pass through an arm's network."""
    same = (models["architecture"] == arm["architecture"]) & (models["input_size"] == arm["input_size"])
    return float(models.loc[same, "macs"].mean())


def training_macs(arm: pandas.Series, runs: pandas.DataFrame, models: pandas.DataFrame) -> float:
    """Return the multiply-accumulates of training an arm for the epochs that it ran, mean over seeds.

    An image needs about three forward passes if everything is trained (forward, backward for the activations, backward
    for the weights), and about one if only the head is trained: in every epoch, or once if its features are cached.
    """
    own = runs[runs["arm"] == arm["arm"]]
    everything = bool((own["trainable_parameters"] == own["total_parameters"]).all())
    passes = 1 if arm["features"] == "cached" else float(own["epochs_run"].mean())
    return forward_macs(arm, models) * (3 if everything else 1) * float(arm["train_images"]) * passes


def evaluation_macs(
    arm: pandas.Series, tables: Mapping[str, pandas.DataFrame], evaluated_images: int, classes: int
) -> float:
    """Return the multiply-accumulates of all evaluations of a run, mean over seeds.

    `evaluated_images` are evaluated before training and after every epoch, the training images once, with the weights
    that are kept. Where BatchNorm's statistics are re-estimated, on training images, the epoch is evaluated once more.
    With cached features an image passes through the network once: `training_macs` has those of training.
    """
    forward = forward_macs(arm, tables["models"])
    if arm["features"] == "cached":
        return forward * evaluated_images
    runs, history = (tables[name][tables[name]["arm"] == arm["arm"]] for name in ("runs", "history"))
    evaluations = float(runs["epochs_run"].mean()) + 1
    train_images = float(arm["train_images"])
    reestimations = int(history.filter(like="reestimated_").notna().any(axis="columns").sum()) / len(runs)
    images = len(every_kth(int(train_images), classes))
    return forward * (evaluations * evaluated_images + train_images + reestimations * (images + evaluated_images))


def bytes_at(memory: pandas.DataFrame, column: str, batch_size: float) -> float:
    """Return a column of one arm's rows of `tables/memory.csv` at any batch size, of which it is a linear function."""
    table = memory.sort_values("batch_size")
    first, last = table.iloc[0], table.iloc[-1]
    if first["batch_size"] == last["batch_size"]:
        return float(first[column])
    slope = (last[column] - first[column]) / (last["batch_size"] - first["batch_size"])
    return float(first[column] + slope * (batch_size - first["batch_size"]))


def memory_parts(arm: pandas.Series, memory: pandas.DataFrame) -> dict[str, float]:
    """Return the computed memory of a run without resident images, in bytes.

    Returns:
        fixed_bytes: weights, gradients and Adam's moments, which stay during evaluation.
        training_bytes, evaluation_bytes: these with the activations of a training or of an evaluation batch.
    """
    fixed = bytes_at(memory, "training_bytes", 0)
    sizes = {"training": ("training_bytes", arm["batch_size"])}
    sizes["evaluation"] = ("inference_bytes", arm["evaluation_batch_size"])
    activations = {
        part: in_precision(bytes_at(memory, column, size) - bytes_at(memory, column, 0), size, arm)
        for part, (column, size) in sizes.items()
    }
    return {"fixed_bytes": fixed, **{f"{part}_bytes": fixed + own for part, own in activations.items()}}


def in_precision(activations: float, batch_size: float, arm: pandas.Series) -> float:
    """Return the bytes of activations, counted in float32, in the arm's precision.

    In a mixed precision they halve, except for the images, which exist in float32 and in half the size.
    """
    if arm["precision"] not in HALF_PRECISIONS:
        return activations
    images = batch_size * 3 * float(arm["input_size"]) ** 2 * 4
    return (activations - images) / 2 + 1.5 * images


def shares_of_peak(cost: pandas.DataFrame, tables: Mapping[str, pandas.DataFrame]) -> list[float]:
    """Return the share of the device's peak throughput that each run of the table of costs reaches; NaN if unknown."""
    arms, epochs = tables["arms"].set_index("arm"), tables["runs"].groupby("arm")["epochs_run"].mean()
    macs = tables["computed_cost"].set_index("arm")["training_macs"]
    shares = []
    for _, run in cost.iterrows():
        arm = arms.loc[run["arm"]]
        peak = peak_flops(str(run["device_name"]), arm["precision"])
        if peak is None or arm["features"] == "cached":
            shares.append(numpy.nan)
            continue
        per_image = FLOPS_OF_A_MAC * macs[run["arm"]] / (arm["train_images"] * epochs[run["arm"]])
        shares.append(float(per_image * run["images_per_second"] / peak))
    return shares


def run_seconds(cost: pandas.DataFrame) -> pandas.Series:
    """Return the measured wall time of each run of the table of costs, with that of its cached features."""
    return cost["seconds"] + cost["features_seconds"]


def cost_savings_table(tables: Mapping[str, pandas.DataFrame]) -> pandas.DataFrame:
    """Return the table `cost_savings` from the tables arms, cost and computed_cost; controls are left out.

    A saving of time (or memory) counts if, on one device, every run of the first arm takes less than every run of the
    second, the means differ by `LEAST_SAVING`, and the computed operations (or peak memory) are fewer as well.
    """
    arms = tables["arms"].loc[tables["arms"]["role"] != "control", "arm"]
    cost, computed = tables["cost"], tables["computed_cost"].set_index("arm")
    runs = {arm: cost[cost["arm"] == arm] for arm in arms}
    devices = {arm: set(own["device_name"]) for arm, own in runs.items()}
    quantities = {
        "time": ({arm: run_seconds(own) for arm, own in runs.items()}, computed["macs"]),
        "memory": ({arm: own["peak_memory_bytes"].astype(float) for arm, own in runs.items()}, computed["peak_bytes"]),
    }
    rows = []
    for arm, than in itertools.permutations(arms, 2):
        row: dict[str, Any] = {"arm": arm, "than": than}
        for what, (measured, needed) in quantities.items():
            own, other = measured[arm], measured[than]
            row[f"{what}_share"] = float(own.mean() / other.mean())
            row[f"computed_{what}_share"] = float(needed[arm] / needed[than])
            row[f"saves_{what}"] = int(
                devices[arm] == devices[than]
                and len(devices[arm]) == 1
                and own.max() < other.min()
                and row[f"{what}_share"] <= 1 - LEAST_SAVING
                and needed[arm] < needed[than]
            )
        if row["saves_time"] or row["saves_memory"]:
            rows.append(row)
    return pandas.DataFrame(rows, columns=schema.COST_SAVINGS.names)


def resident_bytes(results: Results, arm: str) -> float:
    """Return the bytes of images and labels on the GPU: the sizes of their files, in proportion to the images used."""
    settings: Mapping[str, Any] = results.configuration["arms"][arm]["training"]
    if settings.get("residency", "auto") in ("host", "mapped"):
        return 0.0
    counts = results.sizes.groupby("split")["images"].sum()
    used = {"train": results.arms["train_images"][arm]}
    return float(
        sum(
            (results.folder / "data" / f"{split}.safetensors").stat().st_size * used.get(str(split), count) / count
            for split, count in zip(counts.index, counts, strict=True)
            if count
        )
    )
