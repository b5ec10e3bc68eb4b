"""The file of the decision, `decision.json`: read, and checked against its own digest."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from triptych.storage.errors import InputError
from triptych.storage.files import read_json

DECISION_KEYS = (
    *("images", "number_of_images", "classes", "chance", "confidence", "equivalence_margin", "prefer", "ranking"),
    *("pairs", "verdict", "candidates", "chosen", "reasons", "settling", "digest"),
)


def decision_digest(content: Mapping[str, Any]) -> str:
    """Return the SHA-256 (hexadecimal) of a decision as canonical JSON, its key `digest` left out."""
    rest = {key: value for key, value in content.items() if key != "digest"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def read_decision(path: Path) -> dict[str, Any]:
    """Read a decision.

    Raises:
        InputError: the file is missing, is no JSON, lacks a key, or does not match its own digest.
    """
    content = read_json(path, DECISION_KEYS)
    if content["digest"] != decision_digest(content):
        raise InputError(f"{path}: the decision was changed by hand; delete it and run again")
    return content
