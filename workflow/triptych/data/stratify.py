"""Stratified splits of labelled images."""

import numpy

from triptych.storage.errors import InputError

TRAIN, VALIDATION, TEST = SPLITS = ("train", "validation", "test")


def stratify(
    labels: numpy.ndarray,
    classes: list[str],
    train_per_class: int,
    validation_per_class: int,
    test_per_class: int | None,
    seed: int,
) -> dict[str, numpy.ndarray]:
    """Draw disjoint splits, each with the same number of images from every class.

    The images of each class are shuffled: validation is drawn from the start, then training, and test images from the
    end. So a larger training set contains the smaller one. With a given `test_per_class`, the test images depend only
    on the seed. Every split is ordered in rounds of one image per class. So each prefix is class-balanced up to one
    image, until a class is exhausted.

    Args:
        labels: int64 [N], indices into `classes`.
        test_per_class: None for all remaining images.

    Returns:
        For each name of `SPLITS` the indices of its images, int64.

    Raises:
        InputError: a size is negative, training or testing would be empty, or a class has too few images.
    """
    sizes = {"train": train_per_class, "validation": validation_per_class, "test": test_per_class}
    _check_sizes(sizes)
    needed = train_per_class + validation_per_class + (1 if test_per_class is None else test_per_class)
    counts = numpy.bincount(labels, minlength=len(classes))
    smallest = int(counts.argmin())
    if counts[smallest] < needed:
        test = "at least 1" if test_per_class is None else test_per_class
        raise InputError(
            f"class {classes[smallest]!r} has {counts[smallest]} images, but {needed} are needed (train_per_class "
            f"{train_per_class}, validation_per_class {validation_per_class}, test {test}); lower one of them."
        )
    generator = numpy.random.default_rng(seed)
    chosen: dict[str, list[numpy.ndarray]] = {split: [] for split in SPLITS}
    for label in range(len(classes)):
        rows = generator.permutation(numpy.flatnonzero(labels == label))
        used = validation_per_class + train_per_class
        chosen["validation"].append(rows[:validation_per_class])
        chosen["train"].append(rows[validation_per_class:used])
        chosen["test"].append(rows[used if test_per_class is None else len(rows) - test_per_class :])
    # One generator per split, so that the order of one does not depend on the size of another.
    return {
        split: in_rounds(chosen[split], numpy.random.default_rng([seed, number]))
        for number, split in enumerate(SPLITS, start=1)
    }


def stratify_parts(
    labels: numpy.ndarray,
    classes: list[str],
    is_test: numpy.ndarray,
    train_per_class: int | None,
    validation_per_class: int,
    test_per_class: int | None,
    seed: int,
) -> dict[str, numpy.ndarray]:
    """Draw splits as `stratify` does, but the test images from the test part of the source, all others from the rest.

    With a given `validation_per_class`, a larger training set contains the smaller one. So does a larger test set.

    Args:
        is_test: bool [N], the test part of the source.
        train_per_class, test_per_class: None for all remaining images.

    Returns:
        For each name of `SPLITS` the indices of its images, int64.

    Raises:
        InputError: a size is negative, training or testing would be empty, or a class has too few images.
    """
    sizes = {"train": train_per_class, "validation": validation_per_class, "test": test_per_class}
    _check_sizes(sizes)
    least = {split: 1 if size is None else size for split, size in sizes.items()}
    chosen: dict[str, list[numpy.ndarray]] = {split: [] for split in SPLITS}
    generators = {part: numpy.random.default_rng([seed, 0, part]) for part in (0, 1)}
    for label, name in enumerate(classes):
        # One generator per part, so that the test images do not depend on the training images.
        rest, test = (
            generators[part].permutation(numpy.flatnonzero((labels == label) & (is_test == bool(part))))
            for part in (0, 1)
        )
        for part, rows, needed in (
            ("training", rest, least["train"] + validation_per_class),
            ("test", test, least["test"]),
        ):
            if len(rows) < needed:
                raise InputError(
                    f"class {name!r} has {len(rows)} images in the {part} part, but {needed} are needed"
                    f" (train_per_class {_in_words(train_per_class)}, validation_per_class {validation_per_class},"
                    f" test_per_class {_in_words(test_per_class)}); lower one of them."
                )
        end = None if train_per_class is None else validation_per_class + train_per_class
        chosen["validation"].append(rest[:validation_per_class])
        chosen["train"].append(rest[validation_per_class:end])
        chosen["test"].append(test[:test_per_class])
    return {
        split: in_rounds(chosen[split], numpy.random.default_rng([seed, number]))
        for number, split in enumerate(SPLITS, start=1)
    }


def _in_words(size: int | None) -> str:
    return "all" if size is None else str(size)


def _check_sizes(sizes: dict[str, int | None]) -> None:
    for split, size in sizes.items():
        smallest = 0 if split == "validation" else 1
        if size is not None and size < smallest:
            raise InputError(f"{split}_per_class: {size} is not allowed; give at least {smallest}.")


def in_rounds(rows_by_class: list[numpy.ndarray], generator: numpy.random.Generator) -> numpy.ndarray:
    """Order rows in rounds: each takes the next row of every class that has one left, in random class order."""
    rounds = max((len(rows) for rows in rows_by_class), default=0)
    ordered = [
        rows_by_class[label][turn]
        for turn in range(rounds)
        for label in generator.permutation(len(rows_by_class))
        if turn < len(rows_by_class[label])
    ]
    return numpy.array(ordered, dtype=numpy.int64)
