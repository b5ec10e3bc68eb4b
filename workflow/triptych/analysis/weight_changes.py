"""Weight changes of a network: by tensor, and in the kernels of the first convolutions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy
import pandas

from triptych.results.schema import RUN_KERNEL_CHANGE, RUN_WEIGHT_DELTA
from triptych.results.tables import save_table
from triptych.storage.files import write_json
from triptych.storage.tensors import save_tensors, size_of_file

if TYPE_CHECKING:  # importing it needs torch
    from triptych.models.tensor_layout import Position

NEAR_ZERO = 1e-3
"""A change is near zero if it is below this share of the largest absolute initial weight of the tensor."""

CONVOLUTIONS = ("first_convolution", "first_3x3_convolution")

Tensors = dict[str, numpy.ndarray]


def write_changes(
    metadata: dict[str, Any],
    layout: Mapping[str, Position],
    trainable: list[str],
    before: Tensors,
    after: Tensors,
    *,
    weight_delta: Path,
    kernels: Path,
    kernel_change: Path,
    weights: Path,
) -> None:
    """Write the weight changes of a network.

    Args:
        metadata: the metadata of the network (`triptych.models.networks.network_metadata`).
        layout: the block and the role of each tensor (`triptych.models.tensor_layout`).
        trainable: the names of the trainable parameters.
        before, after: the tensors by name.
        weight_delta, kernels, kernel_change, weights: as for `extract_weight_delta`.
    """
    table = weight_changes(metadata, layout, before, after)
    save_table(weight_delta, table, RUN_WEIGHT_DELTA)
    save_tensors(kernels, *kernels_of(metadata, before, after))
    save_table(kernel_change, kernel_changes(metadata, before, after), RUN_KERNEL_CHANGE)
    write_json(weights, sizes(metadata, trainable, before))
    for kind, part in table.groupby("kind", sort=False):
        unchanged = (part["unchanged_fraction"] == 1).sum()
        print(f"{kind}s: {len(part) - unchanged} of {len(part)} tensors changed, {unchanged} did not", flush=True)


def weight_changes(
    metadata: dict[str, Any], layout: Mapping[str, Position], before: Tensors, after: Tensors
) -> pandas.DataFrame:
    """Return one row for each tensor in definition order: `RUN_WEIGHT_DELTA`."""
    buffers = set(metadata["buffers"])
    rows = [
        {
            "tensor": name,
            "kind": "buffer" if name in buffers else "parameter",
            **change_of(before[name], after[name]),
            "block": layout[name].block,
            "role": layout[name].role,
        }
        for name in metadata["tensors"]
    ]
    return pandas.DataFrame(rows)


def sizes(metadata: dict[str, Any], trainable: list[str], before: Tensors) -> dict[str, int]:
    """Return `WEIGHTS_KEYS` of a network."""
    buffers = set(metadata["buffers"])
    parameters = [name for name in metadata["tensors"] if name not in buffers]
    parts = {
        "parameters": parameters,
        "head_parameters": [name for name in parameters if name in metadata["head"]],
        "buffer_elements": [name for name in metadata["tensors"] if name in buffers],
        "trained_parameters": [name for name in parameters if name in trainable],
    }
    elements = {part: sum(before[name].size for name in own) for part, own in parts.items()}
    return {"file_bytes": size_of_file(before, metadata), **elements}


def kernels_of(metadata: dict[str, Any], before: Tensors, after: Tensors) -> tuple[Tensors, dict[str, str]]:
    """Return the `CONVOLUTIONS` of a network before and after training, and the names of their tensors.

    Kernels that training did not change are there once (`kernels_before_and_after`).
    """
    names = {key: metadata[key] for key in CONVOLUTIONS if metadata[key] is not None}
    pairs = {
        key: {"initial": before[name]}
        | ({} if numpy.array_equal(before[name], after[name]) else {"trained": after[name]})
        for key, name in names.items()
    }
    return {f"{key}_{when}": array for key, pair in pairs.items() for when, array in pair.items()}, names


def kernel_changes(metadata: dict[str, Any], before: Tensors, after: Tensors) -> pandas.DataFrame:
    """Return `RUN_KERNEL_CHANGE` of the first convolution; no rows if there is none."""
    name = metadata["first_convolution"]
    rows = [("first_convolution", name, *brightness_and_colour(before[name], after[name]))] if name else []
    return pandas.DataFrame(rows, columns=RUN_KERNEL_CHANGE.names)


def change_of(before: numpy.ndarray, after: numpy.ndarray) -> dict[str, float | int | None]:
    """Measure the change of a tensor, in float64. Both arrays have the same shape, and any numeric type.

    Returns:
        size: its number of elements.
        initial_norm, delta_norm: Euclidean norms of the tensor before training and of the change.
        relative_delta: delta_norm / initial_norm; 0 if nothing changed, None if only initial_norm is 0.
        cosine: of the angle between the tensor before and after; None if either is all zero.
        max_abs_delta: the largest absolute change of an element.
        unchanged_fraction: the share of elements that did not change at all.
        near_zero_fraction: the share of elements that changed by less than `NEAR_ZERO` of the largest absolute
            initial element, including those that did not change.
    """
    before, after = before.astype(numpy.float64), after.astype(numpy.float64)
    delta = after - before
    initial_norm, trained_norm, delta_norm = _norm(before), _norm(after), _norm(delta)
    unchanged = delta == 0
    near_zero = unchanged | (numpy.abs(delta) < NEAR_ZERO * numpy.abs(before).max())
    relative = delta_norm / initial_norm if initial_norm else (None if delta_norm else 0.0)
    cosine = None
    if initial_norm and trained_norm:
        # Clip rounding errors; the cosine of an unchanged tensor is exactly 1.
        cosine = (
            float(numpy.clip(numpy.sum(before * after) / (initial_norm * trained_norm), -1, 1)) if delta_norm else 1.0
        )
    return {
        "size": before.size,
        "initial_norm": initial_norm,
        "delta_norm": delta_norm,
        "relative_delta": relative,
        "cosine": cosine,
        "max_abs_delta": float(numpy.abs(delta).max()),
        "unchanged_fraction": float(unchanged.mean()),
        "near_zero_fraction": float(near_zero.mean()),
    }


def brightness_and_colour(before: numpy.ndarray, after: numpy.ndarray) -> tuple[float | None, float | None]:
    """Split the change of kernels for RGB images into brightness and colour.

    At each pixel of a kernel the change is a vector over the three channels. Its projection on the grey axis
    (1, 1, 1) / sqrt(3) is brightness, which acts on all channels equally. The orthogonal remainder is colour.

    Args:
        before, after: [out, 3, height, width].

    Returns:
        The shares (0 to 1, sum 1) of the squared norm of the change; None and None if nothing changed.
    """
    delta = after.astype(numpy.float64) - before.astype(numpy.float64)
    total = numpy.sum(delta**2)
    if not total:
        return None, None
    grey = numpy.broadcast_to(delta.mean(axis=1, keepdims=True), delta.shape)
    return float(numpy.sum(grey**2) / total), float(numpy.sum((delta - grey) ** 2) / total)


def _norm(array: numpy.ndarray) -> float:
    """Return the Euclidean norm, without numpy.linalg.norm: BLAS rounds differently with other numbers of threads."""
    return float(numpy.sqrt(numpy.sum(array**2)))
