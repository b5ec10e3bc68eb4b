"""The code that a command runs, as a parameter of its rule, so that a change of that code runs it again."""

from collections.abc import Callable
from typing import Any

from triptych.storage.code_digest import code_digest
from triptych.workflow.named_modules import modules_of_backbones


def code(module: str, *data_files: str, named: Callable[[Any], tuple[str, ...]] | None = None) -> Any:
    """The digest of a command's code, or a function of the wildcards that gives it.

    Args:
        module: the command's module below the package.
        data_files: what it reads beside code, relative to the package's folder.
        named: gives, for the wildcards of a job, the modules that its settings name.
    """
    if named is None:
        return code_digest(f"triptych.{module}", *data_files)
    return lambda wildcards: code_digest(f"triptych.{module}", *data_files, named=named(wildcards))


def backbone(architecture: Callable[[Any], str]) -> Callable[[Any], tuple[str, ...]]:
    """The module that builds the architecture which a function of the wildcards gives."""
    return lambda wildcards: modules_of_backbones([architecture(wildcards)])
