"""The binary archives of CIFAR-10 and CIFAR-100, read as a stream: no pickle, nothing extracted.

Source: A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009;
https://www.cs.toronto.edu/~kriz/cifar.html describes the layout: records of one label byte (CIFAR-100: a coarse and a
fine one), then 1,024 red, 1,024 green and 1,024 blue bytes, row by row.
"""

import gzip
import tarfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy

from triptych.data.source import SourceImages, setting
from triptych.storage.errors import InputError
from triptych.storage.files import sha256

SIDE = 32
PIXELS = 3 * SIDE * SIDE
SLACK = 1 << 26
"""Bytes that an archive may hold beside twice the expected records: its headers, a page about it, names."""


@dataclass(frozen=True)
class Layout:
    """What an archive holds.

    Attributes:
        name: as people know it.
        train, test: its files of records, in order.
        names: the file with the names of the classes, one a line.
        labels: how many values each of the bytes has that come before the pixels of a record; the last is the class.
    """

    name: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    names: str
    labels: tuple[int, ...]

    @property
    def classes(self) -> int:
        return self.labels[-1]

    @property
    def label_bytes(self) -> int:
        return len(self.labels)


def read_archive(layout: Layout, settings: Mapping[str, Any], files: Sequence[Path]) -> SourceImages:
    """Return all images of an archive, as `triptych.data.source.Source.read` says.

    Args:
        settings: `expected_train` and `expected_test`, how many images the two parts must have, and `sha256`.
        files: the .tar.gz file.

    Raises:
        InputError: as `read_cifar`, or the file has another checksum.
    """
    expected_train, expected_test, checksum = (
        setting(settings, key) for key in ("expected_train", "expected_test", "sha256")
    )
    if len(files) != 1:
        raise InputError(f"{layout.name}: read from one archive, given are {len(files)} files")
    (archive,) = files
    if archive.is_file() and (found := sha256(archive)) != checksum:
        raise InputError(f"{archive}: has the sha256 {found}, expected {checksum}; it is not opened")
    return read_cifar(layout, archive, expected_train, expected_test)


def read_cifar(layout: Layout, archive: Path, expected_train: int, expected_test: int) -> SourceImages:
    """Return all images of an archive: its training part, then its test part, which `is_test` marks.

    Args:
        layout: what it must hold.
        archive: the .tar.gz file.
        expected_train, expected_test: how many images the two parts must have.

    Raises:
        InputError: the file is no such archive, is cut short, is far larger than it should be, or holds other files,
            other numbers of images or other labels than it should.
    """
    records_bytes = (expected_train + expected_test) * (layout.label_bytes + PIXELS)
    content = _wanted_members(layout, archive, 2 * records_bytes + SLACK)
    classes = _class_names(layout, archive, content[layout.names])
    images, labels, names, is_test = [], [], [], []
    for part, members, expected in (("train", layout.train, expected_train), ("test", layout.test, expected_test)):
        records = [_records(layout, archive, member, content.pop(member)) for member in members]
        count = sum(len(rows) for rows in records)
        if count != expected:
            found = ", ".join(f"{member} {len(rows):,}" for member, rows in zip(members, records, strict=True))
            raise InputError(
                f"{archive}: the {part} part of {layout.name} has {count:,} images ({found}), expected {expected:,}"
            )
        for rows in records:
            labels.append(rows[:, layout.label_bytes - 1].astype(numpy.int64))
            planes = rows[:, layout.label_bytes :].reshape(-1, 3, SIDE, SIDE)
            images.append(numpy.ascontiguousarray(planes.transpose(0, 2, 3, 1)))
        names += [f"{part}-{number:05d}" for number in range(count)]
        is_test += [part == "test"] * count
    return SourceImages(
        images=numpy.concatenate(images),
        labels=numpy.concatenate(labels),
        classes=classes,
        names=names,
        groups=[""] * len(names),
        is_test=numpy.array(is_test),
    )


class _Bounded:
    """A stream that ends with an `InputError` where it is longer than `limit` bytes, however few they were packed."""

    def __init__(self, stream: gzip.GzipFile, limit: int, archive: Path):
        self._stream = stream
        self._limit = self._left = limit
        self._archive = archive

    def read(self, size: int) -> bytes:
        content = self._stream.read(size)
        self._left -= len(content)
        if self._left < 0:
            raise _too_large(self._archive, "it", self._limit)
        return content


def _too_large(archive: Path, what: str, limit: int) -> InputError:
    return InputError(
        f"{archive}: {what} unpacks to more than {limit:,} bytes, far more than the expected images take "
        f"(expected_train, expected_test); it is not read further"
    )


def _wanted_members(layout: Layout, archive: Path, limit: int) -> dict[str, bytes]:
    """The content of each file that the layout names, by the name without its folder; nothing is extracted.

    Only plain files count: no links, no devices, none with holes. No more than `limit` bytes are unpacked.
    """
    wanted = {*layout.train, *layout.test, layout.names}
    content: dict[str, bytes] = {}
    others = []
    try:
        with (
            gzip.open(archive) as unpacked,
            tarfile.open(  # type: ignore[call-overload]  # a stream is only read, never written or sought
                fileobj=_Bounded(unpacked, limit, archive), mode="r|", bufsize=1 << 20
            ) as stream,
        ):
            for member in stream:
                name = PurePosixPath(member.name).name
                if member.size > limit:
                    raise _too_large(archive, repr(name), limit)
                if name in content:
                    raise InputError(f"{archive}: {name} is in it more than once")
                if member.isfile() and not member.issparse() and name in wanted:
                    content[name] = stream.extractfile(member).read()
                elif member.isfile():
                    others.append(repr(name)[1:-1])
    except FileNotFoundError:
        raise InputError(f"{archive}: no such file") from None
    except (tarfile.TarError, EOFError, zlib.error, OSError, ValueError, RecursionError) as error:
        raise InputError(f"{archive}: not a whole .tar.gz archive ({' '.join(str(error).split())})") from None
    missing = sorted(wanted - set(content))
    if missing:
        beside = f"; it holds {', '.join(sorted([*content, *others])[:12])}" if content or others else "; it is empty"
        raise InputError(f"{archive}: not the binary version of {layout.name}: no {', '.join(missing)}{beside}")
    return content


def _class_names(layout: Layout, archive: Path, content: bytes) -> list[str]:
    names = content[:100_000].decode("utf-8", errors="replace").split()
    if len(names) != layout.classes or len(set(names)) != len(names):
        raise InputError(f"{archive}: {layout.names} has {len(names)} names, expected {layout.classes} different ones")
    if not all(name.isprintable() and len(name) <= 100 for name in names):
        raise InputError(f"{archive}: {layout.names} holds a name that cannot be shown")
    return names


def _records(layout: Layout, archive: Path, member: str, content: bytes) -> numpy.ndarray:
    """The records of a file, uint8 [N, bytes of a record], their labels checked."""
    length = layout.label_bytes + PIXELS
    if not content or len(content) % length:
        raise InputError(
            f"{archive}: {member} has {len(content):,} bytes, expected whole records of {length:,} bytes each"
        )
    records = numpy.frombuffer(content, dtype=numpy.uint8).reshape(-1, length)
    for labels, known in zip(records.T, layout.labels, strict=False):
        wrong = numpy.flatnonzero(labels >= known)
        if len(wrong):
            what = "label" if known == layout.classes else "coarse label"
            raise InputError(
                f"{archive}: record {wrong[0]} of {member} has the {what} {labels[wrong[0]]}, expected 0 to {known - 1}"
            )
    return records
