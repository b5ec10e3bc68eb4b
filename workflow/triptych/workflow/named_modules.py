"""The modules that settings name, and that no import statement of a command's module does."""

from collections.abc import Iterable, Mapping
from typing import Any

from triptych.configuration.claims import NONE, module_of
from triptych.configuration.effective import compared_networks
from triptych.models.backbone import library_module


def modules_of_section(experiment: Mapping[str, Any]) -> tuple[str, ...]:
    """The modules that declare the keys of an experiment's source of images, and what its claims require."""
    return (
        f"triptych.configuration.sources.{experiment['dataset']['source']}",
        *modules_of_wing(experiment, "requirements"),
    )


def modules_of_wing(experiment: Mapping[str, Any], *parts: str) -> tuple[str, ...]:
    """These modules of the wing that an experiment's claims name; none without claims."""
    claims = experiment["claims"]
    return () if claims == NONE else tuple(module_of(claims, part) for part in parts)


def modules_of_report(experiment: Mapping[str, Any]) -> tuple[str, ...]:
    """The modules of an experiment's wing that declare its part of the report and of the manifest."""
    return modules_of_wing(experiment, "schema", "catalogue", "sections")


def modules_of_source(experiment: Mapping[str, Any]) -> tuple[str, ...]:
    """The module that reads an experiment's source of images."""
    return (f"triptych.data.sources.{experiment['dataset']['source']}",)


def modules_of_backbones(architectures: Iterable[str]) -> tuple[str, ...]:
    """The modules that build these networks, sorted."""
    return tuple(sorted({library_module(architecture) for architecture in architectures}))


def modules_of_networks(experiment: Mapping[str, Any]) -> tuple[str, ...]:
    """The modules that build the networks of an experiment's arms and those that they are compared with on paper."""
    return modules_of_backbones(network["architecture"] for network in compared_networks(experiment))
