"""The facts about a library's classification networks that the configuration knows without importing torch."""

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
from triptych.models.networks import build_shapes, head_tensors, run_shapes, shapes_of
from triptych.storage.errors import InputError
from triptych.storage.files import write_text

CLASSES = 1000
EVERYWHERE = 224
"""A size that every architecture takes."""


def document_architectures(*, library: str, facts: Path) -> None:
    """Write what is known about a library's networks, from the version that is installed.

    Args:
        library: a module of `triptych.models.backbones`.
        facts: the JSON file to write: an object with the name of each network, sorted, and on its line what
            `triptych.configuration.backbones.registry.Facts` says.

    Raises:
        InputError: there is no such library.
    """
    entries = [f"{json.dumps(name)}: {json.dumps(facts_of(library, name))}" for name in names(library)]
    write_text(facts, "{\n" + ",\n".join(entries) + "\n}\n")


def names(library: str) -> list[str]:
    """Return the names of a library's classification networks, sorted."""
    return library_of(architecture_of(library, ""))[0].names()


def facts_of(library: str, name: str) -> dict[str, Any]:
    """Return a network's entry in the file of facts."""
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
    """Return what the file of facts says of an architecture's published weights."""
    library, name = library_of(architecture)
    published = library.weights(name)
    keys = ("url", "sha256", "bytes", "input_size", "mean", "std", "interpolation")
    return {key: getattr(published, key) for key in keys} if published else None


def input_sizes(architecture: str) -> tuple[range, ...]:
    """Return the sizes of `ANY_SIZE` for which an architecture is built and runs.

    Only some are built for one size. The others run at every size from the smallest on.
    """
    library, name = library_of(architecture)
    built_for = library.input_sizes(name, ANY_SIZE)
    if isinstance(built_for, range):
        return (built_for,)
    if built_for is not None:
        return _consecutive(built_for)
    network = _shapes(architecture)
    smallest = next(size for size in ANY_SIZE if _runs(run_shapes, network, size))
    return (range(smallest, ANY_SIZE.stop),)


def depends_on_size(architecture: str, smallest: int) -> bool:
    """Return whether tensors of an architecture have other shapes at its smallest input size."""
    there = _shapes(architecture).state_dict()
    return shapes_of(there) != shapes_of(build_shapes(architecture, CLASSES, smallest).state_dict())


def can_cache(architecture: str) -> bool:
    """Return whether the head can be trained on cached features, as the network itself shows."""
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
    """Return the ranges that ascending sizes consist of."""
    position = count()
    runs = [list(run) for _, run in groupby(sizes, key=lambda size: size - next(position))]
    return tuple(range(run[0], run[-1] + 1) for run in runs)
