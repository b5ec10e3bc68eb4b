"""What an arm does to the weights: which tensors train, which must not move, and the proof that they did not."""

from dataclasses import dataclass

import numpy
import torch
from torch.nn.modules.batchnorm import _BatchNorm

from triptych.storage.errors import InputError


@dataclass(frozen=True)
class Regime:
    """What of a network trains.

    Attributes:
        train: `all` or `head`.
        batchnorm: `train` (normalise by the batch, update the running statistics) or `frozen` (use and keep those).
    """

    train: str
    batchnorm: str

    def __post_init__(self) -> None:
        for key, value, allowed in (
            ("train", self.train, ("all", "head")),
            ("batchnorm", self.batchnorm, ("train", "frozen")),
        ):
            if value not in allowed:
                raise InputError(f"{key}: {value!r} is not allowed; give one of {', '.join(allowed)}")


def select_trainable(network: torch.nn.Module, head: list[str], regime: Regime) -> list[torch.nn.Parameter]:
    """Give gradients to what the regime trains and to nothing else; return those parameters in definition order.

    Without gradients behind the head, autograd records nothing for the trunk, so its backward pass is never computed.
    """
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(regime.train == "all" or name in head)
    return [parameter for parameter in network.parameters() if parameter.requires_grad]


def set_training_mode(network: torch.nn.Module, regime: Regime) -> None:
    """Train mode, but for BatchNorm layers that are frozen: those use, and keep, their running statistics."""
    network.train()
    if regime.batchnorm == "frozen":
        for module in network.modules():
            if isinstance(module, _BatchNorm):
                module.eval()


def must_not_move(network: torch.nn.Module, head: list[str], regime: Regime) -> list[str]:
    """The names of the parameters and buffers that training under the regime may not change by a single bit."""
    statistics = {
        f"{module_name}.{name}" if module_name else name
        for module_name, module in network.named_modules()
        if isinstance(module, _BatchNorm)
        for name, _ in module.named_buffers(recurse=False)
    }
    trainable = {name for name, _ in network.named_parameters() if regime.train == "all" or name in head}
    moving = trainable | (statistics if regime.batchnorm == "train" else set())
    return [name for name in network.state_dict() if name not in moving]


def check_not_moved(before: dict[str, numpy.ndarray], after: dict[str, numpy.ndarray], names: list[str]) -> None:
    """Compare tensors bit for bit.

    Raises:
        RuntimeError: a tensor of `names` differs; a fault of the program, so it is not an `InputError`.
    """
    moved = [name for name in names if before[name].tobytes() != after[name].tobytes()]
    if moved:
        raise RuntimeError(f"{len(moved)} tensors that this arm must not move have moved: {', '.join(moved[:5])}")
