"""What the configuration knows of torchvision's networks without waiting for torch, generated from torchvision."""

import contextlib
from collections.abc import Mapping
from pathlib import Path

import torch
from torch.nn.modules.dropout import _DropoutNd
from torchvision import models
from torchvision.ops import StochasticDepth

from triptych.errors import InputError
from triptych.files import write_text
from triptych.models.head import features_and_logits, head_of
from triptych.models.networks import build_shapes, head_tensors, shapes_of

SMALLEST, LARGEST = 8, 1024
"""The sizes that the configuration allows for any network, in pixels."""

CLASSES = 1000
WRITTEN_BY = "Written by `python -m triptych document-architectures`"


def document_architectures(*, architectures: Path, weights: Path) -> None:
    """Write the facts about torchvision's classification networks as two Python modules.

    Args:
        architectures: `triptych/architectures.py`: names, input sizes, parameters, kinds of heads.
        weights: `triptych/torchvision_weights.py`: the addresses of the ImageNet weights.
    """
    names = sorted(models.list_models(module=models))
    write_text(architectures, architectures_module(names))
    write_text(weights, weights_module(names))


def weights_module(names: list[str]) -> str:
    """The text of `triptych/torchvision_weights.py`."""
    first = {name: next(iter(models.get_model_weights(name))) for name in names}
    return (
        f'"""Where torchvision keeps its ImageNet weights, without waiting for torch.\n\n{WRITTEN_BY} from '
        "`torchvision.models.get_model_weights`: of\neach classification network the first entry, which is "
        'IMAGENET1K_V1 wherever there is one (the lecture\'s\n`pretrained=True`).\n"""\n\n'
        + _table("URLS", {name: entry.url for name, entry in first.items()})
        + '"""Each architecture\'s address. The digits before `.pth` are the first ones of the file\'s SHA-256."""\n\n'
        + _table("SIZES", {name: entry.transforms().crop_size[0] for name, entry in first.items()})
        + '"""Height and width, in pixels, of the images that the weights were trained with."""\n'
    )


def architectures_module(names: list[str]) -> str:
    """The text of `triptych/architectures.py`."""
    steps = {name: input_step(name) for name in names}
    networks = {name: build_shapes(name, CLASSES, usual_size(step)) for name, step in steps.items()}
    counts = {name: sum(tensor.numel() for tensor in network.parameters()) for name, network in networks.items()}
    smallest = {name: steps[name] if steps[name] > 1 else smallest_input(networks[name]) for name in names}
    return (
        '"""The classification networks of torchvision and the images they take, without waiting for torch.\n\n'
        f"{WRITTEN_BY} from torchvision, which builds each network on the meta\ndevice and runs it on images of "
        'several sizes.\n"""\n\n'
        + _table("PARAMETERS", counts)
        + '"""Each architecture\'s name, and its number of parameters with 1,000 classes."""\n\n'
        + _table("SMALLEST_INPUT", smallest)
        + f'"""The smallest height and width of an architecture\'s input in pixels, of at least {SMALLEST}."""\n\n'
        + _table("INPUT_STEP", {name: step for name, step in steps.items() if step > 1})
        + '"""Height and width must be a multiple of this, in pixels; of other architectures they may be any."""\n\n'
        + _names("ONE_SIZE", [name for name in names if steps[name] > 1 and depends_on_size(name, steps[name])])
        + '"""The architectures whose weights fit one size of input alone: tensors of their trunk depend on it."""\n\n'
        + 'WITH_AUXILIARY_HEADS = ("googlenet", "inception_v3")\n'
        + '"""The architectures that torchvision builds with auxiliary heads where it is asked to '
        + '(`aux_logits`)."""\n\n'
        + _names("CACHEABLE", [name for name, network in networks.items() if can_cache(name, network)])
        + '"""The networks whose head, one linear layer, is their last operation, and whose trunk draws nothing at '
        'random: what is\nbefore the head can be computed once for all epochs, if BatchNorm is frozen."""\n'
    )


def _table(name: str, values: Mapping[str, str | int]) -> str:
    """The source of a dictionary."""
    written = {key: f'"{value}"' if isinstance(value, str) else f"{value:_}" for key, value in values.items()}
    return f"{name} = {{\n" + "".join(f'    "{key}": {value},\n' for key, value in written.items()) + "}\n"


def _names(name: str, values: list[str]) -> str:
    """The source of a set."""
    return f"{name} = frozenset(\n    (\n" + "".join(f'        "{value}",\n' for value in values) + "    )\n)\n"


def input_step(name: str) -> int:
    """What height and width must be a multiple of, in pixels: 1 where they may be any.

    Networks that are built for a size say so by what they can be built for.
    """
    if not name.startswith(("vit_", "maxvit_")):
        return 1
    # MaxViT halves its images five times
    sizes = range(32, LARGEST, 32) if name.startswith("maxvit_") else range(SMALLEST, LARGEST)
    for size in sizes:
        with contextlib.suppress(InputError):
            build_shapes(name, CLASSES, size)
            return size
    raise ValueError(f"{name}: cannot be built for any size")


def usual_size(step: int) -> int:
    """A multiple of `step` that is near 224."""
    return 224 // step * step


def smallest_input(network: torch.nn.Module) -> int:
    """The smallest height and width, in pixels, that a network on the meta device computes, of at least `SMALLEST`."""
    for size in range(SMALLEST, LARGEST):
        with contextlib.suppress(AssertionError, RuntimeError, ValueError), torch.no_grad():
            network(torch.empty(1, 3, size, size, device="meta"))
            return size
    raise ValueError("no size can be computed")


def depends_on_size(name: str, step: int) -> bool:
    """Whether the network has other tensors for images of another size."""
    sizes = usual_size(step), 2 * usual_size(step)
    small, large = (shapes_of(build_shapes(name, CLASSES, size).state_dict()) for size in sizes)
    return small != large


def can_cache(name: str, network: torch.nn.Module) -> bool:
    """Whether the head can be trained on cached features, as the network (on the meta device) itself shows."""
    size = usual_size(input_step(name))
    try:
        head = head_of(network, head_tensors(name, CLASSES, size))
        features_and_logits(network, head, torch.empty(2, 3, size, size, device="meta"))
    except InputError:
        return False
    random = [module.p for module in network.modules() if isinstance(module, _DropoutNd | StochasticDepth)]
    random += [module.dropout for module in network.modules() if isinstance(module, torch.nn.MultiheadAttention)]
    return isinstance(head, torch.nn.Linear) and not any(random)
