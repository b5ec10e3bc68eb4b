"""Initialise the network of a run."""

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

# Separates the random numbers of this command from those of others with the same seed.
_STREAM = 1


def initialise_model(*, trained: Path, pretrained: Path | None = None, initial: Path) -> None:
    """Recompute and write the initial weights of a run.

    Args:
        trained: the weights of the run after training, by `train`; the metadata describes the run.
        pretrained: the pretrained weights of the run; without it, the initial weights are random.
        initial: all tensors of the network before training; the metadata describes the network.

    Raises:
        InputError: a file is invalid, or the weights cannot be reproduced on this machine.
    """
    arrays, metadata = initial_weights(trained, pretrained)
    print(f"{metadata['architecture']}: {len(arrays)} initial tensors", flush=True)
    save_tensors(initial, arrays, metadata)


def run_metadata(
    metadata: dict[str, Any], before: dict[str, numpy.ndarray], seed: int, settings: dict[str, Any]
) -> dict[str, Any]:
    """Return the metadata of trained weights: of the network, and in `run` of the training.

    Args:
        metadata, before: the metadata of the network and its initial tensors, from `starting_network`.
        settings: everything else that affects the result, as JSON values.
    """
    start = {"seed": seed, "initial_sha256": tensors_sha256(before), "torch": torch.__version__}
    return metadata | {"run": settings | start}


def initial_weights(trained: Path, pretrained: Path | None) -> tuple[dict[str, numpy.ndarray], dict[str, Any]]:
    """Return the initial tensors of a run, by name in definition order, and the metadata of its network.

    Args and errors are those of `initialise_model`.
    """
    metadata = load_metadata(trained)
    run = metadata.pop("run", None)
    described = {"architecture", "classes", "input_size", "head"} <= metadata.keys()
    if not described or not isinstance(run, dict) or not {"seed", "initial_sha256", "torch", "trained"} <= run.keys():
        raise InputError(f"{trained}: not weights that `train` wrote (the metadata does not describe a run).")
    network = _drawn(metadata["architecture"], metadata["input_size"], run["seed"], metadata["classes"], pretrained)
    arrays = state_arrays(network)
    if tensors_sha256(arrays) != run["initial_sha256"]:
        source = f"{pretrained}" if pretrained else "no pretrained weights"
        raise InputError(
            f"{trained}: seed {run['seed']}, {source} and torch {torch.__version__} do not reproduce the initial "
            f"weights of this run; use its pretrained weights, torch {run['torch']} and the same type of processor, or "
            "retrain the run."
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
    """Return the initial network of a run, in training mode on the CPU, and its metadata.

    All weights are drawn from `seed`. With `pretrained`, the trunk is then copied from that file, and so is whether the
    network transforms its input (`triptych.models.backbone.PublishedWeights`). So all arms with one architecture and
    seed have the same initial head.

    Args:
        architecture: a name that the configuration allows; input_size: height and width of the input in pixels.
        normalisation: `none`; `imagenet`, the normalisation of torchvision's weights, else that of ImageNet; or
            `dataset`, the mean and standard deviation of `train_images`.
        train_images: uint8 [N, H, W, 3].
        pretrained: weights of the same architecture for any classes; without it, random weights.

    Raises:
        InputError: the architecture cannot be built for that size, or the tensors of the file do not match it.
    """
    scaling = normalisation_of(normalisation, train_images)
    origin = {} if pretrained is None else load_metadata(pretrained)
    if normalisation == "imagenet" and "sha256" in origin:  # written by `convert_weights`
        scaling = origin["normalisation"]
    network = _drawn(architecture, input_size, seed, classes, pretrained)
    metadata = network_metadata(
        network, architecture=architecture, classes=classes, input_size=input_size, normalisation=scaling
    )
    return network, metadata


def _drawn(
    architecture: str, input_size: int, seed: int, classes: list[str], pretrained: Path | None
) -> torch.nn.Module:
    """Return the network of `starting_network`."""
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
    """Return a seed for torch that is different from that of `pretrain_weights`.

    With the same seed, pretraining would start from this same network. Its features would then fit the first rows of
    the "new" head, which would not be independent. Measured on the digits: initial loss 5.2, against about 2.7 with an
    independent head.
    """
    return int(numpy.random.SeedSequence([seed, _STREAM]).generate_state(1)[0])


def read_trunk(
    pretrained: Path, architecture: str, arrays: dict[str, numpy.ndarray], head: set[str]
) -> dict[str, numpy.ndarray]:
    """Return all tensors of a file of weights except the head.

    Args:
        architecture: the required architecture; `arrays`: the tensors of its network, by name.
        head: the names of the head, which may have any shape in the file or be missing.

    Raises:
        InputError: the file has another architecture, or its tensors have wrong names, shapes or types.
    """
    found_architecture = load_metadata(pretrained).get("architecture")
    if found_architecture != architecture:
        raise InputError(f"{pretrained}: expected weights of {architecture}, found {found_architecture}.")
    found = {name: array for name, array in load_tensors(pretrained).items() if name not in head}
    trunk = {name: array for name, array in arrays.items() if name not in head}
    check_tensors(shapes_of(found), shapes_of(trunk), str(pretrained), f"{architecture} without its head")
    wrong = [
        f"{name} is {found[name].dtype}, expected {array.dtype}"
        for name, array in trunk.items()
        if found[name].dtype != array.dtype
    ]
    if wrong:
        raise InputError(f"{pretrained}: wrong tensor types:\n  " + "\n  ".join(wrong))
    return found
