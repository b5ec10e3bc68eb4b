"""The section `comparison`: how arms are compared."""

from typing import Literal

from pydantic import Field

from triptych.configuration.values import Number, Section


class Comparison(Section):
    """How arms are compared."""

    metric: Literal["accuracy", "balanced_accuracy"] = Field(
        "accuracy",
        description="What decides between arms. accuracy: the share of correct images. balanced_accuracy: the mean of "
        "the recalls of all classes, so that a rare class counts as much as a frequent one. Inside an arm, "
        "patience and keep: best use accuracy.",
    )
    equivalence_margin: Number = Field(
        1.0,
        ge=0,
        le=100,
        description="Difference of the metric, in percentage points, below which arms count as equivalent.",
    )
    prefer: Literal["accurate", "cheap"] = Field(
        "accurate",
        description="What to choose while it is undecided which arm is better. accurate: the arm with the highest "
        "metric on validation images. cheap: the arm with the fewest computed operations.",
    )
    confidence: Number = Field(0.95, gt=0, lt=1, description="Confidence level of the intervals.")
