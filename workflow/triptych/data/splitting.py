"""Split images of the user's own: as given, and by a seeded order of their contents where nothing is given."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import numpy
import pandas

from triptych.data.source import setting
from triptych.data.stratify import SPLITS, in_rounds
from triptych.storage.errors import InputError

TRAIN, VALIDATION, TEST = SPLITS
MOST_NAMED = 20
"""The most classes that a message names."""


def split_rows(images: pandas.DataFrame, settings: Mapping[str, Any]) -> dict[str, numpy.ndarray]:
    """Return which images are in each split. Contents, classes and groups decide, never paths.

    - Given splits are taken as they are. A part that is not given is taken from train, never from test.
    - With folds there is no validation part: the images that are given for it are training images.
    - Units are never divided: the images of one group, and exact duplicates. A unit over several classes goes by its
      largest class.
    - In each class the units have one order, by a hash of seed and content. Test is taken from its front, validation
      from its back. So one image more or less moves at most one other unit in or out of each.
    - Every split is ordered in rounds of one image per class, as those of `triptych.data.stratify`.

    Args:
        images: columns class, split, group, sha256 and pixels of the table `images`.
        settings: validation and test (each a fraction below 1, or a whole number of images of each class; 0: none),
            seed and, with folds, their number, from the section `dataset` of the configuration.

    Returns:
        For each name of `SPLITS` the positions of its rows, int64.

    Raises:
        InputError: a class has too few images or units for the parts that are asked for; classes are named. Or test
            images are given, and the configuration wants none.
    """
    if images.empty:
        raise InputError("no image can be used.")
    if settings.get("folds"):
        images = images.replace({"split": {VALIDATION: TRAIN}})
        _check_given_test(images, settings)
    seed = int(setting(settings, "seed"))
    given = images["split"].to_numpy(dtype=object)
    has_given = bool((given != "").any())
    split = numpy.where(given == "", TRAIN, given) if has_given else numpy.full(len(images), TRAIN, dtype=object)
    wanted = {part: setting(settings, part) for part in (TEST, VALIDATION) if part not in set(split)}
    labels = images["class"].to_numpy(dtype=object)
    orders = _orders(images["sha256"], seed)
    if any(wanted.values()):
        pool = numpy.flatnonzero(split == TRAIN)
        units = _units(images.iloc[pool])
        chosen = _drawn(_by_class([pool[unit] for unit in units], labels, orders), labels, wanted)
        for part, rows in chosen.items():
            split[rows] = part
    _check_classes(labels, split, [part for part in SPLITS if wanted.get(part, 1)])
    return _in_order(labels, split, orders, seed)


def units_by_class(images: pandas.DataFrame, seed: int | str) -> dict[str, list[numpy.ndarray]]:
    """Return the units of each class in their order, each the positions of its images, int64.

    Args:
        images: columns class, group, sha256 and pixels of the table `images`.
        seed: of the order.
    """
    labels = images["class"].to_numpy(dtype=object)
    return _by_class(_units(images), labels, _orders(images["sha256"], seed))


def _check_given_test(images: pandas.DataFrame, settings: Mapping[str, Any]) -> None:
    """Raise an InputError if test images are given, and the configuration wants none."""
    given = int((images["split"] == TEST).sum())
    if given and not setting(settings, TEST):
        raise InputError(
            f"test: 0 does not fit the {given:,} images that are given as test. Remove test: 0, or move these images "
            "to train."
        )


def _orders(contents: Iterable[str], seed: int | str) -> numpy.ndarray:
    """Return a text for each content, by which images are ordered: a hash of seed and content."""
    return numpy.array([hashlib.sha256(f"{seed} {content}".encode()).hexdigest() for content in contents], dtype=object)


def _units(images: pandas.DataFrame) -> list[numpy.ndarray]:
    """Return the rows of each unit: images that are connected by an equal group or equal pixels."""
    parents = numpy.arange(len(images))

    def root(row: int) -> int:
        while parents[row] != row:
            parents[row] = parents[parents[row]]
            row = parents[row]
        return row

    first: dict[tuple[str, str], int] = {}
    for kind in ("group", "pixels"):
        for row, value in enumerate(images[kind]):
            if value != "":
                other = first.setdefault((kind, value), row)
                parents[root(row)] = root(other)
    members: dict[int, list[int]] = defaultdict(list)
    for row in range(len(images)):
        members[root(row)].append(row)
    return [numpy.array(rows, dtype=numpy.int64) for rows in members.values()]


def _by_class(
    units: Iterable[numpy.ndarray], labels: numpy.ndarray, orders: numpy.ndarray
) -> dict[str, list[numpy.ndarray]]:
    """Return the units of each class in their order: that of their first image."""
    keyed: dict[str, list[tuple[str, numpy.ndarray]]] = defaultdict(list)
    for rows in units:
        counts = Counter(labels[rows].tolist())
        label = min(counts, key=lambda name: (-counts[name], name))
        keyed[label].append((min(orders[rows]), rows))
    return {label: [rows for _, rows in sorted(keyed[label], key=lambda one: one[0])] for label in sorted(keyed)}


def _drawn(
    by_class: Mapping[str, list[numpy.ndarray]], labels: numpy.ndarray, wanted: Mapping[str, float]
) -> dict[str, numpy.ndarray]:
    """Return the rows that each wanted part takes from the pool.

    Raises:
        InputError: classes have too few units, or too few images for the counts.
    """
    asked = {part: size for part, size in wanted.items() if size}
    counts = {label: [int((labels[rows] == label).sum()) for rows in units] for label, units in by_class.items()}
    for name in sorted(set(labels.tolist()) - set(by_class)):
        counts[name] = []
    _check_counts(counts, asked)
    drawn: dict[str, list[numpy.ndarray]] = {part: [] for part in asked}
    for label, units in by_class.items():
        sizes, total = counts[label], sum(counts[label])
        left = len(units)
        for part, order in ((TEST, 1), (VALIDATION, -1)):
            if part in asked:
                others = 1 + (part == TEST and VALIDATION in asked)
                taken = _nearest(sizes[::order], _target(asked[part], total), left - others)
                drawn[part] += units[::order][:taken]
                left -= taken
    return {part: numpy.concatenate(rows) for part, rows in drawn.items()}


def _target(size: float, total: int) -> int:
    """Return how many images of a class are wanted: half a one is rounded up."""
    return max(1, int(size * total + 0.5)) if size < 1 else int(size)


def _nearest(sizes: list[int], target: int, most: int) -> int:
    """Return how many units from the front have together as many images as the target, or the nearest number."""
    sums = numpy.cumsum(sizes[:most])
    return int(numpy.abs(sums - target).argmin()) + 1


def _check_counts(counts: Mapping[str, list[int]], asked: Mapping[str, float]) -> None:
    """Raise an InputError that names the classes with too few units or images."""
    parts = " and ".join(asked)
    least = len(asked) + 1
    few = {label: len(sizes) for label, sizes in counts.items() if len(sizes) < least}
    if few:
        raise InputError(
            f"too few different images for {parts}: {_named(few)}; a class needs at least {least}, one for each split. "
            "Duplicates and images of one group count once, for the class that most of them have. Add images, remove "
            "the class, or give splits."
        )
    needed = 1 + sum(max(1, int(size)) for size in asked.values())  # fractions give way: at least one image is left
    few = {label: sum(sizes) for label, sizes in counts.items() if sum(sizes) < needed}
    if few:
        sizes = ", ".join(f"{part}: {size}" for part, size in asked.items())
        raise InputError(f"too few images for {sizes}: {_named(few)}. Lower {parts}, or add images to these classes.")


def _check_classes(labels: numpy.ndarray, split: numpy.ndarray, parts: list[str]) -> None:
    """Raise an InputError if a part lacks a class."""
    for part in parts:
        lacking = sorted(set(labels.tolist()) - set(labels[split == part].tolist()))
        if lacking:
            raise InputError(
                f"{part} has no image of {len(lacking)} classes: {_names(lacking)}. Add images of them to this split, "
                "or remove these classes."
            )


def _named(counts: Mapping[str, int]) -> str:
    return _names([f"{label} ({count})" for label, count in counts.items()])


def _names(names: list[str]) -> str:
    more = f" and {len(names) - MOST_NAMED:,} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


def _in_order(
    labels: numpy.ndarray, split: numpy.ndarray, orders: numpy.ndarray, seed: int
) -> dict[str, numpy.ndarray]:
    classes = sorted(set(labels.tolist()))
    ordered = sorted(range(len(labels)), key=lambda row: orders[row])  # stable: equal contents stay as they are
    rows: dict[tuple[str, str], list[int]] = defaultdict(list)
    for row in ordered:
        rows[split[row], labels[row]].append(row)
    return {
        part: in_rounds(
            [numpy.array(rows[part, label], dtype=numpy.int64) for label in classes],
            numpy.random.default_rng([seed, number]),
        )
        for number, part in enumerate(SPLITS, start=1)
    }
