"""The key `claims`: which lecture's claims an experiment tests, if any.

What one lecture adds is a wing: the package `triptych.NAME` and the rules in `workflow/rules/NAME.smk`. A wing may
import everything. Nothing imports it: what it declares is loaded here, by name.
"""

import importlib
from types import ModuleType

NONE = "none"
"""The value of `claims` for experiments that test none."""

WINGS = (  # a line each
    "lecture45",
)
"""The name of each wing, which is also its value of `claims`. A new one is added here, and nowhere else."""


def part_of(wing: str, part: str) -> ModuleType:
    """Import a module that a wing declares something in.

    Args:
        part: `requirements` (DESCRIPTION, TEST, and the arms that its claims are about as ARMS), `schema` (its TABLES),
            `catalogue` (its FIGURES) or `sections` (its SECTIONS of the report).
    """
    return importlib.import_module(module_of(wing, part))


def module_of(wing: str, part: str) -> str:
    """Return the dotted name of a module of a wing."""
    return f"triptych.{wing}.{part}"
