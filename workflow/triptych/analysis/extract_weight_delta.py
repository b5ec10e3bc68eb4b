"""What training changed in the weights of one run, tensor by tensor, and the first kernels before and after.

The last reader of a run's weight file: what else is needed of it later is written here, so that it can go.
"""

from pathlib import Path
from typing import Any

import numpy
import pandas

from triptych.models.initialise_model import initial_weights
from triptych.results.run_files import KERNEL_CHANGE_COLUMNS, WEIGHT_DELTA_COLUMNS
from triptych.storage.errors import InputError
from triptych.storage.files import write_json, write_table
from triptych.storage.tensors import load_tensors, save_tensors, size_of_file

NEAR_ZERO = 1e-3
"""A change below this share of the tensor's largest absolute weight before training counts as near zero."""

CONVOLUTIONS = ("first_convolution", "first_3x3_convolution")


def extract_weight_delta(
    *,
    trained: Path,
    pretrained: Path | None = None,
    weight_delta: Path,
    kernels: Path,
    kernel_change: Path,
    weights: Path,
) -> None:
    """Compare the weights of one run before and after training.

    Those before are computed anew. The change is always after minus before, computed in float64.

    Args:
        trained: the weights of the run after training.
        pretrained: the weights that it began with, where these were not random.
        weight_delta: CSV, one row for each parameter and buffer in definition order (`change_of`).
        kernels: the first convolution and the first 3x3 convolution of the first block, `NAME_initial` and
            `NAME_trained`, float32 [out, in, height, width]; those the network lacks are left out.
        kernel_change: CSV, how much of the first convolution's change is brightness and how much colour
            (`brightness_and_colour`; both empty where nothing changed).
        weights: JSON, the size of the network: `WEIGHTS_KEYS`.

    Raises:
        InputError: a file is missing or broken, or the weights before training cannot be computed again.
    """
    before, metadata = initial_weights(trained, pretrained)
    after = load_tensors(trained)
    check_same_tensors(trained, before, after)
    write_changes(
        metadata,
        before,
        after,
        weight_delta=weight_delta,
        kernels=kernels,
        kernel_change=kernel_change,
        weights=weights,
    )


Tensors = dict[str, numpy.ndarray]


def write_changes(
    metadata: dict[str, Any],
    before: Tensors,
    after: Tensors,
    *,
    weight_delta: Path,
    kernels: Path,
    kernel_change: Path,
    weights: Path,
) -> None:
    """Write what changed in the tensors of a network.

    Args:
        metadata: of the network (`triptych.models.networks.network_metadata`).
        before, after: its tensors by name.
        weight_delta, kernels, kernel_change, weights: as for `extract_weight_delta`.
    """
    table = weight_changes(metadata, before, after)
    write_table(weight_delta, table)
    save_tensors(kernels, *kernels_of(metadata, before, after))
    write_table(kernel_change, kernel_changes(metadata, before, after))
    write_json(weights, sizes(metadata, before))
    for kind, part in table.groupby("kind", sort=False):
        still = (part["unchanged_fraction"] == 1).sum()
        print(f"{kind}s: {len(part) - still} of {len(part)} tensors changed, {still} are exactly as before", flush=True)


def weight_changes(metadata: dict[str, Any], before: Tensors, after: Tensors) -> pandas.DataFrame:
    """One row for each tensor in definition order: `WEIGHT_DELTA_COLUMNS`."""
    buffers = set(metadata["buffers"])
    rows = [
        {"tensor": name, "kind": "buffer" if name in buffers else "parameter", **change_of(before[name], after[name])}
        for name in metadata["tensors"]
    ]
    return pandas.DataFrame(rows, columns=WEIGHT_DELTA_COLUMNS)


def sizes(metadata: dict[str, Any], before: Tensors) -> dict[str, int]:
    """`WEIGHTS_KEYS` of a network."""
    buffers = set(metadata["buffers"])
    parameters = [name for name in metadata["tensors"] if name not in buffers]
    parts = {
        "parameters": parameters,
        "head_parameters": [name for name in parameters if name in metadata["head"]],
        "buffer_elements": [name for name in metadata["tensors"] if name in buffers],
    }
    elements = {part: sum(before[name].size for name in own) for part, own in parts.items()}
    return {"file_bytes": size_of_file(before, metadata), **elements}


def kernels_of(metadata: dict[str, Any], before: Tensors, after: Tensors) -> tuple[Tensors, dict[str, str]]:
    """The `CONVOLUTIONS` that a network has, before and after training, and the names of their tensors."""
    names = {key: metadata[key] for key in CONVOLUTIONS if metadata[key] is not None}
    pairs = {key: {"initial": before[name], "trained": after[name]} for key, name in names.items()}
    return {f"{key}_{when}": array for key, pair in pairs.items() for when, array in pair.items()}, names


def kernel_changes(metadata: dict[str, Any], before: Tensors, after: Tensors) -> pandas.DataFrame:
    """`KERNEL_CHANGE_COLUMNS` of the first convolution; no row where there is none."""
    name = metadata["first_convolution"]
    rows = [("first_convolution", name, *brightness_and_colour(before[name], after[name]))] if name else []
    return pandas.DataFrame(rows, columns=KERNEL_CHANGE_COLUMNS)


def change_of(before: numpy.ndarray, after: numpy.ndarray) -> dict[str, float | int | None]:
    """How far one tensor moved. Both have the same shape and any numeric type; computed in float64.

    Returns:
        size: its number of elements.
        initial_norm, delta_norm: Euclidean norms of the tensor before training and of the change.
        relative_delta: delta_norm / initial_norm; 0 where nothing changed, None where only initial_norm is 0.
        cosine: of the angle between the tensor before and after; None where either is all zero.
        max_abs_delta: the largest absolute change of an element.
        unchanged_fraction: the share of elements that are exactly what they were.
        near_zero_fraction: the share of elements that changed by less than `NEAR_ZERO` of the largest absolute
            element before; those that are exactly unchanged always count.
    """
    before, after = before.astype(numpy.float64), after.astype(numpy.float64)
    delta = after - before
    initial_norm, trained_norm, delta_norm = _norm(before), _norm(after), _norm(delta)
    unchanged = delta == 0
    near_zero = unchanged | (numpy.abs(delta) < NEAR_ZERO * numpy.abs(before).max())
    relative = delta_norm / initial_norm if initial_norm else (None if delta_norm else 0.0)
    cosine = None
    if initial_norm and trained_norm:
        # Rounding can carry it past 1, and the same tensor twice is exactly 1.
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
    """Divide the change of kernels that read RGB images into brightness and colour.

    At each place of a kernel the change is a vector over the three channels. Its projection on the grey axis
    (1, 1, 1) / sqrt(3) acts on all channels alike: brightness. What is left is orthogonal to grey: colour.

    Args:
        before, after: [out, 3, height, width].

    Returns:
        The shares (0 to 1, sum 1) of the squared norm of the change; None and None where nothing changed.
    """
    delta = after.astype(numpy.float64) - before.astype(numpy.float64)
    total = numpy.sum(delta**2)
    if not total:
        return None, None
    grey = numpy.broadcast_to(delta.mean(axis=1, keepdims=True), delta.shape)
    return float(numpy.sum(grey**2) / total), float(numpy.sum((delta - grey) ** 2) / total)


def _norm(array: numpy.ndarray) -> float:
    """The Euclidean norm; numpy.linalg.norm would call BLAS, whose last bits depend on the number of threads."""
    return float(numpy.sqrt(numpy.sum(array**2)))


def check_same_tensors(trained: Path, before: Tensors, after: Tensors) -> None:
    """Make sure that a file holds the tensors of its run's network.

    Raises:
        InputError: it has others, or of other shapes.
    """
    if after.keys() != before.keys():
        differing = ", ".join(sorted(after.keys() ^ before.keys())[:5])
        raise InputError(f"{trained}: its tensors are not those of its network (missing or unexpected: {differing})")
    for name, array in before.items():
        if array.shape != after[name].shape:
            raise InputError(f"{trained}: expected {name} {list(array.shape)}, found {list(after[name].shape)}")
