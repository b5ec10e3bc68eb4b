"""Which tensors of an arm are trainable, which are frozen, and the check that frozen tensors did not change."""

import json
from dataclasses import asdict, dataclass

import numpy
import torch
from torch.nn.modules.batchnorm import _BatchNorm

from triptych.configuration.regime import ALL, TRAINABLE
from triptych.storage.errors import InputError

BATCHNORM = ("train", "frozen")


@dataclass(frozen=True)
class Phase:
    """A part of a training with one set of trainable tensors.

    Attributes:
        trainable: `all` or `head`.
        batchnorm: `train` (use batch statistics, update running statistics) or `frozen` (use running statistics).
    """

    trainable: str
    batchnorm: str

    def __post_init__(self) -> None:
        for key, value, allowed in (
            ("trainable", self.trainable, tuple(TRAINABLE)),
            ("batchnorm", self.batchnorm, BATCHNORM),
        ):
            if value not in allowed:
                raise InputError(f"{key}: {value!r} is not allowed; give one of {', '.join(allowed)}.")


@dataclass(frozen=True)
class Trainable:
    """The tensors that a phase trains: names of parameters and of BatchNorm statistics, in the order of the network."""

    parameters: list[str]
    statistics: list[str]

    @classmethod
    def of(cls, network: torch.nn.Module, head: list[str], phase: Phase) -> "Trainable":
        """Return the trainable tensors of a network; `head` names the tensors of its head."""
        parameters = [name for name, _ in network.named_parameters() if phase.trainable == ALL or name in head]
        statistics = [
            f"{layer}.{name}" if layer else name
            for layer, module in network.named_modules()
            if isinstance(module, _BatchNorm) and phase.batchnorm == "train"
            for name, _ in module.named_buffers(recurse=False)
        ]
        return cls(parameters, statistics)

    @classmethod
    def everything(cls, network: torch.nn.Module) -> "Trainable":
        """Return all parameters and all statistics of a network."""
        return cls.of(network, [], Phase(ALL, "train"))

    def as_json(self) -> dict[str, list[str]]:
        """Return JSON values, for the metadata of a file."""
        return asdict(self)


def read_phases(text: str) -> list[Phase]:
    """Read the phases of a run from a JSON list of mappings with `trainable` and `batchnorm`.

    Raises:
        InputError: the text is not such a list, or the number of phases is not one.
    """
    try:
        phases = [Phase(**phase) for phase in json.loads(text)]
    except (ValueError, TypeError) as error:
        raise InputError(
            f'phases: {text[:200]!r} is not allowed ({error}); give a list such as [{{"batchnorm": "train", '
            f'"trainable": "head"}}].'
        ) from None
    if len(phases) != 1:
        raise InputError(f"phases: expected one phase, found {len(phases)}.")
    return phases


def select_trainable(network: torch.nn.Module, trainable: Trainable) -> dict[str, torch.nn.Parameter]:
    """Require gradients of the trainable parameters only; return these by name, in definition order.

    If no parameter of the trunk requires gradients, autograd skips the backward pass of the trunk.
    """
    chosen = set(trainable.parameters)
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name in chosen)
    return {name: parameter for name, parameter in network.named_parameters() if parameter.requires_grad}


def set_training_mode(network: torch.nn.Module, trainable: Trainable) -> None:
    """Set train mode, but eval mode for BatchNorm layers with frozen statistics."""
    network.train()
    following = following_batchnorm(network, trainable)
    for module in network.modules():
        if isinstance(module, _BatchNorm) and module not in following:
            module.eval()


def following_batchnorm(network: torch.nn.Module, trainable: Trainable) -> list[_BatchNorm]:
    """Return the BatchNorm layers whose running statistics follow the batches, in definition order."""
    layers = {name.rpartition(".")[0] for name in trainable.statistics}
    return [module for name, module in network.named_modules() if isinstance(module, _BatchNorm) and name in layers]


def frozen_tensors(network: torch.nn.Module, trainable: Trainable) -> list[str]:
    """Return the names of the parameters and buffers that training must not change."""
    changing = {*trainable.parameters, *trainable.statistics}
    return [name for name in network.state_dict() if name not in changing]


def assert_unchanged(before: dict[str, numpy.ndarray], after: dict[str, numpy.ndarray], names: list[str]) -> None:
    """Check that tensors are bitwise equal before and after training.

    Raises:
        RuntimeError: a tensor of `names` changed. That is a bug, so it is not an `InputError`.
    """
    changed = [name for name in names if before[name].tobytes() != after[name].tobytes()]
    if changed:
        raise RuntimeError(f"training changed {len(changed)} frozen tensors: {', '.join(changed[:5])}")
