"""Atomic writes, reads whose errors name the file, and checksums."""

import csv
import errno
import glob
import hashlib
import json
import os
import shutil
import socket
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from triptych.storage.errors import InputError
from triptych.storage.locks import held, try_lock

if TYPE_CHECKING:  # importing pandas takes longer than many commands, and those that have a table have imported it
    import pandas

STORAGE_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
"""A full disk, a quota, a file size limit, a read-only file system: the user has to fix these and rerun."""

LOCK = ".lock"


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Write a file atomically: yield a temporary path, and rename it to `path` if the block ends without an error.

    - The temporary file has the same name, in a temporary folder beside `path`: some libraries write temporary files of
      their own beside their output.
    - The folder of `path` is created if it is missing.
    - On an error the temporary file is removed, and `path` is unchanged.
    - Stale temporary files of `path` from killed processes are removed.
    - The file is fsynced before the rename, so that it is complete or missing after a power failure too.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _named(path):
        remove_stale_tempfiles(path.parent, path.stem)
        folder, lock = _temporary_folder(path)
    temporary = folder / path.name
    try:
        with _named(path, temporary):
            yield temporary
            umask = os.umask(0)
            os.umask(umask)
            temporary.chmod(0o666 & ~umask)  # some libraries create files that only the owner can read
            _fsync(temporary)
            temporary.replace(path)
            with suppress(OSError):  # not every file system supports fsync of a folder
                _fsync(path.parent)
    finally:
        if lock is not None:
            os.close(lock)
        shutil.rmtree(folder, ignore_errors=True)


def _temporary_folder(path: Path) -> tuple[Path, int | None]:
    """Create a folder beside `path`, and lock it until this process ends (lock None if there are no locks)."""
    while True:
        folder = Path(tempfile.mkdtemp(dir=path.parent, prefix=_prefix(path.stem)))
        try:
            lock = try_lock(folder / LOCK)
        except FileNotFoundError:  # another process took it for stale and removed it
            continue
        except OSError:  # no locks here; they only protect the folder from removal as stale
            return folder, None
        if lock is not None:  # else another process is about to remove it
            return folder, lock


def remove_stale_tempfiles(folder: Path, stem: str | None = None) -> None:
    """Remove stale temporary folders of `atomic_write`: those that no process has locked, because theirs was killed.

    Folders of other machines are kept, because on some network file systems a lock is valid on one machine only.

    Args:
        stem: of the file that they were created for; by default of any file.
    """
    prefix = _prefix(None) if stem is None else glob.escape(_prefix(stem))
    for stale in folder.glob(f"{prefix}{'[a-z0-9_]' * 8}"):
        with suppress(OSError):  # of another user, or there are no locks
            lock = try_lock(stale / LOCK)
            if lock is not None:
                os.close(lock)
                shutil.rmtree(stale, ignore_errors=True)


def _prefix(stem: str | None) -> str:
    """Return the prefix of this machine's temporary folders for a file; without a stem, a glob pattern for any file."""
    machine = hashlib.sha256(socket.gethostname().encode()).hexdigest()[:4]
    return f".{'*' if stem is None else stem}.{machine}."


def _fsync(path: Path) -> None:
    """Flush a file or the entries of a folder to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _named(path: Path, temporary: Path | None = None) -> Iterator[None]:
    """Make storage errors that name no file, or the temporary one, name `path`."""
    try:
        yield
    except OSError as error:
        storage = error.errno in STORAGE_ERRORS or isinstance(error, PermissionError)
        if storage and (temporary is None or error.filename in (None, str(temporary))):
            error.filename = str(path)
        raise


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 with `\\n` line ends."""
    with atomic_write(path) as temporary:
        temporary.write_bytes(text.encode())


def append_line(path: Path, line: str) -> list[str]:
    """Append a line to a text file; return all lines of the file. The file and its folders are made if missing.

    Processes take turns, by a lock. The line and the file's entry in its folder are on the disk before this returns. A
    line that a power cut has cut off stays as it is, and the new one follows below it.
    """
    new_folders = [folder for folder in path.parents if not folder.exists()]
    with _named(path), held(path), path.open("a+b") as file:
        file.seek(0)
        before = file.read()
        file.write((b"" if before.endswith(b"\n") or not before else b"\n") + line.encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
        for folder in (path.parent, *(folder.parent for folder in new_folders)):
            with suppress(OSError):  # not every file system can do that with a folder
                _fsync(folder)
        file.seek(0)
        return file.read().decode(errors="replace").splitlines()


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON with sorted keys."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def write_table(path: Path, table: "pandas.DataFrame") -> None:
    """Write `table` as CSV: no index, empty missing values, floats as the shortest text that round-trips."""
    # Python's csv does not quote a carriage return alone, which readers take for the end of a line.
    quoting: Literal[0, 2] = csv.QUOTE_NONNUMERIC if _has_carriage_return(table) else csv.QUOTE_MINIMAL
    with atomic_write(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n", quoting=quoting)


def _has_carriage_return(table: "pandas.DataFrame") -> bool:
    texts = table.select_dtypes(exclude=["number", "bool"])
    return any("\r" in cell for name in texts for cell in texts[name].tolist() if isinstance(cell, str))


def read_text(path: Path) -> str:
    """Read a text file.

    Raises:
        InputError: the file is missing, or not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{path}: the file is missing.") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text ({error}).") from None


def read_json(path: Path, keys: Iterable[str]) -> dict[str, Any]:
    """Read a JSON file that holds a mapping with at least these keys.

    Raises:
        InputError: the file is missing, is not JSON, or lacks a key.
    """
    try:
        value = json.loads(read_text(path))
    except ValueError as error:
        raise InputError(f"{path}: expected JSON, found something else ({error}).") from None
    mapping: dict[str, Any] = value if isinstance(value, dict) else {}
    missing = [key for key in keys if key not in mapping]
    if missing:
        raise InputError(f"{path}: missing keys {', '.join(missing)}; expected are {', '.join(keys)}.")
    return mapping


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
