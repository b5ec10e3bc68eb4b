"""Images of test and validation that have a counterpart in another split: a duplicate, or an image of their group."""

from collections import Counter, defaultdict
from collections.abc import Mapping

import numpy
import pandas

from triptych.data.stratify import SPLITS, TEST, TRAIN, VALIDATION
from triptych.results.duplicates import EXACT, NEAR
from triptych.results.schema import LEAKS

GROUP = "group"
KINDS = (EXACT, NEAR, GROUP)
"""The kinds of counterparts, the strongest first."""
OTHERS = {TEST: (TRAIN, VALIDATION), VALIDATION: (TRAIN,)}
"""The splits whose images must not be seen in each split."""
MOST_NAMED = 5
"""The most groups that a line names."""
Row = tuple[str, int, str, str, str, str, str, str]


def leaks_of(
    images: pandas.DataFrame, rows: Mapping[str, numpy.ndarray], pairs: pandas.DataFrame | None
) -> pandas.DataFrame:
    """Return the table `leaks`: a row for each image of test and validation and each other split with a counterpart.

    Args:
        images: columns path, class, group and pixels of the table `images`.
        rows: for each split the positions of its images, as of `triptych.data.splitting.split_rows`.
        pairs: the table `pairs`, of which near ones count, whether units or not; exact ones are found by their pixels.
            None where near-duplicates are not known, or are a property of the data set.
    """
    return _Search(images, rows, pairs).table()


class _Search:
    def __init__(
        self, images: pandas.DataFrame, rows: Mapping[str, numpy.ndarray], pairs: pandas.DataFrame | None
    ) -> None:
        self.rows = rows
        self.paths, self.classes, self.pixels, self.groups = (
            images[name].tolist() for name in ("path", "class", "pixels", "group")
        )
        self.of_pixels = {split: self._smallest(self.pixels, own) for split, own in rows.items()}
        self.of_groups = {split: self._smallest(self.groups, own) for split, own in rows.items()}
        self.near = {} if pairs is None else self._near(pairs[pairs["kind"] == NEAR])

    def _smallest(self, keys: list[str], rows: numpy.ndarray) -> dict[str, int]:
        """The row of each key whose path is the smallest."""
        found: dict[str, int] = {}
        for row in rows.tolist():
            other = found.setdefault(keys[row], row)
            if self.paths[row] < self.paths[other]:
                found[keys[row]] = row
        found.pop("", None)
        return found

    def _near(self, pairs: pandas.DataFrame) -> dict[str, set[str]]:
        """The pixels that are nearly those of a key: of exact duplicates only one is in a near pair."""
        pixels = dict(zip(self.paths, self.pixels, strict=True))
        found: dict[str, set[str]] = defaultdict(set)
        for first, second in zip(pairs["first"], pairs["second"], strict=True):
            if first in pixels and second in pixels:
                found[pixels[first]].add(pixels[second])
                found[pixels[second]].add(pixels[first])
        return found

    def counterpart(self, row: int, other: str) -> tuple[str, int] | None:
        """Return the strongest kind of counterpart of an image in another split, and its row; None for none."""
        exact = self.of_pixels[other].get(self.pixels[row])
        if exact is not None:
            return EXACT, exact
        there = self.of_pixels[other]
        near = [there[pixels] for pixels in self.near.get(self.pixels[row], ()) if pixels in there]
        if near:
            return NEAR, min(near, key=self.paths.__getitem__)
        group = self.of_groups[other].get(self.groups[row])
        return None if group is None else (GROUP, group)

    def table(self) -> pandas.DataFrame:
        found: list[Row] = []
        for split, others in OTHERS.items():
            for number, row in enumerate(self.rows[split].tolist()):
                for other in others:
                    one = self.counterpart(row, other)
                    if one is not None:
                        kind, of = one
                        about = (self.paths[row], self.classes[row], kind, other, self.paths[of], self.classes[of])
                        found.append((split, number, *about))
        return pandas.DataFrame(found, columns=LEAKS.names)


def sentences(leaks: pandas.DataFrame, rows: Mapping[str, numpy.ndarray]) -> list[str]:
    """Say how many images of each split leak, by the strongest kind."""
    said = []
    for split, others in OTHERS.items():
        own = leaks[leaks["split"] == split]
        if own.empty:
            continue
        strongest = own["kind"].map(KINDS.index).groupby(own["row"]).min()
        kinds = Counter(KINDS[number] for number in strongest.tolist())
        named = ", ".join(f"{KIND_NAMES[kind]}: {kinds[kind]:,}" for kind in KINDS if kinds[kind])
        said.append(
            f"{kinds.total():,} of {len(rows[split]):,} {split} images {'has' if kinds.total() == 1 else 'have'} a "
            f"counterpart in {' or '.join(others)} ({named}). Accuracy on them may be too high."
        )
    return said


KIND_NAMES = {EXACT: "the same pixels", NEAR: "a near-duplicate", GROUP: "an image of the same group"}


def divided_groups(images: pandas.DataFrame, rows: Mapping[str, numpy.ndarray]) -> dict[str, list[str]]:
    """Return the groups that are in several splits, by name, each with its splits in order."""
    found: dict[str, list[str]] = defaultdict(list)
    groups = images["group"].to_numpy(dtype=object)
    for split in SPLITS:
        for group in sorted(set(groups[rows[split]].tolist()) - {""}):
            found[group].append(split)
    return {group: found[group] for group in sorted(found) if len(found[group]) > 1}


def group_sentence(divided: Mapping[str, list[str]]) -> str:
    """Name the groups that are in several splits; an empty text for none."""
    if not divided:
        return ""
    named = [f"{group} ({', '.join(splits)})" for group, splits in list(divided.items())[:MOST_NAMED]]
    more = f" and {len(divided) - MOST_NAMED:,} more" if len(divided) > MOST_NAMED else ""
    groups = "1 group is" if len(divided) == 1 else f"{len(divided):,} groups are"
    return f"{groups} in several of the given splits: {', '.join(named)}{more}. Give each group one split."
