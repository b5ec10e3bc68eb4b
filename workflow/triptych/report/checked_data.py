"""What the data report is about: the checked images, what is wrong with them, and the split that they allow."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy
import pandas

from triptych.data.border import Parts, moved
from triptych.data.cache import Cache, StoredRule
from triptych.data.found import DATASET, FILE
from triptych.data.leaks import leaks_of
from triptych.data.shortcut_probe import Probe, probe
from triptych.data.source import setting
from triptych.data.splitting import split_rows, with_groups
from triptych.data.stratify import SPLITS, TEST
from triptych.report.blocks import Thumbnail
from triptych.report.pictures import jpeg_address, thumbnail
from triptych.results.duplicates import Duplicates, read_duplicates
from triptych.results.schema import IGNORED, IMAGES, PAIRS, PROBLEMS
from triptych.results.tables import read_table
from triptych.storage.errors import InputError

STOP = "stop"
"""The policy under which any file that cannot be used stops prepare_dataset."""


@dataclass(frozen=True, eq=False)
class CheckedData:
    """The tables of check_data and find_duplicates, the settings, and what follows from them.

    Attributes:
        settings: the section `dataset` of the configuration, as prepare_dataset takes it.
        images: the table `images`, with its columns' declared types, and with the groups of the setting `group`.
        problems, ignored, pairs: the tables of these names.
        duplicates: what was found about duplicates.
        split: of each image: train, validation or test; "" for all if the split fails.
        split_error: why it fails; "" if it does not.
        leaks: the table `leaks`; empty if the split fails.
        moved: a sentence about images that moved in or out of test after it was opened; "" for none.
        cache: decoded images; None where no picture is to be shown.
    """

    settings: Mapping[str, Any]
    images: pandas.DataFrame
    problems: pandas.DataFrame
    ignored: pandas.DataFrame
    pairs: pandas.DataFrame
    duplicates: Duplicates
    split: numpy.ndarray
    split_error: str
    leaks: pandas.DataFrame
    moved: str
    cache: Cache | None = None
    _thumbnails: dict[str, str] = field(default_factory=dict)

    @cached_property
    def classes(self) -> list[str]:
        """All classes that have an image or a file that should be one, sorted by code point."""
        return sorted({*self.images["class"], *self.broken["class"]} - {""})

    @property
    def broken(self) -> pandas.DataFrame:
        """The files that cannot be used."""
        return self.problems[self.problems["kind"] == FILE]

    @property
    def faults(self) -> pandas.DataFrame:
        """The problems of the data set as a whole."""
        return self.problems[self.problems["kind"] == DATASET]

    @property
    def stops(self) -> bool:
        """Whether training cannot start."""
        broken = len(self.broken) > 0 and setting(self.settings, "policy") == STOP
        return broken or len(self.faults) > 0 or bool(self.split_error)

    @property
    def store_size(self) -> int:
        return int(setting(self.settings, "store_size"))

    @cached_property
    def rows_of_splits(self) -> dict[str, numpy.ndarray]:
        """The rows of `images` of each split, in their order."""
        return rows_by_split(self.split)

    def count(self, split: str) -> int:
        """The number of images of a split."""
        return int((self.split == split).sum())

    @cached_property
    def totals(self) -> dict[str, int]:
        """The number of images of each class."""
        counts = Counter(self.images["class"].tolist())
        return {name: counts[name] for name in self.classes}

    @cached_property
    def counts(self) -> Counter[tuple[str, str]]:
        """The number of images by class and split."""
        return Counter(zip(self.images["class"].tolist(), self.split.tolist(), strict=True))

    @cached_property
    def rows(self) -> dict[str, int]:
        """The position of each image in `images`, by its path."""
        return {path: row for row, path in enumerate(self.images["path"])}

    @cached_property
    def shorter(self) -> pandas.Series:
        """The shorter side of each image in pixels."""
        return self.images[["width", "height"]].min(axis=1)

    @cached_property
    def aspect(self) -> pandas.Series:
        """The longer side of each image divided by the shorter one."""
        return self.images[["width", "height"]].max(axis=1) / self.shorter

    @cached_property
    def probe(self) -> Probe | None:
        """What the shortcut probe finds on the training images; None without a split."""
        return None if self.split_error else probe(self.images[self.split == "train"])

    def thumbnails(self, rows: Sequence[int], notes: Sequence[str] = ()) -> list[Thumbnail]:
        """The pictures of rows of `images` with class and path, each with a note if there are notes."""
        images = self.images.loc[list(rows), ["sha256", "class", "path"]]
        named = zip(*(images[name].tolist() for name in images), notes or [""] * len(rows), strict=True)
        return [thumbnail(self._address(sha256), label, path, note) for sha256, label, path, note in named]

    def _address(self, sha256: str) -> str:
        """The stored picture as an address that holds it; empty if it is not in the cache, or not to be shown."""
        if self.cache is None:
            return ""
        if sha256 not in self._thumbnails:
            stored = self.cache.load(sha256)
            self._thumbnails[sha256] = "" if stored is None else jpeg_address(stored.pixels)
        return self._thumbnails[sha256]


@dataclass(frozen=True)
class CheckedFiles:
    """The tables of check_data; the table and the summary of find_duplicates."""

    images: Path
    problems: Path
    ignored: Path
    pairs: Path
    duplicates: Path


def read_checked_data(
    settings: Mapping[str, Any], files: CheckedFiles, cache: Path | None, opened: Parts | None = None
) -> CheckedData:
    """Read what was found in the data, and split the images as prepare_dataset will.

    Args:
        cache: the folder of decoded images; None where no picture is to be shown.
        opened: the split under which test images were opened; None for none.

    Raises:
        InputError: a file is missing or invalid, or a setting is missing.
    """
    pairs, duplicates = read_table(files.pairs, PAIRS), read_duplicates(files.duplicates)
    table, split, error = divided(read_table(files.images, IMAGES), settings, pairs)
    near = None if duplicates.is_property else pairs
    return CheckedData(
        settings,
        table,
        read_table(files.problems, PROBLEMS),
        read_table(files.ignored, IGNORED),
        pairs,
        duplicates,
        split,
        error,
        leaks_of(table, rows_by_split(split), near),
        "" if error else moved(opened, table, numpy.flatnonzero(split == TEST)),
        None if cache is None else Cache(cache, StoredRule.of(settings)),
    )


def rows_by_split(split: numpy.ndarray) -> dict[str, numpy.ndarray]:
    """The rows of each split."""
    return {name: numpy.flatnonzero(split == name) for name in SPLITS}


def divided(
    images: pandas.DataFrame, settings: Mapping[str, Any], pairs: pandas.DataFrame
) -> tuple[pandas.DataFrame, numpy.ndarray, str]:
    """The images with their groups, the split of each, and why there is none (empty if there is one)."""
    split = numpy.full(len(images), "", dtype=object)
    if images.empty:
        return images, split, "there is no image that can be used"
    try:
        images = with_groups(images, settings)
        rows = split_rows(images, settings, pairs)
    except InputError as error:
        return images, split, str(error)
    for name, chosen in rows.items():
        split[chosen] = name
    return images, split, ""


def is_property(count: int, total: int) -> bool:
    """Return whether enough images share something for it to be a property of the data set."""
    return 2 * count > total
