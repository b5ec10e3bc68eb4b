"""Read the binary archives of CIFAR-10 and CIFAR-100 as a stream, without pickle and without extracting files.

Source: A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009;
https://www.cs.toronto.edu/~kriz/cifar.html describes the layout. A record has one label byte (CIFAR-100: a coarse and a
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
"""Bytes allowed in an archive in addition to twice the expected records: headers, a web page, class names."""


@dataclass(frozen=True)
class Layout:
    """The content of an archive.

    Attributes:
        name: the usual name of the data set.
        train, test: the files with the records of each part, in order.
        names: the file with the class names, one per line.
        labels: the number of values of each label byte of a record; the last byte is the class.
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
    """Return all images of an archive. See `triptych.data.source.Source.read`.

    Args:
        settings: `expected_train` and `expected_test`, the required numbers of images of the two parts, and `sha256`.
        files: the .tar.gz file.

    Raises:
        InputError: as in `read_cifar`, or the checksum is wrong.
    """
    expected_train, expected_test, checksum = (
        setting(settings, key) for key in ("expected_train", "expected_test", "sha256")
    )
    if len(files) != 1:
        raise InputError(f"{layout.name}: expected one archive, found {len(files)} files.")
    (archive,) = files
    if archive.is_file() and (found := sha256(archive)) != checksum:
        raise InputError(f"{archive}: expected sha256 {checksum}, found {found}; the file was not opened.")
    return read_cifar(layout, archive, expected_train, expected_test)


def read_cifar(layout: Layout, archive: Path, expected_train: int, expected_test: int) -> SourceImages:
    """Return all images of an archive: the training part, then the test part, which `is_test` marks.

    Args:
        layout: the required content.
        archive: the .tar.gz file.
        expected_train, expected_test: the required numbers of images of the two parts.

    Raises:
        InputError: the file is not such an archive, is truncated or far too large, or has wrong files, numbers of
            images or labels.
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
                f"{archive}: the {part} part of {layout.name} has {count:,} images ({found}), expected {expected:,}."
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
    """A stream that raises an `InputError` after `limit` decompressed bytes."""

    def __init__(self, stream: gzip.GzipFile, limit: int, archive: Path):
        self._stream = stream
        self._limit = self._left = limit
        self._archive = archive

    def read(self, size: int) -> bytes:
        content = self._stream.read(size)
        self._left -= len(content)
        if self._left < 0:
            raise _too_large(self._archive, "the archive", self._limit)
        return content


def _too_large(archive: Path, what: str, limit: int) -> InputError:
    return InputError(
        f"{archive}: {what} decompresses to more than {limit:,} bytes, far more than the expected images need "
        f"(expected_train, expected_test); reading stopped."
    )


def _wanted_members(layout: Layout, archive: Path, limit: int) -> dict[str, bytes]:
    """Return the content of each file of the layout, by its name without folder. Nothing is extracted.

    Only regular files count, not links, devices or sparse files. At most `limit` bytes are decompressed.
    """
    wanted = {*layout.train, *layout.test, layout.names}
    content: dict[str, bytes] = {}
    others = []
    try:
        with (
            gzip.open(archive) as unpacked,
            tarfile.open(  # type: ignore[call-overload]  # the stream is only read
                fileobj=_Bounded(unpacked, limit, archive), mode="r|", bufsize=1 << 20
            ) as stream,
        ):
            for member in stream:
                name = PurePosixPath(member.name).name
                if member.size > limit:
                    raise _too_large(archive, repr(name), limit)
                if name in content:
                    raise InputError(f"{archive}: contains {name} more than once.")
                if member.isfile() and not member.issparse() and name in wanted:
                    content[name] = stream.extractfile(member).read()
                elif member.isfile():
                    others.append(repr(name)[1:-1])
    except FileNotFoundError:
        raise InputError(f"{archive}: the file is missing.") from None
    except (tarfile.TarError, EOFError, zlib.error, OSError, ValueError, RecursionError) as error:
        raise InputError(f"{archive}: not a complete .tar.gz archive ({' '.join(str(error).split())}).") from None
    missing = sorted(wanted - set(content))
    if missing:
        found = f"; found {', '.join(sorted([*content, *others])[:12])}" if content or others else "; it is empty"
        raise InputError(f"{archive}: not the binary version of {layout.name}: no {', '.join(missing)}{found}.")
    return content


def _class_names(layout: Layout, archive: Path, content: bytes) -> list[str]:
    names = content[:100_000].decode("utf-8", errors="replace").split()
    if len(names) != layout.classes or len(set(names)) != len(names):
        raise InputError(f"{archive}: {layout.names} has {len(names)} names, expected {layout.classes} unique names.")
    if not all(name.isprintable() and len(name) <= 100 for name in names):
        raise InputError(f"{archive}: {layout.names} has a class name that is unprintable or too long.")
    return names


def _records(layout: Layout, archive: Path, member: str, content: bytes) -> numpy.ndarray:
    """Return the records of a file, uint8 [N, bytes of a record], with checked labels."""
    length = layout.label_bytes + PIXELS
    if not content or len(content) % length:
        raise InputError(
            f"{archive}: {member} has {len(content):,} bytes, expected complete records of {length:,} bytes."
        )
    records = numpy.frombuffer(content, dtype=numpy.uint8).reshape(-1, length)
    for labels, known in zip(records.T, layout.labels, strict=False):
        wrong = numpy.flatnonzero(labels >= known)
        if len(wrong):
            what = "label" if known == layout.classes else "coarse label"
            raise InputError(
                f"{archive}: record {wrong[0]} of {member} has {what} {labels[wrong[0]]}, expected 0 to {known - 1}."
            )
    return records
