"""Options of commands that are JSON, or the mode of testing."""

import json
from typing import Any

from triptych.results.schema import TESTED, Mode
from triptych.storage.errors import InputError


def parsed_json(option: str, text: str) -> Any:
    """Return the value of an option that is JSON.

    Raises:
        InputError: it is not.
    """
    try:
        return json.loads(text)
    except ValueError as error:
        raise InputError(f"{option}: expected JSON, found something else ({error})") from None


def parsed_mode(text: str) -> Mode:
    """Return the mode of testing that a configuration's key `test` names.

    Raises:
        InputError: there is no such mode.
    """
    for mode in TESTED:
        if mode == text:
            return mode
    raise InputError(f"mode: expected {' or '.join(TESTED)}, found {text!r}")
