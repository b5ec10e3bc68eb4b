"""Check a configuration, and explain what is wrong with it."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from triptych.configuration.checks import contradictions
from triptych.configuration.experiment import Configuration
from triptych.configuration.messages import explain, one_message, short_repr
from triptych.storage.errors import InputError


def load_configuration(raw: Any) -> Configuration:
    """Check what was read from YAML files and from the command line.

    Args:
        raw: a mapping; numbers may be texts.

    Raises:
        InputError: something is not allowed. The message has one line for each problem, with the key (which names the
            experiment), the value and what is allowed, under a first line where there are several.
    """
    if not isinstance(raw, Mapping):
        raise InputError(f"{short_repr(raw)} is not allowed; give a mapping with the key experiments.")
    try:
        configuration = Configuration.model_validate(dict(raw))
        problems = list(contradictions(configuration))
    except ValidationError as error:
        problems = explain(error, Configuration.model_json_schema())
    if problems:
        raise InputError(one_message(problems))
    return configuration
