"""scikit-learn's handwritten digits: 1,797 images of 8x8 pixels, included in the library.

Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998 (its
test part).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy
from sklearn.datasets import load_digits

from triptych.data.source import SourceImages
from triptych.storage.errors import InputError

IMAGES = 1797
CLASSES = 10
# Each pixel counts the ink in a 4x4 block of the scan.
LARGEST_VALUE = 16


def read(settings: Mapping[str, Any], files: Sequence[Path]) -> SourceImages:
    """Return all digits, light on dark, with grey values 0..16 scaled to 0..255 in three equal channels.

    Raises:
        InputError: the library does not have 1,797 images of 8x8 pixels in ten classes.
    """
    digits = load_digits()
    values, labels = digits.images, digits.target
    found = f"{len(values)} images of {values.shape[1:]} in {len(numpy.unique(labels))} classes"
    if values.shape != (IMAGES, 8, 8) or not numpy.array_equal(numpy.unique(labels), numpy.arange(CLASSES)):
        raise InputError(
            f"scikit-learn's digits: expected {IMAGES} images of (8, 8) in {CLASSES} classes, found {found}."
        )
    if values.min() < 0 or values.max() > LARGEST_VALUE or (values != values.astype(int)).any():
        raise InputError(f"scikit-learn's digits: expected integer grey values from 0 to {LARGEST_VALUE}.")
    grey = ((values.astype(numpy.int64) * 255 + LARGEST_VALUE // 2) // LARGEST_VALUE).astype(numpy.uint8)
    return SourceImages(
        images=numpy.repeat(grey[..., None], 3, axis=-1),
        labels=labels.astype(numpy.int64),
        classes=[str(name) for name in digits.target_names],
        names=[f"digits-{index:04d}" for index in range(IMAGES)],
        groups=[""] * IMAGES,
    )
