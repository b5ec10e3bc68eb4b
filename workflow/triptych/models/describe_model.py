"""Describe a network and its cost, without training it."""

from pathlib import Path
from typing import Any

import pandas
import torch

from triptych.data.dataset import load_split
from triptych.models.layers import layer_table
from triptych.models.memory import memory_by_batch_size, weight_bytes
from triptych.models.networks import build_shapes, head_tensors
from triptych.results.schema import MODEL_LAYERS, MODEL_MEMORY
from triptych.results.tables import save_table
from triptych.storage.files import write_json, write_text

BATCH_SIZES = [2**power for power in range(9)]


def describe_model(
    *,
    architecture: str,
    input_size: int,
    train_data: Path,
    layers: Path,
    printout: Path,
    totals: Path,
    memory: Path,
) -> None:
    """Describe a network: its layers, printout, totals and memory.

    The network runs on torch's meta device, which computes shapes only.

    Args:
        architecture: a name that the configuration allows; input_size: height and width of the input in pixels.
        train_data: the training images, whose classes are those of the network.
        layers: CSV, `triptych.models.layers` with architecture and input_size.
        printout: the network as torch prints it, and the shape of every parameter.
        totals: JSON: parameters, head parameters, buffer elements, macs, bytes of the activations of one image and of
            the weights, momentum of BatchNorm.
        memory: CSV, `triptych.models.memory` for batches of 1 to 256 images.

    Raises:
        InputError: the architecture is unknown, or cannot be built for that size.
    """
    num_classes = len(load_split(train_data).classes)
    network = build_shapes(architecture, num_classes, input_size)
    head = head_tensors(architecture, num_classes, input_size)
    parameters = dict(network.named_parameters())
    table = pandas.DataFrame(layer_table(network, input_size))
    table.insert(0, "architecture", architecture)
    table["input_size"] = input_size
    table = table[MODEL_LAYERS.names].astype(dict.fromkeys(("output_height", "output_width"), "Int64"))
    summary: dict[str, Any] = {
        "architecture": architecture,
        "input_size": input_size,
        "num_classes": num_classes,
        "parameters": sum(parameter.numel() for parameter in parameters.values()),
        "head_parameters": sum(parameters[name].numel() for name in head),
        "buffers_elements": sum(buffer.numel() for buffer in network.buffers()),
        "macs": int(table["macs"].sum()),
        "activation_bytes": int(table["activation_bytes"].sum()),
        "weight_bytes": weight_bytes(network),
        "batchnorm_momentum": batchnorm_momentum(network),
    }
    shapes = [f"{name}: {list(parameter.shape)}" for name, parameter in parameters.items()]
    save_table(layers, table, MODEL_LAYERS)
    write_text(printout, "\n".join([str(network), "", "Parameters", *shapes]) + "\n")
    write_json(totals, summary)
    by_batch_size = memory_by_batch_size(network, head, input_size, BATCH_SIZES)
    save_table(memory, pandas.DataFrame(by_batch_size), MODEL_MEMORY)
    print(
        f"{architecture} at {input_size} px, {num_classes} classes: {summary['parameters']:,} parameters"
        f" ({summary['head_parameters']:,} in the head), {summary['macs'] / 1e9:.3f} GMAC,"
        f" {summary['activation_bytes'] / 2**20:.1f} MiB of activations per image,"
        f" {summary['weight_bytes'] / 2**20:.1f} MiB of weights",
        flush=True,
    )


def batchnorm_momentum(network: torch.nn.Module) -> float | None:
    """Return the smallest momentum of the BatchNorm layers of a network; None if no layer has one.

    The momentum is the share of the running statistics that a training step replaces (torch's definition).
    """
    layers = (module for module in network.modules() if isinstance(module, torch.nn.modules.batchnorm._BatchNorm))
    return min((layer.momentum for layer in layers if layer.momentum is not None), default=None)
