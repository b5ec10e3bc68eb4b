"""Defaults of an experiment that depend on its other keys. A value that is given always wins."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from triptych.configuration.arm import Arm, arms_of_files
from triptych.configuration.image_files import ImageFiles, stored_size
from triptych.configuration.weights import TorchvisionWeights

if TYPE_CHECKING:
    from triptych.configuration.experiment import Experiment

SEEDS_OF_FILES = [0, 1, 2]
"""Three are the fewest that give a verdict."""


def with_dependent_defaults(experiment: "Experiment") -> "Experiment":
    """Return the experiment with the defaults that depend on other keys, where these are not given.

    - `weights`: torchvision's, if the images are files and an arm needs pretrained weights.
    - `seeds`: three, if the images are files.
    - `model.normalisation`: imagenet, if the weights are torchvision's.
    - `arms`: each with its own learning rate, if the images are files.
    - `dataset.store_size`: from the largest input size of the arms, if the images are files.
    - `dataset.validation`: 0, if there are folds.
    """
    changes: dict[str, Any] = {}
    weights, dataset, model, arms = experiment.weights, experiment.dataset, experiment.model, experiment.arms
    if isinstance(dataset, ImageFiles):
        if "arms" not in experiment.model_fields_set:
            arms = changes["arms"] = arms_of_files(experiment.training)
        if "weights" not in experiment.model_fields_set and _pretrains(arms):
            weights = changes["weights"] = TorchvisionWeights()
        if "seeds" not in experiment.model_fields_set:
            changes["seeds"] = list(SEEDS_OF_FILES)
        updates: dict[str, Any] = {}
        if dataset.store_size is None:
            updates["store_size"] = stored_size(_input_sizes(experiment))
        if dataset.folds is not None and "validation" not in dataset.model_fields_set:
            updates["validation"] = 0
        if updates:
            changes["dataset"] = dataset.model_copy(update=updates)
    if isinstance(weights, TorchvisionWeights) and "normalisation" not in model.model_fields_set:
        changes["model"] = model.model_copy(update={"normalisation": "imagenet"})
    return experiment.model_copy(update=changes) if changes else experiment


def _pretrains(arms: Mapping[str, Arm]) -> bool:
    return any(arm.weights == "pretrained" for arm in arms.values())


def _input_sizes(experiment: "Experiment") -> list[int]:
    """Return the input size of each arm."""
    own = [arm.model.model_dump(exclude_unset=True) for arm in experiment.arms.values()]
    return [model.get("input_size", experiment.model.input_size) for model in own]
