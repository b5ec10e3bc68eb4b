"""The border of the test images after they were opened: a move of an image across it is named."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import pandas

from triptych.data.stratify import TEST
from triptych.storage.files import write_json

RECORD = "split.json"
"""Beside the logs of openings: the last split, and the one under which test images were opened."""
MOST_NAMED = 5
"""The most images that a sentence names."""
Parts = Mapping[str, list[str]]
"""The SHA-256 of the images of `test` and of the `others`."""


@dataclass(frozen=True)
class Record:
    """What is known of earlier splits.

    Attributes:
        openings: lines in the logs of openings when the last split was made.
        last, opened: the last split, and the last one under which test images were opened; None where there is none.
    """

    openings: int = 0
    last: Parts | None = None
    opened: Parts | None = None


def opened_split(openings: Path | None) -> Parts | None:
    """Return the last split under which test images were opened; None if none is known.

    Args:
        openings: the folder with the logs of openings of an experiment.
    """
    if openings is None:
        return None
    record = _read(openings / RECORD)
    return record.last if _count(openings) > record.openings else record.opened


def parts_of(images: pandas.DataFrame, rows: Mapping[str, numpy.ndarray]) -> Parts:
    """Return the split of images (column sha256)."""
    is_test = numpy.zeros(len(images), dtype=bool)
    is_test[rows[TEST]] = True
    return {"test": sorted(images["sha256"][is_test]), "others": sorted(images["sha256"][~is_test])}


def write_record(openings: Path, parts: Parts | None) -> None:
    """Record a split, once its files are written; None for images that are no files, of which no move is named."""
    content = {"openings": _count(openings), "last": parts, "opened": opened_split(openings)}
    write_json(openings / RECORD, content)


def moved(opened: Parts | None, images: pandas.DataFrame, test: numpy.ndarray) -> str:
    """Name the images that are on another side of the border than when test images were opened; "" for none.

    Args:
        images: columns path and sha256.
        test: the positions of the test images.
    """
    if opened is None:
        return ""
    is_test = numpy.zeros(len(images), dtype=bool)
    is_test[test] = True
    then, others = set(opened["test"]), set(opened["others"])  # a copy may be on both sides
    left = sorted(images["path"][images["sha256"].isin(then - others) & ~is_test])
    entered = sorted(images["path"][images["sha256"].isin(others - then) & is_test])
    if not left and not entered:
        return ""
    named = [
        f"{_images(paths)} moved {where} test ({', '.join(paths[:MOST_NAMED])}{', ...' * (len(paths) > MOST_NAMED)})"
        for paths, where in ((left, "out of"), (entered, "into"))
        if paths
    ]
    return (
        f"The test images were opened before, and since then {' and '.join(named)}. Earlier test results are about "
        "other images."
    )


def _images(paths: list[str]) -> str:
    return "1 image" if len(paths) == 1 else f"{len(paths):,} images"


def _count(openings: Path) -> int:
    """The number of openings in the logs below a folder."""
    return sum(path.read_bytes().count(b"\n") for path in openings.rglob("*.jsonl"))


def _read(path: Path) -> Record:
    """Read the record. One that is missing or damaged is none: it is a log, and nothing else depends on it."""
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
        return Record(int(content["openings"]), content["last"], content["opened"])
    except (OSError, ValueError, KeyError, TypeError):
        return Record()
