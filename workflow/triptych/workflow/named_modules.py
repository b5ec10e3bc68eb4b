"""Modules that are imported by a name in the settings, so that no import statement names them."""

from collections.abc import Iterable, Mapping
from typing import Any

from triptych.configuration.claims import NONE, module_of
from triptych.configuration.effective import compared_networks
from triptych.models.backbone import library_module


def modules_of_section(experiment: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the modules that declare the keys of the source of images, and the requirements of the claims."""
    return (
        f"triptych.configuration.sources.{experiment['dataset']['source']}",
        *modules_of_wing(experiment, "requirements"),
    )


def modules_of_wing(experiment: Mapping[str, Any], *parts: str) -> tuple[str, ...]:
    """Return the modules `parts` of the wing of an experiment's claims; none without claims."""
    claims = experiment["claims"]
    return () if claims == NONE else tuple(module_of(claims, part) for part in parts)


def modules_of_report(experiment: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the modules that declare a wing's part of the report and the manifest."""
    return modules_of_wing(experiment, "schema", "catalogue", "sections")


def modules_of_source(experiment: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the module that reads the source of images."""
    return (f"triptych.data.sources.{experiment['dataset']['source']}",)


def modules_of_backbones(architectures: Iterable[str]) -> tuple[str, ...]:
    """Return the modules that build these networks, sorted."""
    return tuple(sorted({library_module(architecture) for architecture in architectures}))


def modules_of_networks(experiment: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the modules that build the networks of the arms and the reference networks."""
    return modules_of_backbones(network["architecture"] for network in compared_networks(experiment))
