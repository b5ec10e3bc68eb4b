"""What training changed in the weights of one run, tensor by tensor, and the first kernels before and after.

The last reader of a run's weight files: what else is needed of them later is written here, so that they can go.
"""

from pathlib import Path
from typing import Any

import numpy
import pandas

from triptych.results.schema import RUN_KERNEL_CHANGE, RUN_WEIGHT_DELTA
from triptych.results.tables import save_table
from triptych.storage.errors import InputError
from triptych.storage.files import write_json
from triptych.storage.tensors import load_metadata, load_tensors, save_tensors

NEAR_ZERO = 1e-3
"""A change below this share of the tensor's largest absolute weight before training counts as near zero."""

WEIGHTS_KEYS = ["file_bytes", "parameters", "head_parameters", "buffer_elements", "trained_parameters"]
"""The bytes of the file of initial weights, and numbers of elements; `parameters` includes those of the head."""

CONVOLUTIONS = ("first_convolution", "first_3x3_convolution")


def extract_weight_delta(
    *, initial: Path, trained: Path, weight_delta: Path, kernels: Path, kernel_change: Path, weights: Path
) -> None:
    """Compare the weights of one run before and after training.

    The change is always after minus before, computed in float64.

    Args:
        initial, trained: the two weight files of the run.
        weight_delta: CSV, one row for each parameter and buffer in definition order (`change_of`).
        kernels: the first convolution and the first 3x3 convolution of the first block, `NAME_initial` and
            `NAME_trained`, float32 [out, in, height, width]; those the network lacks are left out.
        kernel_change: CSV, how much of the first convolution's change is brightness and how much colour
            (`brightness_and_colour`; both empty where nothing changed).
        weights: JSON, the size of the network: `WEIGHTS_KEYS`.

    Raises:
        InputError: a file is missing or broken, or the two are not of one network.
    """
    metadata = load_metadata(initial)
    before, after = load_tensors(initial), load_tensors(trained)
    _check_same_network(initial, trained, metadata, before, after)

    buffers = set(metadata["buffers"])
    rows = [
        {"tensor": name, "kind": "buffer" if name in buffers else "parameter", **change_of(before[name], after[name])}
        for name in metadata["tensors"]
    ]
    table = pandas.DataFrame(rows)
    parameters = [name for name in metadata["tensors"] if name not in buffers]
    moving = _trained(trained)
    parts = {
        "parameters": parameters,
        "head_parameters": [name for name in parameters if name in metadata["head"]],
        "buffer_elements": [name for name in metadata["tensors"] if name in buffers],
        "trained_parameters": [name for name in parameters if name in moving],
    }
    elements = {part: sum(before[name].size for name in own) for part, own in parts.items()}

    names = {key: metadata[key] for key in CONVOLUTIONS if metadata[key] is not None}
    pairs = {key: {"initial": before[name], "trained": after[name]} for key, name in names.items()}
    arrays = {f"{key}_{when}": array for key, pair in pairs.items() for when, array in pair.items()}
    shares = []
    if "first_convolution" in names:
        brightness, colour = brightness_and_colour(*pairs["first_convolution"].values())
        shares = [("first_convolution", names["first_convolution"], brightness, colour)]

    save_table(weight_delta, table, RUN_WEIGHT_DELTA)
    save_tensors(kernels, arrays, names)
    save_table(kernel_change, pandas.DataFrame(shares, columns=RUN_KERNEL_CHANGE.names), RUN_KERNEL_CHANGE)
    write_json(weights, {"file_bytes": initial.stat().st_size, **elements})
    for kind, part in table.groupby("kind", sort=False):
        still = (part["unchanged_fraction"] == 1).sum()
        print(f"{kind}s: {len(part) - still} of {len(part)} tensors changed, {still} are exactly as before", flush=True)


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


def _trained(path: Path) -> set[str]:
    """The names of the parameters that a run trained, from the file of its trained weights."""
    try:
        return set(load_metadata(path)["trained"]["parameters"])
    except (KeyError, TypeError):
        raise InputError(f"{path}: does not say what was trained (no trained.parameters in its metadata)") from None


def _check_same_network(
    initial: Path,
    trained: Path,
    metadata: dict[str, Any],
    before: dict[str, numpy.ndarray],
    after: dict[str, numpy.ndarray],
) -> None:
    missing = [key for key in ("tensors", "buffers", "head", *CONVOLUTIONS) if key not in metadata]
    if missing:
        raise InputError(f"{initial}: does not describe its network (no {', '.join(missing)} in its metadata)")
    described = {key: value for key, value in load_metadata(trained).items() if key != "trained"}
    if described != metadata:
        raise InputError(f"{trained}: does not describe the same network as {initial}")
    expected = set(metadata["tensors"])
    for path, tensors in ((initial, before), (trained, after)):
        if tensors.keys() != expected:
            differing = ", ".join(sorted(tensors.keys() ^ expected)[:5])
            raise InputError(f"{path}: its tensors are not those of its metadata (missing or unexpected: {differing})")
    for name in metadata["tensors"]:
        if before[name].shape != after[name].shape:
            raise InputError(
                f"{trained}: expected {name} {list(before[name].shape)} as in {initial}, "
                f"found {list(after[name].shape)}"
            )
