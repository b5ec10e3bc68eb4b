"""The networks of an experiment beside others that it is compared with on paper: what they are and what they take."""

import json
from pathlib import Path
from typing import Any

import pandas

from triptych.errors import InputError
from triptych.files import write_table
from triptych.models.layers import layer_table
from triptych.models.memory import live_activations, training_bytes, weight_bytes
from triptych.models.networks import build_shapes, head_tensors

NUM_CLASSES = 1000
"""ImageNet's, for every network, the arms' too: so the numbers are those that are published, and the lecture's."""

MEMORY_GB = (4, 8, 16, 24, 80)
"""Memories of GPUs, in units of 10^9 bytes. A card's real memory is up to 7 % larger, which is left to what
`triptych.models.memory` does not count."""


def compare_architectures(*, networks: str, architectures: Path, largest_batch: Path) -> None:
    """Compare networks by parameters, operations, memory, and the largest batch that fits.

    Nothing is computed: the networks run on torch's meta device, which knows shapes alone. Every network has a head
    for ImageNet's 1,000 classes. Auxiliary heads run in training only; where a network has them, they are counted.

    Args:
        networks: JSON, a list of `architecture`, `input_size`, `auxiliary` (with auxiliary heads or without) and
            `role` (`arm`: an arm of the experiment uses it; `reference`: it is only compared with).
        architectures: CSV, a row a network: those four, and of one image's forward pass in float32 `macs`
            (multiply-accumulates) and `activation_bytes` (every layer's output), of the network `parameters` and
            `weight_bytes` (buffers among them).
        largest_batch: CSV, for each network, `train` (all or head) and `memory_gb` (10^9 bytes) the `largest_batch`
            in float32; 0 where not even one image fits. Counted are the weights, the gradients and Adam's two moments
            of what is trained, and the activations that are kept for the backward pass; not counted are the workspaces
            of libraries, the CUDA context, fragments of memory, the gradients of activations and resident images
            (see `triptych.models.memory`). So it is an upper bound.

    Raises:
        InputError: `networks` is not such a list, or a network cannot be built for its size.
    """
    totals, batches = [], []
    for network in _parsed(networks):
        row, own_batches = compare_one(**network)
        totals.append(row)
        batches += own_batches
        extra = " with auxiliary heads" if row["auxiliary"] else ""
        print(
            f"{row['architecture']} at {row['input_size']} px{extra}: {row['parameters']:,} parameters, "
            f"{row['macs'] / 1e9:.3f} GMAC",
            flush=True,
        )
    write_table(architectures, pandas.DataFrame(totals))
    write_table(largest_batch, pandas.DataFrame(batches))


def compare_one(
    architecture: str, input_size: int, auxiliary: bool, role: str
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A network's row of the first table, and its rows of the second.

    Raises:
        InputError: it cannot be built for that size, or has no auxiliary heads.
    """
    network = build_shapes(architecture, NUM_CLASSES, input_size, auxiliary)
    network.training = auxiliary  # of the network itself, not of its layers: it then runs its auxiliary heads
    layers = pandas.DataFrame(layer_table(network, input_size))
    head = head_tensors(architecture, NUM_CLASSES, input_size, auxiliary)
    names = {"architecture": architecture, "input_size": input_size, "auxiliary": int(auxiliary)}
    row = {
        **names,
        "role": role,
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "weight_bytes": weight_bytes(network),
        "macs": int(layers["macs"].sum()),
        "activation_bytes": int(layers["activation_bytes"].sum()),
    }
    needs = training_bytes(network, head, input_size, live_activations(network, input_size))
    batches = [
        {**names, "train": train, "memory_gb": gigabytes, "largest_batch": parts.total.largest_batch(gigabytes * 10**9)}
        for train, parts in needs.items()
        for gigabytes in MEMORY_GB
    ]
    return row, batches


def _parsed(networks: str) -> list[dict[str, Any]]:
    try:
        found = json.loads(networks)
        return [{key: network[key] for key in ("architecture", "input_size", "auxiliary", "role")} for network in found]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"networks: expected a JSON list of networks, found something else ({error})") from None
