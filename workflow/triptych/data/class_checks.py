"""Whether class names can be used, and whether every split has every class."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from triptych.data.found import DATASET, Item, Problem
from triptych.data.user_files import quoted

SPLITS = {
    "train": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}
"""The splits by the names that folders and tables give them, in small letters."""

LONGEST_NAME = 100
FORMULAS = ("=", "+", "@", "-")
"""What a text begins with that spreadsheets read as a formula."""
NEGATIVE_NUMBER = re.compile(r"-\d+(\.\d+)?")
CONTROL = {"Cc", "Zl", "Zp", "Cs"}
"""Unicode categories of characters that break lines or cannot be shown."""

ONE_CLASS = "there is one class only"
"""Begins the problem of a data set with a single class, which a labelled delivery may well have."""
RENAME = "rename the class"


def as_label(name: str) -> str:
    """Return a class name in Unicode form NFC."""
    return unicodedata.normalize("NFC", name)


def class_problems(items: Iterable[Item], labels: Iterable[str]) -> list[Problem]:
    """Return the problems of the class names `labels`, and of the classes in each given split.

    Args:
        labels: the classes of the items, and those without any.
    """
    items, known = list(items), sorted(set(labels))
    found = [
        Problem(DATASET, "", label, f"the class name {quoted(label[:LONGEST_NAME])} {problem}", RENAME)
        for label in known
        for problem in _name_problems(label)
    ]
    found += list(_alike(known)) or list(_lacking(items, known))  # two names of one class lack in each other's splits
    if len(known) == 1:
        problem = f"{ONE_CLASS}, {quoted(known[0])}"
        found.append(Problem(DATASET, "", known[0], problem, "give images of at least two classes"))
    return found


def _name_problems(label: str) -> Iterator[str]:
    if label.startswith(FORMULAS) and not NEGATIVE_NUMBER.fullmatch(label):
        yield f"begins with {label[0]}, which spreadsheets read as a formula"
    if any(unicodedata.category(letter) in CONTROL for letter in label):
        yield "has control characters"
    if label != label.strip():
        yield "begins or ends with a space"
    if len(label) > LONGEST_NAME:
        yield f"has {len(label)} characters; at most {LONGEST_NAME} are allowed"


def _alike(labels: Sequence[str]) -> Iterator[Problem]:
    """Yield a problem for every class name that differs from another one only in letter case."""
    by_small_letters = defaultdict(list)
    for label in labels:
        by_small_letters[as_label(label.casefold())].append(label)
    for first, *others in by_small_letters.values():
        for other in others:
            problem = f"the class names {quoted(first)} and {quoted(other)} differ only in letter case"
            yield Problem(DATASET, "", other, problem, "rename one of them, or give both the same name")


def _lacking(items: Sequence[Item], labels: Sequence[str]) -> Iterator[Problem]:
    """Yield a problem for every class that a given split lacks."""
    given = {(item.split, item.label) for item in items if item.split}
    present = {label for _, label in given}
    for split in sorted({split for split, _ in given}):
        for label in labels:
            if label in present and (split, label) not in given:
                problem = f"the {split} split has no image of the class {quoted(label)}"
                yield Problem(DATASET, "", label, problem, f"add images of it to {split}, or give no split at all")
