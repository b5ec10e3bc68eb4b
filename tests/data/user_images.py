"""Small data sets of image files, as users have them."""

import functools
import io
import os
import stat
from pathlib import Path

from PIL import Image

CLASSES = ("roses", "tulips")
SPLITS = {"train": 6, "val": 2, "test": 2}
LONG_AGO, LATER = 1_000_000_000, 1_100_000_000


@functools.cache
def picture(number: int) -> bytes:
    """A JPEG file; no two numbers have the same."""
    file = io.BytesIO()
    Image.new("RGB", (8, 8), (number % 256, number // 256, 128)).save(file, "JPEG")
    return file.getvalue()


def put(path: Path, number: int = 999) -> Path:
    """Write an image file, and its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(picture(number))
    return path


def class_folders(root: Path) -> None:
    """Ten images of each class."""
    for number in range(20):
        put(root / CLASSES[number // 10] / f"{number % 10:02}.jpg", number)


def split_folders(root: Path) -> None:
    """The same images, in three splits of class folders."""
    number = 0
    for name in CLASSES:
        for split, size in SPLITS.items():
            for index in range(size):
                put(root / split / name / f"{index:02}.jpg", number)
                number += 1


def table_lines(with_splits: bool = False) -> list[str]:
    """The lines of a table of the images of `class_folders`, which lie beside it; groups are of one image each."""
    splits = [split for split, size in SPLITS.items() for _ in range(size)]
    lines = ["path,label" + (",split,group" if with_splits else "")]
    for number in range(20):
        name = CLASSES[number // 10]
        line = f"{name}/{number % 10:02}.jpg,{name}"
        lines.append(line + (f",{splits[number % 10]},g{number}" if with_splits else ""))
    return lines


def age(root: Path) -> None:
    """Give every file an access time that reading would change."""
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder, os.fsdecode(name))
            os.utime(path, (LONG_AGO, LATER), follow_symlinks=False)


def traces(root: Path) -> dict[str, tuple]:
    """All that is known about the files below `root`, and their content."""
    found = {}
    for folder, folders, names in os.walk(root):
        for name in folders + names:
            path = Path(folder, name)
            facts = path.lstat()
            content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
            accessed = facts.st_atime_ns if stat.S_ISREG(facts.st_mode) else 0  # nothing can look at others unseen
            found[str(path)] = (facts.st_mode, facts.st_ino, facts.st_size, facts.st_mtime_ns, accessed, content)
    return found
