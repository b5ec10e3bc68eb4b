"""Read every file of a source of image files, decode it into the cache, and list what can be used and what is wrong."""

import hashlib
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas

from triptych.data.cache import Cache, StoredRule
from triptych.data.decoding import Undecodable
from triptych.data.found import DATASET, FILE, Found, Problem
from triptych.data.listing import candidates, record, write_listing
from triptych.data.processes import Died, in_processes
from triptych.data.source import file_source_of, parsed
from triptych.data.user_files import open_untouched
from triptych.results.schema import IGNORED, IMAGES, PROBLEMS
from triptych.results.tables import save_table

LARGEST_FILE = 2 * 10**9
"""Bytes of a file that is read. A file of 100 million pixels is smaller, whatever its format."""
TRIES = 3
"""To read a file that changes meanwhile."""
REPORT_EVERY = 30
"""Seconds between two lines about the progress."""
FACTS = [name for name in IMAGES.names if name not in ("path", "class", "split", "group")]
"""Columns that follow from the content of a file."""


def check_data(
    *,
    dataset: str,
    path: Path,
    asked: str,
    cache: Path,
    num_threads: int,
    listing: Path,
    images: Path,
    problems: Path,
    ignored: Path,
) -> None:
    """Decode every image of a folder or table, and list what is wrong with the files.

    Nothing of the user's is changed, and no file ends the command: what cannot be used is listed.

    Args:
        dataset: JSON, the keys of the section `dataset` that decide how files are decoded: `source`, `store_size`,
            `fit`, `background`, `value_range`, `largest_megapixels`.
        path: the folder, or the CSV file.
        asked: the digest of the files that this command was started for; it is written to `listing`.
        cache: the folder of decoded images; what was decoded there before is not decoded again.
        num_threads: processes that decode.
        listing: JSON, the size, time stamp and SHA-256 of every file (`triptych.data.listing`).
        images: CSV, a line for each image that can be used, sorted by class, SHA-256 and path.
        problems: CSV, what is wrong with the others and with the whole.
        ignored: CSV, the files that are no images.

    Raises:
        InputError: `dataset` is not such a section, the folder is missing, or the disk of the cache is too small.
    """
    settings = parsed(dataset)
    source = file_source_of(settings["source"])
    decoded = Cache(cache, StoredRule.of(settings))
    listed = candidates(settings["source"], path)
    found = source.found(path)
    decoded.open()
    decoded.check_space(len(found.items) - len(decoded.entries()))
    checked = checked_files(found, decoded, num_threads, str(path))
    save_table(images, _images(found, checked), IMAGES)
    save_table(problems, _problems(found, checked), PROBLEMS)
    reasons = [(one.path, one.reason) for one in found.ignored]
    save_table(ignored, pandas.DataFrame(reasons, columns=IGNORED.names), IGNORED)
    known = {found.items[one.number].path: one.sha256 for one in checked}
    write_listing(listing, record(settings["source"], path, asked, listed, known))


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of a file.

    Attributes:
        number: of the item in `Found.items`.
        sha256: of its content; "" if it could not be read.
        facts: the values of `FACTS`; None if it cannot be used.
        problem, remedy: what is wrong, and what to do.
        was_decoded: it was not in the cache.
    """

    number: int
    sha256: str
    facts: tuple[Any, ...] | None = None
    problem: str = ""
    remedy: str = ""
    was_decoded: bool = False


@dataclass(frozen=True)
class FileCheck:
    """The check of one file. It is sent to other processes."""

    cache: Cache

    def __call__(self, numbered: tuple[int, str]) -> Checked:
        """Read a file once, and decode it or find it in the cache.

        Raises:
            OSError: the cache cannot be read or written.
        """
        number, file = numbered
        try:
            content = read_unchanged(Path(file))
        except OSError as error:
            problem = f"cannot be read ({error.strerror or error})"
            return Checked(number, "", problem=problem, remedy="allow reading it, or remove it")
        except MemoryError:
            return Checked(number, "", problem="larger than the free memory", remedy="make it smaller, or remove it")
        if content is None:
            remedy = "wait until nothing writes to it, then rerun"
            return Checked(number, "", problem="changed while it was read", remedy=remedy)
        sha256 = hashlib.sha256(content).hexdigest()
        try:
            stored, was_there = self.cache.decode(content)
        except Undecodable as error:
            return Checked(number, sha256, problem=error.problem, remedy=error.remedy)
        except MemoryError:
            problem = "decoding it needs more memory than is free"
            return Checked(number, sha256, problem=problem, remedy="make it smaller, or remove it")
        return Checked(number, sha256, tuple(stored.facts[name] for name in FACTS), was_decoded=not was_there)


def read_unchanged(file: Path) -> bytes | None:
    """Read a file; return None if it changes each time while it is read.

    Raises:
        OSError: it cannot be read, or has more than `LARGEST_FILE` bytes.
    """
    for attempt in range(TRIES):
        time.sleep(0.1 * attempt)
        with open_untouched(file) as opened:
            before = os.fstat(opened.fileno())
            if before.st_size > LARGEST_FILE:
                raise OSError(f"it has {before.st_size / 1e9:,.1f} GB, more than {LARGEST_FILE / 1e9:,.0f} GB")
            content = opened.read()
            after = os.fstat(opened.fileno())
        if (len(content), before.st_mtime_ns) == (after.st_size, after.st_mtime_ns):
            return content
    return None


def checked_files(found: Found, cache: Cache, num_threads: int, where: str) -> list[Checked]:
    """Check every item, in several processes, and print the progress.

    Returns:
        One for each item, in the order of `found.items`.

    Raises:
        InputError: the disk of the cache is nearly full.
        OSError: the cache cannot be read or written.
    """
    count = len(found.items)
    print(
        f"{where}: {count:,} files of {len(found.classes):,} classes; checking each with {num_threads} processes, "
        f"decoded images in {cache.folder}",
        flush=True,
    )
    checked: list[Checked] = []
    progress = Progress(count)
    files = ((number, str(item.file)) for number, item in enumerate(found.items))
    for one in in_processes(FileCheck(cache), files, num_threads):
        checked.append(_crashed(one) if isinstance(one, Died) else one)
        if progress.add(checked[-1]):
            cache.check_margin()
    progress.end(len(found.ignored))
    return sorted(checked, key=lambda one: one.number)


def _crashed(died: "Died[tuple[int, str]]") -> Checked:
    problem = f"decoding it ended the process (exit code {died.exit_code})"
    return Checked(died.item[0], "", problem=problem, remedy="replace or remove it; see whether memory is short")


class Progress:
    """Counts files, and prints a line each half minute and at the end."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.done = self.decoded = self.problems = 0
        self.start = self.checked_at = self.printed_at = time.monotonic()

    def add(self, checked: Checked) -> bool:
        """Count a file; return True about once a second."""
        self.done += 1
        self.decoded += checked.was_decoded
        self.problems += checked.facts is None
        now = time.monotonic()
        if now - self.printed_at >= REPORT_EVERY:
            self.printed_at = now
            rate = self.done / (now - self.start)
            left = (self.count - self.done) / rate
            print(
                f"checked {self.done:,} of {self.count:,} files, {rate:,.0f} a second, {left:,.0f} s left", flush=True
            )
        if now - self.checked_at < 1:
            return False
        self.checked_at = now
        return True

    def end(self, ignored: int) -> None:
        """Print the counts."""
        usable = self.done - self.problems
        print(
            f"checked {self.done:,} files in {time.monotonic() - self.start:,.0f} s: {usable:,} images "
            f"({self.decoded:,} decoded, {usable - self.decoded:,} from the cache), {self.problems:,} with a problem, "
            f"{ignored:,} ignored",
            flush=True,
        )


def _images(found: Found, checked: Iterable[Checked]) -> pandas.DataFrame:
    rows = (
        (item.path, item.label, item.split, item.group, *one.facts)
        for one in checked
        if one.facts is not None
        for item in [found.items[one.number]]
    )
    table = pandas.DataFrame(rows, columns=IMAGES.names)
    # Not pandas' order of texts: by code point, as Python's.
    order = sorted(
        range(len(table)), key=list(zip(table["class"], table["sha256"], table["path"], strict=True)).__getitem__
    )
    return table.iloc[order]


def _problems(found: Found, checked: list[Checked]) -> pandas.DataFrame:
    problems = [*found.problems, *_unusable(found, checked), *_classes_without_images(found, checked)]
    rows = sorted((one.kind, one.path, one.label, one.problem, one.remedy) for one in problems)
    return pandas.DataFrame(rows, columns=PROBLEMS.names)


def _unusable(found: Found, checked: Iterable[Checked]) -> Iterator[Problem]:
    for one in checked:
        if one.facts is None:
            item = found.items[one.number]
            yield Problem(FILE, item.path, item.label, one.problem, one.remedy)


def _classes_without_images(found: Found, checked: Iterable[Checked]) -> Iterator[Problem]:
    """Yield a problem for each class, all images of which have one: without it, the others' labels would move."""
    usable = {found.items[one.number].label for one in checked if one.facts is not None}
    for label in sorted({item.label for item in found.items} - usable):
        yield Problem(
            DATASET, "", label, "no image of this class can be used", "repair its images, or remove the class"
        )
