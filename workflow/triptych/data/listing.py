"""Stand-in: list the files of a folder. Replaced by the real module."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
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
    if source == "table":
        return [Listed(f"./{path.name}", path.stat().st_size, path.stat().st_mtime_ns)]
    for folder, _, names in os.walk(path):
        for name in names:
            if not name.startswith("."):
                file = Path(folder, name)
                stat = file.stat()
                found.append(Listed(f"./{file.relative_to(path)}", stat.st_size, stat.st_mtime_ns))
    return sorted(found, key=lambda one: one.path)


def digest_of(listed: Sequence[Listed]) -> str:
    return hashlib.sha256(json.dumps([[one.path, one.size, one.mtime_ns] for one in listed]).encode()).hexdigest()


def record(source: str, path: Path, digest: str, listed: Iterable[Listed], known: Mapping[str, str]) -> Recorded:
    files = {}
    for one in listed:
        content = (
            known.get(one.path)
            or hashlib.sha256(((path.parent if source == "table" else path) / one.path).read_bytes()).hexdigest()
        )
        files[one.path] = (one.size, one.mtime_ns, content)
    return Recorded(digest, files)


def write_listing(path: Path, recorded: Recorded) -> None:
    write_json(path, {"digest": recorded.digest, "files": recorded.files})
