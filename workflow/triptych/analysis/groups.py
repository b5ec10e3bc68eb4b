"""The groups of images (patients, bursts) that were drawn as a whole, for intervals."""

from pathlib import Path

import numpy
import pandas

from triptych.results.schema import INDEX
from triptych.results.tables import read_table
from triptych.storage.errors import InputError


def read_groups(index: Path | None, split: str, images: int) -> numpy.ndarray | None:
    """Return the group of each image of a split, int64 [images]; None where no group is known, or there is only one.

    An image without a group is one by itself.

    Args:
        index: the table `index` of `prepare_dataset`; None where there is none.
        images: their number.

    Raises:
        InputError: the table is about another number of images.
    """
    if index is None:
        return None
    rows = read_table(index, INDEX, ["split", "row", "group"])
    rows = rows[rows["split"] == split].sort_values("row")
    if len(rows) != images:
        raise InputError(f"{index}: expected {images} {split} images as in the data, found {len(rows)}")
    names = rows["group"].fillna("").tolist()
    if not any(names):
        return None
    keys = numpy.array([f"group {name}" if name else f"image {row}" for row, name in enumerate(names)], dtype=object)
    numbers: numpy.ndarray = pandas.factorize(keys)[0].astype(numpy.int64)
    if numbers.max() == 0:
        print(
            f"warning: all {split} images are of the group {names[0]}: their intervals are over images alone, and too "
            "narrow for other groups.",
            flush=True,
        )
    return of_images(numbers)


def of_images(groups: numpy.ndarray | None, chosen: numpy.ndarray | None = None) -> numpy.ndarray | None:
    """Return the groups of some images, or None where fewer than two groups are left: these say nothing about groups.

    Args:
        groups: of all images, int64 [images].
        chosen: bool [images]; None for all.
    """
    if groups is None:
        return None
    own = groups if chosen is None else groups[chosen]
    return own if len(numpy.unique(own)) > 1 else None
