"""torchvision's classification networks."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

import torch

from triptych.models.backbone import PublishedWeights
from triptych.models.deferred_compiler import compiler_deferred
from triptych.storage.errors import InputError

with compiler_deferred():
    from torchvision import models

_WITH_AUXILIARY_HEADS = ("googlenet", "inception_v3")
"""Their weights were trained elsewhere, with channels scaled to -1..1. Users of torchvision normalise images with the
mean and standard deviation of ImageNet, so these networks first reverse that (`transform_input`)."""

_PUBLISHED_FILES = {"resnet18": ("f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec", 46_830_571)}
"""The full checksum and size in bytes of weight files, if they are known. The URLs of the others have the first digits
of the checksum."""

_OLD_DENSE_LAYER = re.compile(r"^(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\..*)$")
"""Names of DenseNet's layers in torchvision's files: module names with a dot, as before torch 0.4."""

_BLOCKS = re.compile(
    r"BasicBlock|Bottleneck|ResBottleneckBlock|_DenseLayer|_Transition|MBConv|FusedMBConv|_?InvertedResidual|Fire|"
    r"Inception\w*|BasicConv2d|Conv2dNormActivation|CNBlock|SwinTransformerBlock(V2)?|PatchMerging(V2)?|EncoderBlock|"
    r"MaxVitLayer|SimpleStemIN"
)
"""Module classes that are one block each."""


def names() -> list[str]:
    """See `triptych.models.backbone.Library`, also for the other functions."""
    return sorted(models.list_models(module=models))


def build(name: str, num_classes: int, input_size: int, auxiliary: bool = False) -> torch.nn.Module:
    arguments: dict[str, Any] = {}
    if name in _WITH_AUXILIARY_HEADS:
        # Never used in training: an auxiliary head needs its own term in the loss.
        arguments = {"aux_logits": auxiliary, "init_weights": True}
    elif auxiliary:
        raise InputError(f"{name}: torchvision's network has no auxiliary head.")
    elif name.startswith("vit_"):
        arguments = {"image_size": input_size}
    elif name.startswith("maxvit_"):
        arguments = {"input_size": (input_size, input_size)}
    network: torch.nn.Module = models.get_model(name, weights=None, num_classes=num_classes, **arguments)
    return network


def input_sizes(name: str, sizes: range) -> Iterable[int] | None:
    if name.startswith("vit_"):
        with torch.device("meta"):
            patch = int(str(build(name, 1, 224).patch_size))  # torch types attributes as modules
        return range(-(-sizes.start // patch) * patch, sizes.stop, patch)
    return _sizes_of_maxvit(name, sizes) if name.startswith("maxvit_") else None


def _sizes_of_maxvit(name: str, sizes: range) -> Iterator[int]:
    """Yield the sizes that the constructor accepts; it refuses the others quickly."""
    for size in sizes:
        try:
            with torch.device("meta"):
                build(name, 1, size)
        except ValueError:
            continue
        yield size


def weights(name: str) -> PublishedWeights:
    """Return the first entry, which is IMAGENET1K_V1 if that exists."""
    entry = next(iter(models.get_model_weights(name)))
    transforms = entry.transforms()
    digits = entry.url.removesuffix(".pth").rpartition("-")[2]
    checksum, size = _PUBLISHED_FILES.get(name, (digits, None))
    return PublishedWeights(
        url=entry.url,
        sha256=checksum,
        bytes=size,
        classes=list(entry.meta["categories"]),
        input_size=transforms.crop_size[0],
        mean=list(transforms.mean),  # not ImageNet's for all: EfficientNetV2-L has 0.5
        std=list(transforms.std),
        interpolation=transforms.interpolation.value,
        transform_input=name in _WITH_AUXILIARY_HEADS,
        own_name=_own_name,
    )


def _own_name(name: str) -> str:
    return _OLD_DENSE_LAYER.sub(r"\1\2", name)


def blocks(network: torch.nn.Module) -> dict[str, list[str]]:
    """Return blocks: a module of `_BLOCKS`, or a convolution or linear layer outside of these.

    Other parameters (BatchNorm, tokens, position embeddings) belong to the previous block, or to the first one.
    """
    modules = dict(network.named_modules())
    found: dict[str, list[str]] = {}
    waiting: list[str] = []  # parameters before the first block
    for name, _ in network.named_parameters():
        owner = _block_of(name, modules) or next(reversed(found), None)
        if owner is None:
            waiting.append(name)
        else:
            found.setdefault(owner, []).append(name)
    first = next(iter(found))
    return {**found, first: waiting + found[first]}


def _block_of(parameter: str, modules: dict[str, torch.nn.Module]) -> str | None:
    """Return the module that is the block of a parameter; None if it is outside of all blocks."""
    *parts, _ = parameter.split(".")
    paths = [".".join(parts[: count + 1]) for count in range(len(parts))]
    whole = [path for path in paths if _BLOCKS.fullmatch(type(modules[path]).__name__)]
    layers = [path for path in paths if isinstance(modules[path], (torch.nn.Conv2d, torch.nn.Linear))]
    return next(iter(whole + layers), None)
