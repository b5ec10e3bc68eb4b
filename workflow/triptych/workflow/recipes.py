"""Recipes and executions of commands, as sorted JSON, so that equal settings give equal text."""

import json
from collections.abc import Mapping
from typing import Any

from triptych.configuration.keys import given, resolved
from triptych.configuration.training import EXECUTION, KEYS, RECIPE


def recipe_of(training: Mapping[str, Any], command: str) -> str:
    """Return the recipe of a command: the values of `training` that it uses and that are not neutral.

    The recipe is a parameter of the rule. So a new key reruns nothing, and a changed default reruns what uses it.
    """
    return _as_json(given(RECIPE, training, command))


def recipe_of_pretraining(experiment: Mapping[str, Any]) -> str:
    """The recipe of `pretrain_weights`: what the section `weights` has of it, else the experiment's `training`."""
    return recipe_of(resolved(KEYS, {**experiment["training"], **experiment["weights"]}), "pretrain_weights")


def execution_of(training: Mapping[str, Any], jobs_per_gpu: int) -> str:
    """Return the execution of a command, with all keys, also those that the command does not use."""
    return _as_json({key: training[key] for key in EXECUTION} | {"jobs_per_gpu": jobs_per_gpu})


def _as_json(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
