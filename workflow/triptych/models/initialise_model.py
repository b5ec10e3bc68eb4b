"""The network with which a run begins."""

from pathlib import Path
from typing import Any

import numpy
import torch

from triptych.models.networks import (
    build_network,
    check_tensors,
    head_tensors,
    load_state,
    network_metadata,
    shapes_of,
    state_arrays,
)
from triptych.models.normalisation import normalisation_of
from triptych.storage.errors import InputError
from triptych.storage.tensors import load_metadata, load_tensors, save_tensors, tensors_sha256

# Tells this command's random numbers from those that others draw from the same seed.
_STREAM = 1


def initialise_model(*, trained: Path, pretrained: Path | None = None, initial: Path) -> None:
    """Write the weights with which a run began, computed anew as `train` computed them.

    Args:
        trained: the weights of the run after training, by `train`: they say how the run began.
        pretrained: the weights that it began with, where these were not random.
        initial: every tensor of the network before training; the metadata describes the network.

    Raises:
        InputError: a file is not what it should be, or the same weights cannot be computed here.
    """
    arrays, metadata = initial_weights(trained, pretrained)
    print(f"{metadata['architecture']}: {len(arrays)} tensors, as before training", flush=True)
    save_tensors(initial, arrays, metadata)


def run_metadata(
    metadata: dict[str, Any], before: dict[str, numpy.ndarray], seed: int, settings: dict[str, Any]
) -> dict[str, Any]:
    """What a file of trained weights says about itself: of its network, and under `run` how it was trained.

    Args:
        metadata, before: of `starting_network`: of the network, and its tensors before training.
        settings: the rest of what decides the run, as JSON can hold it.
    """
    start = {"seed": seed, "initial_sha256": tensors_sha256(before), "torch": torch.__version__}
    return metadata | {"run": settings | start}


def initial_weights(trained: Path, pretrained: Path | None) -> tuple[dict[str, numpy.ndarray], dict[str, Any]]:
    """The tensors with which a run began, by name in definition order, and the metadata of its network.

    Args: as for `initialise_model`.

    Raises:
        InputError: as `initialise_model`.
    """
    metadata = load_metadata(trained)
    run = metadata.pop("run", None)
    described = {"architecture", "classes", "input_size", "head"} <= metadata.keys()
    if not described or not isinstance(run, dict) or not {"seed", "initial_sha256", "torch", "trained"} <= run.keys():
        raise InputError(f"{trained}: not weights that `train` wrote (its metadata does not describe a run)")
    network = _drawn(metadata["architecture"], metadata["input_size"], run["seed"], metadata["classes"], pretrained)
    arrays = state_arrays(network)
    if tensors_sha256(arrays) != run["initial_sha256"]:
        source = f"{pretrained}" if pretrained else "no pretrained weights"
        raise InputError(
            f"{trained}: seed {run['seed']}, {source} and torch {torch.__version__} do not give the weights that this "
            "run began with. Give the file of pretrained weights that it had, if any, the same torch "
            f"({run['torch']}) and the same kind of processor; or train it again"
        )
    return arrays, metadata


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

    The whole network is drawn from `seed`; with `pretrained`, everything but the head is then taken from that file,
    bit for bit, and so is whether the network transforms its input (`triptych.models.networks.transforms_input`). So
    all arms of one architecture and seed begin with the same head.

    Args:
        architecture: of torchvision; input_size: height and width in pixels of its input.
        normalisation: `none`; `imagenet`: of torchvision's weights what they were trained with, else ImageNet's; or
            `dataset`, of `train_images`.
        train_images: uint8 [N, H, W, 3].
        pretrained: weights of the same architecture for any classes; random weights without it.

    Raises:
        InputError: an architecture that cannot be built at that size, or a file of other tensors.
    """
    scaling = normalisation_of(normalisation, train_images)
    origin = {} if pretrained is None else load_metadata(pretrained)
    if normalisation == "imagenet" and "sha256" in origin:  # a file of torchvision's, by `convert_weights`
        scaling = origin["normalisation"]
    network = _drawn(architecture, input_size, seed, classes, pretrained)
    metadata = network_metadata(
        network, architecture=architecture, classes=classes, input_size=input_size, normalisation=scaling
    )
    return network, metadata


def _drawn(
    architecture: str, input_size: int, seed: int, classes: list[str], pretrained: Path | None
) -> torch.nn.Module:
    """The network of `starting_network`."""
    origin = {} if pretrained is None else load_metadata(pretrained)
    torch.manual_seed(_own_seed(seed))
    network = build_network(architecture, len(classes), input_size, origin.get("transform_input", False))
    if pretrained is not None:
        head = set(head_tensors(architecture, len(classes), input_size))
        arrays = state_arrays(network)
        arrays |= read_trunk(pretrained, architecture, arrays, head)
        load_state(network, {name: torch.from_numpy(array) for name, array in arrays.items()})
    return network


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
