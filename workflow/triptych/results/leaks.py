"""Which images of a split have a counterpart in another split, and from how many on nothing is recommended."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy
import pandas

from triptych.results.schema import LEAKS
from triptych.storage.errors import InputError

LEAST_REFUSED = 0.05
"""The share of leaked images of a split from which on the report recommends nothing."""


@dataclass(frozen=True)
class Leaked:
    """How many images of a split have a counterpart in another one, in which splits, and of which kinds."""

    split: str
    images: int
    leaked: int
    others: tuple[str, ...]
    kinds: tuple[str, ...]

    @property
    def percent(self) -> float:
        """The share of leaked images in percent."""
        return 100 * self.leaked / self.images

    @property
    def refuses(self) -> bool:
        """Whether they are so many that nothing is recommended."""
        return self.leaked >= LEAST_REFUSED * self.images


def leaked_splits(leaks: pandas.DataFrame, images: Mapping[str, int]) -> list[Leaked]:
    """Return the splits with leaked images, test first.

    Args:
        leaks: the table `leaks`.
        images: the number of images of each split.

    Raises:
        InputError: as `leaked_rows`.
    """
    found = []
    for split in ("test", "validation"):
        own, number = leaks[leaks["split"] == split], images.get(split, 0)
        if len(own):
            rows = leaked_rows(leaks, split, number)
            others, kinds = (tuple(sorted(set(own[name]))) for name in ("other_split", "kind"))
            found.append(Leaked(split, number, int(rows.sum()), others, kinds))
    return found


def leaked_rows(leaks: pandas.DataFrame, split: str, images: int) -> numpy.ndarray:
    """Return which images of a split have a counterpart in another split: bool [images].

    Raises:
        InputError: the table has a row that the split does not have.
    """
    rows = leaks.loc[leaks["split"] == split, "row"].to_numpy().astype(numpy.int64)
    outside = rows[(rows < 0) | (rows >= images)]
    if len(outside):
        raise InputError(f"{LEAKS.file}: row {outside[0]} of {split}; it has {images} images.")
    found = numpy.zeros(images, dtype=bool)
    found[rows] = True
    return found
