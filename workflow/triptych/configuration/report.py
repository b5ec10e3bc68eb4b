"""The section `report`: what the report shows."""

from typing import Literal

from pydantic import Field

from triptych.configuration.values import Section


class Report(Section):
    """What the report shows."""

    images: Literal["all", "none"] = Field(
        "all",
        description="all: figures show training images and misclassified test images. none: no figure shows an image "
        "of the data set, for images that must not leave. Does not affect results.",
    )
