"""Defaults that depend on other keys: they are in effect and in the effective configuration, and given values win."""

import json

import pytest
import yaml

from tests.conftest import ROOT
from triptych.configuration.effective import effective
from triptych.configuration.loading import load_configuration
from triptych.configuration.training import RECIPE_OF_FILES

FOLDER = {"source": "folder", "path": "photos"}


def experiment_of(**keys):
    settings = effective(load_configuration({"experiments": {"mine": keys}}))
    assert effective(load_configuration(json.loads(json.dumps(settings)))) == settings
    return settings["experiments"]["mine"]


def test_a_folder_needs_no_other_key():
    experiment = experiment_of(dataset=FOLDER)
    network = {"architecture": "resnet18", "input_size": 224, "normalisation": "imagenet"}
    assert experiment["model"] == network
    assert [arm["model"] for arm in experiment["arms"].values()] == [network] * 3
    assert experiment["weights"]["source"] == "torchvision"
    assert experiment["seeds"] == [0, 1, 2]
    assert experiment["test"] == "after_decision"
    assert {key: experiment["training"][key] for key in RECIPE_OF_FILES} == RECIPE_OF_FILES
    assert [arm["training"]["learning_rate"] for arm in experiment["arms"].values()] == [
        RECIPE_OF_FILES["learning_rate"]
    ] * 3


def test_the_default_arms_are_those_of_the_default_experiment():
    shipped = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())["experiments"]["digits"]["arms"]
    arms = experiment_of(dataset=FOLDER)["arms"]
    assert {name: {key: arms[name][key] for key in ("weights", "train")} for name in arms} == shipped


def test_given_values_win():
    experiment = experiment_of(
        dataset=FOLDER,
        model={"normalisation": "none"},
        weights={"source": "letters"},
        training={"learning_rate": 1e-4},
        seeds=[4],
        arms={"one": {}, "two": {"training": {"learning_rate": 1e-2}}},
    )
    assert [arm["training"]["learning_rate"] for arm in experiment["arms"].values()] == [1e-4, 1e-2]
    assert (experiment["model"]["normalisation"], experiment["weights"]["source"]) == ("none", "letters")
    assert (experiment["seeds"], list(experiment["arms"])) == ([4], ["one", "two"])


def test_an_arm_has_its_own_normalisation():
    arms = {"one": {"model": {"normalisation": "dataset"}}, "two": {"weights": "pretrained"}}
    found = experiment_of(dataset=FOLDER, arms=arms)["arms"]
    assert [arm["model"]["normalisation"] for arm in found.values()] == ["dataset", "imagenet"]


def test_weights_that_no_arm_needs_are_not_downloaded():
    experiment = experiment_of(dataset=FOLDER, arms={"one": {}})
    assert (experiment["weights"]["source"], experiment["model"]["normalisation"]) == ("none", "none")


@pytest.mark.parametrize(
    ("weights", "normalisation"), [("torchvision", "imagenet"), ("letters", "none"), ("none", "none")]
)
def test_normalisation_follows_the_weights_of_every_source(weights, normalisation):
    experiment = experiment_of(weights={"source": weights}, arms={"one": {}})
    assert experiment["model"]["normalisation"] == normalisation
    assert experiment["seeds"] == [0]
    assert "store_size" not in experiment["dataset"]


@pytest.mark.parametrize("path", sorted((ROOT / "config").glob("*.yaml")), ids=lambda path: path.name)
def test_what_is_shipped_says_how_it_normalises_weights_of_imagenet(path):
    """Its results depend on it, and a default may change."""
    for experiment in yaml.safe_load(path.read_text())["experiments"].values():
        if experiment["weights"]["source"] == "torchvision":
            assert "normalisation" in experiment["model"]
