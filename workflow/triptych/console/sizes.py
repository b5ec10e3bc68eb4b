"""How many images an experiment has, and what it takes on the disk, before anything is prepared."""

import csv
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from triptych.configuration.image_files import ImageFiles
from triptych.configuration.source import Source
from triptych.data.found import Found
from triptych.storage.errors import InputError

STORED = {"digits": 8, "cifar10": 32, "cifar100": 32}
"""Height and width in pixels at which the images of a source are stored; image files have `store_size`."""
DIGITS = 1797
ENTRY = 4096
"""Bytes beside the pixels of an image in the cache."""
REST = 30 * 2**20
"""Bytes of tables, figures and reports, about."""


@dataclass(frozen=True)
class Images:
    """The images of an experiment.

    Attributes:
        train, validation, test: images of one run's splits; with folds, those of one fold.
        stored: all images.
        classes: their number.
        side: height and width in pixels at which they are stored.
        crop: whether networks see the centre alone.
        from_files: whether they are files of the user, which are decoded into a cache.
    """

    train: int
    validation: int
    test: int
    stored: int
    classes: int
    side: int
    crop: bool
    from_files: bool

    @property
    def image_bytes(self) -> int:
        """Bytes of a stored image."""
        return 3 * self.side**2

    def stored_bytes(self) -> int:
        """Bytes of the splits, and of the cache of decoded images."""
        cached = self.stored * (self.image_bytes + ENTRY) if self.from_files else 0
        return self.stored * self.image_bytes + cached


def images_of(dataset: Source, input_size: int, found: Found | None, prepared: Path | None = None) -> Images:
    """Return how many images there are.

    Args:
        dataset: the source's keys.
        input_size: of the networks, where the stored size of a source is not known.
        found: the files of the user, if the images are such and are there.
        prepared: the table `data/sizes.csv`, which counts if the files are gone.

    Raises:
        InputError: the files are gone, and were not prepared.
    """
    if isinstance(dataset, ImageFiles):
        side, crop = dataset.store_size or input_size, dataset.fit == "crop"
        if found is not None:
            splits, classes = _of_files(dataset, found), len(found.classes)
        else:
            splits, classes = _of_prepared(dataset, prepared)
    else:
        splits, side = _of_source(dataset), STORED.get(dataset.source, input_size)
        classes, crop = int(getattr(dataset, "CLASSES", 10)), False
    train, validation, test = splits
    folds = getattr(dataset, "folds", None)
    if folds:
        pool = train + validation
        train, validation = pool - pool // folds, pool // folds
    return Images(train, validation, test, sum(splits), classes, side, crop, found is not None)


def _of_files(dataset: ImageFiles, found: Found) -> tuple[int, int, int]:
    given = {part: sum(item.split == part for item in found.items) for part in ("validation", "test")}
    pool = len(found.items) - sum(given.values())
    drawn = {part: 0 if given[part] else share_of(getattr(dataset, part), pool, len(found.classes)) for part in given}
    counts = {part: given[part] or drawn[part] for part in given}
    return max(1, pool - sum(drawn.values())), counts["validation"], counts["test"]


def _of_prepared(dataset: ImageFiles, sizes: Path | None) -> tuple[tuple[int, int, int], int]:
    """Return the images of the splits, and the number of classes."""
    if sizes is None or not sizes.is_file():
        raise InputError(f"{dataset.path}: the images are gone, and were not prepared; restore them.")
    images: Counter[str] = Counter()
    with sizes.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        images[row["split"]] += int(row["images"])
    return (images["train"], images["validation"], images["test"]), len({row["class"] for row in rows})


def share_of(share: float, pool: int, classes: int) -> int:
    """Return about how many images of a pool a part draws: a share, or from 1 on a number of each class."""
    return round(share * pool) if share < 1 else round(share) * classes


def _of_source(dataset: Source) -> tuple[int, int, int]:
    keys: Mapping[str, Any] = dataset.model_dump()
    classes = int(getattr(dataset, "CLASSES", 10))
    train = dataset.training_images() or 0
    validation = classes * int(keys.get("validation_per_class") or 0)
    if keys.get("test_per_class"):
        return train, validation, classes * int(keys["test_per_class"])
    return train, validation, int(keys.get("expected_test") or max(classes, DIGITS - train - validation))
