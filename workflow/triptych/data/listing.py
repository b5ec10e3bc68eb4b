"""Stand-in: list the files of a folder. Replaced by the real module."""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from triptych.storage.files import write_json


@dataclass(frozen=True)
class Listed:
    path: str
    size: int
    mtime_ns: int


@dataclass(frozen=True)
class Recorded:
    digest: str
    files: dict[str, tuple[int, int, str]]


def candidates(source: str, path: Path) -> list[Listed]:
    found = []
    for folder, _, names in os.walk(path):
        for name in names:
            if not name.startswith("."):
                file = Path(folder, name)
                stat = file.stat()
                found.append(Listed(f"./{file.relative_to(path)}", stat.st_size, stat.st_mtime_ns))
    return sorted(found, key=lambda one: one.path)


def digest_of(listed: Sequence[Listed]) -> str:
    return hashlib.sha256(json.dumps([[one.path, one.size, one.mtime_ns] for one in listed]).encode()).hexdigest()


def write_listing(path: Path, digest: str, files: dict[str, tuple[int, int, str]]) -> None:
    write_json(path, {"digest": digest, "files": files})
