"""Options of the lecture's commands: which files are the published ones, and what is timed."""

import json
from dataclasses import fields

import pytest

from tests.workflow.test_options import ELSEWHERE, experiment_of
from triptych.lecture45.options import official_flags, timing_recipe
from triptych.lecture45.time_backward import TimingRecipe


@pytest.mark.parametrize(
    ("dataset", "weights", "flags"),
    [
        ({}, {"source": "letters"}, "--official-dataset --official-weights"),
        (
            {"source": "cifar10", **ELSEWHERE},
            {"source": "torchvision", **ELSEWHERE},
            "--official-dataset --official-weights",
        ),
        ({"source": "cifar10", "sha256": "a" * 64}, {"source": "torchvision"}, "--official-weights"),
        ({"source": "cifar100"}, {"source": "torchvision", "sha256": "a" * 64}, "--official-dataset"),
    ],
)
def test_files_are_official_by_their_checksums(dataset, weights, flags):
    assert official_flags(experiment_of(dataset=dataset, weights=weights)) == flags


def test_the_timing_is_given_the_recipe_of_the_arm_that_trains_the_last_layer():
    arms = {"last_layer": {"training": {"batch_size": 7, "device": "cpu"}}}
    recipe = json.loads(timing_recipe(experiment_of(arms=arms)))
    assert recipe == {"batch_size": 7, "device": "cpu", "learning_rate": 1e-4, "num_threads": 2}
    assert set(recipe) == {field.name for field in fields(TimingRecipe)}
