"""The interface of sources of images: what a reader returns, before the images are split."""

import importlib
import json
import pkgutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import numpy

from triptych.data import sources
from triptych.data.found import Found
from triptych.storage.errors import InputError


@dataclass(frozen=True)
class SourceImages:
    """All images of a source, in the order of the source.

    Attributes:
        images: uint8 [N, H, W, 3].
        labels: int64 [N], indices into `classes`.
        classes: the class names.
        names: a name for each image, to find it in the source.
        groups: the group of each image, such as a writer or a patient; "" if it is unknown.
        is_test: bool [N], the test part of the source; None if the source has none.
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
            settings: the keys of this source in the configuration that affect results.
            files: the downloaded files, in the order of `Source.downloads` of the configuration.

        Raises:
            InputError: a setting or a file is missing, or a file is invalid.
        """


def reader_of(source: str) -> Source:
    """Return the module that reads a source.

    Raises:
        InputError: there is no such source.
    """
    known = sorted(module.name for module in pkgutil.iter_modules(sources.__path__))
    if source not in known:
        raise InputError(f"dataset source: {source!r} is not allowed; give one of {', '.join(known)}.")
    return cast(Source, importlib.import_module(f"{sources.__name__}.{source}"))


class FileSource(Protocol):
    """A module of `triptych.data.sources` that finds image files of the user's."""

    def found(self, path: Path) -> Found:
        """Return what a folder or table holds, without decoding an image.

        Raises:
            InputError: there is none at `path`.
        """


def is_file_source(source: str) -> bool:
    """Whether a source finds files of the user's; others read arrays.

    Raises:
        InputError: there is no such source.
    """
    return hasattr(reader_of(source), "found")


def file_source_of(source: str) -> FileSource:
    """Return the module that finds the files of a source.

    Raises:
        InputError: there is no such source, or it is no source of image files.
    """
    module = reader_of(source)
    if not hasattr(module, "found"):
        raise InputError(f"dataset source: {source!r} is no source of image files; give folder or table.")
    return cast(FileSource, module)


def parsed(dataset: str) -> dict[str, Any]:
    """Return the section `dataset` of the configuration from its JSON.

    Raises:
        InputError: it is not such a section.
    """
    try:
        settings = json.loads(dataset)
    except ValueError:
        settings = None
    if not isinstance(settings, dict) or not isinstance(settings.get("source"), str):
        raise InputError(f"dataset: expected a JSON object with the key source, found {dataset[:60]!r}.")
    return settings


def setting(settings: Mapping[str, Any], key: str) -> Any:
    """Return a setting of a source.

    Raises:
        InputError: the setting is missing.
    """
    if key not in settings:
        raise InputError(f"dataset: {key} is missing; {settings.get('source')} needs it.")
    return settings[key]
