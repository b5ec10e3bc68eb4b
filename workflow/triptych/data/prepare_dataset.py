"""Prepare the target data set: three splits, an index of all images, and the sizes of the splits."""

import hashlib
from pathlib import Path
from typing import Any

import numpy
import pandas

from triptych.data.border import parts_of, write_record
from triptych.data.dataset import Split, save_split
from triptych.data.prepare_files import Checks, Prepared, read_checks, save_prepared
from triptych.data.source import SourceImages, is_file_source, parsed, reader_of, setting
from triptych.data.stratify import SPLITS, stratify, stratify_parts
from triptych.results.schema import INDEX, LEAKS, LEFT_OUT, SIZES
from triptych.results.tables import save_table
from triptych.storage.errors import InputError


def prepare_dataset(  # noqa: PLR0913
    *,
    dataset: str,
    files: list[Path] | None = None,
    images: Path | None = None,
    problems: Path | None = None,
    cache: Path | None = None,
    path: Path | None = None,
    num_threads: int = 1,
    report: Path | None = None,
    pairs: Path | None = None,
    duplicates: Path | None = None,
    openings: Path | None = None,
    train: Path,
    validation: Path,
    test: Path,
    index: Path,
    sizes: Path,
    left_out: Path,
    leaks: Path,
) -> None:
    """Split a source of images into training, validation and test images.

    Args:
        dataset: JSON, the keys of the section `dataset` of the configuration that affect results: `source`, the keys
            of that source, and `seed` (of the split). For sources of arrays also `train_per_class`,
            `validation_per_class` and `test_per_class` (images per class; null for all remaining ones): a source with
            its own test part gives the test images from that part, and the other images from the rest. For image files
            `validation`, `test` and `group` (`triptych.data.splitting`) and `policy`: what is done about files that
            cannot be used.
        files: the files of a source of arrays; some sources need none.
        images, problems, cache: of image files: what `check_data` has written.
        path: of image files: the folder or CSV file. It is read only where decoded images are missing in the cache.
        num_threads: threads that read images.
        report: the data report, which messages about image files name.
        pairs, duplicates: of image files: what `find_duplicates` has written. Without it only exact duplicates, and
            images of one group, are kept in one split.
        openings: the folder with the logs of openings of test images. The split of image files is recorded there, and
            images that moved in or out of test after an opening are named.
        train, validation, test: files of `triptych.data.dataset`. Validation may be empty.
        index: CSV with one row per image: split, row, name, sha256 (of the stored pixels; of the file for image files),
            class, group, changes.
        sizes: CSV: split, class, images.
        left_out: CSV, the files that cannot be used; empty for sources of arrays.
        leaks: CSV, test and validation images that have a counterpart in another split; empty for sources of arrays.

    Raises:
        InputError: `dataset` is not such a section, a file is invalid, or the sizes differ from those of the source or
            the configuration. For image files: something is wrong with them, unless the policy is quarantine; or they
            cannot be split as asked for.
    """
    settings = parsed(dataset)
    prepared: Prepared | None = None
    outputs = dict(zip(SPLITS, (train, validation, test), strict=True))
    if not is_file_source(settings["source"]):
        index_rows, table = _from_arrays(settings, files or [], outputs)
        absent, leaking = pandas.DataFrame(columns=LEFT_OUT.names), pandas.DataFrame(columns=LEAKS.names)
    else:
        if images is None or problems is None or cache is None or path is None:
            raise InputError(f"source {settings['source']}: give --images, --problems, --cache and --path.")
        checks = Checks(images, problems, cache, path, num_threads, report, pairs, duplicates, openings)
        prepared = read_checks(settings, checks)
        table = size_table(prepared.rows, prepared.labels, prepared.classes)
        _print_sizes(settings["source"], len(prepared.images), prepared.classes, table)
        for warning in prepared.warnings():
            print(f"warning: {warning}", flush=True)
        save_prepared(prepared, settings, checks, outputs)
        index_rows, absent, leaking = prepared.index(), prepared.left_out, prepared.leaks
    save_table(index, index_rows, INDEX)
    save_table(sizes, table, SIZES)
    save_table(left_out, absent, LEFT_OUT)
    save_table(leaks, leaking, LEAKS)
    if openings is not None:
        write_record(openings, parts_of(prepared.images, prepared.rows) if prepared else None)


def _from_arrays(
    settings: dict[str, Any], files: list[Path], outputs: dict[str, Path]
) -> tuple[pandas.DataFrame, pandas.DataFrame]:
    """Split a source of arrays, write the splits, and return the tables `index` and `sizes`."""
    source = settings["source"]
    found = reader_of(source).read(settings, files)
    wanted = {split: settings.get(f"{split}_per_class") for split in SPLITS}
    rows = divided(found, wanted, setting(settings, "seed"), source)
    table = size_table(rows, found.labels, found.classes)
    _print_sizes(source, len(found.images), found.classes, table)
    check_sizes(table, wanted, source)
    for split, path in outputs.items():
        part = Split(found.images[rows[split]], found.labels[rows[split]], found.classes)
        save_split(path, part, {"source": source, "split": split})
    return index_table(rows, found), table


def _print_sizes(source: str, images: int, classes: list[str], table: pandas.DataFrame) -> None:
    print(f"{source}: {images} images, {len(classes)} classes")
    print(
        table.pivot_table("images", "class", "split", "sum", sort=False, margins=True, margins_name="all"), flush=True
    )


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


def size_table(rows: dict[str, numpy.ndarray], labels: numpy.ndarray, classes: list[str]) -> pandas.DataFrame:
    """Count the images by split and class: columns split, class, images."""
    counts = {split: numpy.bincount(labels[rows[split]], minlength=len(classes)) for split in rows}
    return pandas.DataFrame(
        [
            {"split": split, "class": name, "images": int(counts[split][label])}
            for split in rows
            for label, name in enumerate(classes)
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
    """Return the origin of every image of every split: columns split, row, name, sha256, class, group, changes."""
    return pandas.DataFrame(
        [
            {
                "split": split,
                "row": row,
                "name": found.names[image],
                "sha256": hashlib.sha256(found.images[image].tobytes()).hexdigest(),
                "class": found.classes[found.labels[image]],
                "group": found.groups[image],
                "changes": "",
            }
            for split in rows
            for row, image in enumerate(rows[split])
        ]
    )
