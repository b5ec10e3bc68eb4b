"""What an arm does to the weights: which tensors train, which must not move, and the proof that they did not."""

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
    """A part of a training in which the same tensors train.

    Attributes:
        trainable: `all` or `head`.
        batchnorm: `train` (normalise by the batch, update the running statistics) or `frozen` (use and keep those).
    """

    trainable: str
    batchnorm: str

    def __post_init__(self) -> None:
        for key, value, allowed in (
            ("trainable", self.trainable, tuple(TRAINABLE)),
            ("batchnorm", self.batchnorm, BATCHNORM),
        ):
            if value not in allowed:
                raise InputError(f"{key}: {value!r} is not allowed; give one of {', '.join(allowed)}")


@dataclass(frozen=True)
class Trainable:
    """What a phase lets move in a real network: names of parameters, and of BatchNorm's statistics, in their order."""

    parameters: list[str]
    statistics: list[str]

    @classmethod
    def of(cls, network: torch.nn.Module, head: list[str], phase: Phase) -> "Trainable":
        """Find it; `head` names the tensors of the network's head."""
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
        """All parameters and all statistics of a network."""
        return cls.of(network, [], Phase(ALL, "train"))

    def as_json(self) -> dict[str, list[str]]:
        """For the metadata of a file."""
        return asdict(self)


def read_phases(text: str) -> list[Phase]:
    """The phases of a run, from a JSON list of mappings with `trainable` and `batchnorm`.

    Raises:
        InputError: it is no such list, or has another number of phases than one, which is what a run has.
    """
    try:
        phases = [Phase(**phase) for phase in json.loads(text)]
    except (ValueError, TypeError) as error:
        raise InputError(
            f'phases: {text[:200]!r} is not allowed ({error}); give a list such as [{{"batchnorm": "train", '
            f'"trainable": "head"}}]'
        ) from None
    if len(phases) != 1:
        raise InputError(f"phases: a run has one phase, found {len(phases)}")
    return phases


def select_trainable(network: torch.nn.Module, trainable: Trainable) -> dict[str, torch.nn.Parameter]:
    """Give gradients to what trains and to nothing else; return those parameters by name, in definition order.

    Without gradients behind the head, autograd records nothing for the trunk, so its backward pass is never computed.
    """
    chosen = set(trainable.parameters)
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name in chosen)
    return {name: parameter for name, parameter in network.named_parameters() if parameter.requires_grad}


def set_training_mode(network: torch.nn.Module, trainable: Trainable) -> None:
    """Train mode, but for BatchNorm layers whose statistics stay: those use, and keep, their running statistics."""
    network.train()
    layers = {name.rpartition(".")[0] for name in trainable.statistics}
    for name, module in network.named_modules():
        if isinstance(module, _BatchNorm) and name not in layers:
            module.eval()


def must_not_move(network: torch.nn.Module, trainable: Trainable) -> list[str]:
    """The names of the parameters and buffers that training may not change by a single bit."""
    moving = {*trainable.parameters, *trainable.statistics}
    return [name for name in network.state_dict() if name not in moving]


def check_not_moved(before: dict[str, numpy.ndarray], after: dict[str, numpy.ndarray], names: list[str]) -> None:
    """Compare tensors bit for bit.

    Raises:
        RuntimeError: a tensor of `names` differs; a fault of the program, so it is not an `InputError`.
    """
    moved = [name for name in names if before[name].tobytes() != after[name].tobytes()]
    if moved:
        raise RuntimeError(f"{len(moved)} tensors that this arm must not move have moved: {', '.join(moved[:5])}")
