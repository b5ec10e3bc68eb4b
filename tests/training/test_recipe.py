"""Recipes and executions: how they are read from JSON, and that they agree with the declarations."""

import json
from dataclasses import MISSING, asdict, fields

import pytest

from tests.conftest import RECIPES
from triptych.configuration.keys import COMMANDS
from triptych.configuration.training import EXECUTION, RECIPE
from triptych.storage.errors import InputError
from triptych.training import recipe as module
from triptych.training.recipe import Execution, FeaturesRecipe, Recipe

FEATURES = {
    "evaluation_batch_size": 32,
    "num_threads": 1,
    "device": "cpu",
    "precision": "float32",
    "channels_last": False,
    "train_images": None,
}


def test_what_is_declared_is_what_commands_take():
    taken = {command: getattr(module, name) for command, name in RECIPES.items()}
    assert set(COMMANDS) == set(RECIPES)
    for command, kind in taken.items():
        used = {name: key.neutral for name, key in RECIPE.items() if command in key.used_by}
        defaults = {field.name: field.default for field in fields(kind)}
        if command == "pretrain_weights":  # its configuration has neither: all of its epochs count
            defaults = {name: default for name, default in defaults.items() if name not in ("keep", "patience")}
        assert used.keys() == defaults.keys()
        neutral = {name: default for name, default in defaults.items() if default is not MISSING}
        assert neutral == {name: used[name] for name in neutral}
        assert not {name for name in used.keys() - neutral if RECIPE[name].has_neutral}
    assert [field.name for field in fields(Execution)] == [*EXECUTION, "jobs_per_gpu"]


def test_an_object_is_made_from_json_and_told_apart_by_what_is_no_default():
    values = FEATURES | {"epochs": 2, "batch_size": 16, "learning_rate": 1, "patience": 3}
    recipe = Recipe.from_json(json.dumps(values), "--recipe")
    assert asdict(recipe) == values | {"fused_optimizer": False, "keep": "last", "recalibrate_batchnorm": "never"}
    assert recipe.in_effect() == values
    assert Execution.from_json("{}", "--execution") == Execution()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"epochs": 1},
            r"--recipe: unknown key 'epochs'; allowed are evaluation_batch_size, num_threads, device, ",
        ),
        ({"device": "gpu"}, '--recipe: device: "gpu" is not allowed; give one of auto, cpu, cuda'),
        ({"num_threads": "1"}, '--recipe: num_threads: "1" is not allowed; give a whole number'),
        ({"num_threads": 1.0}, "--recipe: num_threads: 1.0 is not allowed; give a whole number"),
        ({"num_threads": True}, "--recipe: num_threads: true is not allowed; give a whole number"),
        ({"channels_last": 0}, "--recipe: channels_last: 0 is not allowed; give true or false"),
        ({"train_images": [1]}, r"--recipe: train_images: \[1\] is not allowed; give a whole number or null"),
    ],
)
def test_a_wrong_key_or_value_is_named_with_what_is_allowed(changes, message):
    with pytest.raises(InputError, match=message):
        FeaturesRecipe.from_json(json.dumps(FEATURES | changes), "--recipe")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999", "false", "null"])
def test_a_number_is_finite(number):
    with pytest.raises(InputError, match=r"checkpoint_minutes: .* is not allowed; give a number"):
        Execution.from_json(f'{{"checkpoint_minutes": {number}}}', "--execution")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"--recipe: '{' is not JSON \(.*\); give a JSON mapping of evaluation_batch_size \(a whole number\), "),
        ("[]", r"--recipe: '\[\]' is not a mapping; give a JSON mapping of "),
        ("{}", r"--recipe: missing evaluation_batch_size, num_threads, .*; required are evaluation_batch_size, "),
        ("[" * 100_000, "--recipe: .* is not JSON"),
        ('{"num_threads": ' + "1" * 5000 + "}", "--recipe: .* is not JSON"),
    ],
)
def test_what_is_no_recipe_is_refused(text, message):
    with pytest.raises(InputError, match=message):
        FeaturesRecipe.from_json(text, "--recipe")
