"""What a source of image files finds in the user's folder or table, before any image is decoded."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

FILE: Literal["file"] = "file"
DATASET: Literal["dataset"] = "dataset"


@dataclass(frozen=True)
class Item:
    """A file that should be an image.

    Attributes:
        path: its name in tables, in messages and under pictures: `./` and the path from the data set's folder.
        file: where to read it.
        label: its class, in Unicode form NFC.
        split: the split that was given (train, validation, test), or "".
        group: the group that was given, or "".
    """

    path: str
    file: Path
    label: str
    split: str = ""
    group: str = ""


@dataclass(frozen=True)
class Problem:
    """Something that is wrong with a file (`kind` file: the others can still be used) or with the whole (`dataset`).

    Attributes:
        path: the file or folder, as `Item.path`; "" for none.
        label: its class; "" for none.
        problem: what is wrong, a clause without a full stop.
        remedy: what to do, a clause without a full stop.
    """

    kind: Literal["file", "dataset"]
    path: str
    label: str
    problem: str
    remedy: str


@dataclass(frozen=True)
class Ignored:
    """A file or folder that is no image of the data set, and why: a few words."""

    path: str
    reason: str


@dataclass(frozen=True)
class Found:
    """Everything that a source found, each list sorted by path, and the classes sorted by code point."""

    items: list[Item]
    problems: list[Problem]
    ignored: list[Ignored]
    classes: list[str]
