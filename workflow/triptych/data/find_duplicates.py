"""Find exact and near duplicates among the user's images, and decide which ones a drawn split keeps together."""

import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy
import pandas

from triptych.data import near_duplicates as near
from triptych.data.cache import Cache, StoredRule
from triptych.data.originals import Originals
from triptych.data.source import parsed
from triptych.data.units import TRUE
from triptych.results.duplicates import EXACT, NEAR, Duplicates, Reason, write_duplicates
from triptych.results.schema import IMAGES, PAIRS
from triptych.results.tables import read_table, save_table

GROUP, IGNORE = "group", "ignore"
LEAST_LIMIT = 1_000_000
LIMIT_PER_IMAGE = 20
"""More candidates than these are not compared: then so much is alike that it is a property of the set."""
DECIMALS = 4
PART = 10_000
"""Candidates whose pixels are compared before the share of images is looked at again."""


def find_duplicates(
    *,
    dataset: str,
    near_duplicates: Literal["group", "report", "ignore"],
    images: Path,
    cache: Path,
    path: Path,
    num_threads: int,
    pairs: Path,
    duplicates: Path,
) -> None:
    """List pairs of images that are the same picture, or nearly so, and say whether near ones are kept together.

    Args:
        dataset: JSON, the keys of the section `dataset` that `check_data` takes: they say where images are cached.
        near_duplicates: whether near-duplicates are kept together in a drawn split, only listed, or not looked for.
        images: the table `images` of check_data.
        cache: the folder of decoded images.
        path: the folder or CSV file of the user. It is read only where decoded images are missing in the cache.
        num_threads: threads that read decoded images.
        pairs: the table `pairs`.
        duplicates: JSON, what was found (`triptych.results.duplicates`).

    Raises:
        InputError: `dataset` is not such a section, the table is missing or invalid, or an image is neither in the
            cache nor, unchanged, at its path.
    """
    settings = parsed(dataset)
    started = time.monotonic()
    table = read_table(images, IMAGES)
    originals = Originals(settings["source"], path, Cache(cache, StoredRule.of(settings)))
    sets = exact_sets(table)
    distinct = numpy.array([rows[0] for rows in sets], dtype=numpy.int64)
    alike = _Alike(table.iloc[distinct], originals, num_threads)
    found = NOTHING if near_duplicates == IGNORE else alike.found()
    groups, reason = _decided(found, len(distinct), near_duplicates)
    rows = [*_exact_rows(table, sets), *_near_rows(table, distinct, found, groups)]
    rows.sort(key=lambda row: (row["kind"], row["first"], row["second"]))  # by code point, as pandas does not
    save_table(pairs, pandas.DataFrame(rows, columns=PAIRS.names), PAIRS)
    summary = _summary(near_duplicates, len(table), sets, found, groups, reason)
    write_duplicates(duplicates, summary)
    print(_in_words(summary, time.monotonic() - started), flush=True)


def exact_sets(images: pandas.DataFrame) -> list[list[int]]:
    """Return the positions of the images with the same stored pixels, for each different picture.

    Args:
        images: the table `images`.

    Returns:
        In the order of the pictures' smallest contents (SHA-256). In each, the image with the smallest content is
        first, of several equal ones that whose path is first.
    """
    columns = zip(images["sha256"], images["path"], images["pixels"], strict=True)
    ordered = sorted((sha256, path, pixels, row) for row, (sha256, path, pixels) in enumerate(columns))
    sets: dict[str, list[int]] = {}
    for _, _, pixels, row in ordered:
        sets.setdefault(pixels, []).append(row)
    return list(sets.values())


@dataclass(frozen=True)
class Found:
    """Near-duplicates, by their positions among the distinct images.

    Attributes:
        first, second: int64 [P].
        phash, dhash: int64 [P], bits in which the hashes differ.
        correlation: float64 [P].
        crossing: bool [P], whether a pair is of two classes.
        apart: bool [P], whether a pair is of two given splits.
        candidates: how many pairs had hashes that agree.
        random_pairs, quantile: how many random pairs were compared, and the quantile of their correlations.
        complete: whether all candidates were compared.
    """

    first: numpy.ndarray
    second: numpy.ndarray
    phash: numpy.ndarray
    dhash: numpy.ndarray
    correlation: numpy.ndarray
    crossing: numpy.ndarray
    apart: numpy.ndarray
    candidates: int
    random_pairs: int
    quantile: float
    complete: bool

    @property
    def images(self) -> numpy.ndarray:
        """The positions of the images that have a near-duplicate."""
        return numpy.union1d(self.first, self.second)

    @property
    def images_in_one_split(self) -> numpy.ndarray:
        """The positions of the images that have a near-duplicate in their own split; of all where none is given."""
        return numpy.union1d(self.first[~self.apart], self.second[~self.apart])


_EMPTY = numpy.zeros(0, dtype=numpy.int64)
NOTHING = Found(_EMPTY, _EMPTY, _EMPTY, _EMPTY, numpy.zeros(0), _EMPTY > 0, _EMPTY > 0, 0, 0, 0.0, complete=True)


class _Alike:
    """The search for near-duplicates among distinct images.

    Args:
        images: rows of the table `images`; no two have the same stored pixels.
    """

    def __init__(self, images: pandas.DataFrame, originals: Originals, num_threads: int) -> None:
        self.images, self.originals, self.num_threads = images, originals, num_threads
        self.splits = images["split"].to_numpy(dtype=object)

    def found(self) -> Found:
        """Return all near-duplicates; if so many images have one that it is a property of the set, only some."""
        count = len(self.images)
        phashes, dhashes = (near.as_numbers(self.images[name].tolist()) for name in ("phash", "dhash"))
        candidates = near.candidates(phashes, dhashes, max(LEAST_LIMIT, LIMIT_PER_IMAGE * count))
        random = near.random_pairs(self.images["sha256"].tolist())
        if self._many(candidates, numpy.arange(len(candidates))):
            typical = numpy.ones(len(random[0]), dtype=bool)
        else:  # those that are alike are few: they do not belong to what is typical of the set
            typical = ~numpy.isin(_keys(*random, count), _keys(candidates.first, candidates.second, count))
        correlations = self._correlations(random[0][typical], random[1][typical])
        above = near.quantile(correlations)
        chosen, correlation, complete = self._compared(candidates)
        if not self._many(candidates, chosen):
            agree = correlation > above
            chosen, correlation = chosen[agree], correlation[agree]
        first, second = candidates.first[chosen], candidates.second[chosen]
        labels = self.images["class"].to_numpy(dtype=object)
        return Found(
            first,
            second,
            candidates.phash[chosen],
            candidates.dhash[chosen],
            correlation,
            labels[first] != labels[second],
            self._apart(first, second),
            candidates=len(candidates),
            random_pairs=len(correlations),
            quantile=above,
            complete=complete,
        )

    def _many(self, candidates: near.Candidates, chosen: numpy.ndarray) -> bool:
        """Return whether the images of the chosen candidates are so many that it is a property of the set.

        Pairs of two given splits do not count: copies of half the test images among those of training are a leak.
        """
        chosen = chosen[~self._apart(candidates.first[chosen], candidates.second[chosen])]
        images = numpy.union1d(candidates.first[chosen], candidates.second[chosen])
        return near.is_property(len(self.images), len(images))

    def _apart(self, first: numpy.ndarray, second: numpy.ndarray) -> numpy.ndarray:
        apart: numpy.ndarray = self.splits[first] != self.splits[second]
        return apart

    def _compared(self, candidates: near.Candidates) -> tuple[numpy.ndarray, numpy.ndarray, bool]:
        """Return the candidates whose pixels agree, their correlations, and whether all candidates were compared.

        The best candidate of each image comes first: it is soon known whether many images have a near-duplicate. The
        others are compared unless that is known.
        """
        chosen, correlations = _EMPTY, numpy.zeros(0)
        best, others = _best_first(candidates)
        for part in (*_in_parts(best), *(_in_parts(others) if candidates.complete else ())):
            if self._many(candidates, chosen):
                return chosen, correlations, False
            correlation = self._correlations(candidates.first[part], candidates.second[part])
            agree = correlation >= near.CORRELATION
            chosen = numpy.concatenate([chosen, part[agree]])
            correlations = numpy.concatenate([correlations, correlation[agree]])
        return chosen, correlations, candidates.complete

    def _correlations(self, first: numpy.ndarray, second: numpy.ndarray) -> numpy.ndarray:
        if not len(first):
            return numpy.zeros(0)
        rows, positions = numpy.unique(numpy.concatenate([first, second]), return_inverse=True)
        part = self.images.iloc[rows]
        named = zip(part["path"], part["sha256"], strict=True)
        with ThreadPoolExecutor(self.num_threads) as threads:
            greys = numpy.stack(list(threads.map(self.originals.grey, named)))
        return near.Correlations(greys).of(positions[: len(first)], positions[len(first) :])


def _keys(first: numpy.ndarray, second: numpy.ndarray, count: int) -> numpy.ndarray:
    """Return a number for each pair, whichever of its images comes first."""
    keys: numpy.ndarray = numpy.minimum(first, second) * count + numpy.maximum(first, second)
    return keys


def _in_parts(positions: numpy.ndarray) -> Iterator[numpy.ndarray]:
    yield from (positions[start : start + PART] for start in range(0, len(positions), PART))


def _best_first(candidates: near.Candidates) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Return the positions of the best candidate of each image, and those of all others, the most alike first."""
    order = numpy.lexsort((candidates.second, candidates.first, candidates.phash + candidates.dhash))
    both = numpy.stack([candidates.first[order], candidates.second[order]], axis=1)
    _, firsts = numpy.unique(both, return_index=True)  # of the raveled pairs
    is_best = numpy.zeros(len(order), dtype=bool)
    is_best[firsts // 2] = True
    return order[is_best], order[~is_best]


def _decided(found: Found, images: int, setting: str) -> tuple[list[list[int]], Reason]:
    """Return the groups that are kept together, and why there are none (none if they are)."""
    reason: Reason = "none"
    together = ~found.apart
    if near.is_property(images, len(found.images_in_one_split)):
        reason = "too_many_images"
    elif not found.complete:
        reason = "too_many_candidates"
    elif near.crosses_classes(int(together.sum()), int((found.crossing & together).sum())):
        reason = "too_many_crossing"
    elif setting != GROUP:
        reason = "setting"
    if reason != "none":
        return [], reason
    order = numpy.lexsort((found.second, found.first, -found.correlation))
    return near.complete_links(found.first, found.second, order), reason


def _exact_rows(images: pandas.DataFrame, sets: Iterable[list[int]]) -> Iterator[dict[str, Any]]:
    rows = _Rows(images)
    pairs = [pair for own in sets for pair in pairwise(sorted(own, key=rows.paths.__getitem__))]
    first, second = numpy.array(pairs, dtype=numpy.int64).reshape(-1, 2).T
    hashes = [near.as_numbers(images[name].tolist()) for name in ("phash", "dhash")]
    bits = [near.bits(numbers[first], numbers[second]).tolist() for numbers in hashes]
    for pair, phash, dhash in zip(pairs, *bits, strict=True):
        yield rows.of(EXACT, pair, (phash, dhash), 1.0, unit=True)


def _near_rows(
    images: pandas.DataFrame, distinct: numpy.ndarray, found: Found, groups: Iterable[list[int]]
) -> Iterator[dict[str, Any]]:
    rows = _Rows(images)
    group_of = {image: number for number, members in enumerate(groups) for image in members}
    columns = (found.first, found.second, found.phash, found.dhash, found.correlation)
    for one, other, phash, dhash, correlation in zip(*(column.tolist() for column in columns), strict=True):
        unit = one in group_of and group_of[one] == group_of.get(other)
        first, second = sorted((int(distinct[one]), int(distinct[other])), key=rows.paths.__getitem__)
        yield rows.of(NEAR, (first, second), (phash, dhash), correlation, unit=unit)


class _Rows:
    """Rows of the table `pairs`; columns of the table `images` are read once."""

    def __init__(self, images: pandas.DataFrame) -> None:
        self.paths, self.classes, self.splits = (images[name].tolist() for name in ("path", "class", "split"))

    def of(
        self, kind: str, pair: tuple[int, int], bits: tuple[int, int], correlation: float, *, unit: bool
    ) -> dict[str, Any]:
        """Return the row of a pair of images, by their positions."""
        (first, second), (phash, dhash) = pair, bits
        return {
            "kind": kind,
            "first": self.paths[first],
            "second": self.paths[second],
            "first_class": self.classes[first],
            "second_class": self.classes[second],
            "first_split": self.splits[first],
            "second_split": self.splits[second],
            "phash": phash,
            "dhash": dhash,
            "correlation": round(correlation, DECIMALS),
            "unit": TRUE if unit else "false",
        }


def _summary(
    setting: str, images: int, sets: list[list[int]], found: Found, groups: list[list[int]], reason: Reason
) -> Duplicates:
    pairs, crossing, alike = len(found.first), int(found.crossing.sum()), len(found.images)
    several = [len(rows) for rows in sets if len(rows) > 1]
    return Duplicates(
        setting=setting,
        images=images,
        distinct=len(sets),
        exact_sets=len(several),
        exact_images=sum(several),
        candidates=found.candidates,
        near_pairs=pairs,
        near_images=alike,
        near_share=round(alike / max(1, len(sets)), DECIMALS),
        crossing_pairs=crossing,
        crossing_share=round(crossing / max(1, pairs), DECIMALS),
        random_pairs=found.random_pairs,
        quantile=round(found.quantile, DECIMALS),
        correlation=near.CORRELATION,
        complete=found.complete,
        groups=len(groups),
        grouped=reason == "none",
        reason=reason,
    )


def _in_words(found: Duplicates, seconds: float) -> str:
    fate = {
        "none": "kept together in a drawn split",
        "setting": "not kept together, as near_duplicates says",
        "too_many_images": "not kept together, since so many are a property of the data set",
        "too_many_candidates": "not kept together, since not all pairs could be compared",
        "too_many_crossing": "not kept together, since so many pairs of two classes are a property of the data set",
    }[found.reason]
    least = "" if found.complete else "at least "
    sets = "set" if found.exact_sets == 1 else "sets"
    return (
        f"{found.images:,} images: {found.exact_sets:,} {sets} of exact duplicates; hashes of {found.candidates:,} "
        f"pairs agree, and {least}{found.near_pairs:,} pairs are near-duplicates, {fate}; {seconds:,.0f} s"
    )
