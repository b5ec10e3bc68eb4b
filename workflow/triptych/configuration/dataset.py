"""The section `dataset`: where the images come from, and how many of them go into which split."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from triptych.configuration.downloads import CIFAR10, CIFAR100
from triptych.configuration.values import MANY, OptionalPath, OptionalWhole, Section, Seed, Sha256, Urls, Whole


class DigitsDataset(Section):
    """scikit-learn's handwritten digits: 1,797 images of 8 x 8 grey levels in ten classes; part of the package."""

    CLASSES: ClassVar[int] = 10
    SMALLEST_CLASS: ClassVar[int] = 174  # the eights; checked again when the data set is prepared

    source: Literal["digits"] = Field("digits", description="The data set: scikit-learn's handwritten digits.")
    train_per_class: Whole = Field(30, ge=1, le=SMALLEST_CLASS, description="Training images of each class.")
    validation_per_class: Whole = Field(
        20, ge=0, le=SMALLEST_CLASS, description="Validation images of each class; 0 for none."
    )
    test_per_class: OptionalWhole = Field(None, description="Test images of each class; null for all the rest.")
    seed: Seed = Field(0, description="Decides which image goes into which split.")


class ArchiveDataset(Section):
    """The keys of data sets that come as one archive, with a training and a test part of their own."""

    CLASSES: ClassVar[int]

    source: str
    urls: Urls
    sha256: Sha256
    path: OptionalPath = Field(
        None, description="The archive as a file of one's own, taken instead of any address; null to download it."
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
    seed: Seed = Field(0, description="Decides which image goes into which split.")


_URLS_OF_ARCHIVE = "Where the archive is, tried in order; https, http or file."
_SUM_OF_ARCHIVE = "The archive's SHA-256; the official one's by default."


class Cifar10Dataset(ArchiveDataset):
    """CIFAR-10: 60,000 photographs of 32 x 32 pixels in ten classes, from the official binary archive (170 MB)."""

    CLASSES: ClassVar[int] = 10

    source: Literal["cifar10"] = Field("cifar10", description="The data set: CIFAR-10, downloaded.")
    urls: Urls = Field(CIFAR10["urls"], description=_URLS_OF_ARCHIVE)
    sha256: Sha256 = Field(CIFAR10["sha256"], description=_SUM_OF_ARCHIVE)


class Cifar100Dataset(ArchiveDataset):
    """CIFAR-100: 60,000 photographs of 32 x 32 pixels in a hundred classes, from the official binary archive."""

    CLASSES: ClassVar[int] = 100

    source: Literal["cifar100"] = Field("cifar100", description="The data set: CIFAR-100, downloaded.")
    urls: Urls = Field(CIFAR100["urls"], description=_URLS_OF_ARCHIVE)
    sha256: Sha256 = Field(CIFAR100["sha256"], description=_SUM_OF_ARCHIVE)


def _dataset_with_source(value: Any) -> Any:
    return {"source": "digits", **value} if isinstance(value, dict) else value


Dataset = Annotated[
    DigitsDataset | Cifar10Dataset | Cifar100Dataset,
    Field(discriminator="source"),
    BeforeValidator(_dataset_with_source),
]
