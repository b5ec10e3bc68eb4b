"""Folds of the training images: every image is held out of one training in each repeat.

All folds share one file of images. A fold is a list of its rows, so nothing is copied.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy

from triptych.data.dataset import Split
from triptych.storage.errors import InputError
from triptych.storage.tensors import load_metadata, load_tensors, save_tensors


@dataclass(frozen=True)
class Folds:
    """The parts of the training images.

    Attributes:
        parts: uint8 [repeats, images], the part that an image is held out in.
        count: parts of each repeat.
    """

    parts: numpy.ndarray
    count: int

    @property
    def repeats(self) -> int:
        """How often the parts are dealt."""
        return len(self.parts)

    @property
    def numbers(self) -> range:
        """The number of every fold: `count` of the first repeat, then those of the next."""
        return range(self.count * self.repeats)

    def held_out(self, number: int) -> numpy.ndarray:
        """Return which images a fold holds out: bool [images].

        Raises:
            InputError: there is no such fold.
        """
        if number not in self.numbers:
            raise InputError(f"fold {number}: there is no such fold; give a number from 0 to {self.numbers[-1]}.")
        held: numpy.ndarray = self.parts[number // self.count] == number % self.count
        return held

    def put_together(self, values: Mapping[int, numpy.ndarray], repeat: int) -> numpy.ndarray:
        """Return what each image has in the fold of a repeat that holds it out: [images, ...].

        Args:
            values: by fold number, of the images that it holds out, in their order: [images, ...].
        """
        numbers = range(repeat * self.count, (repeat + 1) * self.count)
        first = values[numbers[0]]
        together = numpy.zeros((self.parts.shape[1], *first.shape[1:]), first.dtype)
        for number in numbers:
            together[self.held_out(number)] = values[number]
        return together


def save_folds(path: Path, folds: Folds) -> None:
    """Write folds: `fold`, uint8 [repeats, images]; in the metadata `folds`, the parts of each repeat."""
    save_tensors(path, {"fold": folds.parts}, {"folds": folds.count})


def load_folds(path: Path, images: int | None = None) -> Folds:
    """Read a file of `save_folds`.

    Args:
        images: the number of training images; without it any number will do.

    Raises:
        InputError: the file is missing, is not such a file, or is about another number of images.
    """
    count, parts = load_metadata(path).get("folds"), load_tensors(path).get("fold")
    if not isinstance(count, int) or parts is None or parts.dtype != numpy.uint8 or parts.ndim != 2 or not parts.size:
        raise InputError(f"{path}: not a file of folds.")
    if images is not None and parts.shape[1] != images:
        raise InputError(f"{path}: expected the folds of {images} training images, found those of {parts.shape[1]}.")
    if count < 2 or any(set(numpy.unique(repeat)) != set(range(count)) for repeat in parts):
        raise InputError(f"{path}: expected images in each of {count} folds.")
    return Folds(parts, count)


def of_fold(train: Split, held_out: numpy.ndarray) -> tuple[Split, Split]:
    """Return the images that a fold trains on, and those that it holds out.

    Args:
        held_out: bool [images].
    """
    chosen = (~held_out, held_out)
    training, validation = (replace(train, images=train.images[own], labels=train.labels[own]) for own in chosen)
    return training, validation
