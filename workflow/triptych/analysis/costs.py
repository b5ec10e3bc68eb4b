"""Computed operations and memory of training an arm, and the share of the peak throughput that its runs reach."""

from collections.abc import Mapping
from typing import Any

import numpy
import pandas

from triptych.analysis.device_peaks import peak_flops
from triptych.configuration.training import RECIPE
from triptych.results import schema
from triptych.results.experiment import Results

SAME_WORK = [
    *("architecture", "input_size", "train", "batchnorm", "epochs_run", "features"),
    *(name for name, key in RECIPE.items() if key.same_work),
]
"""Arms with equal values of all these do the same arithmetic in the same way."""

FLOPS_OF_A_MAC = 2
"""Floating point operations of a multiply-accumulate."""

HALF_PRECISIONS = ("bfloat16", "float16")


def computed_cost_table(tables: Mapping[str, pandas.DataFrame]) -> pandas.DataFrame:
    """Return the table `computed_cost` from the tables arms, runs, models and memory."""
    arms, epochs = tables["arms"], tables["runs"].groupby("arm")["epochs_run"].mean()
    groups = arms.assign(epochs_run=arms["arm"].map(epochs)).groupby(SAME_WORK, sort=False, dropna=False).ngroup()
    rows = []
    for (_, arm), group in zip(arms.iterrows(), groups, strict=True):
        memory = tables["memory"][tables["memory"]["arm"] == arm["arm"]].astype(
            dict.fromkeys(("batch_size", "training_bytes", "inference_bytes"), float)
        )
        rows.append(
            {
                "arm": arm["arm"],
                "label": arm["label"],
                "macs": training_macs(arm, tables["runs"], tables["models"]),
                "training_bytes": bytes_at(memory, "training_bytes", arm["batch_size"]),
                "peak_bytes": peak_bytes(arm, memory),
                "same_work": int(group),
            }
        )
    return pandas.DataFrame(rows, columns=schema.COMPUTED_COST.names)


def training_macs(arm: pandas.Series, runs: pandas.DataFrame, models: pandas.DataFrame) -> float:
    """Return the multiply-accumulates of training an arm for the epochs that it ran, mean over seeds.

    An image needs about three forward passes if everything is trained (forward, backward for the activations, backward
    for the weights), and about one if only the head is trained: in every epoch, or once if its features are cached.
    """
    same = (models["architecture"] == arm["architecture"]) & (models["input_size"] == arm["input_size"])
    own = runs[runs["arm"] == arm["arm"]]
    everything = bool((own["trainable_parameters"] == own["total_parameters"]).all())
    passes = 1 if arm["features"] == "cached" else float(own["epochs_run"].mean())
    return float(models.loc[same, "macs"].mean()) * (3 if everything else 1) * float(arm["train_images"]) * passes


def bytes_at(memory: pandas.DataFrame, column: str, batch_size: float) -> float:
    """Return a column of one arm's rows of `tables/memory.csv` at any batch size, of which it is a linear function."""
    table = memory.sort_values("batch_size")
    first, last = table.iloc[0], table.iloc[-1]
    if first["batch_size"] == last["batch_size"]:
        return float(first[column])
    slope = (last[column] - first[column]) / (last["batch_size"] - first["batch_size"])
    return float(first[column] + slope * (batch_size - first["batch_size"]))


def peak_bytes(arm: pandas.Series, memory: pandas.DataFrame) -> float:
    """Return the memory of a run at its fullest, without resident images: training, or evaluation in larger batches,
    during which gradients and the optimiser's moments stay."""
    sizes = {"training_bytes": arm["batch_size"], "inference_bytes": arm["evaluation_batch_size"]}
    empty = {column: bytes_at(memory, column, 0) for column in sizes}
    of_batches = (
        in_precision(bytes_at(memory, column, size) - empty[column], size, arm) for column, size in sizes.items()
    )
    return empty["training_bytes"] + max(of_batches)


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
    macs = tables["computed_cost"].set_index("arm")["macs"]
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
