"""Building classification networks, reading them from files, and describing them in a file's metadata."""

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy
import torch
from torch.overrides import TorchFunctionMode

from triptych.models.backbone import library_of
from triptych.storage.errors import InputError
from triptych.storage.tensors import load_metadata, load_tensors


class _ParametersOnMeta(TorchFunctionMode):
    """Make parameters without memory while a network is built.

    `with torch.device("meta")` would do it for most networks, but the RegNets compute their widths with tensors.
    """

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if function is torch.empty:
            kwargs["device"] = "meta"
        return function(*args, **kwargs)


def _construct(architecture: str, num_classes: int, input_size: int, auxiliary: bool = False) -> torch.nn.Module:
    """Build a network of a library with random weights."""
    library, name = library_of(architecture)
    if name not in library.names():
        nearest = get_close_matches(name, library.names(), n=1)
        hint = f"; the nearest is {nearest[0]}" if nearest else ""
        raise InputError(f"architecture {architecture!r}: no classification network of its library{hint}")
    try:
        return library.build(name, num_classes, input_size, auxiliary)
    except (AssertionError, RuntimeError, ValueError) as error:
        raise InputError(f"{architecture} cannot be built for images of {input_size} px: {error}") from None


def build_shapes(architecture: str, num_classes: int, input_size: int, auxiliary: bool = False) -> torch.nn.Module:
    """The network in evaluation mode on the meta device: shapes without numbers, at no cost in memory.

    The generator of random numbers stays as it was.

    Args:
        auxiliary: with its auxiliary heads, which run in training mode only.

    Raises:
        InputError: there is no such network, or not with auxiliary heads, or it cannot be built for, or run on,
            images of `input_size` x `input_size` px.
    """
    with torch.random.fork_rng(devices=[]), _ParametersOnMeta():
        network = _construct(architecture, num_classes, input_size, auxiliary)
    network = network.to("meta").eval()
    try:
        run_shapes(network, input_size)
    except InputError as error:
        raise InputError(f"{architecture} {error}") from None
    return network


def run_shapes(network: torch.nn.Module, input_size: int) -> None:
    """Run a network of `build_shapes` on one image of `input_size` x `input_size` px, without numbers.

    Raises:
        InputError: it cannot run at that size.
    """
    try:
        with torch.no_grad():
            network(torch.empty(1, 3, input_size, input_size, device="meta"))
    except (AssertionError, RuntimeError, ValueError) as error:
        raise InputError(f"cannot run on images of {input_size} px: {error}") from None


def build_network(
    architecture: str, num_classes: int, input_size: int, transform_input: bool = False
) -> torch.nn.Module:
    """A network with random weights, in training mode, on the CPU.

    The weights are its library's own initialisation, drawn from torch's global generator.

    Args:
        architecture: a name that the configuration may give.
        num_classes: the number of outputs.
        input_size: height and width in pixels of the images it is for.
        transform_input: as `triptych.models.backbone.PublishedWeights` says.

    Raises:
        InputError: as `build_shapes`.
    """
    build_shapes(architecture, num_classes, input_size)
    network = _construct(architecture, num_classes, input_size)
    if transform_input:
        network.transform_input = True  # type: ignore[assignment]  # torch types tensors and modules alone
    return network


def head_tensors(architecture: str, num_classes: int, input_size: int, auxiliary: bool = False) -> list[str]:
    """The names of the tensors whose shape depends on the number of classes, in definition order.

    Found by building the network with one class more, so that no table of names of heads has to be kept. With
    `auxiliary`, the last layers of the auxiliary heads are among them.

    Raises:
        InputError: no tensor depends on it; otherwise as `build_shapes`.
    """
    ours = build_shapes(architecture, num_classes, input_size, auxiliary).state_dict()
    other = build_shapes(architecture, num_classes + 1, input_size, auxiliary).state_dict()
    names = [name for name, tensor in ours.items() if tensor.shape != other[name].shape]
    if not names:
        raise InputError(f"{architecture}: no tensor depends on the number of classes, so there is no head to replace")
    return names


def _named_convolutions(network: torch.nn.Module) -> list[tuple[str, torch.nn.Conv2d]]:
    return [(name, module) for name, module in network.named_modules() if isinstance(module, torch.nn.Conv2d)]


def network_metadata(
    network: torch.nn.Module,
    *,
    architecture: str,
    classes: list[str],
    input_size: int,
    normalisation: dict[str, list[float]],
) -> dict[str, Any]:
    """What a file with the tensors of `network` says about itself.

    Args:
        normalisation: `mean` and `std` of the three channels, in units of 0..1 (0 and 1 for none).

    Returns:
        `architecture`, `classes`, `input_size` and `normalisation` as given; `transform_input`: whether the network
        first undoes ImageNet's normalisation; `tensors`: every name in definition order;
        `buffers`: those that are no parameters; `head`: those that depend on the number of classes;
        `first_convolution` and `first_3x3_convolution` (the first with 3x3 kernels after the first convolution, in
        definition order): names of the weights, or None where the network has none.
    """
    convolutions = _named_convolutions(network)
    later_3x3 = [name for name, module in convolutions[1:] if module.kernel_size == (3, 3)]
    tensors = list(network.state_dict())
    parameters = {name for name, _ in network.named_parameters()}
    return {
        "architecture": architecture,
        "classes": list(classes),
        "input_size": input_size,
        "normalisation": normalisation,
        "transform_input": bool(getattr(network, "transform_input", False)),
        "tensors": tensors,
        "buffers": [name for name in tensors if name not in parameters],
        "head": head_tensors(architecture, len(classes), input_size),
        "first_convolution": f"{convolutions[0][0]}.weight" if convolutions else None,
        "first_3x3_convolution": f"{later_3x3[0]}.weight" if later_3x3 else None,
    }


def state_arrays(network: torch.nn.Module) -> dict[str, numpy.ndarray]:
    """Every parameter and buffer of `network.state_dict()` as a NumPy copy, in definition order."""
    return {name: tensor.detach().cpu().numpy().copy() for name, tensor in network.state_dict().items()}


def load_state(network: torch.nn.Module, state: Mapping[str, torch.Tensor]) -> None:
    """Copy tensors into a network, all that its `state_dict()` has.

    A `state_dict()` also holds the version of each module, which tensors read from a file lack. Some modules
    (torchvision's MNASNet) refuse tensors without one, so they get the version of the network itself.

    Args:
        state: the tensors by name, of a network of the same version of its library.
    """
    versioned = network.state_dict()
    versioned.clear()  # of tensors; the versions are an attribute
    versioned.update(state)
    network.load_state_dict(versioned)


def check_tensors(
    found: dict[str, tuple[int, ...]], expected: dict[str, tuple[int, ...]], where: str, what: str
) -> None:
    """Compare names and shapes of tensors.

    Args:
        found: shape by name of what `where` holds; `expected`: of what `what` needs.

    Raises:
        InputError: they differ; the message names every missing, unexpected and differently shaped tensor.
    """
    problems = [f"missing {name} {list(shape)}" for name, shape in expected.items() if name not in found]
    problems += [f"unexpected {name} {list(shape)}" for name, shape in found.items() if name not in expected]
    problems += [
        f"{name} is {list(found[name])}, expected {list(shape)}"
        for name, shape in expected.items()
        if name in found and found[name] != shape
    ]
    if problems:
        raise InputError(f"{where}: these are not the tensors of {what}:\n  " + "\n  ".join(problems))


def shapes_of(tensors: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """The shape of each of the named tensors or arrays."""
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def load_network(path: Path) -> tuple[torch.nn.Module, dict[str, Any]]:
    """The network that a file describes and holds, in training mode on the CPU, and the file's metadata.

    Torch's generator of random numbers stays as it was.

    Raises:
        InputError: the file is not one of Triptych's, says too little about itself, or its tensors are not exactly
            those of its architecture.
    """
    metadata = load_metadata(path)
    missing = [key for key in ("architecture", "classes", "input_size") if key not in metadata]
    if missing:
        raise InputError(f"{path}: does not say of which network it is (no {', '.join(missing)} in its metadata)")
    for key, kind in (("architecture", str), ("classes", list), ("input_size", int)):
        if not isinstance(metadata[key], kind):
            raise InputError(f"{path}: {key} in its metadata is {metadata[key]!r:.60}")
    architecture, num_classes = metadata["architecture"], len(metadata["classes"])
    with torch.random.fork_rng(devices=[]):
        network = build_network(
            architecture, num_classes, metadata["input_size"], metadata.get("transform_input", False)
        )
    arrays = load_tensors(path)
    check_tensors(
        shapes_of(arrays), shapes_of(network.state_dict()), str(path), f"{architecture} with {num_classes} classes"
    )
    expected = {name: tensor.numpy().dtype for name, tensor in network.state_dict().items()}
    wrong = [
        f"{name} is {arrays[name].dtype}, expected {dtype}"
        for name, dtype in expected.items()
        if arrays[name].dtype != dtype
    ]
    if wrong:
        raise InputError(f"{path}: wrong types of numbers:\n  " + "\n  ".join(wrong))
    load_state(network, {name: torch.from_numpy(array) for name, array in arrays.items()})
    return network, metadata
