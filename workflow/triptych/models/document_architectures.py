"""Write the facts about the networks of a library, so that the configuration need not import torch."""

import json
from collections.abc import Iterable
from functools import cache
from itertools import count, groupby
from pathlib import Path
from typing import Any

import torch
from torch.nn.modules.dropout import _DropoutNd
from torchvision.ops import StochasticDepth

from triptych.configuration.backbones.names import architecture_of
from triptych.configuration.backbones.registry import ANY_SIZE
from triptych.models.backbone import library_of
from triptych.models.head import features_and_logits, head_of
from triptych.models.networks import build_shapes, head_tensors, run_once, shapes_of
from triptych.storage.errors import InputError
from triptych.storage.files import write_text

CLASSES = 1000
EVERYWHERE = 224
"""A size at which every architecture runs."""


def document_architectures(*, library: str, facts: Path) -> None:
    """Write the facts about the networks of the installed version of a library.

    Args:
        library: a module of `triptych.models.backbones`.
        facts: the JSON file to write: one line per network, sorted by name, with
            `triptych.configuration.backbones.registry.Facts`.

    Raises:
        InputError: there is no such library.
    """
    entries = [f"{json.dumps(name)}: {json.dumps(facts_of(library, name))}" for name in names(library)]
    write_text(facts, "{\n" + ",\n".join(entries) + "\n}\n")


def names(library: str) -> list[str]:
    """Return the names of a library's classification networks, sorted."""
    return library_of(architecture_of(library, ""))[0].names()


def facts_of(library: str, name: str) -> dict[str, Any]:
    """Return the facts about a network."""
    architecture = architecture_of(library, name)
    sizes = input_sizes(architecture)
    shapes = _shapes(architecture)
    return {
        "input_sizes": [[each[0], each[-1], each.step] for each in sizes],
        "size_dependent": depends_on_size(architecture, sizes[0][0]),
        "parameters": sum(parameter.numel() for parameter in shapes.parameters()),
        "auxiliary": _runs(build_shapes, architecture, CLASSES, EVERYWHERE, True),
        "cacheable": can_cache(architecture),
        "weights": weight_file(architecture),
    }


def weight_file(architecture: str) -> dict[str, Any] | None:
    """Return the facts about the published weights of an architecture; None if there are none."""
    library, name = library_of(architecture)
    published = library.weights(name)
    keys = ("url", "sha256", "bytes", "input_size", "mean", "std", "interpolation")
    return {key: getattr(published, key) for key in keys} if published else None


def input_sizes(architecture: str) -> tuple[range, ...]:
    """Return the sizes of `ANY_SIZE` at which an architecture can be built and run.

    Some architectures are built for specific sizes. The others run at every size from a smallest one.
    """
    library, name = library_of(architecture)
    built_for = library.input_sizes(name, ANY_SIZE)
    if isinstance(built_for, range):
        return (built_for,)
    if built_for is not None:
        return _consecutive(built_for)
    network = _shapes(architecture)
    smallest = next(size for size in ANY_SIZE if _runs(run_once, network, size))
    return (range(smallest, ANY_SIZE.stop),)


def depends_on_size(architecture: str, smallest: int) -> bool:
    """Whether tensor shapes of an architecture depend on the input size."""
    there = _shapes(architecture).state_dict()
    return shapes_of(there) != shapes_of(build_shapes(architecture, CLASSES, smallest).state_dict())


def can_cache(architecture: str) -> bool:
    """Whether the head can be trained on cached features."""
    network = _shapes(architecture)
    try:
        head = head_of(network, head_tensors(architecture, CLASSES, EVERYWHERE))
        features_and_logits(network, head, torch.empty(2, 3, EVERYWHERE, EVERYWHERE, device="meta"))
    except InputError:
        return False
    random = [module.p for module in network.modules() if isinstance(module, (_DropoutNd, StochasticDepth))]
    random += [module.dropout for module in network.modules() if isinstance(module, torch.nn.MultiheadAttention)]
    return isinstance(head, torch.nn.Linear) and not any(random)


@cache
def _shapes(architecture: str) -> torch.nn.Module:
    return build_shapes(architecture, CLASSES, EVERYWHERE)


def _runs(function: Any, *arguments: Any) -> bool:
    try:
        function(*arguments)
    except InputError:
        return False
    return True


def _consecutive(sizes: Iterable[int]) -> tuple[range, ...]:
    """Return the ranges of consecutive numbers in ascending sizes."""
    position = count()
    runs = [list(run) for _, run in groupby(sizes, key=lambda size: size - next(position))]
    return tuple(range(run[0], run[-1] + 1) for run in runs)
