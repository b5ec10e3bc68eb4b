"""The keys of sources that come as one archive with a training and a test part of its own."""

from collections.abc import Iterator
from typing import ClassVar

from pydantic import Field

from triptych.configuration.keys import MANY
from triptych.configuration.source import Download, Source, tenth
from triptych.configuration.values import OptionalPath, OptionalWhole, Seed, Sha256, Urls, Whole

URLS_OF_ARCHIVE = "Addresses of the archive, tried in order: https, http or file."
SUM_OF_ARCHIVE = "SHA-256 of the archive; by default of the official one."


class ArchiveDataset(Source):
    """The keys of data sets that come as one archive, with a training and a test part of their own."""

    CLASSES: ClassVar[int]
    ACCESS: ClassVar[frozenset[str]] = frozenset({"urls", "path"})
    OFFICIAL: ClassVar[Download]
    """The published archive."""

    source: str
    urls: Urls
    sha256: Sha256
    path: OptionalPath = Field(
        None, description="Your own copy of the archive, used instead of a download; null to download it."
    )
    expected_train: Whole = Field(
        50_000,
        ge=1,
        le=MANY,
        description="Images that the archive's training part must hold; fewer for a smaller mirror.",
    )
    expected_test: Whole = Field(10_000, ge=1, le=MANY, description="Images that the archive's test part must hold.")
    train_per_class: OptionalWhole = Field(
        None, description="Training images of each class, from the training part; null for all that are left."
    )
    validation_per_class: Whole = Field(
        0, ge=0, le=MANY, description="Validation images of each class, taken from the training part; 0 for none."
    )
    test_per_class: OptionalWhole = Field(
        None, description="Test images of each class, from the test part; null for all."
    )
    seed: Seed = Field(0, description="Seed of the splits.")

    def downloads(self) -> list[Download]:
        size = self.OFFICIAL.size if self.is_official() else None
        return [Download(f"{self.source}-{self.sha256[:16]}.tar.gz", list(self.urls), self.sha256, size, self.path)]

    def is_official(self) -> bool:
        return self.sha256 == self.OFFICIAL.sha256

    def training_images(self) -> int:
        per_class = self.train_per_class
        if per_class is None:
            per_class = self.expected_train // self.CLASSES - self.validation_per_class
        return self.CLASSES * per_class

    def has_validation(self) -> bool:
        return self.validation_per_class > 0

    def enough_validation(self) -> str:
        return f"validation_per_class: {tenth(self.train_per_class or self.expected_train // self.CLASSES)}"

    def contradictions(self, key: str) -> Iterator[str]:
        train, test = self.expected_train // self.CLASSES, self.expected_test // self.CLASSES
        wanted = self.validation_per_class + (self.train_per_class or 1)
        if wanted > train:
            training = self.train_per_class or "at least 1"
            yield (
                f"{key}: {training} images of each class for training (train_per_class) and "
                f"{self.validation_per_class} for validation are {wanted}; give at most {train} in all, what the "
                f"training part of {self.source} has (expected_train)"
            )
        if self.test_per_class and self.test_per_class > test:
            yield (
                f"{key}.test_per_class: {self.test_per_class} is not allowed; give at most {test}, what the test part "
                f"of {self.source} has (expected_test)"
            )
