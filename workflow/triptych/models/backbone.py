"""What a library of networks gives: a module of `triptych.models.backbones`, found by the name of an architecture."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

from triptych.configuration.backbones.names import architecture_of, library_and_name
from triptych.models import backbones
from triptych.storage.errors import InputError

if TYPE_CHECKING:  # the rules ask for names alone, and must not wait for torch
    import torch


def _unchanged(name: str) -> str:
    return name


@dataclass(frozen=True)
class PublishedWeights:
    """The pretrained weights that a library publishes for a network.

    Attributes:
        url: the address of the file.
        sha256: its checksum, or as many first digits as are known.
        bytes: its size; None where it is not known.
        classes: the names of the classes.
        input_size: height and width in pixels of the images that it is for.
        mean, std: of the three channels, in units of 0..1, with which these images are normalised.
        interpolation: with which these images are resized.
        transform_input: whether the network with these weights first undoes ImageNet's normalisation of its input.
        own_name: the name in the network of a tensor in the file, by its name there.
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
    """A module of `triptych.models.backbones`, named after the library. Names are those of its own."""

    def names(self) -> list[str]:
        """Return the names of the classification networks, sorted."""

    def build(self, name: str, num_classes: int, input_size: int, auxiliary: bool = False) -> torch.nn.Module:
        """Return a network with random weights of torch's global generator, in training mode on the CPU.

        Args:
            name: one of `names()`.
            num_classes: the number of outputs.
            input_size: height and width in pixels of the images that it is for.
            auxiliary: with auxiliary heads, which run in training mode only.

        Raises:
            InputError: the network has no auxiliary heads.
            AssertionError, RuntimeError, ValueError: it cannot be built for that size.
        """

    def input_sizes(self, name: str, sizes: range) -> Iterable[int] | None:
        """Return those of `sizes` for which a network is built; None for one that is built for none in particular."""

    def weights(self, name: str) -> PublishedWeights | None:
        """Return the published weights of a network; None where there are none."""

    def blocks(self, network: torch.nn.Module) -> dict[str, list[str]]:
        """Return the names of a network's parameters by block, from the input to the head, which is the last block.

        A block is named after its module, or after the first of its modules.
        """


def known_libraries() -> list[str]:
    """Return the names of the libraries, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(backbones.__path__))


def library_module(architecture: str) -> str:
    """Return the dotted name of the module that builds an architecture."""
    return f"{backbones.__name__}.{library_and_name(architecture)[0]}"


def library_of(architecture: str) -> tuple[Library, str]:
    """Return the library of an architecture, and the name that it has there.

    Raises:
        InputError: there is no such library.
    """
    library, name = library_and_name(architecture)
    if library not in known_libraries() or architecture_of(library, name) != architecture:
        raise InputError(
            f"architecture {architecture!r}: there is no library {library!r} of networks to be named before a slash; "
            f"known are {', '.join(known_libraries())}, and a name without a slash is torchvision's"
        )
    return cast(Library, importlib.import_module(library_module(architecture))), name
