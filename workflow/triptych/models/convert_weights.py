"""Pretrained weights as safetensors, whatever file they come in."""

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
    """Check a file of pretrained weights and store its tensors as every other command reads them.

    The file may nest them, put a prefix before their names, and have a head for any number of classes or none
    (`triptych.models.checkpoint_layouts`). Numbers of half precision become float32. A count of batches that older
    files lack is 0. The head is stored where it is that of ImageNet's 1,000 classes; what else lies beside the trunk
    is named and left out. The file that is written says how the library normalises the images for these weights, and
    where its network transforms its input.

    Args:
        architecture: a name that the configuration may give.
        sha256: the checksum that the file must have, or its first digits; it is not opened otherwise.
        state_dict: the file, as `torch.save` or safetensors wrote it.
        weights: the safetensors file to write.

    Raises:
        InputError: another checksum, not a file of tensors alone, or no complete trunk of the network; every missing
            and differently shaped tensor is named.
    """
    found = files.sha256(state_dict)
    if not found.startswith(sha256):
        raise InputError(f"{state_dict}: has the sha256 {found}, expected {sha256}; it is not opened")
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
    own_head = {name: tensors[trunk.prefix + name] for name in head if trunk.prefix + name in tensors}
    if shapes_of(own_head) != {name: tuple(expected[name].shape) for name in head}:
        own_head = {}
        metadata |= {"classes": [], "head": [], "tensors": [name for name in metadata["tensors"] if name not in head]}
    there = trunk.tensors | own_head
    arrays = {
        name: as_array(there[name], expected[name], f"{state_dict}: {name}")
        if name in there
        else numpy.zeros_like(expected[name].numpy())
        for name in metadata["tensors"]
    }
    broken = [name for name, array in arrays.items() if not numpy.isfinite(array).all()]
    if broken:
        raise InputError(f"{state_dict}: numbers that are not finite in {', '.join(broken)}")
    save_tensors(weights, arrays, metadata | {"sha256": found})
    numbers = sum(array.size for array in arrays.values())
    print(f"{architecture}: {len(arrays)} tensors, {numbers:,} numbers, of {state_dict}", flush=True)
    if trunk.prefix:
        print(f"their names begin with {trunk.prefix}", flush=True)
    left_out = [name for name in trunk.left_out if name.removeprefix(trunk.prefix) not in own_head]
    if left_out:
        print(f"left out, beside the trunk: {listed(left_out)}", flush=True)


def published_weights(architecture: str) -> PublishedWeights:
    """What its library says of an architecture's published weights.

    Raises:
        InputError: there are none.
    """
    library, name = library_of(architecture)
    published = library.weights(name)
    if published is None:
        raise InputError(f"{architecture}: its library publishes no weights")
    return published


def as_array(tensor: torch.Tensor, like: torch.Tensor, name: str) -> numpy.ndarray:
    """A tensor's numbers in the type that the network has for them.

    Raises:
        InputError: they are no plain numbers of this kind.
    """
    plain = tensor.layout is torch.strided and tensor.device.type == "cpu" and not tensor.is_quantized
    if not plain or tensor.is_floating_point() != like.is_floating_point() or tensor.is_complex():
        raise InputError(f"{name} holds {tensor.dtype} ({tensor.layout}), expected plain numbers as {like.dtype}")
    array: numpy.ndarray = tensor.detach().to(like.dtype).numpy().copy()
    return array
