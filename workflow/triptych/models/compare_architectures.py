"""Compare the networks of an experiment with reference networks, without training them."""

import json
from pathlib import Path
from typing import Any

import pandas

from triptych.models.layers import layer_table
from triptych.models.memory import (
    MOST_ELEMENTS,
    BatchBytes,
    largest_tensor,
    live_activations,
    training_bytes,
    weight_bytes,
)
from triptych.models.networks import build_shapes, head_tensors
from triptych.results.schema import ARCHITECTURES, LARGEST_BATCH, SIZES
from triptych.results.tables import read_table, save_table
from triptych.storage.errors import InputError

NUM_CLASSES = 1000
"""The classes of ImageNet, for the networks of the arms too, so that the numbers agree with published ones."""

MEMORY_GB = (4, 8, 16, 24, 80)
"""GPU memory sizes in units of 10^9 bytes. The real memory of a card is up to 7 % larger. The difference is a margin
for what `triptych.models.memory` does not count."""


ALL_ARMS = "all arms at once"
"""The entry of the column `architecture` for all arms that train at the same time."""


def compare_architectures(*, networks: str, sizes: Path, architectures: Path, largest_batch: Path) -> None:
    """Compare networks by parameters, operations, memory, and the largest batch that fits.

    The networks run on torch's meta device, which computes shapes only. Every network has a head for the 1,000 classes
    of ImageNet. Auxiliary heads, which run in training only, are counted if a network has them.

    Args:
        networks: JSON, a list of `architecture`, `input_size`, `auxiliary` (with or without auxiliary heads), `role`
            (`arm` if an arm of the experiment uses it, else `reference`) and `trained` (`all` or `head` for each arm
            with the network, without controls).
        sizes: `data/sizes.csv`: no batch is larger than the training images.
        architectures: CSV with one row per network: these four columns, `macs` (multiply-accumulates) and
            `activation_bytes` (outputs of all layers) of the forward pass of one image in float32, `parameters` and
            `weight_bytes` (including buffers).
        largest_batch: CSV with the `largest_batch` in float32 for each network, `train` (all or head) and `memory_gb`
            (10^9 bytes); 0 if not even one image fits. No tensor of a batch has more than `MOST_ELEMENTS`. With several
            arms, the last rows are for `all arms at once`, each with a batch of that size, without input size. It is an
            upper bound: weights, gradients, Adam's two moments and saved activations are counted. Library workspaces,
            the CUDA context, fragmentation, gradients of activations and resident images are not
            (`triptych.models.memory`).

    Raises:
        InputError: `networks` is not such a list, a network cannot be built for its size, or `sizes` is no such table.
    """
    counted = read_table(sizes, SIZES)
    images = int(counted.loc[counted["split"] == "train", "images"].sum())
    totals, batches, together, most_of_arms = [], [], [], images
    for network in _parsed(networks):
        trained = network.pop("trained")
        row, needs, elements = compare_one(**network)
        totals.append(row)
        names = {key: row[key] for key in ("architecture", "input_size", "auxiliary")}
        most = min(images, MOST_ELEMENTS // elements)
        batches += [each for trainable, need in needs.items() for each in largest_batches(names, trainable, need, most)]
        together += [needs[trainable] for trainable in trained]
        most_of_arms = min(most_of_arms, most) if trained else most_of_arms
        extra = " with auxiliary heads" if row["auxiliary"] else ""
        print(
            f"{row['architecture']} at {row['input_size']} px{extra}: {row['parameters']:,} parameters, "
            f"{row['macs'] / 1e9:.3f} GMAC",
            flush=True,
        )
    if len(together) > 1:
        names = {"architecture": ALL_ARMS, "input_size": None, "auxiliary": None}
        batches += largest_batches(names, "each its own", sum(together, BatchBytes(0, 0)), most_of_arms)
    save_table(architectures, pandas.DataFrame(totals), ARCHITECTURES)
    rows = pandas.DataFrame(batches).astype({"input_size": "Int64", "auxiliary": "Int64"})
    save_table(largest_batch, rows, LARGEST_BATCH)


def compare_one(
    architecture: str, input_size: int, auxiliary: bool, role: str
) -> tuple[dict[str, Any], dict[str, BatchBytes], int]:
    """Return the row of a network in `architectures`, the memory to train `all` and `head`, and `largest_tensor`.

    Raises:
        InputError: the network cannot be built for that size, or has no auxiliary heads.
    """
    network = build_shapes(architecture, NUM_CLASSES, input_size, auxiliary)
    network.training = auxiliary  # only the flag of the network, not of its layers: it then runs its auxiliary heads
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
    return row, {trainable: parts.total for trainable, parts in needs.items()}, largest_tensor(network, input_size)


def largest_batches(names: dict[str, Any], trainable: str, need: BatchBytes, most: int) -> list[dict[str, Any]]:
    """Return rows of `largest_batch`, one per memory size: `most` images where more would fit."""
    return [
        {
            **names,
            "train": trainable,
            "memory_gb": gigabytes,
            "largest_batch": min(most, need.largest_batch(gigabytes * 10**9)),
        }
        for gigabytes in MEMORY_GB
    ]


def _parsed(networks: str) -> list[dict[str, Any]]:
    keys = ("architecture", "input_size", "auxiliary", "role", "trained")
    try:
        return [{key: network[key] for key in keys} for network in json.loads(networks)]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"networks: expected a JSON list of networks with {', '.join(keys)} ({error}).") from None
