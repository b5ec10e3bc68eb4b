"""The pairs of images that show the same, as `find_duplicates` found them."""

from dataclasses import dataclass
from pathlib import Path

import pandas

from triptych.results.schema import PAIRS
from triptych.results.tables import read_table
from triptych.storage.files import read_json

EXACT, NEAR = "exact", "near"
"""The kinds of pairs."""
PROPERTIES = ("too_many_images", "too_many_crossing")
"""The reasons of `duplicates.json` for which likeness is a property of the data set, and no near pair counts."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """The table `pairs`, and whether likeness is a property of the data set: then near pairs are no leaks."""

    table: pandas.DataFrame
    is_property: bool = False

    @property
    def near(self) -> pandas.DataFrame:
        """The near pairs that count as leaks."""
        return self.table[(self.table["kind"] == NEAR) & (not self.is_property)]


def read_pairs(pairs: Path | None, duplicates: Path | None) -> Pairs:
    """Return the pairs of a data set; none without a table of them.

    Args:
        pairs: the table `pairs`.
        duplicates: JSON of `find_duplicates`, with the `reason` why near pairs were or were not grouped.

    Raises:
        InputError: a file is invalid.
    """
    table = pandas.DataFrame(columns=PAIRS.names, dtype=object) if pairs is None else read_table(pairs, PAIRS)
    reason = "" if duplicates is None else read_json(duplicates, ["reason"])["reason"]
    return Pairs(table, reason in PROPERTIES)
