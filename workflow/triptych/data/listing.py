"""The list of the user's files, and the digest by which the workflow knows whether they changed."""

import hashlib
import importlib
import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from triptych.data.user_files import LARGEST_FILE, as_file, as_text, open_untouched, quoted

UNUSABLE = -1
"""The size of what is missing, cannot be read, or is no file of the data set."""


class Listed(NamedTuple):
    """A file or folder of a data set.

    Attributes:
        path: as `Item.path`; a folder's ends with a slash. Bytes that are not UTF-8 are lone surrogates.
        size: bytes; 0 for a folder, `UNUSABLE` for what is missing or cannot be used.
        mtime_ns: modification time; 0 for a folder and for what cannot be used.
    """

    path: str
    size: int
    mtime_ns: int


@dataclass(frozen=True)
class Recorded:
    """The list of the files that check_data has seen.

    Attributes:
        digest: the digest that check_data was asked with.
        files: size, modification time (ns) and SHA-256 by path; "" for folders and what cannot be used.
    """

    digest: str
    files: dict[str, tuple[int, int, str]]


def candidates(source: str, path: Path) -> list[Listed]:
    """Return all files and folders that decide what is found in a data set, sorted by path.

    No file is opened but a table. Junk by its name (hidden, Thumbs.db, ...) and links to folders are not followed.

    Args:
        source: folder or table.

    Raises:
        InputError: there is no folder, or no table, at `path`.
    """
    listed: list[Listed] = importlib.import_module(f"triptych.data.sources.{source}").candidates(path)
    return listed


def digest_of(listed: Iterable[Listed]) -> str:
    """Return the SHA-256 of paths, sizes and modification times, in any order."""
    digest = hashlib.sha256()
    for path, size, mtime_ns in sorted(listed):
        digest.update(f"{path}\0{size}\0{mtime_ns}\0".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def file_of(source: str, path: Path, listed: str) -> Path:
    """Return where a listed file is."""
    return (path if source == "folder" else path.parent) / as_file(listed)


def record(source: str, path: Path, digest: str, listed: Iterable[Listed], known: Mapping[str, str]) -> Recorded:
    """Return the record of a listing.

    Args:
        digest: the one that check_data was asked with.
        listed: from `candidates`, before the files were read.
        known: SHA-256 by listed path; files that are not in it are read here.
    """
    files = {}
    for one in listed:
        content = known.get(one.path) or _sha256(source, path, one)
        files[one.path] = (one.size, one.mtime_ns, content)
    return Recorded(digest, files)


def write_listing(path: Path, recorded: Recorded) -> None:
    """Write a record as JSON, in ASCII: names that are not UTF-8 come back as they were."""
    from triptych.storage.files import write_text  # it takes pandas along, which the workflow's start does without

    write_text(path, json.dumps({"digest": recorded.digest, "files": recorded.files}, indent=0, sort_keys=True) + "\n")


def read_listing(path: Path) -> Recorded | None:
    """Return the record in a file of `write_listing`; None if it is missing or damaged."""
    try:
        value = json.loads(path.read_bytes())
        files = {
            name: (int(size), int(mtime_ns), str(content)) for name, (size, mtime_ns, content) in value["files"].items()
        }
        digest = value["digest"]
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
        return None
    return Recorded(digest, files) if isinstance(digest, str) and digest else None


def digest_for(source: str, path: Path, recorded: Path) -> str:
    """Return the digest that the workflow records for the present files.

    It is the recorded one as long as no file was added, removed, renamed or edited: a file whose size or modification
    time differs from the record is read, and its SHA-256 decides. Otherwise it is the digest of the present list. If
    the images are gone, or their folder is empty as that of a disk that is not mounted, the recorded one still holds.

    Args:
        recorded: the listing that check_data wrote, if it did.

    Raises:
        InputError: there is no data set at `path`, and no record of it.
    """
    record = read_listing(recorded)
    table = _table_of(source, path)
    if record is None or not any(content for name, (_, _, content) in record.files.items() if name != table):
        return digest_of(candidates(source, path))
    present = [] if _is_gone(path) else candidates(source, path)
    if present and not _is_as_recorded(source, path, present, record):
        return digest_of(present)
    if all(one.size == UNUSABLE for one in present if one.path != table and not one.path.endswith("/")):
        print(f"{quoted(str(path))}: the images are gone; using those that were prepared from them.", file=sys.stderr)
    return record.digest


def _is_gone(path: Path) -> bool:
    try:
        return not any(path.iterdir())
    except NotADirectoryError:
        return False
    except OSError:
        return True


def _table_of(source: str, path: Path) -> str:
    """Return the listed path of the table; "" for a folder."""
    return f"./{as_text(path.name)}" if source == "table" else ""


def _is_as_recorded(source: str, path: Path, present: Iterable[Listed], record: Recorded) -> bool:
    """Return whether all files are as recorded; for a table also if all that it names are gone."""
    by_path = {one.path: one for one in present}
    if by_path.keys() != record.files.keys():
        return False
    doubtful = [one for one in by_path.values() if (one.size, one.mtime_ns) != record.files[one.path][:2]]
    images = by_path.keys() - {table := _table_of(source, path)}
    if table and all(by_path[image].size == UNUSABLE for image in images):
        doubtful = [one for one in doubtful if one.path == table]
    if any(one.size != record.files[one.path][0] for one in doubtful):
        return False
    return all(_sha256(source, path, one) == record.files[one.path][2] for one in doubtful)


def _sha256(source: str, path: Path, one: Listed) -> str:
    """Return the SHA-256 of a listed file; "" for a folder, for what cannot be read, and for what is too large."""
    if one.size == UNUSABLE or one.size > LARGEST_FILE or one.path.endswith("/"):
        return ""
    try:
        with open_untouched(file_of(source, path, one.path)) as file:
            return hashlib.file_digest(file, hashlib.sha256).hexdigest()
    except OSError:
        return ""
