"""Read every file of a source of image files, decode it into the cache, and list what can be used and what is wrong."""

import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pandas

from triptych.data.cache import Cache, StoredRule
from triptych.data.file_check import Checked, FileCheck
from triptych.data.found import DATASET, FILE, Found, Problem
from triptych.data.listing import candidates, record, write_listing
from triptych.data.processes import Died, in_processes
from triptych.data.source import file_source_of, parsed
from triptych.results.schema import IGNORED, IMAGES, PROBLEMS
from triptych.results.tables import save_table

REPORT_EVERY = 30
"""Seconds between two lines about the progress."""


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
    batch_size = min(8, 1 + count // (8 * num_threads))  # few large files are shared evenly, too
    for one in in_processes(FileCheck(cache), files, num_threads, batch_size):
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
            f"({self.decoded:,} decoded, {usable - self.decoded:,} known already), {self.problems:,} with a problem, "
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
