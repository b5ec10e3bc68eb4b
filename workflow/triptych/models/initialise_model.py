"""The network with which a run begins."""

from pathlib import Path
from typing import Any

import numpy
import torch

from triptych.data.dataset import load_split
from triptych.models.networks import (
    build_network,
    check_tensors,
    load_state,
    network_metadata,
    shapes_of,
    state_arrays,
)
from triptych.models.normalisation import normalisation_of
from triptych.storage.errors import InputError
from triptych.storage.tensors import load_metadata, load_tensors, save_tensors

# Tells this command's random numbers from those that others draw from the same seed.
_STREAM = 1


def initialise_model(
    *,
    architecture: str,
    input_size: int,
    normalisation: str,
    seed: int,
    train_data: Path,
    pretrained: Path | None = None,
    train_images: int | None = None,
    initial: Path,
) -> None:
    """Make the network with which a run begins: random, or pretrained with a new head for the classes of the data.

    The whole network is drawn from `seed`; with `pretrained`, everything but the head is then taken from that file,
    bit for bit, and so is whether the network transforms its input (`triptych.models.networks.transforms_input`). So
    all arms of one architecture and seed begin with the same head.

    Args:
        architecture: a name that the configuration may give; input_size: height and width in pixels of its input.
        normalisation: `none`; `imagenet`: of torchvision's weights what they were trained with, else ImageNet's; or
            `dataset` (of the first `train_images` images, all by default).
        train_data: the training images, which also name the classes.
        pretrained: weights of the same architecture for any classes; random weights without it.

    Raises:
        InputError: an architecture that cannot be built at that size, or a file of other tensors.
    """
    split = load_split(train_data)
    network, metadata = starting_network(
        architecture, input_size, normalisation, seed, split.classes, split.first(train_images).images, pretrained
    )
    head = metadata["head"]
    if pretrained is None:
        print(f"{architecture}: random weights of seed {seed}")
    else:
        arrays = network.state_dict()
        print(f"{architecture}: {len(arrays) - len(head)} tensors of {pretrained}")
        if metadata["transform_input"]:
            print("as in torchvision, the network first undoes ImageNet's normalisation of its input (transform_input)")
        numbers = sum(arrays[name].numel() for name in head)
        print(f"new head of seed {seed}: {', '.join(head)} ({numbers:,} numbers)")
    print(
        f"{len(split.classes)} classes, input {input_size} px, normalisation {normalisation}: "
        f"{metadata['normalisation']}",
        flush=True,
    )
    save_tensors(initial, state_arrays(network), metadata)


def starting_network(
    architecture: str,
    input_size: int,
    normalisation: str,
    seed: int,
    classes: list[str],
    train_images: numpy.ndarray,
    pretrained: Path | None,
) -> tuple[torch.nn.Module, dict[str, Any]]:
    """The network with which a run begins, in training mode on the CPU, and what its file says about it.

    Args:
        train_images: uint8 [N, H, W, 3], for the normalisation `dataset`; the others as for `initialise_model`.
    """
    scaling = normalisation_of(normalisation, train_images)
    origin = {} if pretrained is None else load_metadata(pretrained)
    if normalisation == "imagenet" and "sha256" in origin:  # a file of torchvision's, by `convert_weights`
        scaling = origin["normalisation"]
    torch.manual_seed(_own_seed(seed))
    network = build_network(architecture, len(classes), input_size, origin.get("transform_input", False))
    metadata = network_metadata(
        network, architecture=architecture, classes=classes, input_size=input_size, normalisation=scaling
    )
    if pretrained is not None:
        arrays = state_arrays(network)
        arrays |= read_trunk(pretrained, architecture, arrays, set(metadata["head"]))
        load_state(network, {name: torch.from_numpy(array) for name, array in arrays.items()})
    return network, metadata


def _own_seed(seed: int) -> int:
    """A seed for torch that is this command's own.

    With the plain seed, weights that `pretrain_weights` made from the same number would have begun as this very
    network. Their features would then be fitted to the first rows of the "new" head, which is no new head: measured
    on the digits, its loss at the start was 5.2 where that of an independent head is near 2.7.
    """
    return int(numpy.random.SeedSequence([seed, _STREAM]).generate_state(1)[0])


def read_trunk(
    pretrained: Path, architecture: str, arrays: dict[str, numpy.ndarray], head: set[str]
) -> dict[str, numpy.ndarray]:
    """All tensors of a file of weights but those of its head.

    Args:
        architecture: the network that the file must be of; `arrays`: the tensors of that network, by name.
        head: the names that are left out: the file's may have any shape, or be missing.

    Raises:
        InputError: the file is of another architecture, or its tensors have other names, shapes or types.
    """
    found_architecture = load_metadata(pretrained).get("architecture")
    if found_architecture != architecture:
        raise InputError(f"{pretrained}: holds weights of {found_architecture}, but the arm trains {architecture}")
    found = {name: array for name, array in load_tensors(pretrained).items() if name not in head}
    trunk = {name: array for name, array in arrays.items() if name not in head}
    check_tensors(shapes_of(found), shapes_of(trunk), str(pretrained), f"{architecture} without its head")
    wrong = [
        f"{name} is {found[name].dtype}, expected {array.dtype}"
        for name, array in trunk.items()
        if found[name].dtype != array.dtype
    ]
    if wrong:
        raise InputError(f"{pretrained}: wrong types of numbers:\n  " + "\n  ".join(wrong))
    return found
