"""Build classification networks, load them from files, and describe them in metadata."""

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

_DRAWS = (torch.Tensor.normal_, torch.Tensor.uniform_)
"""By which libraries initialise weights."""


class _ParametersOnMeta(TorchFunctionMode):
    """Create parameters on the meta device while a network is built.

    `with torch.device("meta")` fails for RegNets, which compute their widths with tensors.
    """

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if function is torch.empty:
            kwargs["device"] = "meta"
        if function in _DRAWS and args[0].is_meta:
            return args[0]  # without values, and without torch's compiler, which computes their shapes
        return function(*args, **kwargs)


def _construct(architecture: str, num_classes: int, input_size: int, auxiliary: bool = False) -> torch.nn.Module:
    """Build a network of a library with random weights."""
    library, name = library_of(architecture)
    if name not in library.names():
        nearest = get_close_matches(name, library.names(), n=1)
        hint = f"; the nearest is {nearest[0]}" if nearest else ""
        raise InputError(f"architecture {architecture!r}: not a classification network of its library{hint}.")
    try:
        return library.build(name, num_classes, input_size, auxiliary)
    except (AssertionError, RuntimeError, ValueError) as error:
        raise InputError(f"{architecture} cannot be built for images of {input_size} px: {error}") from None


def build_shapes(architecture: str, num_classes: int, input_size: int, auxiliary: bool = False) -> torch.nn.Module:
    """Return a network in eval mode on the meta device: shapes without values or memory.

    The state of the random number generator is preserved.

    Args:
        auxiliary: with auxiliary heads, which run in training mode only.

    Raises:
        InputError: there is no such network, it has no auxiliary heads, or it cannot be built for or run on images of
            `input_size` x `input_size` px.
    """
    network = construct_shapes(architecture, num_classes, input_size, auxiliary).eval()
    _check_that_it_runs(network, architecture, input_size)
    return network


def construct_shapes(architecture: str, num_classes: int, input_size: int, auxiliary: bool = False) -> torch.nn.Module:
    """Like `build_shapes`, in training mode and without a check that the network runs."""
    with torch.random.fork_rng(devices=[]), _ParametersOnMeta():
        return _construct(architecture, num_classes, input_size, auxiliary).to("meta")


def _check_that_it_runs(network: torch.nn.Module, architecture: str, input_size: int) -> None:
    try:
        run_once(network, input_size)
    except InputError as error:
        raise InputError(f"{architecture} {error}") from None


def run_once(network: torch.nn.Module, input_size: int) -> None:
    """Run a network in eval mode on one black image of `input_size` x `input_size` px, or on its shape alone.

    Raises:
        InputError: the network cannot run at that size.
    """
    device = next(network.parameters()).device
    try:
        with torch.no_grad():
            network(torch.zeros(1, 3, input_size, input_size, device=device))
    except (AssertionError, RuntimeError, ValueError) as error:
        raise InputError(f"cannot run on images of {input_size} px: {error}") from None


def build_network(
    architecture: str, num_classes: int, input_size: int, transform_input: bool = False
) -> torch.nn.Module:
    """Return a network with random weights, in training mode on the CPU.

    The weights are initialised by the library, from torch's global generator.

    Args:
        architecture: a name that the configuration allows.
        num_classes: the number of outputs.
        input_size: height and width of the input images in pixels.
        transform_input: as in `triptych.models.backbone.PublishedWeights`.

    Raises:
        InputError: as in `build_shapes`.
    """
    network = _construct(architecture, num_classes, input_size).eval()
    _check_that_it_runs(network, architecture, input_size)  # not on shapes, for which torch imports its compiler
    network.train()
    if transform_input:
        network.transform_input = True  # type: ignore[assignment]  # torch only types tensors and modules
    return network


def head_tensors(architecture: str, num_classes: int, input_size: int, auxiliary: bool = False) -> list[str]:
    """Return the names of the tensors whose shape depends on the number of classes, in definition order.

    They are found by building the network with one more class, so that no table of heads is needed. With `auxiliary`,
    the last layers of the auxiliary heads are included.

    Raises:
        InputError: no tensor depends on the number of classes, or the network cannot be built.
    """
    given = construct_shapes(architecture, num_classes, input_size, auxiliary).state_dict()
    other = construct_shapes(architecture, num_classes + 1, input_size, auxiliary).state_dict()
    names = [name for name, tensor in given.items() if tensor.shape != other[name].shape]
    if not names:
        raise InputError(f"{architecture}: no tensor depends on the number of classes, so there is no head to replace.")
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
    """Return the metadata of a file with the tensors of `network`.

    Args:
        normalisation: `mean` and `std` of the three channels, in units of 0..1 (0 and 1 without normalisation).

    Returns:
        `architecture`, `classes`, `input_size` and `normalisation` as given; `transform_input`: whether the network
        first reverses ImageNet's normalisation; `tensors`: all names in definition order; `buffers`: those that are not
        parameters; `head`: those that depend on the number of classes; `first_convolution` and `first_3x3_convolution`
        (the first with 3x3 kernels after the first convolution, in definition order): the names of their weights, or
        None if there is none.
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
    """Return all parameters and buffers of `network.state_dict()` as NumPy copies, in definition order."""
    return {name: tensor.detach().cpu().numpy().copy() for name, tensor in network.state_dict().items()}


def load_state(network: torch.nn.Module, state: Mapping[str, torch.Tensor]) -> None:
    """Load all tensors of a `state_dict()` into a network.

    A `state_dict()` also has the version of each module, which tensors from a file lack. torchvision's MNASNet refuses
    tensors without a version, so the version of the network is used.

    Args:
        state: all tensors by name, from the same version of the library.
    """
    versioned = network.state_dict()
    versioned.clear()  # removes the tensors; the versions are an attribute
    versioned.update(state)
    network.load_state_dict(versioned)


def check_tensors(
    found: dict[str, tuple[int, ...]], expected: dict[str, tuple[int, ...]], where: str, what: str
) -> None:
    """Compare names and shapes of tensors.

    Args:
        found: shapes by name, in `where`; `expected`: shapes by name, for `what`.

    Raises:
        InputError: they differ; the message names all tensors that are missing, unexpected or have a wrong shape.
    """
    problems = [f"missing {name} {list(shape)}" for name, shape in expected.items() if name not in found]
    problems += [f"unexpected {name} {list(shape)}" for name, shape in found.items() if name not in expected]
    problems += [
        f"{name} is {list(found[name])}, expected {list(shape)}"
        for name, shape in expected.items()
        if name in found and found[name] != shape
    ]
    if problems:
        raise InputError(f"{where}: not the tensors of {what}:\n  " + "\n  ".join(problems))


def shapes_of(tensors: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """Return the shapes of named tensors or arrays."""
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def load_network(path: Path) -> tuple[torch.nn.Module, dict[str, Any]]:
    """Load a network from a file; return it in training mode on the CPU, with the metadata of the file.

    The state of torch's random number generator is preserved.

    Raises:
        InputError: Triptych did not write the file, its metadata is incomplete, or its tensors are not those of its
            architecture.
    """
    metadata = load_metadata(path)
    missing = [key for key in ("architecture", "classes", "input_size") if key not in metadata]
    if missing:
        raise InputError(f"{path}: the metadata does not describe a network (no {', '.join(missing)}).")
    for key, kind in (("architecture", str), ("classes", list), ("input_size", int)):
        if not isinstance(metadata[key], kind):
            raise InputError(f"{path}: {key} in the metadata is {metadata[key]!r:.60}, expected {kind.__name__}.")
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
        raise InputError(f"{path}: wrong tensor types:\n  " + "\n  ".join(wrong))
    load_state(network, {name: torch.from_numpy(array) for name, array in arrays.items()})
    return network, metadata
