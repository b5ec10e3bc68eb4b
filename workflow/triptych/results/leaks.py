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
    """How many images of a split have a counterpart in another one, and which splits these are."""

    split: str
    images: int
    leaked: int
    others: tuple[str, ...]

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
    return [
        Leaked(
            split,
            images.get(split, 0),
            int(leaked_rows(leaks, split, images.get(split, 0)).sum()),
            tuple(dict.fromkeys(leaks.loc[leaks["split"] == split, "other_split"].sort_values())),
        )
        for split in ("test", "validation")
        if (leaks["split"] == split).any()
    ]


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
