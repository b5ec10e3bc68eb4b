"""The section `comparison`: how arms are compared."""

from typing import Literal

from pydantic import Field

from triptych.configuration.values import Number, Section


class Comparison(Section):
    """How arms are compared."""

    equivalence_margin: Number = Field(
        1.0,
        ge=0,
        le=100,
        description="Accuracy difference, in percentage points, below which arms count as equivalent.",
    )
    prefer: Literal["accurate", "cheap"] = Field(
        "accurate",
        description="What to choose while it is undecided which arm is better. accurate: the arm with the highest "
        "validation accuracy. cheap: the arm with the fewest computed operations.",
    )
    confidence: Number = Field(0.95, gt=0, lt=1, description="Confidence level of the intervals.")
