"""The whole configuration: experiments, each with its sections and arms."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SerializerFunctionWrapHandler, model_serializer, model_validator
from pydantic_core import PydanticCustomError

from triptych.configuration.arm import RATES_OF_FILES, Arm, default_arms
from triptych.configuration.claims import NONE, WINGS, part_of
from triptych.configuration.comparison import Comparison
from triptych.configuration.dataset import DEFAULT_SOURCE, Dataset
from triptych.configuration.defaults import SEEDS_OF_FILES, with_dependent_defaults
from triptych.configuration.messages import NAME_IN_WORDS
from triptych.configuration.model import Model, ReferenceModel
from triptych.configuration.report import Report
from triptych.configuration.source import IF_FILES
from triptych.configuration.sources.registry import section_of
from triptych.configuration.training_section import Training
from triptych.configuration.values import Name, Question, Section, Seeds, Whole
from triptych.configuration.weights import NoWeights, Weights

if TYPE_CHECKING:  # a type checker takes no literals that are made from a list
    Claims = str
else:
    Claims = Literal[(NONE, *WINGS)]


class Experiment(Section):
    """One data set and one question; several arms, several seeds."""

    question: Question = Field(
        "Does it pay to start from pretrained weights, and is it enough to train the last layer?",
        description="The question at the top of the report.",
    )
    dataset: Dataset = Field(section_of(DEFAULT_SOURCE).model_validate({}), description="The images.")
    model: Model = Field(Model(), description="The network and its input.")
    weights: Weights = Field(
        NoWeights(),
        description="The source of pretrained weights.",
        json_schema_extra={
            "x-default": f'`{{"source": "none"}}`; `{{"source": "torchvision"}}` {IF_FILES} and an arm needs '
            "pretrained weights"
        },
    )
    training: Training = Field(Training(), description="The recipe.")
    test: Literal["after_decision", "every_epoch"] = Field(
        "after_decision",
        description="When test images are evaluated. after_decision: once, after an arm is chosen on validation "
        "images; no training reads them. every_epoch: after every epoch, for learning curves of test images.",
    )
    comparison: Comparison = Field(Comparison(), description="How arms are compared.")
    reference_models: list[ReferenceModel] = Field(
        [],
        min_length=0,
        max_length=20,
        description="Networks to compare with the arms' without training: parameters, operations, memory, batch size.",
    )
    report: Report = Field(Report(), description="What the report shows.")
    seeds: Seeds = Field(
        [0],
        description="Every arm is trained once with each seed. A verdict needs three or more.",
        json_schema_extra={"x-default": f"`[0]`; `{SEEDS_OF_FILES}` {IF_FILES}"},
    )
    ensemble: bool = Field(
        False,
        description="Whether the model that is kept is an ensemble: the networks of all seeds of the chosen arm, and "
        "with folds of all its runs. Its probabilities are the mean of theirs, and it takes as many times longer. "
        "false: the network of one seed. Needs two or more.",
    )
    claims: Claims = Field(
        NONE, description=" ".join(f"{wing}: {part_of(wing, 'requirements').DESCRIPTION}." for wing in WINGS)
    )
    arms: dict[Name, Arm] = Field(
        default_factory=default_arms,
        min_length=1,
        description=f"The ways to train, by name: {NAME_IN_WORDS}.",
        json_schema_extra={
            "x-default": "; ".join(
                f"`{name}` (`weights: {arm.weights}`, `train: {arm.train}`)" for name, arm in default_arms().items()
            )
            + f"; {IF_FILES}: learning rates of {', '.join(map(str, RATES_OF_FILES.values()))}, and `last_layer` "
            "with `batchnorm: frozen`"
        },
    )

    @model_validator(mode="after")
    def _fill(self) -> "Experiment":
        return with_dependent_defaults(self)

    @model_serializer(mode="wrap")
    def _without_no_ensemble(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave `ensemble` out where it is false, so that nothing that was made without the key is made again."""
        dumped: dict[str, Any] = serialise(self)
        if not self.ensemble:
            dumped.pop("ensemble", None)
        return dumped


def _chosen_weights(value: Any) -> Any:
    if value == "none":
        raise PydanticCustomError("chosen_weights", "give model: the weights of the chosen run alone are kept")
    return value


class Configuration(Section):
    """Triptych's configuration."""

    experiments: dict[Name, Experiment] = Field(min_length=1, description=f"The experiments, by name: {NAME_IN_WORDS}.")
    keep_weights: Annotated[Literal["model", "trained", "all"], BeforeValidator(_chosen_weights)] = Field(
        "model",
        description="The weights that are kept. model: those of the chosen run, with "
        "ensemble those of all runs of its arm, in the folder model/. trained: those "
        "of every run as well. all: those of every run before training, too.",
    )
    jobs_per_gpu: Whole = Field(
        1,
        ge=1,
        le=64,
        description="Jobs that may share one GPU. `--resources gpu=` counts these jobs: 2 GPUs with 3 jobs each are "
        "gpu=6. Does not affect results; measured times are those of a shared GPU.",
    )
