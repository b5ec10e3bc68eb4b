"""The target data set: from its source to three files of images and labels, an index of every image, and the sizes."""

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
    """Divide a source of images into training, validation and test images.

    Writes `train`, `validation` and `test` (files of `triptych.data.dataset`; validation may hold no image), `index`
    (split, row, name, sha256, class, group: one line an image, the checksum being of its pixels' bytes as stored) and
    `sizes` (split, class, images).

    Args:
        dataset: JSON, the section `dataset` of the configuration without what does not affect results: `source`; the
            keys that the source itself has; `train_per_class`, `validation_per_class` and `test_per_class`: images of
            each class (null for all that are left; a source with a test part of its own gives test images from that
            part and the others from the rest); `seed`: decides which image goes into which split.
        files: what the source is read from; some need none.

    Raises:
        InputError: `dataset` is not such a section; a file is not in order; or the sizes are not what the source
            promises or the configuration asks for.
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
        raise InputError(f"dataset: expected a JSON object with the key source, found {dataset[:60]!r}")
    return settings


def divided(found: SourceImages, wanted: dict[str, int | None], seed: int, source: str) -> dict[str, numpy.ndarray]:
    """The indices of the images of each split, for this many images of each class (None for all that are left).

    Raises:
        InputError: it cannot be so divided.
    """
    train, validation, test = (wanted[split] for split in SPLITS)
    if validation is None:
        raise InputError("dataset: validation_per_class is missing; give a number")
    if found.is_test is not None:
        return stratify_parts(found.labels, found.classes, found.is_test, train, validation, test, seed)
    if train is None:
        raise InputError(f"train_per_class: {source} has no test part of its own; give a number")
    return stratify(found.labels, found.classes, train, validation, test, seed)


def size_table(rows: dict[str, numpy.ndarray], found: SourceImages) -> pandas.DataFrame:
    """The number of images by split and class, counted: columns split, class, images."""
    counts = {split: numpy.bincount(found.labels[rows[split]], minlength=len(found.classes)) for split in rows}
    return pandas.DataFrame(
        [
            {"split": split, "class": name, "images": int(counts[split][label])}
            for split in rows
            for label, name in enumerate(found.classes)
        ]
    )


def check_sizes(table: pandas.DataFrame, wanted: dict[str, int | None], source: str) -> None:
    """Compare the counted sizes with the number of images a class that the configuration asks for (None: any but 0).

    Raises:
        InputError: they differ.
    """
    for split, name, images in table[["split", "class", "images"]].itertuples(index=False):
        expected = wanted[split]
        if images != expected and not (expected is None and images > 0):
            asked = "at least 1" if expected is None else expected
            raise InputError(f"{source}: {split} has {images} images of class {name!r}, expected {asked}")


def index_table(rows: dict[str, numpy.ndarray], found: SourceImages) -> pandas.DataFrame:
    """Where every image of every split comes from: columns split, row, name, sha256, class, group."""
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
