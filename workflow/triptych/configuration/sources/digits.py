"""scikit-learn's handwritten digits: what the configuration knows of them."""

from collections.abc import Iterator
from typing import ClassVar, Literal

from pydantic import Field

from triptych.configuration.source import Source, tenth
from triptych.configuration.values import OptionalWhole, Seed, Whole


class DigitsDataset(Source):
    """scikit-learn's handwritten digits: 1,797 images of 8 x 8 grey levels in ten classes; part of scikit-learn."""

    CLASSES: ClassVar[int] = 10
    SMALLEST_CLASS: ClassVar[int] = 174  # the eights; checked again when the data set is prepared

    source: Literal["digits"] = Field("digits", description="The data set: scikit-learn's handwritten digits.")
    train_per_class: Whole = Field(30, ge=1, le=SMALLEST_CLASS, description="Training images of each class.")
    validation_per_class: Whole = Field(
        20, ge=0, le=SMALLEST_CLASS, description="Validation images of each class; 0 for none."
    )
    test_per_class: OptionalWhole = Field(None, description="Test images of each class; null for all that are left.")
    seed: Seed = Field(0, description="Seed of the splits.")

    def training_images(self) -> int:
        return self.CLASSES * self.train_per_class

    def has_validation(self) -> bool:
        return self.validation_per_class > 0

    def enough_validation(self) -> str:
        return f"validation_per_class: {tenth(self.train_per_class)}"

    def contradictions(self, key: str) -> Iterator[str]:
        wanted = self.train_per_class + self.validation_per_class + (self.test_per_class or 1)
        if wanted > self.SMALLEST_CLASS:
            test = self.test_per_class or "at least 1"
            yield (
                f"{key}: {self.train_per_class} images of each class for training (train_per_class), "
                f"{self.validation_per_class} for validation and {test} for testing are {wanted}; give at most "
                f"{self.SMALLEST_CLASS} in all, the size of the smallest class of {self.source}"
            )


SECTION = DigitsDataset
