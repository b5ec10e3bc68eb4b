"""The section `model`, and the networks that are compared with the arms' without being trained."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from triptych.configuration.architecture_words import architecture_hint
from triptych.configuration.backbones.registry import ANY_SIZE, ARCHITECTURES, LIBRARIES
from triptych.configuration.values import Section, Whole


def _known_architecture(name: str) -> str:
    if name not in ARCHITECTURES:
        raise PydanticCustomError(
            "architecture",
            "give the name of a classification network of {libraries}{hint}",
            {"libraries": " or ".join(LIBRARIES), "hint": architecture_hint(name)},
        )
    return name


Architecture = Annotated[
    str, AfterValidator(_known_architecture), WithJsonSchema({"type": "string", "enum": list(ARCHITECTURES)})
]

WITH_AUXILIARY_HEADS = [name for name, facts in ARCHITECTURES.items() if facts.auxiliary]


class Model(Section):
    """The network and its input."""

    architecture: Architecture = Field("resnet18", description="A classification network of torchvision.")
    input_size: Whole = Field(
        224,
        ge=ANY_SIZE[0],
        le=ANY_SIZE[-1],
        description="Height and width in pixels to which images are resized. Each architecture has its own range.",
    )
    normalisation: Literal["none", "imagenet", "dataset"] = Field(
        "none",
        description="How each channel is standardised. none: not at all, values from 0 to 1. imagenet: "
        "by ImageNet's mean and standard deviation, or by those that an arm's torchvision weights were trained with. "
        "dataset: by those of the training images.",
        json_schema_extra={"x-default": "`imagenet` with `weights.source: torchvision`, else `none`"},
    )


class ReferenceModel(Section):
    """A network to compare with the arms' networks; it is never trained."""

    architecture: Architecture = Field(description="A classification network of torchvision.")
    input_size: Whole = Field(ge=ANY_SIZE[0], le=ANY_SIZE[-1], description="Height and width of its input in pixels.")
    auxiliary: bool = Field(
        False, description=f"With auxiliary heads, which {' and '.join(WITH_AUXILIARY_HEADS)} have during training."
    )
