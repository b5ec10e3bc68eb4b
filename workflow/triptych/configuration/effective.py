"""The effective configuration: every default filled in, and what the rules need of it."""

from collections.abc import Mapping
from typing import Any

from triptych.configuration.arm import Arm
from triptych.configuration.cached_features import trunk_of
from triptych.configuration.experiment import Configuration, Experiment
from triptych.configuration.keys import resolved
from triptych.configuration.training import KEYS, RECIPE


def effective(configuration: Configuration) -> dict[str, Any]:
    """Return the effective configuration as plain values for JSON and YAML; `load_configuration` reads it back.

    It has all keys of the configuration. The `model` and `training` of each arm are complete: the
    experiment's values, and over them the arm's own. Where a number is `auto`, an arm has the number.
    """
    settings = configuration.model_dump()
    for name, experiment in configuration.experiments.items():
        settings["experiments"][name]["arms"] = {
            arm_name: resolved_arm(experiment, arm_name, arm) for arm_name, arm in experiment.arms.items()
        }
    return settings


def resolved_arms(experiment: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the arms of one experiment of `effective`, in their order, each with its `name`, the name of the cached
    features that it trains on (`trunk`, None for images), and its recipe."""
    return [
        {"name": name, "trunk": trunk_of(arm), **arm, "training": {key: arm["training"][key] for key in RECIPE}}
        for name, arm in experiment["arms"].items()
    ]


def compared_networks(experiment: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the networks of one experiment of `effective` that are described, each once: the arms', then the others.

    Returns:
        Mappings of `architecture`, `input_size`, `auxiliary`, `role` (arm or reference) and `trained`: of each arm
        with this network that is no control, what it trains (all or head).
    """
    models = [{**arm["model"], "auxiliary": False, "role": "arm"} for arm in experiment["arms"].values()]
    models += [{**model, "role": "reference"} for model in experiment["reference_models"]]
    keys = ("architecture", "input_size", "auxiliary")
    first: dict[tuple[Any, ...], dict[str, Any]] = {}
    for model in models:
        network = {key: model[key] for key in (*keys, "role")} | {"trained": []}
        first.setdefault(tuple(model[key] for key in keys), network)
    for arm in experiment["arms"].values():
        if arm["role"] != "control":
            first[arm["model"]["architecture"], arm["model"]["input_size"], False]["trained"].append(arm["train"])
    return list(first.values())


def resolved_arm(experiment: Experiment, name: str, arm: Arm) -> dict[str, Any]:
    """Return one arm with every key of its `model` and `training`."""
    return {
        "label": arm.label or name,
        **arm.model_dump(include={"role", "weights", "train", "batchnorm"}),
        "model": {**experiment.model.model_dump(), **arm.model.model_dump(exclude_unset=True)},
        "training": resolved(KEYS, {**experiment.training.model_dump(), **arm.training.model_dump(exclude_unset=True)}),
    }
