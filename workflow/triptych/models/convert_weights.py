"""Convert pretrained weights in any layout to safetensors."""

from pathlib import Path

import numpy
import torch

from triptych.models.backbone import PublishedWeights, library_of
from triptych.models.checkpoint_layouts import find_trunk, listed, read_tensors
from triptych.models.networks import build_network, network_metadata, shapes_of
from triptych.storage import files
from triptych.storage.errors import InputError
from triptych.storage.tensors import save_tensors


def convert_weights(*, architecture: str, sha256: str, state_dict: Path, weights: Path) -> None:
    """Convert a file of pretrained weights to the format of all other commands.

    - The tensors may be nested, their names may have a prefix, and the head may have any number of classes or be
      missing (`triptych.models.checkpoint_layouts`).
    - Half precision is converted to float32. A missing batch counter is set to 0.
    - The head is kept if it has ImageNet's 1,000 classes. Other tensors are dropped, and their names printed.
    - The metadata has the normalisation of the library for these weights, and whether the network transforms its input.

    Args:
        architecture: a name that the configuration allows.
        sha256: the required checksum of the file, or its first digits; a file with another checksum is not opened.
        state_dict: a file of `torch.save` or safetensors.
        weights: the safetensors file to write.

    Raises:
        InputError: the checksum is wrong, the file is not one of tensors only, or the trunk is incomplete. The message
            names all tensors that are missing or have a wrong shape.
    """
    found = files.sha256(state_dict)
    if not found.startswith(sha256):
        raise InputError(f"{state_dict}: expected sha256 {sha256}, found {found}; the file was not opened.")
    published = published_weights(architecture)
    network = build_network(architecture, len(published.classes), published.input_size, published.transform_input)
    metadata = network_metadata(
        network,
        architecture=architecture,
        classes=published.classes,
        input_size=published.input_size,
        normalisation={"mean": published.mean, "std": published.std},
    )
    expected, head = network.state_dict(), metadata["head"]
    tensors = {published.own_name(name): tensor for name, tensor in read_tensors(state_dict).items()}
    what = f"{architecture} without its head"
    trunk = find_trunk(tensors, shapes_of(expected), head, str(state_dict), what)
    file_head = {name: tensors[trunk.prefix + name] for name in head if trunk.prefix + name in tensors}
    if shapes_of(file_head) != {name: tuple(expected[name].shape) for name in head}:
        file_head = {}
        metadata |= {"classes": [], "head": [], "tensors": [name for name in metadata["tensors"] if name not in head]}
    there = trunk.tensors | file_head
    arrays = {
        name: as_array(there[name], expected[name], f"{state_dict}: {name}")
        if name in there
        else numpy.zeros_like(expected[name].numpy())
        for name in metadata["tensors"]
    }
    not_finite = [name for name, array in arrays.items() if not numpy.isfinite(array).all()]
    if not_finite:
        raise InputError(f"{state_dict}: values are not finite in {', '.join(not_finite)}.")
    save_tensors(weights, arrays, metadata | {"sha256": found})
    numbers = sum(array.size for array in arrays.values())
    print(f"{architecture}: {len(arrays)} tensors, {numbers:,} numbers, from {state_dict}", flush=True)
    if trunk.prefix:
        print(f"prefix of the tensor names: {trunk.prefix}", flush=True)
    left_out = [name for name in trunk.left_out if name.removeprefix(trunk.prefix) not in file_head]
    if left_out:
        print(f"tensors that were dropped: {listed(left_out)}", flush=True)


def published_weights(architecture: str) -> PublishedWeights:
    """Return the published weights of an architecture.

    Raises:
        InputError: its library publishes none.
    """
    library, name = library_of(architecture)
    published = library.weights(name)
    if published is None:
        raise InputError(f"{architecture}: the library publishes no weights; choose another architecture.")
    return published


def as_array(tensor: torch.Tensor, like: torch.Tensor, name: str) -> numpy.ndarray:
    """Return a tensor as an array of the type of the network.

    Raises:
        InputError: the tensor is not dense, or its type cannot be converted.
    """
    plain = tensor.layout is torch.strided and tensor.device.type == "cpu" and not tensor.is_quantized
    if not plain or tensor.is_floating_point() != like.is_floating_point() or tensor.is_complex():
        raise InputError(f"{name} is {tensor.dtype} ({tensor.layout}), expected a dense tensor like {like.dtype}.")
    array: numpy.ndarray = tensor.detach().to(like.dtype).numpy().copy()
    return array
