"""Units of images: what one split must hold together, because a group, equal pixels or a pair connects it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy
import pandas

TRUE = "true"
"""The cell of the column `unit` of the table `pairs` for a pair that one split holds."""


def units_of(images: pandas.DataFrame, pairs: pandas.DataFrame | None = None) -> list[numpy.ndarray]:
    """Return the rows of each unit of a table of images, int64, in the order of their first rows.

    Args:
        images: columns path, group and pixels of the table `images`.
        pairs: the table `pairs`; those with `unit` true are connected, also over images that are not in `images`. None:
            none is known.
    """
    return connected(len(images), {name: images[name].tolist() for name in ("group", "pixels")}, _linked(images, pairs))


def connected(
    count: int, keys: Mapping[str, Sequence[str]], linked: Iterable[tuple[int, int]] = ()
) -> list[numpy.ndarray]:
    """Return the rows 0 to `count` - 1 as units: rows are connected by equal keys of a kind, and by `linked` pairs.

    Args:
        keys: for each kind a key of each row; "" connects nothing.
        linked: numbers from `count` on are other images, which may connect rows.
    """
    pairs = list(linked)
    parents = list(range(max([count, *(max(pair) + 1 for pair in pairs)])))

    def root(row: int) -> int:
        while parents[row] != row:
            parents[row] = parents[parents[row]]
            row = parents[row]
        return row

    for values in keys.values():
        first: dict[str, int] = {}
        for row, value in enumerate(values):
            if value != "":
                parents[root(row)] = root(first.setdefault(value, row))
    for row, other in pairs:
        parents[root(row)] = root(other)
    members: dict[int, list[int]] = defaultdict(list)
    for row in range(count):
        members[root(row)].append(row)
    return [numpy.array(rows, dtype=numpy.int64) for rows in members.values()]


def _linked(images: pandas.DataFrame, pairs: pandas.DataFrame | None) -> list[tuple[int, int]]:
    """Return the rows of the pairs that are units. Images that are in a given split have numbers after the rows."""
    if pairs is None or pairs.empty:
        return []
    rows = {path: row for row, path in enumerate(images["path"])}
    kept = pairs[pairs["unit"] == TRUE]
    named = zip(kept["first"], kept["second"], strict=True)
    return [(rows.setdefault(first, len(rows)), rows.setdefault(second, len(rows))) for first, second in named]
