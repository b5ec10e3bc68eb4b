"""Command-line options, as text for a shell."""

import json
import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from triptych.configuration.downloads import official_weights
from triptych.configuration.pretraining import pretrained_architectures
from triptych.configuration.sources.registry import source_of


def one_of(values: Iterable[Any]) -> str:
    """Return a wildcard constraint that allows only these values; without values it matches nothing."""
    return "|".join(sorted({re.escape(str(value)) for value in values})) or "(?!)"


def as_json(value: Any) -> str:
    """Return sorted JSON, so that equal settings give equal commands."""
    return json.dumps(value, sort_keys=True)


def option(name: str, value: Any) -> str:
    """Return `--name value` for a shell command; an empty text if there is no value."""
    text = "" if value is None else str(value)
    return f"{name} {shlex.quote(text)}" if text else ""


def options(**values: Any) -> str:
    """Return `--name value` for each value that is not None or empty, one per line."""
    lines = [option(f"--{name.replace('_', '-')}", value) for name, value in values.items()]
    return " \\\n            ".join(filter(None, lines))


def comparison_json(*keys: str) -> Callable[[Mapping[str, Any]], str]:
    """Return a function from an experiment to these keys of its section `comparison`, as sorted JSON."""
    return lambda experiment: as_json({key: experiment["comparison"][key] for key in keys})


def pretraining_json(experiment: Mapping[str, Any]) -> str:
    """Return the section `weights` as sorted JSON, without the places of its file, which its checksum identifies.

    `sha256` is null where every pretrained arm has the published weights (or none is pretrained), even if the
    configuration gives it.
    """
    weights = experiment["weights"]
    published = all(official_weights(weights, architecture) for architecture in pretrained_architectures(experiment))
    nulled = {"urls", "path", *(["sha256"] if published else [])}
    return as_json({key: None if key in nulled else value for key, value in weights.items()})


def checking_json(experiment: Mapping[str, Any]) -> str:
    """Return the settings that decide how the user's image files are checked and decoded, as sorted JSON.

    Args:
        experiment: from `triptych.configuration.effective`, so `store_size` is a number.
    """
    return as_json(source_of(experiment["dataset"]).checking())


def dataset_json(experiment: Mapping[str, Any]) -> str:
    """Return the settings of the data set that affect results, as sorted JSON."""
    return as_json(source_of(experiment["dataset"]).deciding())
