"""A split of a data set: its images and labels, its file, and how much of an image a network sees."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy

from triptych.storage.errors import InputError
from triptych.storage.tensors import load_metadata, map_tensor, save_rows, save_tensors


@dataclass(frozen=True)
class Split:
    """Images with their labels.

    Attributes:
        images: uint8 [N, H, W, 3], as stored, before the input transform; N may be 0.
        labels: int64 [N], indices into `classes`.
        classes: the class names.
        crop: whether networks see the centre of an image alone (`view_side`), since its margin was stored for that.
    """

    images: numpy.ndarray
    labels: numpy.ndarray
    classes: list[str]
    crop: bool = False

    def __len__(self) -> int:
        """The number of images."""
        return len(self.images)

    def first(self, count: int | None) -> "Split":
        """Return the first `count` images (None: all). In a training split these are nearly class-balanced.

        Raises:
            InputError: the split has fewer images.
        """
        if count is not None and count > len(self):
            raise InputError(
                f"training.train_images: {count} is not allowed; there are {len(self)} training images; give at most "
                f"{len(self)}, or null for all."
            )
        return replace(self, images=self.images[:count], labels=self.labels[:count])


def view_side(stored: int, input_size: int) -> int:
    """Return the side in pixels of the centre that a network sees of a stored image: 7/8, if that is not too small.

    Rounded down, so that an image stored at 8/7 of the input size (rounded up) is not resized.

    Args:
        stored: height or width of the stored image.
        input_size: of the network's input, which the centre should not be smaller than.
    """
    return min(stored, max(input_size, stored * 7 // 8))


def _check(split: Split, where: Path) -> None:
    """Check shapes, types and labels of a split; raise an `InputError` that names `where` if one is wrong."""
    images, labels, classes = split.images, split.labels, split.classes
    if images.dtype != numpy.uint8 or images.ndim != 4 or images.shape[-1] != 3:
        raise InputError(f"{where}: images: expected uint8 [N, H, W, 3], found {images.dtype} {list(images.shape)}.")
    if labels.dtype != numpy.int64 or labels.shape != (len(images),):
        raise InputError(f"{where}: labels: expected int64 [{len(images)}], found {labels.dtype} {list(labels.shape)}.")
    if not classes or len(set(classes)) != len(classes) or not all(isinstance(name, str) for name in classes):
        raise InputError(f"{where}: classes: expected a list of unique names, found {classes!r}.")
    outside = labels[(labels < 0) | (labels >= len(classes))]
    if len(outside):
        raise InputError(
            f"{where}: label {outside[0]} is not one of the {len(classes)} classes (0 to {len(classes) - 1})."
        )


def save_split(path: Path, split: Split, metadata: dict[str, Any] | None = None) -> None:
    """Write a split, with its classes, `crop` if it is true, and further JSON `metadata`.

    Raises:
        InputError: a shape, a type or a label is wrong.
    """
    _check(split, path)
    described = {"classes": split.classes} | ({"crop": True} if split.crop else {}) | (metadata or {})
    save_tensors(path, {"images": split.images, "labels": split.labels}, described)


def save_split_rows(
    path: Path,
    rows: Iterable[numpy.ndarray],
    side: int,
    labels: numpy.ndarray,
    classes: list[str],
    metadata: dict[str, Any] | None = None,
) -> None:
    """Write a split as `save_split` does, to the same bytes, with images that come one by one.

    Args:
        rows: as many images as labels, uint8 [side, side, 3].
        side: pixels.
        labels, classes: as those of `Split`.

    Raises:
        InputError: a label is wrong.
    """
    shape = (len(labels), side, side, 3)
    _check(Split(numpy.broadcast_to(numpy.uint8(0), shape), labels, classes), path)
    save_rows(path, "images", rows, shape, {"labels": labels}, {"classes": classes, **(metadata or {})})


def load_splits(
    train: Path, validation: Path, test: Path | None, train_images: int | None
) -> tuple[Split, Split, Split]:
    """Read the splits for training (its first `train_images`, or all), validation and testing.

    Without a file, the test split is empty.

    Raises:
        InputError: as `load_split` and `Split.first`.
    """
    training = load_split(train)
    return training.first(train_images), load_split(validation), load_split(test) if test else training.first(0)


def load_split(path: Path) -> Split:
    """Read a file of `save_split`; the images are memory-mapped.

    Raises:
        InputError: the file is not a split, or a shape, a type or a label is wrong.
    """
    metadata = load_metadata(path)
    if "classes" not in metadata:
        raise InputError(f"{path}: not a split of a data set (no classes in its metadata).")
    try:
        images, labels = map_tensor(path, "images"), map_tensor(path, "labels")
    except InputError as error:
        reason = str(error).removeprefix(f"{path}: ").removesuffix(".")
        raise InputError(f"{path}: not a split of a data set ({reason}).") from None
    split = Split(images, labels, metadata["classes"], bool(metadata.get("crop", False)))
    _check(split, path)
    return split
