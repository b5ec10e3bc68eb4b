"""The target data set: from its source to three files of images and labels, an index of every image, and the sizes."""

import hashlib
from pathlib import Path

import numpy
import pandas

from triptych.data.cifar import LAYOUTS, read_cifar
from triptych.data.dataset import Split, save_split
from triptych.data.digits import read_digits
from triptych.data.source import SourceImages
from triptych.data.stratify import SPLITS, stratify, stratify_parts
from triptych.results.schema import INDEX, SIZES
from triptych.results.tables import save_table
from triptych.storage.errors import InputError

SOURCES = ("digits", *LAYOUTS)
"""Each source that a configuration may name."""


def prepare_dataset(  # noqa: PLR0913
    *,
    source: str,
    archive: Path | None = None,
    expected_train: int | None = None,
    expected_test: int | None = None,
    train_per_class: int | None = None,
    validation_per_class: int,
    test_per_class: int | None = None,
    seed: int,
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
        source: `digits`, `cifar10` or `cifar100`.
        archive: the file that the source is read from; digits need none.
        expected_train, expected_test: how many images the two parts of the archive must have.
        train_per_class, validation_per_class, test_per_class: images of each class; without a number, all that are
            left. A source with a test part of its own gives test images from that part and the others from the rest.
        seed: decides which image goes into which split.

    Raises:
        InputError: an unknown source, or one without what it is read from; the archive is not in order;
            or the sizes are not what the source promises or the configuration asks for.
    """
    found = read_source(source, archive, expected_train, expected_test)
    if found.is_test is not None:
        rows = stratify_parts(
            found.labels, found.classes, found.is_test, train_per_class, validation_per_class, test_per_class, seed
        )
    elif train_per_class is None:
        raise InputError(f"train_per_class: {source} has no test part of its own; give a number")
    else:
        rows = stratify(found.labels, found.classes, train_per_class, validation_per_class, test_per_class, seed)
    table = size_table(rows, found)
    print(f"{source}: {len(found.images)} images, {len(found.classes)} classes")
    print(
        table.pivot_table("images", "class", "split", "sum", sort=False, margins=True, margins_name="all"), flush=True
    )
    wanted = {"train": train_per_class, "validation": validation_per_class, "test": test_per_class}
    check_sizes(table, wanted, source)
    for split, path in zip(SPLITS, (train, validation, test), strict=True):
        part = Split(found.images[rows[split]], found.labels[rows[split]], found.classes)
        save_split(path, part, {"source": source, "split": split})
    save_table(index, index_table(rows, found), INDEX)
    save_table(sizes, table, SIZES)


def read_source(
    source: str, archive: Path | None, expected_train: int | None, expected_test: int | None
) -> SourceImages:
    """All images of a source.

    Raises:
        InputError: as `prepare_dataset`.
    """
    if source not in SOURCES:
        raise InputError(f"dataset source {source!r}: not known; known are {', '.join(SOURCES)}")
    if source == "digits":
        return read_digits()
    if archive is None or expected_train is None or expected_test is None:
        raise InputError(f"{source}: needs an archive and its sizes (expected_train, expected_test)")
    return read_cifar(source, archive, expected_train, expected_test)


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
