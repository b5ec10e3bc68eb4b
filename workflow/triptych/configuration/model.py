"""The section `model`, and the networks that those of the arms are compared with on paper."""

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
    """The network and what it is fed."""

    architecture: Architecture = Field("resnet18", description="A classification network of torchvision.")
    input_size: Whole = Field(
        224,
        ge=ANY_SIZE[0],
        le=ANY_SIZE[-1],
        description="Height and width, in pixels, to which images are resized; each architecture takes some of them.",
    )
    normalisation: Literal["none", "imagenet", "dataset"] = Field(
        "none",
        description="Mean and standard deviation that shift and scale each channel: none (values from 0 to 1 as "
        "they are), ImageNet's (where an arm starts from torchvision's weights, what these were trained "
        "with), or those of the training images.",
    )


class ReferenceModel(Section):
    """A network that those of the arms are compared with on paper; it is never trained."""

    architecture: Architecture = Field(description="A classification network of torchvision.")
    input_size: Whole = Field(
        ge=ANY_SIZE[0], le=ANY_SIZE[-1], description="Height and width, in pixels, of the images it is for."
    )
    auxiliary: bool = Field(
        False, description=f"With auxiliary heads, which {' and '.join(WITH_AUXILIARY_HEADS)} have while they train."
    )
