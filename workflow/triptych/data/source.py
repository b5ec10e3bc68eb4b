"""What every reader of a source of images hands over, before it is divided into splits."""

import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import numpy

from triptych.data import sources
from triptych.storage.errors import InputError


@dataclass(frozen=True)
class SourceImages:
    """All images of a source, in the source's own order.

    Attributes:
        images: uint8 [N, H, W, 3].
        labels: int64 [N], each an index into `classes`.
        classes: the names of the classes.
        names: a name for each image, by which a person finds it in the source.
        groups: for each image what it shares with others (a writer, a patient), or "" where that is not known.
        is_test: bool [N], the images that the source itself sets aside for testing; None where it does not.
    """

    images: numpy.ndarray
    labels: numpy.ndarray
    classes: list[str]
    names: list[str]
    groups: list[str]
    is_test: numpy.ndarray | None = None


class Source(Protocol):
    """A module of `triptych.data.sources`, named after the source."""

    def read(self, settings: Mapping[str, Any], files: Sequence[Path]) -> SourceImages:
        """Return all images of the source.

        Args:
            settings: the keys that the configuration has for this source, but for those that do not affect results.
            files: what is downloaded for it, in the order of the configuration's `Source.downloads`.

        Raises:
            InputError: a setting or a file is missing, or a file is not what it should be.
        """


def reader_of(source: str) -> Source:
    """Return the module that reads a source.

    Raises:
        InputError: there is no such source.
    """
    known = sorted(module.name for module in pkgutil.iter_modules(sources.__path__))
    if source not in known:
        raise InputError(f"dataset source {source!r}: not known; known are {', '.join(known)}")
    return cast(Source, importlib.import_module(f"{sources.__name__}.{source}"))


def setting(settings: Mapping[str, Any], key: str) -> Any:
    """Return one of a source's settings.

    Raises:
        InputError: it is missing.
    """
    if key not in settings:
        raise InputError(f"dataset: {settings.get('source')} needs the setting {key}")
    return settings[key]
