"""One way to train, with what it overrides of the experiment's sections."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, create_model

from triptych.configuration.model import Model
from triptych.configuration.training_section import Training
from triptych.configuration.values import Label, Section


def _overrides(section: type[Section]) -> type[Section]:
    """A section with the same keys, of which an arm gives some.

    What it leaves out is not in `model_fields_set`. A default that is made by a function is not shown by the schema.
    """

    def _nothing() -> None:
        return None

    fields: dict[str, Any] = {
        name: Annotated[info.annotation, *info.metadata, Field(default_factory=_nothing, description=info.description)]
        for name, info in section.model_fields.items()
    }
    return create_model(f"Arm{section.__name__}", __base__=Section, __doc__=section.__doc__, **fields)


if TYPE_CHECKING:  # a type checker takes no class that a function makes
    ArmModel = Section
    ArmTraining = Section
else:
    ArmModel = _overrides(Model)
    ArmTraining = _overrides(Training)


class Arm(Section):
    """One way to train."""

    label: Label | None = Field(None, description="Name in figures and tables; null for the arm's name.")
    weights: Literal["random", "pretrained"] = Field("random", description="Initial weights.")
    train: Literal["all", "head"] = Field(
        "all", description="What is trained: all weights, or the last layer (head) alone."
    )
    batchnorm: Literal["train", "frozen"] = Field(
        "train",
        description="train: BatchNorm uses batch statistics and updates its running statistics, even if only the head "
        "trains. frozen: it uses the running statistics of the initial weights.",
    )
    role: Literal["arm", "control"] = Field(
        "arm", description="A control is trained and listed in tables, but not compared."
    )
    model: ArmModel = Field(ArmModel(), description="Keys of `model` that differ for this arm.")
    training: ArmTraining = Field(ArmTraining(), description="Keys of `training` that differ for this arm.")


def default_arms() -> dict[str, Arm]:
    """Return the arms of an experiment that gives none, by name."""
    return {
        "scratch": Arm(weights="random", train="all"),
        "finetune": Arm(weights="pretrained", train="all"),
        "last_layer": Arm(weights="pretrained", train="head"),
    }


RATES_OF_FILES = {"scratch": 3e-4, "finetune": 1e-4, "last_layer": 1e-3}
"""Learning rates of the default arms on image files: the best of four candidates each on CIFAR-10
(`config/learning-rates.yaml`). At one rate for all, an arm would lose by its rate alone."""


def arms_of_files(training: Training) -> dict[str, Arm]:
    """Return the arms of an experiment on image files that gives none.

    Each has its own learning rate, unless `training` gives one. The last layer is trained on features that are
    computed once, so its BatchNorm is frozen.
    """
    arms = default_arms()
    arms["last_layer"] = arms["last_layer"].model_copy(update={"batchnorm": "frozen"})
    if "learning_rate" in training.model_fields_set:
        return arms
    return {
        name: arm.model_copy(update={"training": ArmTraining.model_validate({"learning_rate": RATES_OF_FILES[name]})})
        for name, arm in arms.items()
    }
