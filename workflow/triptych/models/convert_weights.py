"""Published weights as safetensors: the one place where a foreign file of tensors is opened."""

import zipfile
from pathlib import Path

import numpy
import torch

from triptych.models.backbone import PublishedWeights, library_of
from triptych.models.networks import build_network, check_tensors, network_metadata, shapes_of
from triptych.storage import files
from triptych.storage.errors import InputError
from triptych.storage.tensors import save_tensors


def convert_weights(*, architecture: str, sha256: str, state_dict: Path, weights: Path) -> None:
    """Check a file of pretrained weights and store its tensors as every other command reads them.

    The tensors must be those of the architecture with ImageNet's 1,000 classes. Numbers of half precision become
    float32. Left out are auxiliary heads; a count of batches that older files lack is 0. The file says how the library
    normalises the images for these weights, and where its network transforms its input.

    Args:
        architecture: a name that the configuration may give.
        sha256: the checksum that the file must have, or its first digits; it is not opened otherwise.
        state_dict: the file, as `torch.save` wrote it.
        weights: the safetensors file to write, head included.

    Raises:
        InputError: another checksum, not a file of tensors alone, or the tensors of another network; every missing,
            unexpected and differently shaped one is named.
    """
    found = files.sha256(state_dict)
    if not found.startswith(sha256):
        raise InputError(f"{state_dict}: has the sha256 {found}, expected {sha256}; it is not opened")
    published = published_weights(architecture)
    classes, input_size = published.classes, published.input_size
    network = build_network(architecture, len(classes), input_size, published.transform_input)
    expected = network.state_dict()
    tensors = read_state_dict(state_dict)
    own_names = {name: published.own_name(name) for name in tensors}
    left_out = [name for name, own_name in own_names.items() if own_name is None]
    tensors = {own_name: tensors[name] for name, own_name in own_names.items() if own_name is not None}
    counts = {name: tensor for name, tensor in expected.items() if name.endswith("num_batches_tracked")}
    tensors = {name: torch.zeros_like(tensor) for name, tensor in counts.items()} | tensors
    what = f"{architecture} with {len(classes)} classes"
    check_tensors(shapes_of(tensors), shapes_of(expected), str(state_dict), what)
    arrays = {name: as_array(tensors[name], tensor.dtype) for name, tensor in expected.items()}
    broken = [name for name, array in arrays.items() if not numpy.isfinite(array).all()]
    if broken:
        raise InputError(f"{state_dict}: numbers that are not finite in {', '.join(broken)}")
    metadata = network_metadata(
        network,
        architecture=architecture,
        classes=list(classes),
        input_size=input_size,
        normalisation={"mean": published.mean, "std": published.std},
    )
    save_tensors(weights, arrays, metadata | {"sha256": found})
    numbers = sum(array.size for array in arrays.values())
    print(f"{architecture}: {len(arrays)} tensors, {numbers:,} numbers, of {state_dict}", flush=True)
    if left_out:
        print(f"left out: {len(left_out)} tensors of auxiliary heads", flush=True)


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


def read_state_dict(path: Path) -> dict[str, torch.Tensor]:
    """The named tensors of a file of `torch.save`, which may hold nothing else.

    Raises:
        InputError: it is no such file.
    """
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                if any(entry.file_size > path.stat().st_size for entry in archive.infolist()):
                    raise ValueError("it unpacks to more than it takes, and torch.save packs nothing")
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a foreign file: what torch raises for a damaged one is of every kind
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(f"{path}: not a file of tensors alone, as torch.save writes it ({reason[:200]})") from None
    if not isinstance(found, dict) or not all(isinstance(tensor, torch.Tensor) for tensor in found.values()):
        raise InputError(f"{path}: not a state_dict (a mapping from names to tensors)")
    return dict(found)


def as_array(tensor: torch.Tensor, dtype: torch.dtype) -> numpy.ndarray:
    """A tensor's numbers in the type that the network has for them."""
    return tensor.detach().to(dtype).numpy().copy()
