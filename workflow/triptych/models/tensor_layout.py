"""The block and role of each tensor of a network."""

from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.modules.batchnorm import _NormBase

from triptych.models.backbone import library_of
from triptych.models.networks import construct_shapes
from triptych.results.batchnorm import STATISTICS

NORMALISATIONS = (_NormBase, torch.nn.LayerNorm, torch.nn.GroupNorm, torch.nn.RMSNorm)


@dataclass(frozen=True)
class Position:
    """The block and role of a tensor.

    Attributes:
        block: the name of its block (`triptych.models.backbone.Library`).
        role: `weight` or `bias` of a convolution, a linear layer or attention; `normalisation`: a scale or shift;
            `other`: any other parameter; `statistic`: running mean or variance; `constant`: any other buffer.
    """

    block: str
    role: str


def layout_of(metadata: dict[str, Any]) -> dict[str, Position]:
    """Return the position of every tensor of the network that a file's metadata describes, in definition order.

    Raises:
        InputError: as in `triptych.models.networks.build_shapes`.
    """
    architecture = metadata["architecture"]
    network = construct_shapes(architecture, len(metadata["classes"]), metadata["input_size"])
    return tensor_layout(network, architecture)


def tensor_layout(network: torch.nn.Module, architecture: str) -> dict[str, Position]:
    """Return the position of every tensor of a network; a buffer is in the block of the tensor before it."""
    library, _ = library_of(architecture)
    blocks = {parameter: block for block, own in library.blocks(network).items() for parameter in own}
    modules = dict(network.named_modules())
    layout: dict[str, Position] = {}
    block = next(iter(blocks.values()))
    for name, tensor in network.state_dict().items():
        block = blocks.get(name, block)
        role = _role(name, tensor, modules[name.rpartition(".")[0]], parameter=name in blocks)
        layout[name] = Position(block, role)
    return layout


def _role(name: str, tensor: torch.Tensor, module: torch.nn.Module, *, parameter: bool) -> str:
    if not parameter:
        return "statistic" if name.endswith(tuple(STATISTICS)) else "constant"
    if isinstance(module, NORMALISATIONS):
        return "normalisation"
    if name.endswith("bias"):
        return "bias"
    return "weight" if name.endswith("weight") and tensor.dim() > 1 else "other"
