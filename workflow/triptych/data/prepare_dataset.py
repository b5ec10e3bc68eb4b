"""Prepare the target data set: three splits, an index of all images, and the sizes of the splits."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy
import pandas

from triptych.data.dataset import Split, save_split
from triptych.data.source import SourceImages, reader_of, setting
from triptych.data.stratify import SPLITS, stratify, stratify_parts
from triptych.results.schema import INDEX, SIZES
from triptych.results.tables import save_table
from triptych.storage.errors import InputError


def prepare_dataset(
    *,
    dataset: str,
    files: list[Path] | None = None,
    train: Path,
    validation: Path,
    test: Path,
    index: Path,
    sizes: Path,
) -> None:
    """Split a source of images into training, validation and test images.

    Args:
        dataset: JSON, the keys of the section `dataset` of the configuration that affect results: `source` and the keys
            of that source; `train_per_class`, `validation_per_class` and `test_per_class` (images per class; null for
            all remaining ones); and `seed` (of the split). A source with its own test part gives the test images from
            that part, and the other images from the rest.
        files: the files of the source; some sources need none.
        train, validation, test: files of `triptych.data.dataset`. Validation may be empty.
        index: CSV with one row per image: split, row, name, sha256 (of the stored pixels), class, group.
        sizes: CSV: split, class, images.

    Raises:
        InputError: `dataset` is not such a section, a file is invalid, or the sizes differ from those of the source or
            the configuration.
    """
    settings = _parsed(dataset)
    source = settings["source"]
    found = reader_of(source).read(settings, files or [])
    wanted = {split: settings.get(f"{split}_per_class") for split in SPLITS}
    rows = divided(found, wanted, setting(settings, "seed"), source)
    table = size_table(rows, found)
    print(f"{source}: {len(found.images)} images, {len(found.classes)} classes")
    print(
        table.pivot_table("images", "class", "split", "sum", sort=False, margins=True, margins_name="all"), flush=True
    )
    check_sizes(table, wanted, source)
    for split, path in zip(SPLITS, (train, validation, test), strict=True):
        part = Split(found.images[rows[split]], found.labels[rows[split]], found.classes)
        save_split(path, part, {"source": source, "split": split})
    save_table(index, index_table(rows, found), INDEX)
    save_table(sizes, table, SIZES)


def _parsed(dataset: str) -> dict[str, Any]:
    try:
        settings = json.loads(dataset)
    except ValueError:
        settings = None
    if not isinstance(settings, dict) or not isinstance(settings.get("source"), str):
        raise InputError(f"dataset: expected a JSON object with the key source, found {dataset[:60]!r}.")
    return settings


def divided(found: SourceImages, wanted: dict[str, int | None], seed: int, source: str) -> dict[str, numpy.ndarray]:
    """Return the indices of the images of each split, for `wanted` images per class (None: all remaining ones).

    Raises:
        InputError: a class has too few images, or a size is missing or too small.
    """
    train, validation, test = (wanted[split] for split in SPLITS)
    if validation is None:
        raise InputError("dataset: validation_per_class is missing; give a number.")
    if found.is_test is not None:
        return stratify_parts(found.labels, found.classes, found.is_test, train, validation, test, seed)
    if train is None:
        raise InputError(f"train_per_class: null is not allowed, because {source} has no test part; give a number.")
    return stratify(found.labels, found.classes, train, validation, test, seed)


def size_table(rows: dict[str, numpy.ndarray], found: SourceImages) -> pandas.DataFrame:
    """Count the images by split and class: columns split, class, images."""
    counts = {split: numpy.bincount(found.labels[rows[split]], minlength=len(found.classes)) for split in rows}
    return pandas.DataFrame(
        [
            {"split": split, "class": name, "images": int(counts[split][label])}
            for split in rows
            for label, name in enumerate(found.classes)
        ]
    )


def check_sizes(table: pandas.DataFrame, wanted: dict[str, int | None], source: str) -> None:
    """Compare the counted sizes with the configured images per class (None: at least one).

    Raises:
        InputError: they differ.
    """
    for split, name, images in table[["split", "class", "images"]].itertuples(index=False):
        expected = wanted[split]
        if images != expected and not (expected is None and images > 0):
            required = "at least 1" if expected is None else expected
            raise InputError(f"{source}: {split} has {images} images of class {name!r}, expected {required}.")


def index_table(rows: dict[str, numpy.ndarray], found: SourceImages) -> pandas.DataFrame:
    """Return the origin of every image of every split: columns split, row, name, sha256, class, group."""
    return pandas.DataFrame(
        [
            {
                "split": split,
                "row": row,
                "name": found.names[image],
                "sha256": hashlib.sha256(found.images[image].tobytes()).hexdigest(),
                "class": found.classes[found.labels[image]],
                "group": found.groups[image],
            }
            for split in rows
            for row, image in enumerate(rows[split])
        ]
    )
