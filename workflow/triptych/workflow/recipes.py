"""The recipes and executions that the rules give to commands, as sorted JSON: the same settings give the same text."""

import json
from collections.abc import Mapping
from typing import Any

from triptych.configuration.keys import given, resolved
from triptych.configuration.training import EXECUTION, KEYS, RECIPE


def recipe_of(training: Mapping[str, Any], command: str) -> str:
    """The recipe of a command: the values of `training` that it uses and that are not neutral.

    A parameter of the command's rule. So a new key makes nothing again, and a changed default all that has it.
    """
    return _as_json(given(RECIPE, training, command))


def recipe_of_pretraining(experiment: Mapping[str, Any]) -> str:
    """The recipe of `pretrain_weights`: what the section `weights` has of it, else the experiment's `training`."""
    return recipe_of(resolved(KEYS, {**experiment["training"], **experiment["weights"]}), "pretrain_weights")


def execution_of(training: Mapping[str, Any], jobs_per_gpu: int) -> str:
    """How a command is executed, which does not affect its results: whole, whether or not the command uses it all."""
    return _as_json({key: training[key] for key in EXECUTION} | {"jobs_per_gpu": jobs_per_gpu})


def _as_json(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
