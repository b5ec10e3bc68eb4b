"""The keys of sources that are the user's own image files, and how large their images are stored."""

import math
import re
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SerializerFunctionWrapHandler,
    WithJsonSchema,
    model_serializer,
)
from pydantic_core import PydanticCustomError

from triptych.configuration.colours import NAMED, rgb
from triptych.configuration.keys import MANY
from triptych.configuration.source import Source
from triptych.configuration.values import Number, Seed, as_null, as_number, printable

SMALLEST_STORE, LARGEST_STORE = 8, 2048
"""The sides that stored images may have, in pixels."""
LARGEST_VALUE = 1e38
"""The largest number in an image: that of 32-bit floating-point numbers."""
SPLITTING = frozenset({"validation", "test", "folds", "repeats", "group", "seed", "policy"})
"""The keys that decide what is done with images once they are decoded."""
COMPARING = frozenset({"near_duplicates"})
"""The keys of `find_duplicates` alone: the split depends on the pairs that it finds."""
FEWEST_FOLDS, MOST_FOLDS, MOST_REPEATS = 2, 20, 20


def stored_size(input_sizes: Iterable[int]) -> int:
    """Return the side in pixels at which images are stored by default: 8/7 of the largest input size, rounded up.

    Networks are evaluated on the central 7/8, which then has at least that many pixels.
    """
    return math.ceil(max(input_sizes) * 8 / 7)


def _share(value: Any) -> Any:
    value = as_number(value)
    whole = isinstance(value, int) and 0 <= value <= MANY
    if not whole and not (isinstance(value, float) and 0 <= value < 1):
        raise PydanticCustomError(
            "share", "give a fraction below 1, as 0.15, or a whole number of images of each class"
        )
    return value or 0  # the same JSON for 0 and 0.0


def _colour(value: Any) -> Any:
    try:
        rgb(value)
    except (TypeError, ValueError):
        raise PydanticCustomError(
            "colour",
            'give {names} or "#rrggbb", six hexadecimal digits in quotation marks',
            {"names": ", ".join(NAMED)},
        ) from None
    return value.lower()


def _range(value: Any) -> Any:
    numbers = [as_number(part) for part in value] if isinstance(value, (list, tuple)) else []
    if as_null(value) is None:
        return None
    if len(numbers) != 2 or not all(isinstance(part, (int, float)) and abs(part) <= LARGEST_VALUE for part in numbers):
        raise PydanticCustomError("range", "give null or two numbers, as [0, 4095]")
    if numbers[0] >= numbers[1]:
        raise PydanticCustomError("range", "the first number must be below the second; give [black, white]")
    return numbers


def _pattern(value: Any) -> Any:
    if as_null(value) is None:
        return None
    if not isinstance(value, str):
        raise PydanticCustomError("pattern", "give a regular expression in quotation marks, as '(patient[0-9]+)'")
    try:
        groups = re.compile(value).groups
    except re.error as error:
        raise PydanticCustomError(
            "pattern", "it is no regular expression: {fault}; correct it", {"fault": str(error)}
        ) from None
    if groups != 1:
        raise PydanticCustomError(
            "pattern",
            "a pattern has one group in parentheses, and this has {count}; give one, as '(patient[0-9]+)', and write "
            "others as (?:...)",
            {"count": groups},
        )
    return value


SHARE_SCHEMA = WithJsonSchema(
    {
        "anyOf": [
            {"type": "number", "minimum": 0, "exclusiveMaximum": 1},
            {"type": "integer", "minimum": 1, "maximum": MANY},
        ]
    }
)

Share = Annotated[int | float, BeforeValidator(_share), SHARE_SCHEMA]
Folds = Annotated[
    Annotated[int, Field(ge=FEWEST_FOLDS, le=MOST_FOLDS), BeforeValidator(as_number)] | None,
    BeforeValidator(as_null),
]
Repeats = Annotated[int, Field(ge=1, le=MOST_REPEATS), BeforeValidator(as_number)]
Side = Annotated[
    Annotated[int, Field(ge=SMALLEST_STORE, le=LARGEST_STORE), BeforeValidator(as_number)] | None,
    BeforeValidator(as_null),
]
Colour = Annotated[
    str,
    BeforeValidator(_colour),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": list(NAMED)},
                {"type": "string", "pattern": "^#[0-9a-fA-F]{6}$", "format": "colour"},
            ]
        }
    ),
]
Pattern = Annotated[
    Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(printable)] | None,
    BeforeValidator(_pattern),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "minLength": 1, "maxLength": 1000, "format": "pattern"},
                {"type": "null"},
            ]
        }
    ),
]
Range = Annotated[
    list[float] | None,
    BeforeValidator(_range),
    WithJsonSchema(
        {"anyOf": [{"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}, {"type": "null"}]}
    ),
]


class ImageFiles(Source):
    """The keys of data sets that are image files, named by a folder or a table."""

    ACCESS: ClassVar[frozenset[str]] = frozenset({"path"})
    FILES: ClassVar[bool] = True
    VALIDATION: ClassVar[str] = "validation"
    NEUTRAL: ClassVar[dict[str, Any]] = {"group": None}

    source: str
    path: str
    validation: Share = Field(
        0.15,
        description="Validation images where no split is given: a fraction of each class, or a whole number of images "
        "of each class; 0 for none.",
        json_schema_extra={"x-default": "0.15; 0 with `folds`"},
    )
    test: Share = Field(
        0.15,
        description="Test images where no split is given: a fraction of each class, or a whole number of images of "
        "each class; 0 for none, with folds alone.",
    )
    folds: Folds = Field(
        None,
        description="For few images: parts into which all images but those of test are dealt. Each part is held out "
        "of one training and predicted by its network; these predictions decide, in place of a validation part. null: "
        "one validation part.",
    )
    repeats: Repeats = Field(
        1, description="How often the folds are dealt anew: every seed trains folds x repeats networks."
    )
    fit: Literal["crop", "squash", "pad"] = Field(
        "crop",
        description="How an image becomes square. crop: its shorter side becomes store_size, and the centre is kept. "
        "squash: both sides become store_size. pad: its longer side becomes store_size, and the background fills the "
        "rest.",
    )
    store_size: Side = Field(
        None,
        description="Height and width in pixels at which images are stored. null: 8/7 of the largest input_size of the "
        "arms, rounded up.",
        json_schema_extra={"x-default": "8/7 of the largest `input_size`, rounded up"},
    )
    background: Colour = Field(
        "white", description="The colour behind transparent pixels, and with fit: pad around the image."
    )
    value_range: Range = Field(
        None,
        description="The values that become black and white in images of floating-point or 12-bit numbers. null: such "
        "images are problems. 8-bit and full 16-bit images do not need it.",
    )
    largest_megapixels: Number = Field(
        100,
        gt=0,
        le=900,
        description="Larger images are problems and are not decoded. No side may be longer than 30,000 pixels.",
    )
    group: Pattern = Field(
        None,
        description="A regular expression with one group in parentheses, searched in the path of each image from the "
        "data set's folder. Images for which the group is the same text, such as all of one patient, stay in one split "
        "where it is drawn. null: groups are those of the table's column group, if it has one.",
    )
    policy: Literal["stop", "quarantine"] = Field(
        "stop",
        description="What happens if some files cannot be used. stop: the workflow ends with a message that names "
        "them. quarantine: it goes on without them and counts them in the reports.",
    )
    near_duplicates: Literal["group", "report", "ignore"] = Field(
        "group",
        description="What happens to images that are nearly the same, as two encodings of one photograph. group: a "
        "drawn split keeps them together, unless too many images are alike, which is a property of the data set. "
        "report: they are only listed. ignore: they are not looked for. Exact duplicates are always kept together.",
    )
    seed: Seed = Field(0, description="Seed of the split.")

    @model_serializer(mode="wrap")
    def _in_effect(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out the keys of folds where there are none: nothing but a new key may change then."""
        settings: dict[str, Any] = handler(self)
        if self.folds is None:
            settings = {key: value for key, value in settings.items() if key not in ("folds", "repeats")}
        return settings

    def deciding(self) -> dict[str, Any]:
        return {key: value for key, value in super().deciding().items() if key not in COMPARING}

    def checking(self) -> dict[str, Any]:
        return {key: value for key, value in self.deciding().items() if key not in SPLITTING}

    def training_images(self) -> None:
        return None

    def has_validation(self) -> bool:
        return self.validation != 0 or self.folds is not None

    def enough_validation(self) -> str:
        return "validation: 0.15"

    def contradictions(self, key: str) -> Iterator[str]:
        if self.folds is None and not self.test:
            yield (
                f"{key}.test: 0 is not allowed; test images are needed; give a fraction above 0, as 0.15, or a whole "
                f"number of images of each class; or give {key}.folds, which can do without"
            )
        if self.folds is None and self.repeats > 1:
            yield f"{key}.repeats: {self.repeats} is not allowed without {key}.folds; give folds, as 5, or 1"
        if self.folds is not None and self.validation:
            yield (
                f"{key}.validation: {self.validation:g} is not allowed with {key}.folds, which take its place; leave "
                "it out, or give 0"
            )
        if self.validation < 1 and self.test < 1 and self.validation + self.test >= 1:
            yield (
                f"{key}: validation {self.validation:g} and test {self.test:g} leave no training images; give "
                "fractions whose sum is below 1"
            )
