"""The records of every look at test images: lines of JSON in the logs of openings, which only grow."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from triptych.results.schema import EVERY_EPOCH

Opening = Mapping[str, Any]
"""A line: `arm`, `seed`, with folds `fold`, and `time` (UTC). Of `open_test` also the digests `decision` and `trained`;
of a training that evaluates test images after every epoch, `test` is `EVERY_EPOCH`."""


def parsed_lines(lines: Iterable[str], key: str = "arm") -> list[Opening]:
    """Return the openings of the lines of a log, in order; of another log the entries that have its `key`.

    A line that is no JSON was cut off while it was written, before any image was read.
    """
    found: list[Opening] = []
    for line in lines:
        try:
            entry: Any = json.loads(line.removeprefix("\ufeff"))  # an editor's byte order mark
        except ValueError:
            continue
        if isinstance(entry, dict) and key in entry:
            found.append(entry)
    return found


def recorded_openings(folder: Path) -> list[Opening]:
    """Return the openings in all logs of an experiment's folder, by the names of the logs; none if there is no folder.

    They also hold those of arms and seeds that are no longer in the configuration.
    """
    logs = sorted(folder.rglob("*.jsonl"))
    return [entry for log in logs for entry in parsed_lines(log.read_text(errors="replace").splitlines())]


def is_of_training(opening: Opening) -> bool:
    """Whether it is a training's that evaluates test images after every epoch."""
    return opening.get("test") == EVERY_EPOCH
