"""Writing files whole or not at all, reading them with a message that names the file, and their checksums."""

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
from typing import Any

import pandas

from triptych.storage.errors import InputError
from triptych.storage.locks import held, try_lock

FAULTS_OF_STORAGE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
"""A full disk, a quota or limit that is reached, a read-only file system: for a person to mend, then to run again."""

LOCK = ".lock"


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path of the same name; put it in place of `path` when the block ends without an error.

    It lies in a temporary folder beside `path`, since some libraries make temporary files of their own beside what they
    write. The folder of `path` is made if it is missing. On any error the temporary one is removed and `path` stays as
    it was. What a killed process has left of the same file is removed. The bytes are on the disk before they are in
    place: after a power cut, too, the file is whole or not there.
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
            temporary.chmod(0o666 & ~umask)  # some libraries make files that only their owner may read
            _to_disk(temporary)
            temporary.replace(path)
            with suppress(OSError):  # not every file system can do that with a folder
                _to_disk(path.parent)
    finally:
        if lock is not None:
            os.close(lock)
        shutil.rmtree(folder, ignore_errors=True)


def _temporary_folder(path: Path) -> tuple[Path, int | None]:
    """Make a folder beside `path`, locked for as long as its maker lives (None where there are no locks)."""
    while True:
        folder = Path(tempfile.mkdtemp(dir=path.parent, prefix=_prefix(path.stem)))
        try:
            lock = try_lock(folder / LOCK)
        except FileNotFoundError:  # somebody took it for remains, and removed it
            continue
        except OSError:  # no locks here; it only keeps off those who remove remains
            return folder, None
        if lock is not None:  # else somebody is about to remove it
            return folder, lock


def remove_stale_tempfiles(folder: Path, stem: str | None = None) -> None:
    """Remove this machine's temporary folders of `atomic_write` that nobody has locked: whoever made them was killed.

    Another machine's are left: on some network file systems a lock holds on one machine only.

    Args:
        stem: of the file that they were made for; of any by default.
    """
    prefix = _prefix(None) if stem is None else glob.escape(_prefix(stem))
    for left in folder.glob(f"{prefix}{'[a-z0-9_]' * 8}"):
        with suppress(OSError):  # somebody else's, or there are no locks
            lock = try_lock(left / LOCK)
            if lock is not None:
                os.close(lock)
                shutil.rmtree(left, ignore_errors=True)


def _prefix(stem: str | None) -> str:
    """How the names of this machine's temporary folders of a file begin; without a stem, a pattern for those of any."""
    machine = hashlib.sha256(socket.gethostname().encode()).hexdigest()[:4]
    return f".{'*' if stem is None else stem}.{machine}."


def _to_disk(path: Path) -> None:
    """Wait until a file's bytes, or a folder's entries, would outlast a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _named(path: Path, temporary: Path | None = None) -> Iterator[None]:
    """Let an error of storage that names no file, or the temporary one, name `path`."""
    try:
        yield
    except OSError as error:
        storage = error.errno in FAULTS_OF_STORAGE or isinstance(error, PermissionError)
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
                _to_disk(folder)
        file.seek(0)
        return file.read().decode(errors="replace").splitlines()


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON with sorted keys."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def write_table(path: Path, table: pandas.DataFrame) -> None:
    """Write `table` as CSV: no index, missing values empty, floats in the shortest text that reads back the same."""
    with atomic_write(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")


def read_text(path: Path) -> str:
    """Read a text file.

    Raises:
        InputError: it is not there, or not text.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{path}: the file is missing") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a text in UTF-8 ({error})") from None


def read_json(path: Path, keys: Iterable[str]) -> dict[str, Any]:
    """Read a JSON file that holds a mapping with at least these keys.

    Raises:
        InputError: it is missing, is no JSON, or lacks a key.
    """
    try:
        value = json.loads(read_text(path))
    except ValueError as error:
        raise InputError(f"{path}: expected JSON, found something else ({error})") from None
    mapping: dict[str, Any] = value if isinstance(value, dict) else {}
    missing = [key for key in keys if key not in mapping]
    if missing:
        raise InputError(f"{path}: expected the keys {', '.join(keys)}, found none called {', '.join(missing)}")
    return mapping


def sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
