"""The sources of images that a configuration may name. A new one is added here, and nowhere else."""

import importlib
from collections.abc import Mapping
from typing import Any

from triptych.configuration.source import Source

SOURCES = (
    "digits",
    "cifar10",
    "cifar100",
    "folder",
    "table",
)
"""Each source's name: its keys are declared in the module of that name here, and `triptych.data.sources` reads it."""


def section_of(source: str) -> type[Source]:
    """Return the keys of a source, by its name."""
    section: type[Source] = importlib.import_module(f"triptych.configuration.sources.{source}").SECTION
    return section


def source_of(dataset: Mapping[str, Any]) -> Source:
    """Return the source that a section `dataset` of the effective configuration is about."""
    return section_of(dataset["source"]).model_validate(dict(dataset))
