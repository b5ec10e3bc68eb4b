"""The user's files as they are on the disk: what a folder holds, where links lead, reads that leave no trace."""

import errno
import os
import stat
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import Literal, NamedTuple

from triptych.data.decoding import HEAD, IMAGE_ENDINGS, looks_like_image

JUNK = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx", "@eadir"})
"""What systems put into folders, in small letters. Names that begin with a dot are junk as well."""

TEXT_ENDINGS = frozenset(
    {".cfg", ".csv", ".htm", ".html", ".json", ".log", ".md", ".rst", ".tsv", ".txt", ".xml", ".yaml", ".yml"}
)

LARGEST_FILE = 2 * 10**9
"""Bytes of a file that is read. A file of 100 million pixels is smaller, whatever its format."""

LINKS = {
    "broken": ("a link to a file that does not exist", "delete the link, or restore the file"),
    "loop": ("a link that leads back to itself", "delete the link"),
    "outside": ("a link to a file outside the folder", "replace the link by a copy of the file"),
    "folder": ("a link to a folder", "replace the link by the folder"),
    "other": ("a link to something that is no file", "delete the link"),
}
"""What is wrong with a link, and what to do; by where it leads."""


class Entry(NamedTuple):
    """An entry of a folder.

    Attributes:
        path: `./` and its path from the data set's folder; bytes that are not UTF-8 are lone surrogates.
        file: where it is.
        kind: a link is a link, wherever it leads.
    """

    path: str
    file: str
    kind: Literal["file", "folder", "link", "other"]

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def is_image_by_name(self) -> bool:
        return has_image_ending(self.path)


def entries(folder: str, path: str) -> list[Entry]:
    """Return the entries of a folder, sorted by code point; with junk.

    Args:
        folder: where it is.
        path: its path from the data set's folder, as `Entry.path`.

    Raises:
        OSError: it cannot be read.
    """
    return sorted(_scan(folder, path))


def _scan(folder: str, path: str) -> Iterator[Entry]:
    with os.scandir(folder) as found:
        for one in found:
            yield Entry(f"{path}/{as_text(one.name)}", one.path, _kind(one))


def _kind(entry: os.DirEntry[str]) -> Literal["file", "folder", "link", "other"]:
    if entry.is_symlink():
        return "link"
    if entry.is_file(follow_symlinks=False):
        return "file"
    return "folder" if entry.is_dir(follow_symlinks=False) else "other"


def walk(folder: str, path: str, depth: int | None = None, unreadable: list[str] | None = None) -> Iterator[Entry]:
    """Yield everything below a folder but for junk, in the order of the file system, files before what is deeper.

    Folders that cannot be read have no entries, and links are not followed.

    Args:
        depth: the number of levels; by default all.
        unreadable: paths of folders that cannot be read are added to it.
    """
    waiting = [(folder, path, 1)]
    while waiting:  # a recursion would end at a thousand levels
        where, name, level = waiting.pop()
        try:
            for entry in _scan(where, name):
                if is_junk(entry.name):
                    continue
                yield entry
                if entry.kind == "folder" and level != depth:
                    waiting.append((entry.file, entry.path, level + 1))
        except OSError:
            if unreadable is not None:
                unreadable.append(name)


def is_junk(name: str) -> bool:
    """Return whether a file or folder is ignored, wherever it is, for its name."""
    return name.startswith(".") or name.lower() in JUNK


def has_image_ending(path: str) -> bool:
    """Return whether a file's name ends as the names of images do."""
    return os.path.splitext(path)[1].lower() in IMAGE_ENDINGS  # noqa: PTH122 - a fifth of the time of a Path


def is_image(entry: Entry) -> bool:
    """Return whether an entry is an image, by its name's ending or its content; False where it cannot be read."""
    if entry.is_image_by_name:
        return True
    if entry.kind not in ("file", "link"):
        return False
    try:
        with open_untouched(entry.file) as file:
            return looks_like_image(file.read(HEAD))
    except OSError:
        return False


def open_untouched(file: str | Path) -> BufferedReader:
    """Open a regular file to read its bytes, without a new access time where the system allows that.

    Raises:
        OSError: it cannot be opened, or it is no regular file. A named pipe or a device is never opened.
    """
    if not stat.S_ISREG(os.stat(file).st_mode):  # noqa: PTH116
        raise OSError(errno.EINVAL, "Not a regular file", str(file))
    try:
        return open(file, "rb", opener=_without_access_time)
    except PermissionError:  # only its owner may ask for that
        return open(file, "rb")  # noqa: PTH123


def _without_access_time(file: str, flags: int) -> int:
    return os.open(file, flags | getattr(os, "O_NOATIME", 0) | getattr(os, "O_NONBLOCK", 0))


def kind_of(path: Path) -> Literal["file", "folder", "other", "missing", "hidden"]:
    """Return what is at a path, where links lead; hidden if a folder above it cannot be read."""
    try:
        mode = path.stat().st_mode
    except PermissionError:
        return "hidden"
    except (OSError, ValueError):
        return "missing"
    if stat.S_ISREG(mode):
        return "file"
    return "folder" if stat.S_ISDIR(mode) else "other"


def destination(link: str, root: str) -> str:
    """Return where a link leads: file, or a key of `LINKS`.

    Args:
        root: the real path of the data set's folder.
    """
    try:
        real = os.path.realpath(link, strict=True)
        mode = os.stat(real).st_mode  # noqa: PTH116
    except OSError as error:
        return "loop" if error.errno == errno.ELOOP else "broken"
    if stat.S_ISDIR(mode):
        return "folder"
    if not stat.S_ISREG(mode):
        return "other"
    return "file" if is_below(real, root) else "outside"


def is_below(real: str, root: str) -> bool:
    """Return whether a real path is in the folder with the real path `root`."""
    return real.startswith(f"{root.rstrip('/')}/")


def fingerprint(file: str, kind: str, root: str) -> tuple[int, int]:
    """Return size (bytes) and modification time (ns) of a file, (-1, 0) for one that cannot be used."""
    usable = kind == "file" or (kind == "link" and destination(file, root) == "file")
    try:
        if not usable or not os.access(file, os.R_OK):
            return -1, 0
        facts = os.stat(file)  # noqa: PTH116
    except (OSError, ValueError):
        return -1, 0
    return facts.st_size, facts.st_mtime_ns


def as_text(name: str) -> str:
    """Return a name of the file system as UTF-8 text, whatever the locale; other bytes become lone surrogates."""
    return name if name.isascii() else os.fsencode(name).decode("utf-8", "surrogateescape")


def as_file(path: str) -> str:
    """Return the name of the file system of a text of `as_text`."""
    return path if path.isascii() else os.fsdecode(path.encode("utf-8", "surrogateescape"))


def is_utf8(path: str) -> bool:
    """Return whether a text of `as_text` has no lone surrogates."""
    return path.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in path)


def escaped(path: str) -> str:
    """Return a text of `as_text` with bytes that are not UTF-8 as backslash escapes."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def quoted(text: str) -> str:
    """Return a text in one line for a message, in quotation marks where spaces or marks would mislead."""
    text = escaped(text)
    plain = text.isprintable() and text == text.strip() and text and not any(mark in text for mark in " ,;'\"")
    return text if plain else repr(text)
