"""The facts about torchvision's classification networks that the package knows without importing torch."""

from collections.abc import Iterable
from functools import cache
from itertools import count, groupby
from pathlib import Path
from typing import Any

import torch
from torch.nn.modules.dropout import _DropoutNd
from torchvision import models
from torchvision.ops import StochasticDepth

from triptych.configuration.architecture_words import family_of
from triptych.configuration.architectures import ANY_SIZE
from triptych.models.head import features_and_logits, head_of
from triptych.models.networks import build_shapes, head_tensors, run_shapes, shapes_of
from triptych.storage.errors import InputError
from triptych.storage.files import write_text

CLASSES = 10
EVERYWHERE = 224
"""A size that every architecture takes."""

ARCHITECTURES = '''\
"""The classification networks of torchvision and the sizes of images that they take, without importing torch.

Written by `python -m triptych document-architectures` from the torchvision that is installed.
"""

ANY_SIZE = range({smallest}, {end})
"""The sizes of images (height and width in pixels) that a configuration may ask for."""

INPUT_SIZES = {{
{sizes}}}
"""Each architecture's name, and the sizes of `ANY_SIZE` for which torchvision builds and runs it."""

SIZE_OF_WEIGHTS = {{
{weights}}}
"""The architectures whose tensors depend on the size of the images, and the size that torchvision's weights are for."""

SMALLEST_OF_FAMILY = {{
{families}}}
"""Of the architectures whose names begin with the same letters, the one with the fewest parameters."""

WITH_AUXILIARY_HEADS = ("googlenet", "inception_v3")
"""The architectures that torchvision builds with auxiliary heads where it is asked to (`aux_logits`)."""

CACHEABLE = frozenset(
    (
{cacheable}    )
)
"""The networks whose head, one linear layer, is their last operation, and whose trunk draws nothing at random: what is
before the head can be computed once for all epochs, if BatchNorm is frozen."""
'''

WEIGHTS = '''\
"""The addresses of torchvision's ImageNet weights, without importing torch.

Written by `python -m triptych document-architectures` from `torchvision.models.get_model_weights`: of each
classification network the first entry, which is IMAGENET1K_V1 wherever there is one (the lecture's `pretrained=True`).
"""

URLS = {{
{urls}}}
"""Each architecture's address. The digits before `.pth` are the first ones of the file's SHA-256."""
'''


def document_architectures(*, architectures: Path, torchvision_weights: Path) -> None:
    """Write the two modules with what is known about torchvision's networks, from the torchvision that is installed.

    Args:
        architectures: the Python file to write: names, input sizes, families, and whose features can be cached.
        torchvision_weights: the Python file to write: the addresses of the pretrained weights.
    """
    texts = {architectures: architectures_text(), torchvision_weights: weights_text()}
    for path, text in texts.items():
        write_text(path, text)


def names() -> list[str]:
    """Return the names of torchvision's classification networks, sorted."""
    return sorted(models.list_models(module=models))


def architectures_text() -> str:
    """Return the text of `triptych/configuration/architectures.py` for the torchvision that is installed."""
    sizes = {name: input_sizes(name) for name in names()}
    dependent = [name for name in names() if depends_on_size(name, sizes[name][0][0])]
    return ARCHITECTURES.format(
        smallest=ANY_SIZE.start,
        end=ANY_SIZE.stop,
        sizes=_entries({name: _tuple_text(ranges) for name, ranges in sizes.items()}),
        weights=_entries({name: _first_weights(name).transforms().crop_size[0] for name in dependent}),
        families=_entries({family: f'"{name}"' for family, name in smallest_of_family().items()}),
        cacheable="".join(f'        "{name}",\n' for name in names() if can_cache(name)),
    )


def weights_text() -> str:
    """Return the text of `triptych/configuration/torchvision_weights.py` for the torchvision that is installed."""
    return WEIGHTS.format(urls=_entries({name: f'"{_first_weights(name).url}"' for name in names()}))


def input_sizes(name: str) -> tuple[range, ...]:
    """Return the sizes of `ANY_SIZE` for which torchvision builds and runs an architecture.

    Only some architectures are built for one size. The others run at every size from the smallest on.
    """
    if name.startswith("vit_"):
        patch = int(str(_shapes(name).patch_size))  # torch types attributes as modules
        return (range(-(-ANY_SIZE.start // patch) * patch, ANY_SIZE.stop, patch),)
    if name.startswith("maxvit_"):  # its constructor refuses the other sizes, before it takes time
        return _consecutive(size for size in ANY_SIZE if _runs(build_shapes, name, CLASSES, size))
    network = _shapes(name)
    smallest = next(size for size in ANY_SIZE if _runs(run_shapes, network, size))
    return (range(smallest, ANY_SIZE.stop),)


def depends_on_size(name: str, smallest: int) -> bool:
    """Return whether tensors of an architecture have other shapes at its smallest input size."""
    there = _shapes(name).state_dict()
    return shapes_of(there) != shapes_of(build_shapes(name, CLASSES, smallest).state_dict())


def smallest_of_family() -> dict[str, str]:
    """Return the architecture with the fewest parameters of each family."""
    ascending = sorted(names(), key=lambda name: _first_weights(name).meta["num_params"])
    smallest: dict[str, str] = {}
    for name in ascending:
        smallest.setdefault(family_of(name), name)
    return dict(sorted(smallest.items()))


def can_cache(name: str) -> bool:
    """Return whether the head can be trained on cached features, as the network itself shows."""
    network = _shapes(name)
    try:
        head = head_of(network, head_tensors(name, CLASSES, EVERYWHERE))
        features_and_logits(network, head, torch.empty(2, 3, EVERYWHERE, EVERYWHERE, device="meta"))
    except InputError:
        return False
    random = [module.p for module in network.modules() if isinstance(module, (_DropoutNd, StochasticDepth))]
    random += [module.dropout for module in network.modules() if isinstance(module, torch.nn.MultiheadAttention)]
    return isinstance(head, torch.nn.Linear) and not any(random)


@cache
def _shapes(name: str) -> torch.nn.Module:
    return build_shapes(name, CLASSES, EVERYWHERE)


def _first_weights(name: str) -> Any:
    return next(iter(models.get_model_weights(name)))


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


def _tuple_text(ranges: tuple[range, ...]) -> str:
    return f"({', '.join(map(repr, ranges))}{',' if len(ranges) == 1 else ''})"


def _entries(entries: dict[str, Any]) -> str:
    return "".join(f'    "{key}": {value},\n' for key, value in entries.items())
