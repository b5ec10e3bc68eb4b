"""What the configuration knows of a source of images before any image is read."""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from triptych.configuration.values import Section

IF_FILES = "if the source of images is folder or table"
"""When a default is another one for the user's own image files (`Source.FILES`), in words."""


@dataclass(frozen=True)
class Download:
    """A file that is downloaded.

    Attributes:
        file: its name, which holds digits of its checksum: experiments share it, and nothing depends on its address.
        urls: addresses, tried in order.
        sha256: the checksum that it must have, or its first digits where no more is known.
        size: in bytes; None where it is not known.
        path: the user's copy, used instead of a download.
    """

    file: str
    urls: list[str]
    sha256: str
    size: int | None = None
    path: str | None = None


def tenth(training_images: int) -> int:
    """Return a tenth of a class's training images, at least ten: how many to set aside for validation."""
    return max(10, training_images // 10)


class Source(Section):
    """The keys under `dataset` of one source of images.

    A module of `triptych.configuration.sources` derives its own from it, with `seed` and the key `VALIDATION` among its
    keys, and gives it as `SECTION`.
    """

    ACCESS: ClassVar[frozenset[str]] = frozenset()
    """The keys that say where a file is, which does not affect results."""
    NEUTRAL: ClassVar[dict[str, Any]] = {}
    """Of a key that was added later, the value at which images are prepared as before. It never changes."""
    FILES: ClassVar[bool] = False
    """Whether the images are the user's own files, which are checked and decoded before they are split."""
    VALIDATION: ClassVar[str] = "validation_per_class"
    """The key that sets validation images aside."""

    source: str

    def deciding(self) -> dict[str, Any]:
        """Return the settings that decide what is prepared: neither `ACCESS` nor a key at its neutral value."""
        settings = self.model_dump(exclude=set(self.ACCESS))
        return {key: value for key, value in settings.items() if key not in self.NEUTRAL or value != self.NEUTRAL[key]}

    def checking(self) -> dict[str, Any]:
        """Return those of `deciding` that decide how the user's files are decoded; none for other sources."""
        return {}

    def downloads(self) -> list[Download]:
        """Return the files that the images are read from, in the order in which the reader is given them."""
        return []

    def is_official(self) -> bool:
        """Return whether the files are the published ones; a source without files has none that could differ."""
        return True

    @abstractmethod
    def training_images(self) -> int | None:
        """Return how many images there are to train on; None where that is known only once they are read."""

    @abstractmethod
    def has_validation(self) -> bool:
        """Return whether there are validation images."""

    @abstractmethod
    def enough_validation(self) -> str:
        """Return the key and the value that set aside about a tenth of the training images for validation."""

    def contradictions(self, key: str) -> Iterator[str]:
        """Yield a message for each contradiction between keys; `key` leads to them, as `experiments.mine.dataset`."""
        yield from ()
