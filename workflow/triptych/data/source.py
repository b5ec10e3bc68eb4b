"""What every reader of a source of images hands over, before it is divided into splits."""

from dataclasses import dataclass

import numpy


@dataclass(frozen=True)
class SourceImages:
    """All images of a source, in the source's own order.

    Attributes:
        images: uint8 [N, H, W, 3].
        labels: int64 [N], each an index into `classes`.
        classes: the names of the classes.
        names: a name for each image, by which a person finds it in the source.
        groups: for each image what it shares with others (a writer, a patient), or "" where that is not known.
        is_test: bool [N], the images that the source itself sets aside for testing; None where it does not.
    """

    images: numpy.ndarray
    labels: numpy.ndarray
    classes: list[str]
    names: list[str]
    groups: list[str]
    is_test: numpy.ndarray | None = None
