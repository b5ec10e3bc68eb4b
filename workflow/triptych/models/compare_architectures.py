"""The networks of an experiment beside others that it is compared with on paper: what they are and what they take."""

import json
from pathlib import Path
from typing import Any

import pandas

from triptych.models.layers import layer_table
from triptych.models.memory import BatchBytes, live_activations, training_bytes, weight_bytes
from triptych.models.networks import build_shapes, head_tensors
from triptych.results.schema import ARCHITECTURES, LARGEST_BATCH
from triptych.results.tables import save_table
from triptych.storage.errors import InputError

NUM_CLASSES = 1000
"""ImageNet's, for every network, the arms' too: so the numbers are those that are published."""

MEMORY_GB = (4, 8, 16, 24, 80)
"""Memories of GPUs, in units of 10^9 bytes. A card's real memory is up to 7 % larger, which is left to what
`triptych.models.memory` does not count."""


ALL_ARMS = "all arms at once"
"""What stands in the place of an architecture where all arms train at the same time."""


def compare_architectures(*, networks: str, architectures: Path, largest_batch: Path) -> None:
    """Compare networks by parameters, operations, memory, and the largest batch that fits.

    Nothing is computed: the networks run on torch's meta device, which knows shapes alone. Every network has a head
    for ImageNet's 1,000 classes. Auxiliary heads run in training only; where a network has them, they are counted.

    Args:
        networks: JSON, a list of `architecture`, `input_size`, `auxiliary` (with auxiliary heads or without), `role`
            (`arm`: an arm of the experiment uses it; `reference`: it is only compared with) and `trained` (what each
            arm with it trains, `all` or `head`; controls left out).
        architectures: CSV, a row a network: those four, and of one image's forward pass in float32 `macs`
            (multiply-accumulates) and `activation_bytes` (every layer's output), of the network `parameters` and
            `weight_bytes` (buffers among them).
        largest_batch: CSV, for each network, `train` (all or head) and `memory_gb` (10^9 bytes) the `largest_batch`
            in float32; 0 where not even one image fits. Where there are several arms, the last rows are of `all arms
            at once`, each with a batch of that size; they have no input size. Counted are the weights, the gradients
            and Adam's two moments of what is trained, and the activations that are kept for the backward pass; not
            counted are the workspaces of libraries, the CUDA context, fragments of memory, the gradients of
            activations and resident images (see `triptych.models.memory`). So it is an upper bound.

    Raises:
        InputError: `networks` is not such a list, or a network cannot be built for its size.
    """
    totals, batches, together = [], [], []
    for network in _parsed(networks):
        trained = network.pop("trained")
        row, needs = compare_one(**network)
        totals.append(row)
        names = {key: row[key] for key in ("architecture", "input_size", "auxiliary")}
        batches += [each for trainable, need in needs.items() for each in largest_batches(names, trainable, need)]
        together += [needs[trainable] for trainable in trained]
        extra = " with auxiliary heads" if row["auxiliary"] else ""
        print(
            f"{row['architecture']} at {row['input_size']} px{extra}: {row['parameters']:,} parameters, "
            f"{row['macs'] / 1e9:.3f} GMAC",
            flush=True,
        )
    if len(together) > 1:
        names = {"architecture": ALL_ARMS, "input_size": None, "auxiliary": None}
        batches += largest_batches(names, "each its own", sum(together, BatchBytes(0, 0)))
    save_table(architectures, pandas.DataFrame(totals), ARCHITECTURES)
    fitting = pandas.DataFrame(batches).astype({"input_size": "Int64", "auxiliary": "Int64"})
    save_table(largest_batch, fitting, LARGEST_BATCH)


def compare_one(
    architecture: str, input_size: int, auxiliary: bool, role: str
) -> tuple[dict[str, Any], dict[str, BatchBytes]]:
    """A network's row of the first table, and what training `all` and `head` takes.

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
    return row, {trainable: parts.total for trainable, parts in needs.items()}


def largest_batches(names: dict[str, Any], trainable: str, need: BatchBytes) -> list[dict[str, Any]]:
    """Rows of the second table, one a memory."""
    return [
        {**names, "train": trainable, "memory_gb": gigabytes, "largest_batch": need.largest_batch(gigabytes * 10**9)}
        for gigabytes in MEMORY_GB
    ]


def _parsed(networks: str) -> list[dict[str, Any]]:
    keys = ("architecture", "input_size", "auxiliary", "role", "trained")
    try:
        return [{key: network[key] for key in keys} for network in json.loads(networks)]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"networks: expected a JSON list of networks, found something else ({error})") from None
