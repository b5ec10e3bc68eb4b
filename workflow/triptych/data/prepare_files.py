"""Prepare splits from image files that `check_data` has checked and decoded."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy
import pandas

from triptych.data.border import moved, opened_split
from triptych.data.cache import Cache, StoredRule
from triptych.data.dataset import save_split_rows
from triptych.data.found import DATASET
from triptych.data.leaks import divided_groups, group_sentence, leaks_of, sentences
from triptych.data.originals import Named, Originals
from triptych.data.source import setting
from triptych.data.splitting import split_rows, with_groups
from triptych.data.stratify import TEST
from triptych.data.user_files import quoted
from triptych.results.duplicates import read_duplicates
from triptych.results.schema import IMAGES, INDEX, LEFT_OUT, PAIRS, PROBLEMS
from triptych.results.tables import read_table
from triptych.storage.errors import InputError

MOST_NAMED = 20
"""The most files that a message names."""
AHEAD = 64
"""Images that are read at once: 13 MB at 256 px."""
STOP, QUARANTINE = "stop", "quarantine"


@dataclass(frozen=True)
class Checks:
    """What `check_data` and `find_duplicates` have written, and where images are decoded to: options of the command.

    Attributes:
        path: the folder or CSV file of the user.
        pairs, duplicates: of `find_duplicates`; without them only exact duplicates are known.
        openings: the folder with the logs of openings of test images; None where none is kept.
        report: named in messages; None for none.
    """

    images: Path
    problems: Path
    cache: Path
    path: Path
    num_threads: int
    report: Path | None
    pairs: Path | None = None
    duplicates: Path | None = None
    openings: Path | None = None


@dataclass(frozen=True)
class Prepared:
    """The split of the images.

    Attributes:
        images: the table `images`, with the groups that the setting `group` finds.
        rows: for each split the positions of its images.
        classes: the class names, sorted by code point.
        left_out: the table `left_out`.
        leaks: the table `leaks`.
        moved: a sentence about images that moved in or out of test after it was opened; "" for none.
    """

    images: pandas.DataFrame
    rows: dict[str, numpy.ndarray]
    classes: list[str]
    left_out: pandas.DataFrame
    leaks: pandas.DataFrame
    moved: str = ""

    @property
    def labels(self) -> numpy.ndarray:
        """int64 [N], the class of each image."""
        numbers = {name: number for number, name in enumerate(self.classes)}
        return numpy.array([numbers[name] for name in self.images["class"]], dtype=numpy.int64)

    def index(self) -> pandas.DataFrame:
        """Return the table `index`."""
        named = self.images.rename(columns={"path": "name"})
        parts = [
            named.iloc[rows].assign(split=split, row=range(len(rows)))[INDEX.names] for split, rows in self.rows.items()
        ]
        return pandas.concat(parts, ignore_index=True)

    def warnings(self) -> list[str]:
        """Say what is wrong with the splits: groups in several ones, images with a counterpart in another one."""
        divided = group_sentence(divided_groups(self.images, self.rows))
        return [text for text in (self.moved, divided, *sentences(self.leaks, self.rows)) if text]


def read_checks(settings: Mapping[str, Any], checks: Checks) -> Prepared:
    """Read the tables of `check_data` and `find_duplicates`, and split the images.

    Raises:
        InputError: there are problems with the whole or, unless the policy is quarantine, with files; a class has too
            few images; or the setting `group` finds no group.
    """
    problems = read_table(checks.problems, PROBLEMS)
    policy = setting(settings, "policy")
    if policy not in (STOP, QUARANTINE):
        raise InputError(f"dataset: policy {policy!r} is not allowed; give stop or quarantine.")
    stopping = problems if policy == STOP else problems[problems["kind"] == DATASET]
    if len(stopping):
        raise InputError(_message(stopping, checks))
    images = read_table(checks.images, IMAGES)
    pairs = None if checks.pairs is None else read_table(checks.pairs, PAIRS)
    try:
        images = with_groups(images, settings)
        rows = split_rows(images, settings, pairs)
    except InputError as error:
        raise InputError(f"{checks.path}: {error}") from None
    is_property = checks.duplicates is not None and read_duplicates(checks.duplicates).is_property
    leaks = leaks_of(images, rows, None if is_property else pairs)
    moves = moved(opened_split(checks.openings), images, rows[TEST])
    return Prepared(images, rows, sorted(set(images["class"])), problems[LEFT_OUT.names], leaks, moves)


def _message(problems: pandas.DataFrame, checks: Checks) -> str:
    """Name the problems, those of the whole first, and what to do. Files with the same problem are counted."""
    alike: dict[tuple[bool, str, str], list[str]] = defaultdict(list)
    for kind, path, _, problem, remedy in problems.itertuples(index=False):
        alike[kind != DATASET, problem, remedy].append(quoted(path) if path else "")
    lines = []
    for (of_a_file, problem, remedy), paths in alike.items():
        if len(paths) > MOST_NAMED:
            paths = [f"{len(paths):,} files, the first {paths[0]}"]
        lines += [
            (of_a_file, path, f"{path}: {problem}; {remedy}." if path else f"{problem}; {remedy}.") for path in paths
        ]
    named = [line for _, _, line in sorted(lines)]
    what = "1 problem" if len(problems) == 1 else f"{len(problems):,} problems"
    listed = "".join(f"\n  {line}" for line in named[:MOST_NAMED])
    more = f"\n  and {len(named) - MOST_NAMED:,} more." if len(named) > MOST_NAMED else ""
    files = any(of_a_file for of_a_file, _, _ in lines)
    hint = (
        "\nTo go on without files that cannot be used, set policy: quarantine in the section dataset." if files else ""
    )
    report = f", with pictures in {checks.report}" if checks.report else ""
    return f"{checks.path}: {what}.{listed}{more}{hint}\nAll are listed in {checks.problems}{report}."


def save_prepared(prepared: Prepared, settings: Mapping[str, Any], checks: Checks, outputs: Mapping[str, Path]) -> None:
    """Write the files of the splits from the cache; what is missing or damaged there is decoded again.

    Args:
        outputs: the file of each split.

    Raises:
        InputError: an image is neither in the cache nor, unchanged, at its path; or the disk of the cache is too small.
    """
    cache = Cache(checks.cache, StoredRule.of(settings))
    originals = Originals(settings["source"], checks.path, cache)
    used = numpy.concatenate(list(prepared.rows.values()))
    missing = set(prepared.images["sha256"].iloc[used]) - cache.entries()
    if missing:
        print(f"{cache.folder}: {len(missing):,} decoded images were deleted; decoding them again", flush=True)
        originals.check()
        cache.open()
        cache.check_space(len(missing))
    labels = prepared.labels
    with ThreadPoolExecutor(checks.num_threads) as threads:
        for split, rows in prepared.rows.items():
            part = prepared.images.iloc[rows]
            wanted = zip(part["path"], part["sha256"], strict=True)
            pixels = _in_turn(threads, originals.pixels, wanted)
            metadata = {"source": "files", "split": split, "crop": cache.rule.fit == "crop"}
            save_split_rows(outputs[split], pixels, cache.rule.size, labels[rows], prepared.classes, metadata)


def _in_turn(
    threads: ThreadPoolExecutor, function: Callable[[Named], numpy.ndarray], items: Iterable[Named]
) -> Iterator[numpy.ndarray]:
    """Yield the results in the order of the items; at most `AHEAD` are kept in memory."""
    iterator = iter(items)
    while part := list(islice(iterator, AHEAD)):
        yield from threads.map(function, part)
