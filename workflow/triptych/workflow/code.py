"""Digests of the code of commands, as parameters of their rules, so that a rule reruns if its code changes."""

from collections.abc import Callable
from typing import Any

from triptych.storage.code_digest import code_digest
from triptych.workflow.named_modules import modules_of_backbones


def code(module: str, *data_files: str, named: Callable[[Any], tuple[str, ...]] | None = None) -> Any:
    """Return the digest of a command's code, or a function from wildcards to the digest.

    Args:
        module: the module of the command, relative to the package.
        data_files: other files that it reads, relative to the folder of the package.
        named: a function from wildcards to the modules that the settings name.
    """
    if named is None:
        return code_digest(f"triptych.{module}", *data_files)
    return lambda wildcards: code_digest(f"triptych.{module}", *data_files, named=named(wildcards))


def backbone(architecture: Callable[[Any], str]) -> Callable[[Any], tuple[str, ...]]:
    """Return a function from wildcards to the module that builds their architecture."""
    return lambda wildcards: modules_of_backbones([architecture(wildcards)])
