"""Options of commands, as text for a shell."""

import json
import re
import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from triptych.configuration.sources.registry import source_of


def one_of(values: Iterable[Any]) -> str:
    """A wildcard constraint that allows these values and nothing else; without values, nothing at all."""
    return "|".join(sorted({re.escape(str(value)) for value in values})) or "(?!)"


def as_json(value: Any) -> str:
    """Sorted JSON, so that the same settings always give the same command."""
    return json.dumps(value, sort_keys=True)


def option(name: str, value: Any) -> str:
    """`--name value` for a shell command, or nothing where there is no value."""
    text = "" if value is None else str(value)
    return f"{name} {shlex.quote(text)}" if text else ""


def options(**values: Any) -> str:
    """`--name value` for each, one a line."""
    lines = [option(f"--{name.replace('_', '-')}", value) for name, value in values.items()]
    return " \\\n            ".join(lines)


def dataset_json(experiment: Mapping[str, Any]) -> str:
    """What decides how the images are prepared, as sorted JSON."""
    return as_json(source_of(experiment["dataset"]).deciding())
