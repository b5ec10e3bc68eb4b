"""The interface of libraries of networks, and the library of an architecture by its name."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

from triptych.configuration.backbones.names import architecture_of, library_and_name
from triptych.models import backbones
from triptych.storage.errors import InputError

if TYPE_CHECKING:  # the rules only need names, and importing torch is slow
    import torch


def _unchanged(name: str) -> str:
    return name


@dataclass(frozen=True)
class PublishedWeights:
    """The pretrained weights that a library publishes for a network.

    Attributes:
        url: the URL of the file.
        sha256: its checksum, or the known first digits.
        bytes: its size; None if it is unknown.
        classes: the class names.
        input_size: height and width in pixels of the images on which the network was trained.
        mean, std: the normalisation of the three channels of these images, in units of 0..1.
        interpolation: the interpolation with which these images were resized.
        transform_input: whether the network with these weights first reverses ImageNet's normalisation of its input.
        own_name: a function from the name of a tensor in the file to its name in the network.
    """

    url: str
    sha256: str
    bytes: int | None
    classes: list[str]
    input_size: int
    mean: list[float]
    std: list[float]
    interpolation: str
    transform_input: bool = False
    own_name: Callable[[str], str] = _unchanged


class Library(Protocol):
    """A module of `triptych.models.backbones`, named after the library. Names of networks are those of the library."""

    def names(self) -> list[str]:
        """Return the names of the classification networks, sorted."""

    def build(self, name: str, num_classes: int, input_size: int, auxiliary: bool = False) -> torch.nn.Module:
        """Return a network with random weights from torch's global generator, in training mode on the CPU.

        Args:
            name: one of `names()`.
            num_classes: the number of outputs.
            input_size: height and width of the input images in pixels.
            auxiliary: with auxiliary heads, which run in training mode only.

        Raises:
            InputError: the network has no auxiliary heads.
            AssertionError, RuntimeError, ValueError: the network cannot be built for that size.
        """

    def input_sizes(self, name: str, sizes: range) -> Iterable[int] | None:
        """Return the `sizes` for which a network can be built; None if it is not built for a specific size."""

    def weights(self, name: str) -> PublishedWeights | None:
        """Return the published weights of a network; None if there are none."""

    def blocks(self, network: torch.nn.Module) -> dict[str, list[str]]:
        """Return the parameter names of a network by block, from the input to the head, which is the last block.

        A block has the name of its module, or of the first of its modules.
        """


def known_libraries() -> list[str]:
    """Return the names of the libraries, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(backbones.__path__))


def library_module(architecture: str) -> str:
    """Return the dotted name of the module that builds an architecture."""
    return f"{backbones.__name__}.{library_and_name(architecture)[0]}"


def library_of(architecture: str) -> tuple[Library, str]:
    """Return the library of an architecture, and its name in that library.

    Raises:
        InputError: there is no such library.
    """
    library, name = library_and_name(architecture)
    if library not in known_libraries() or architecture_of(library, name) != architecture:
        raise InputError(
            f"architecture {architecture!r}: there is no library {library!r}; give LIBRARY/NAME with one of "
            f"{', '.join(known_libraries())}, or a name of torchvision without a slash."
        )
    return cast(Library, importlib.import_module(library_module(architecture))), name
