"""Dividing labelled images into splits that hold the classes evenly, by seed."""

import numpy

from triptych.errors import InputError

SPLITS = ("train", "validation", "test")


def stratify(
    labels: numpy.ndarray,
    classes: list[str],
    train_per_class: int,
    validation_per_class: int,
    test_per_class: int | None,
    seed: int,
) -> dict[str, numpy.ndarray]:
    """Draw each split from every class, without an image in two of them.

    In each class the images are shuffled; validation comes from the front, then training, and the test images from
    the end. So a larger training set holds the smaller one, and with a given `test_per_class` the same seed tests on
    the same images whatever the other sizes. Every split is ordered in rounds of one image a class, so that each
    prefix of it is balanced to one image (until a class runs out).

    Args:
        labels: int64 [N], each an index into `classes`.
        test_per_class: None takes all that are left.

    Returns:
        For each name of `SPLITS` the indices of its images, int64.

    Raises:
        InputError: a size is negative, training or testing would be empty, or a class has too few images.
    """
    sizes = {"train": train_per_class, "validation": validation_per_class, "test": test_per_class}
    for split, size in sizes.items():
        smallest = 0 if split == "validation" else 1
        if size is not None and size < smallest:
            raise InputError(f"{split}_per_class: {size} is too few, at least {smallest}")
    needed = train_per_class + validation_per_class + (1 if test_per_class is None else test_per_class)
    counts = numpy.bincount(labels, minlength=len(classes))
    smallest = int(counts.argmin())
    if counts[smallest] < needed:
        test = "at least 1" if test_per_class is None else test_per_class
        raise InputError(
            f"class {classes[smallest]!r} has {counts[smallest]} images, but {needed} are asked for"
            f" (train_per_class {train_per_class}, validation_per_class {validation_per_class}, test {test})"
        )
    generator = numpy.random.default_rng(seed)
    chosen: dict[str, list[numpy.ndarray]] = {split: [] for split in SPLITS}
    for label in range(len(classes)):
        rows = generator.permutation(numpy.flatnonzero(labels == label))
        used = validation_per_class + train_per_class
        chosen["validation"].append(rows[:validation_per_class])
        chosen["train"].append(rows[validation_per_class:used])
        chosen["test"].append(rows[used if test_per_class is None else len(rows) - test_per_class :])
    # A generator of its own for each split: the order of one does not depend on the size of another.
    return {
        split: in_rounds(chosen[split], numpy.random.default_rng([seed, number]))
        for number, split in enumerate(SPLITS, start=1)
    }


def in_rounds(rows_by_class: list[numpy.ndarray], generator: numpy.random.Generator) -> numpy.ndarray:
    """Order rows in rounds that take the next row of every class that has one left, the classes shuffled each round."""
    rounds = max((len(rows) for rows in rows_by_class), default=0)
    ordered = [
        rows_by_class[label][turn]
        for turn in range(rounds)
        for label in generator.permutation(len(rows_by_class))
        if turn < len(rows_by_class[label])
    ]
    return numpy.array(ordered, dtype=numpy.int64)
