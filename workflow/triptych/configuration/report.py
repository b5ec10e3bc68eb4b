"""The section `report`: what the report shows."""

from typing import Literal

from pydantic import Field

from triptych.configuration.values import Section


class Report(Section):
    """What the report shows."""

    images: Literal["all", "none"] = Field(
        "all",
        description="all: figures and reports show images of the data set, such as mistakes and suspected labels. "
        "none: no figure and no report shows one, for images that must not leave. Does not affect results.",
    )
