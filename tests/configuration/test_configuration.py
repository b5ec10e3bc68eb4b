"""What a configuration may hold, what it becomes, and the one message for what it may not hold."""

import copy
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from triptych.configuration.backbones.registry import ARCHITECTURES
from triptych.configuration.effective import compared_networks, effective, resolved_arms
from triptych.configuration.experiment import Configuration
from triptych.configuration.loading import load_configuration
from triptych.configuration.messages import in_words, resolve
from triptych.lecture45.requirements import ARMS as LECTURE_ARMS
from triptych.storage.errors import InputError
from triptych.workflow.recipes import recipe_of_pretraining

CONFIGURATION_FOLDER = Path(__file__).parents[2] / "config"
SMALLEST = {"experiments": {"mine": {"arms": {"one": {}}}}}
FULL = {
    "keep_weights": "trained",
    "jobs_per_gpu": 3,
    "experiments": {
        "mine": {
            "question": "Which?",
            "dataset": {
                "source": "digits",
                "train_per_class": 30,
                "validation_per_class": 5,
                "test_per_class": 9,
                "seed": 1,
            },
            "model": {"architecture": "resnet18", "input_size": 32, "normalisation": "dataset"},
            "weights": {"source": "letters", "train_images": 100, "epochs": 1, "learning_rate": 0.01},
            "training": {"epochs": 2, "batch_size": 16, "learning_rate": 0.001, "device": "cpu", "num_threads": 1},
            "comparison": {"equivalence_margin": 2, "confidence": 0.9},
            "reference_models": [
                {"architecture": "googlenet", "input_size": 224, "auxiliary": True},
                {"architecture": "resnet34", "input_size": 32},
            ],
            "seeds": [2, 0],
            "arms": {
                "scratch": {"label": "net1", "weights": "random", "train": "all", "training": {"train_images": 100}},
                "deep": {"weights": "pretrained", "model": {"architecture": "resnet34"}, "role": "control"},
                "head": {"weights": "pretrained", "train": "head", "batchnorm": "frozen", "training": {"epochs": 7}},
            },
        }
    },
}
DOWNLOADED = {
    "experiments": {
        "lecture45": {
            "dataset": {"source": "cifar10", "path": "my.tar.gz", "train_per_class": 100, "test_per_class": 20},
            "test": "every_epoch",
            "weights": {"source": "torchvision", "urls": ["http://127.0.0.1:8000/w.pth"], "sha256": "A" * 64},
            "arms": {"finetune": {"weights": "pretrained"}},
        }
    }
}


def with_experiment(**keys):
    """The smallest configuration, and these keys in its experiment."""
    return {"experiments": {"mine": {**SMALLEST["experiments"]["mine"], **keys}}}


def with_arm(**keys):
    return with_experiment(arms={"one": keys})


def experiment_of(raw):
    return effective(load_configuration(raw))["experiments"]["mine"]


def message_of(raw) -> str:
    with pytest.raises(InputError) as caught:
        load_configuration(raw)
    return str(caught.value)


# What is in effect


def test_the_defaults():
    experiment = experiment_of(SMALLEST)
    assert experiment["model"] == {"architecture": "resnet18", "input_size": 224, "normalisation": "none"}
    assert experiment["training"] == {
        "epochs": 10,
        "patience": None,
        "keep": "last",
        "recalibrate_batchnorm": "final",
        "batch_size": 32,
        "learning_rate": 1e-4,
        "evaluation_batch_size": "auto",
        "num_threads": 2,
        "device": "auto",
        "precision": "float32",
        "channels_last": False,
        "fused_optimizer": False,
        "cuda_graphs": "auto",
        "residency": "auto",
        "checkpoint_minutes": 10.0,
        "cache_features": True,
        "train_images": None,
    }
    assert experiment["weights"] == {"source": "none"}
    assert experiment["seeds"] == [0]
    assert experiment["arms"]["one"] == {
        "label": "one",
        "weights": "random",
        "train": "all",
        "batchnorm": "train",
        "role": "arm",
        "model": experiment["model"],
        "training": {**experiment["training"], "evaluation_batch_size": 32},
    }
    assert effective(load_configuration(SMALLEST))["keep_weights"] == "model"


@pytest.mark.parametrize(
    ("training", "of_arm", "resolved"),
    [
        ({}, {}, 32),
        ({"batch_size": 200}, {}, 64),
        ({"batch_size": 200}, {"batch_size": 5}, 5),
        ({"evaluation_batch_size": 256}, {"batch_size": 5}, 256),
        ({"evaluation_batch_size": "256"}, {"evaluation_batch_size": "auto"}, 32),
        ({}, {"evaluation_batch_size": 8, "batch_size": 64}, 8),
    ],
)
def test_an_arm_has_a_number_in_place_of_auto(training, of_arm, resolved):
    raw = with_experiment(training=training, arms={"one": {"training": of_arm}})
    complete = effective(load_configuration(raw))
    assert complete["experiments"]["mine"]["arms"]["one"]["training"]["evaluation_batch_size"] == resolved
    assert effective(load_configuration(complete)) == complete


@pytest.mark.parametrize(("training", "expected"), [({}, 64), ({"evaluation_batch_size": 256}, 256)])
def test_pretraining_has_a_number_of_its_own(training, expected):
    """The batch of pretraining on letters has 128 images."""
    experiment = experiment_of(with_experiment(weights={"source": "letters"}, training=training))
    assert json.loads(recipe_of_pretraining(experiment))["evaluation_batch_size"] == expected


def test_an_arm_overrides_some_keys_and_inherits_the_others():
    arms = experiment_of(FULL)["arms"]
    assert arms["deep"]["model"] == {"architecture": "resnet34", "input_size": 32, "normalisation": "dataset"}
    assert (arms["head"]["training"]["epochs"], arms["head"]["training"]["batch_size"]) == (7, 16)
    assert (arms["scratch"]["training"]["epochs"], arms["scratch"]["training"]["train_images"]) == (2, 100)
    assert arms["head"]["training"]["train_images"] is None


def test_an_arm_can_give_null_to_return_to_all_images():
    raw = with_experiment(
        training={"train_images": 20}, arms={"few": {}, "every": {"training": {"train_images": None}}}
    )
    arms = experiment_of(raw)["arms"]
    assert (arms["few"]["training"]["train_images"], arms["every"]["training"]["train_images"]) == (20, None)


def test_resolved_arms_keep_the_order_and_carry_their_names():
    arms = resolved_arms(experiment_of(FULL))
    assert [arm["name"] for arm in arms] == ["scratch", "deep", "head"]
    assert [arm["label"] for arm in arms] == ["net1", "deep", "head"]
    assert list(arms[0]) == ["name", "trunk", "label", "weights", "train", "batchnorm", "role", "model", "training"]


def test_networks_are_compared_once_each_those_of_the_arms_first():
    networks = compared_networks(experiment_of(FULL))
    assert [tuple(network.values()) for network in networks] == [
        ("resnet18", 32, False, "arm", ["all", "head"]),
        ("resnet34", 32, False, "arm", []),  # that it is among the references as well changes nothing
        ("googlenet", 224, True, "reference", []),
    ]
    assert [network["role"] for network in compared_networks(experiment_of(SMALLEST))] == ["arm"]


@pytest.mark.parametrize("raw", [SMALLEST, FULL, DOWNLOADED])
def test_the_effective_configuration_is_plain_and_loads_back_the_same(raw):
    settings_in_effect = effective(load_configuration(raw))
    assert json.loads(json.dumps(settings_in_effect)) == settings_in_effect
    assert effective(load_configuration(settings_in_effect)) == settings_in_effect


def test_what_is_given_is_not_changed():
    raw = copy.deepcopy(FULL)
    effective(load_configuration(raw))
    assert raw == FULL


def test_numbers_may_be_texts():
    def as_texts(value):
        if isinstance(value, dict):
            return {key: as_texts(entry) for key, entry in value.items()}
        return [as_texts(entry) for entry in value] if isinstance(value, list) else str(value)

    assert load_configuration(as_texts(FULL)) == load_configuration(FULL)


@pytest.mark.parametrize(
    ("given_value", "read"), [("1e-4", 1e-4), (" 0.5 ", 0.5), (1, 1.0), ("1", 1.0), ("1E-3", 1e-3), (".5", 0.5)]
)
def test_a_learning_rate_in_any_usual_form(given_value, read):
    assert experiment_of(with_experiment(training={"learning_rate": given_value}))["training"]["learning_rate"] == read


@pytest.mark.parametrize(
    ("given_value", "read"), [("32", 32), (" 32 ", 32), ("1e2", 100), (3.0, 3), ("3.0", 3), ("010", 10)]
)
def test_a_whole_number_in_any_usual_form(given_value, read):
    batch_size = experiment_of(with_experiment(training={"batch_size": given_value}))["training"]["batch_size"]
    assert batch_size == read
    assert type(batch_size) is int


@pytest.mark.parametrize("nothing", [None, "null", "None", "none", "~", ""])
def test_no_value_may_be_a_text(nothing):
    raw = with_experiment(training={"train_images": nothing}, dataset={"test_per_class": nothing})
    experiment = experiment_of(raw)
    assert experiment["training"]["train_images"] is None
    assert experiment["dataset"]["test_per_class"] is None


def test_texts_become_one_line():
    raw = with_experiment(question="  Which\n  one?\n", arms={"one": {"label": " net1 "}})
    experiment = experiment_of(raw)
    assert (experiment["question"], experiment["arms"]["one"]["label"]) == ("Which one?", "net1")


def test_a_path_stays_as_it_is():
    weights = {"source": "torchvision", "path": " a  b/c.pth "}
    assert experiment_of(with_experiment(weights=weights))["weights"]["path"] == " a  b/c.pth "


def test_none_stays_a_name_where_it_is_one():
    experiment = experiment_of(with_experiment(model={"normalisation": "none"}, weights={"source": "none"}))
    assert (experiment["model"]["normalisation"], experiment["weights"]) == ("none", {"source": "none"})


@pytest.mark.parametrize("name", ["a", "0", "lecture45-small", "last_layer", "A1", "x" * 64])
def test_plain_names(name):
    raw = {"experiments": {name: {"arms": {name: {}}}}}
    assert list(effective(load_configuration(raw))["experiments"][name]["arms"]) == [name]


# The configurations that are shipped


@pytest.mark.parametrize("file", sorted(CONFIGURATION_FOLDER.glob("*.yaml")), ids=lambda file: file.name)
def test_shipped_configurations_load(file):
    load_configuration(yaml.safe_load(file.read_text()))


def test_the_default_experiment_trains_on_digits_in_three_ways():
    raw = yaml.safe_load((CONFIGURATION_FOLDER / "config.yaml").read_text())
    experiment = effective(load_configuration(raw))["experiments"]["digits"]
    assert [
        (arm["name"], arm["label"], arm["weights"], arm["train"], arm["batchnorm"]) for arm in resolved_arms(experiment)
    ] == [
        ("scratch", "scratch", "random", "all", "train"),
        ("finetune", "finetune", "pretrained", "all", "train"),
        ("last_layer", "last_layer", "pretrained", "head", "train"),
    ]
    assert experiment["seeds"] == [0, 1, 2]
    assert (experiment["dataset"]["source"], experiment["weights"]["source"]) == ("digits", "letters")
    recipe = experiment["training"]
    assert (recipe["epochs"], recipe["batch_size"], recipe["learning_rate"]) == (12, 16, 3e-4)


def test_examples_of_the_readme_load():
    text = (CONFIGURATION_FOLDER / "README.md").read_text()
    examples = [yaml.safe_load(block.split("```")[0]) for block in text.split("```yaml\n")[1:]]
    whole, arms = examples
    load_configuration(whole)
    whole["experiments"]["few"] |= {"dataset": {"train_per_class": 20}, **arms}
    load_configuration(whole)
    quoted = text.split("```\nconfiguration: ")[1].split("\n```")[0]
    whole["experiments"]["few"]["training"] = {"batch_size": 0}
    assert message_of(whole) == quoted


# What is refused

REFUSED = {
    "a reference of no network": (
        with_experiment(reference_models=[{"architecture": "resnet19", "input_size": 224}]),
        "experiments.mine.reference_models.0.architecture: 'resnet19' is not allowed; "
        "give the name of a classification network of torchvision; the nearest is resnet18",
    ),
    "a reference without a size": (
        with_experiment(reference_models=[{"architecture": "resnet34"}]),
        "experiments.mine.reference_models.0.input_size: missing; give a whole number from 8 to 1024",
    ),
    "a reference for too small images": (
        with_experiment(reference_models=[{"architecture": "inception_v3", "input_size": 64}]),
        "experiments.mine.reference_models.0.input_size: 64 is not allowed; inception_v3 needs at least 75; "
        "the nearest is 75",
    ),
    "auxiliary heads that there are not": (
        with_experiment(reference_models=[{"architecture": "resnet34", "input_size": 64, "auxiliary": True}]),
        "experiments.mine.reference_models.0.auxiliary: true is not allowed, since resnet34 has no auxiliary heads; "
        "googlenet and inception_v3 have some",
    ),
    "auxiliary heads by a word": (
        with_experiment(reference_models=[{"architecture": "googlenet", "input_size": 64, "auxiliary": "perhaps"}]),
        "experiments.mine.reference_models.0.auxiliary: 'perhaps' is not allowed; give true or false",
    ),
    "a reference twice": (
        with_experiment(reference_models=2 * [{"architecture": "resnet34", "input_size": 64}]),
        "experiments.mine.reference_models.1: the same network as reference_models.0; give each network once",
    ),
    "not a mapping: nothing": (None, "nothing (null) is not allowed; give a mapping with the key experiments"),
    "not a mapping: a list": ([1], "[1] is not allowed; give a mapping with the key experiments"),
    "not a mapping: text": ("text", "'text' is not allowed; give a mapping with the key experiments"),
    "empty": ({}, "experiments: missing; give a mapping of at least one entry, each under a name of its own"),
    "no experiment": (
        {"experiments": {}},
        "experiments: an empty mapping is not allowed; "
        "give a mapping of at least one entry, each under a name of its own",
    ),
    "experiments are a list": (
        {"experiments": [SMALLEST]},
        "experiments: [{'experiments': {'mine': {'arms': {'one': {}}}}}] is not allowed; "
        "give a mapping of at least one entry, each under a name of its own",
    ),
    "an experiment is nothing": (
        {"experiments": {"mine": None}},
        "experiments.mine: nothing (null) is not allowed; give a mapping with any of the keys "
        "question, dataset, model, weights, training, test, comparison, reference_models, report, seeds, ensemble, "
        "claims, arms",
    ),
    "no arms": (
        {"experiments": {"mine": {"arms": None}}},
        "experiments.mine.arms: nothing (null) is not allowed; give a mapping of at least one entry, each under a name "
        "of its own",
    ),
    "the default arms without weights": (
        {"experiments": {"mine": {}}},
        "experiments.mine.weights.source: 'none' is not allowed with pretrained arms (finetune, last_layer); give "
        "letters or torchvision, or these arms weights: random",
    ),
    "no arm": (
        with_experiment(arms={}),
        "experiments.mine.arms: an empty mapping is not allowed; "
        "give a mapping of at least one entry, each under a name of its own",
    ),
    "only controls": (
        with_arm(role="control"),
        "experiments.mine.arms: every arm is a control; give at least one arm with the role arm",
    ),
    "no seed": (
        with_experiment(seeds=[]),
        "experiments.mine.seeds: [] is not allowed; "
        "give a list of 1 to 1000 different entries, each a whole number from 0 to 4294967295",
    ),
    "a seed that is not in a list": (
        with_experiment(seeds=3),
        "experiments.mine.seeds: 3 is not allowed; give a list of 1 to 1000 different entries, each a whole number "
        "from 0 to 4294967295; write [0, 1, 2] for 3 entries, or [3] for this one",
    ),
    "a seed twice": (
        with_experiment(seeds=[1, 0, "1"]),
        "experiments.mine.seeds: [1, 0, '1'] is not allowed; 1 is given more than once; give each seed once",
    ),
    "a negative seed": (
        with_experiment(seeds=[-1]),
        "experiments.mine.seeds.0: -1 is not allowed; give a whole number from 0 to 4294967295",
    ),
    "batch size 0": (
        with_experiment(training={"batch_size": 0}),
        "experiments.mine.training.batch_size: 0 is not allowed; give a whole number from 1 to 1000000",
    ),
    "batch size 0 of an arm, as text": (
        with_arm(training={"batch_size": "0"}),
        "experiments.mine.arms.one.training.batch_size: 0 is not allowed; give a whole number from 1 to 1000000",
    ),
    "half an epoch": (
        with_experiment(training={"epochs": 0.5}),
        "experiments.mine.training.epochs: 0.5 is not allowed; give a whole number from 1 to 1000000",
    ),
    "a boolean for a whole number": (
        with_experiment(training={"epochs": True}),
        "experiments.mine.training.epochs: true is not allowed; give a whole number from 1 to 1000000",
    ),
    "a boolean as text": (
        with_experiment(training={"epochs": "true"}),
        "experiments.mine.training.epochs: 'true' is not allowed; give a whole number from 1 to 1000000",
    ),
    "a boolean for a number": (
        with_experiment(training={"learning_rate": True}),
        "experiments.mine.training.learning_rate: true is not allowed; give a number above 0 and of at most 10",
    ),
    "a boolean for a number that may be null": (
        with_experiment(training={"train_images": False}),
        "experiments.mine.training.train_images: false is not allowed; give a whole number from 1 to 1000000 or null",
    ),
    "nothing for a number": (
        with_arm(training={"epochs": None}),
        "experiments.mine.arms.one.training.epochs: nothing (null) is not allowed; "
        "give a whole number from 1 to 1000000",
    ),
    "a negative learning rate": (
        with_experiment(training={"learning_rate": -1e-4}),
        "experiments.mine.training.learning_rate: -0.0001 is not allowed; give a number above 0 and of at most 10",
    ),
    "a learning rate that is not a number": (
        with_experiment(training={"learning_rate": float("nan")}),
        "experiments.mine.training.learning_rate: nan is not allowed; give a number above 0 and of at most 10",
    ),
    "an infinite learning rate, as text": (
        with_experiment(training={"learning_rate": "inf"}),
        "experiments.mine.training.learning_rate: inf is not allowed; give a number above 0 and of at most 10",
    ),
    "a whole number of thousands of digits": (
        with_experiment(training={"batch_size": 10**5000}),
        "experiments.mine.training.batch_size: so long a number is not allowed; give a whole number from 1 to 1000000",
    ),
    "an unknown device": (
        with_experiment(training={"device": "gpu"}),
        "experiments.mine.training.device: 'gpu' is not allowed; give one of auto, cpu, cuda; for gpu write cuda",
    ),
    "a recipe's key by another name": (
        with_experiment(training={"lr": 0.1}),
        "experiments.mine.training.lr: there is no such key (given 0.1); lr is called learning_rate",
    ),
    "a recipe's key by another name, and in an arm": (
        with_arm(lr=0.1),
        "experiments.mine.arms.one.lr: there is no such key (given 0.1); lr is called learning_rate and belongs to "
        "training: experiments.mine.arms.one.training.learning_rate",
    ),
    "a recipe's key in an experiment": (
        with_experiment(epochs=3),
        "experiments.mine.epochs: there is no such key (given 3); epochs belongs to training: "
        "experiments.mine.training.epochs",
    ),
    "a recipe's key at the top": (
        {**with_experiment(), "device": "cpu"},
        "device: there is no such key (given 'cpu'); device belongs to training: experiments.NAME.training.device",
    ),
    "an arm's key in an experiment": (
        with_experiment(train="head"),
        "experiments.mine.train: there is no such key (given 'head'); train belongs to an arm: "
        "experiments.mine.arms.ARM.train",
    ),
    "a data set's key in an experiment": (
        with_experiment(train_per_class=3),
        "experiments.mine.train_per_class: there is no such key (given 3); train_per_class belongs to dataset: "
        "experiments.mine.dataset.train_per_class",
    ),
    "the number of draws, and their seed": (
        with_experiment(comparison={"bootstrap_draws": 500, "seed": 3}),
        "2 problems:\n"
        "  experiments.mine.comparison.bootstrap_draws: this key was removed; arms are compared by formulas, without "
        "drawing random numbers; delete this key.\n"
        "  experiments.mine.comparison.seed: this key was removed; arms are compared by formulas, without drawing "
        "random numbers; delete this key",
    ),
    "a seed in place of seeds": (
        with_experiment(seed=3),
        "experiments.mine.seed: there is no such key (given 3); seed is called seeds",
    ),
    "the last layer by another name": (
        with_arm(train="last_layer"),
        "experiments.mine.arms.one.train: 'last_layer' is not allowed; give one of all, head; for "
        "last_layer write head",
    ),
    "a source of weights that two arms lack": (
        with_experiment(arms={"one": {"weights": "pretrained"}, "two": {"weights": "pretrained", "train": "head"}}),
        "experiments.mine.weights.source: 'none' is not allowed with pretrained arms (one, two); give letters or "
        "torchvision, or these arms weights: random",
    ),
    "a size that is too small for several arms": (
        with_experiment(
            model={"architecture": "alexnet", "input_size": 32},
            weights={"source": "letters"},
            arms={"one": {}, "two": {"weights": "pretrained"}, "three": {"weights": "pretrained", "train": "head"}},
        ),
        "experiments.mine.model.input_size: 32 is not allowed; alexnet needs at least 63; the nearest is 63",
    ),
    "a number that is neither auto nor large enough": (
        with_arm(training={"evaluation_batch_size": 0}),
        "experiments.mine.arms.one.training.evaluation_batch_size: 0 is not allowed; give a whole number from 1 to "
        "1000000 or auto",
    ),
    "a word that is not auto": (
        with_experiment(training={"evaluation_batch_size": "automatic"}),
        "experiments.mine.training.evaluation_batch_size: 'automatic' is not allowed; give a whole number from 1 to "
        "1000000 or auto",
    ),
    "a confidence of 1": (
        with_experiment(comparison={"confidence": 1}),
        "experiments.mine.comparison.confidence: 1 is not allowed; give a number above 0 and below 1",
    ),
    "an unknown key at the top": (
        {**SMALLEST, "experiment": 1},
        "experiment: there is no such key (given 1); allowed are experiments, keep_weights, jobs_per_gpu; the nearest "
        "is experiments",
    ),
    "an unknown key of an arm's recipe": (
        with_arm(training={"epoch": 5}),
        "experiments.mine.arms.one.training.epoch: there is no such key (given 5); allowed are epochs, patience, keep, "
        "recalibrate_batchnorm, batch_size, learning_rate, evaluation_batch_size, num_threads, device, precision, "
        "channels_last, fused_optimizer, cuda_graphs, residency, checkpoint_minutes, cache_features, train_images; "
        "the nearest is "
        "epochs",
    ),
    "a key that is not text": (
        with_experiment(model={3: 4}),
        "experiments.mine.model.3: there is no such key; allowed are architecture, input_size, normalisation",
    ),
    "a key of another source": (
        with_experiment(weights={"train_images": 40}),
        "experiments.mine.weights.train_images: there is no such key (given 40); train_images needs source: letters",
    ),
    "an unknown architecture": (
        with_experiment(model={"architecture": "resnet81"}),
        "experiments.mine.model.architecture: 'resnet81' is not allowed; "
        "give the name of a classification network of torchvision; the nearest is resnet18",
    ),
    "an unknown architecture of an arm": (
        with_arm(model={"architecture": "ResNet-50"}),
        "experiments.mine.arms.one.model.architecture: 'ResNet-50' is not allowed; "
        "give the name of a classification network of torchvision; the nearest is resnet50, and the "
        "smallest of its family resnet18",
    ),
    "images too small for the architecture": (
        with_experiment(model={"input_size": 32}, arms={"one": {"model": {"architecture": "alexnet"}}}),
        "experiments.mine.model.input_size: 32 is not allowed; alexnet needs at least 63; the nearest is 63",
    ),
    "images of an arm too small for the architecture": (
        with_arm(model={"architecture": "alexnet", "input_size": 62}),
        "experiments.mine.arms.one.model.input_size: 62 is not allowed; alexnet needs at least 63; the nearest is 63",
    ),
    "images that are no multiple of the patches": (
        with_experiment(model={"architecture": "vit_b_16", "input_size": 100}),
        "experiments.mine.model.input_size: 100 is not allowed; vit_b_16 needs a multiple of 16; the nearest is 96",
    ),
    "images that cannot be parted": (
        with_arm(model={"architecture": "maxvit_t", "input_size": 256}),
        "experiments.mine.arms.one.model.input_size: 256 is not allowed; "
        "maxvit_t needs 221 to 224, 445 to 448, 669 to 672, 893 to 896; the nearest is 224",
    ),
    "a reference that cannot be built": (
        with_experiment(reference_models=[{"architecture": "vit_b_32", "input_size": 16}]),
        "experiments.mine.reference_models.0.input_size: 16 is not allowed; "
        "vit_b_32 needs a multiple of 32; the nearest is 32",
    ),
    "images of another size than the weights of a transformer": (
        with_experiment(
            model={"architecture": "vit_b_16", "input_size": 256},
            weights={"source": "torchvision"},
            arms={"one": {"weights": "pretrained"}, "two": {"weights": "random"}},
        ),
        "experiments.mine.model.input_size: 256 is not allowed with pretrained weights; those of vit_b_16 are for "
        "224 px and fit no other size; give 224, or the arm weights: random",
    ),
    "images of another size than the letters of a transformer": (
        with_experiment(
            model={"architecture": "vit_b_16", "input_size": 32},
            weights={"source": "letters"},
            arms={"one": {"weights": "pretrained", "model": {"input_size": 64}}},
        ),
        "experiments.mine.arms.one.model.input_size: 64 is not allowed with pretrained weights; those of vit_b_16 "
        "are for 32 px and fit no other size; give 32, or the arm weights: random",
    ),
    "pretraining images too small for the architecture of an arm": (
        with_experiment(
            model={"input_size": 32},
            weights={"source": "letters"},
            arms={"one": {"weights": "pretrained", "model": {"architecture": "alexnet", "input_size": 64}}},
        ),
        "experiments.mine.model.input_size: 32 is not allowed; "
        "letters are of this size while alexnet is pretrained, and alexnet needs at least 63; the nearest is 63",
    ),
    "an unknown data set": (
        with_experiment(dataset={"source": "digit"}),
        "experiments.mine.dataset.source: 'digit' is not allowed; "
        "give one of cifar10, cifar100, digits, folder, table; the nearest is digits",
    ),
    "a data set that is not a mapping": (
        with_experiment(dataset="digits"),
        "experiments.mine.dataset: 'digits' is not allowed; "
        "give a mapping whose source is one of cifar10, cifar100, digits, folder, table",
    ),
    "an address without a scheme": (
        with_experiment(dataset={"source": "cifar10", "urls": ["www.cs.toronto.edu/x"]}),
        "experiments.mine.dataset.urls.0: 'www.cs.toronto.edu/x' is not allowed; "
        "give an address that begins with https://, http:// or file://",
    ),
    "an address that is not in a list": (
        with_experiment(weights={"source": "torchvision", "urls": "https://a/b"}),
        "experiments.mine.weights.urls: 'https://a/b' is not allowed; "
        "give a list of 1 to 100 entries, each text of 1 to 2000 characters or null; write ['https://a/b']",
    ),
    "a checksum of the wrong length": (
        with_experiment(weights={"source": "torchvision", "sha256": "abc"}),
        "experiments.mine.weights.sha256: 'abc' is not allowed; "
        "a SHA-256 has 64 hexadecimal digits, and this has 3 characters; give the output of sha256sum",
    ),
    "more images than the training part of CIFAR-10 has": (
        with_experiment(dataset={"source": "cifar10", "train_per_class": 4999, "validation_per_class": 2}),
        "experiments.mine.dataset: 4999 images of each class for training (train_per_class) and 2 for validation are "
        "5001; give at most 5000 in all, what the training part of cifar10 has (expected_train)",
    ),
    "no image left for training": (
        with_experiment(dataset={"source": "cifar100", "validation_per_class": 500}),
        "experiments.mine.dataset: at least 1 images of each class for training (train_per_class) and 500 for "
        "validation are 501; give at most 500 in all, what the training part of cifar100 has (expected_train)",
    ),
    "more images than the test part of CIFAR-10 has": (
        with_experiment(dataset={"source": "cifar10", "test_per_class": 1001}, test="every_epoch"),
        "experiments.mine.dataset.test_per_class: 1001 is not allowed; "
        "give at most 1000, what the test part of cifar10 has (expected_test)",
    ),
    "more training images than are left beside validation": (
        with_experiment(
            dataset={"source": "cifar10", "validation_per_class": 500},
            arms={"one": {"training": {"train_images": 45_001}}},
        ),
        "experiments.mine.arms.one.training.train_images: 45001 is not allowed; "
        "give at most 45000, as experiments.mine.dataset.train_per_class says, or null for all",
    ),
    "one file for two architectures": (
        with_experiment(
            weights={"source": "torchvision", "path": "my.pth"},
            arms={
                "one": {"weights": "pretrained"},
                "two": {"weights": "pretrained", "model": {"architecture": "resnet50"}},
            },
        ),
        "experiments.mine.weights.path: one file cannot hold the weights of resnet18 and resnet50; "
        "give null, or pretrained weights to arms of one architecture only",
    ),
    "more images than a class has": (
        with_experiment(dataset={"train_per_class": 150, "validation_per_class": 20, "test_per_class": 10}),
        "experiments.mine.dataset: 150 images of each class for training (train_per_class), 20 for validation and "
        "10 for testing are 180; give at most 174 in all, the size of the smallest class of digits",
    ),
    "no image left for testing": (
        with_experiment(dataset={"train_per_class": 154}),
        "experiments.mine.dataset: 154 images of each class for training (train_per_class), 20 for validation and "
        "at least 1 for testing are 175; give at most 174 in all, the size of the smallest class of digits",
    ),
    "more training images than there are": (
        with_arm(training={"train_images": 301}),
        "experiments.mine.arms.one.training.train_images: 301 is not allowed; "
        "give at most 300, as experiments.mine.dataset.train_per_class says, or null for all",
    ),
    "an unknown source of weights": (
        with_experiment(weights={"source": "leters"}),
        "experiments.mine.weights.source: 'leters' is not allowed; "
        "give one of letters, none, torchvision; the nearest is letters",
    ),
    "a source of weights that is nothing": (
        with_experiment(weights={"source": None}),
        "experiments.mine.weights.source: nothing (null) is not allowed; give one of letters, none, torchvision",
    ),
    "weights that are not a mapping": (
        with_experiment(weights="letters"),
        "experiments.mine.weights: 'letters' is not allowed; "
        "give a mapping whose source is one of letters, none, torchvision",
    ),
    "pretrained weights where there are none": (
        with_arm(weights="pretrained"),
        "experiments.mine.weights.source: 'none' is not allowed with pretrained arms (one); give letters or "
        "torchvision, or these arms weights: random",
    ),
    "an unknown part to train": (
        with_arm(train="haed"),
        "experiments.mine.arms.one.train: 'haed' is not allowed; give one of all, head; the nearest is head",
    ),
    "claims without an arm that they are about": (
        with_experiment(
            claims="lecture45",
            test="every_epoch",
            weights={"source": "letters"},
            arms={"scratch": {}, "finetune": {"weights": "pretrained"}},
        ),
        "experiments.mine.claims: 'lecture45' needs an arm called last_layer (weights: pretrained, train: head, "
        "role: arm); add it, or give none",
    ),
    "claims about an arm that trains otherwise": (
        with_experiment(
            claims="lecture45",
            test="every_epoch",
            weights={"source": "letters"},
            arms={
                "scratch": {},
                "finetune": {"weights": "pretrained"},
                "last_layer": {"weights": "pretrained", "train": "all"},
            },
        ),
        "experiments.mine.arms.last_layer.train: 'all' is not allowed with experiments.mine.claims: lecture45; "
        "give head, or none for the claims",
    ),
    "an unknown lecture": (
        with_experiment(claims="lecture46"),
        "experiments.mine.claims: 'lecture46' is not allowed; give one of none, lecture45; the nearest is lecture45",
    ),
    "a label that is a number": (
        with_arm(label=3),
        "experiments.mine.arms.one.label: 3 is not allowed; give text of 1 to 60 characters or null",
    ),
    "a label that cannot be printed": (
        with_arm(label="net\x07"),
        "experiments.mine.arms.one.label: 'net\\x07' is not allowed; give text that can be printed",
    ),
    "a path that only a shell knows": (
        with_experiment(weights={"source": "torchvision", "path": "~/resnet18.pth"}),
        "experiments.mine.weights.path: '~/resnet18.pth' is not allowed; give a path without ~, from / or from the "
        "folder where you run",
    ),
    "a key of an experiment at the top": (
        {**with_experiment(), "dataset": {"source": "digits"}},
        "dataset: there is no such key (given a mapping); dataset belongs to an experiment: experiments.NAME.dataset",
    ),
    "a key of the top in an experiment": (
        with_experiment(keep_weights="model"),
        "experiments.mine.keep_weights: there is no such key (given 'model'); keep_weights belongs at the top, "
        "beside experiments",
    ),
    "an address with a line break of its own": (  # that YAML would read back as a space
        with_experiment(weights={"source": "torchvision", "urls": ["https://a/\x85b"]}),
        "experiments.mine.weights.urls.0: 'https://a/\\x85b' is not allowed; give text that can be printed",
    ),
    "a question of what only looks like space": (
        with_experiment(question="\x1f"),
        "experiments.mine.question: '\\x1f' is not allowed; give text that can be printed",
    ),
    "a path of two lines": (
        with_experiment(weights={"source": "torchvision", "path": "a\nb"}),
        "experiments.mine.weights.path: 'a\\nb' is not allowed; give text that can be printed",
    ),
    "a label of spaces": (
        with_arm(label="  "),
        "experiments.mine.arms.one.label: '  ' is not allowed; give text of 1 to 60 characters or null",
    ),
    "a label twice": (
        with_experiment(arms={"one": {"label": "two"}, "two": {}}),
        "experiments.mine.arms.two.label: 'two' is the label of one, too; give each arm its own",
    ),
    "names that are one folder on some machines": (
        with_experiment(arms={"one": {}, "One": {}}),
        "experiments.mine.arms: the names one and One differ in capitals only; give names that differ otherwise",
    ),
    "a name that is a number": (
        {"experiments": {7: SMALLEST["experiments"]["mine"]}},
        "experiments: the name 7 is not allowed; YAML reads it as a number, a date or a truth value: put it in "
        "quotation marks",
    ),
    "no job on a GPU": (
        {**SMALLEST, "jobs_per_gpu": 0},
        "jobs_per_gpu: 0 is not allowed; give a whole number from 1 to 64",
    ),
    "an unknown choice of weights to keep": (
        {**SMALLEST, "keep_weights": "some"},
        "keep_weights: 'some' is not allowed; give one of model, trained, all",
    ),
    "no weights, which are one run's at least": (
        {**SMALLEST, "keep_weights": "none"},
        "keep_weights: 'none' is not allowed; give model: the weights of the chosen run alone are kept",
    ),
    "an ensemble of one network": (
        with_experiment(ensemble=True, seeds=[3]),
        "experiments.mine.ensemble: true is not allowed with one seed, since an ensemble has two or more networks; "
        "give experiments.mine.seeds two or more, such as [0, 1, 2], or false",
    ),
    "an ensemble of a number": (
        with_experiment(ensemble=3, seeds=[0, 1]),
        "experiments.mine.ensemble: 3 is not allowed; give true or false",
    ),
    "no images to choose an arm on": (
        with_experiment(dataset={"source": "cifar10", "train_per_class": 400}),
        "experiments.mine.dataset: there are no validation images to choose an arm on; give experiments.mine.dataset."
        "validation_per_class: 40, or experiments.mine.test: every_epoch to evaluate test images after every epoch",
    ),
    "claims about test curves without such": (
        with_experiment(
            claims="lecture45",
            weights={"source": "letters"},
            arms={name: {"weights": "random", "train": "all"} | arm for name, arm in LECTURE_ARMS.items()},
        ),
        "experiments.mine.test: after_decision is not allowed with experiments.mine.claims: lecture45; give "
        "every_epoch, or none for the claims",
    ),
}


def test_without_an_ensemble_its_key_is_not_in_effect():
    """So nothing that was made before there were ensembles is made again."""
    of = lambda **keys: effective(load_configuration(with_experiment(seeds=[0, 1], **keys)))  # noqa: E731
    assert of(ensemble=False) == of() and "ensemble" not in of()["experiments"]["mine"]
    both = of(ensemble="true")
    assert both["experiments"]["mine"]["ensemble"] is True and effective(load_configuration(both)) == both


@pytest.mark.parametrize(("raw", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_one_message_for_each_mistake(raw, message):
    assert message_of(raw) == f"{message}."


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../up", "a/b", "/root", "a b", ".hidden", "-x", "_x", "ä", "a\n", " a", "x" * 65]
)
def test_names_that_are_not_plain_folder_names(name):
    advice = (
        "is not allowed; it becomes a folder: give letters, digits, - and _ (at most 64 characters, the first a letter "
        "or a digit)."
    )
    assert message_of(with_experiment(arms={name: {}})).startswith(f"experiments.mine.arms: the name {name!r}"[:60])
    message = message_of({"experiments": {name: {"arms": {"one": {}}}}})
    assert message.startswith("experiments: the name ")
    assert message.endswith(advice)


WRONG = [-1, "no such text", [[]], {"no": "such"}, 1e9, True, None]


def keys_of(value, path=()):
    """Every path into nested mappings."""
    for key, entry in value.items() if isinstance(value, dict) else ():
        yield (*path, key)
        yield from keys_of(entry, (*path, key))


@pytest.mark.parametrize(
    "path",
    # an experiment that is another mapping has two mistakes: it lacks arms as well
    [path for path in keys_of(FULL) if "arms" not in path[:-1] and path != ("experiments", "mine")],
    ids=".".join,
)
def test_one_wrong_value_is_one_message(path):
    for wrong in WRONG:
        raw = copy.deepcopy(FULL)
        entry = raw
        for key in path[:-1]:
            entry = entry[key]
        entry[path[-1]] = wrong
        try:
            load_configuration(raw)
        except InputError as error:
            assert "\n" not in str(error), (wrong, str(error))


def test_several_mistakes_are_one_message_with_a_line_for_each():
    raw = with_experiment(training={"batch_size": 0, "epoch": 3}, seeds=[])
    header, *lines = message_of(raw).splitlines()
    assert header == "3 problems:"
    assert [line.split(":")[0].strip() for line in lines] == [
        "experiments.mine.training.batch_size",
        "experiments.mine.training.epoch",
        "experiments.mine.seeds",
    ]


def test_a_mistake_that_several_arms_share_is_told_once():
    raw = with_experiment(training={"train_images": 301}, arms={"one": {}, "two": {}})
    assert message_of(raw).startswith("experiments.mine.training.train_images: 301 is not allowed")


# Whatever is given: settings, or one message

KEYS = st.one_of(
    st.sampled_from(["experiments", "arms", "source", "training", "epochs", "mine"]),
    st.text(max_size=5),
    st.integers(0, 9),
)
VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=8),
        st.dates(),
        st.binary(max_size=4),
        st.sampled_from(["none", "letters", "digits", "resnet18", "1e-4", "32", "nan", "True"]),
    ),
    lambda values: st.one_of(st.lists(values, max_size=3), st.dictionaries(KEYS, values, max_size=3)),
    max_leaves=6,
)


def places(value, path=()):
    """Every path into a nested mapping."""
    yield path
    for key, entry in value.items() if isinstance(value, dict) else ():
        yield from places(entry, (*path, key))


@st.composite
def nearly_right(draw):
    """The full configuration with one to three of its entries replaced, or something added beside them."""
    raw = copy.deepcopy(FULL)
    for _ in range(draw(st.integers(1, 3))):
        *parents, last = draw(st.sampled_from([path for path in places(raw) if path]))
        entry = raw
        for key in parents:
            entry = entry[key]
        entry[draw(st.one_of(st.just(last), KEYS))] = draw(VALUES)
    return raw


@settings(max_examples=200, deadline=None)
@given(st.one_of(nearly_right(), VALUES))
def test_anything_is_either_settings_or_one_message(raw):
    try:
        configuration = load_configuration(raw)
    except InputError as error:
        message = str(error)
        assert message
        assert "pydantic" not in message
        header, *lines = message.split("\n")
        assert not lines or header == f"{len(lines)} problems:"
    else:
        in_effect = effective(configuration)
        assert effective(load_configuration(json.loads(json.dumps(in_effect)))) == in_effect


# The model itself


def test_every_key_is_described_and_bounded():
    schema = Configuration.model_json_schema()
    sections = [schema, *schema["$defs"].values()]
    for section in sections:
        assert section["additionalProperties"] is False
        for name, node in section["properties"].items():
            assert resolve(schema, node).get("description"), name
            numbers = [part for part in node.get("anyOf", [node]) if part.get("type") in ("integer", "number")]
            for number in numbers:
                assert {"minimum", "exclusiveMinimum"} & set(number), name
                assert {"maximum", "exclusiveMaximum"} & set(number), name
            assert "0 to 0" not in in_words(schema, node)


def test_every_default_is_allowed():
    fields = Configuration.model_fields["experiments"].annotation.__args__[1].model_fields
    defaults = {name: field.get_default() for name, field in fields.items() if name != "arms"}
    raw = {name: value.model_dump() if hasattr(value, "model_dump") else value for name, value in defaults.items()}
    assert effective(load_configuration(with_experiment(**raw))) == effective(load_configuration(SMALLEST))


def test_an_arm_may_override_every_key_of_model_and_training():
    properties = {name: set(node["properties"]) for name, node in Configuration.model_json_schema()["$defs"].items()}
    assert properties["ArmModel"] == properties["Model"]
    assert properties["ArmTraining"] == properties["Training"]


@pytest.mark.parametrize(
    ("architecture", "input_size", "weights", "arm"),
    [
        ("swin_t", 32, "none", {}),
        ("maxvit_t", 224, "torchvision", {"weights": "pretrained"}),
        ("swin_t", 64, "torchvision", {"weights": "pretrained"}),
        ("vit_b_16", 256, "torchvision", {"weights": "random"}),
        ("vit_b_16", 224, "torchvision", {"weights": "pretrained"}),
        ("vit_h_14", 518, "torchvision", {"weights": "pretrained"}),
        ("vit_b_16", 32, "letters", {"weights": "pretrained"}),
        ("resnet18", 32, "letters", {"weights": "pretrained", "model": {"input_size": 64}}),
    ],
)
def test_sizes_at_which_the_weights_fit(architecture, input_size, weights, arm):
    model = {"architecture": architecture, "input_size": input_size}
    raw = with_experiment(model=model, weights={"source": weights}, arms={"one": arm})
    assert load_configuration(raw).experiments["mine"].model.input_size == input_size


@pytest.mark.parametrize("architecture", ["resnet18", "resnet34", "resnet50", "inception_v3", "googlenet"])
def test_architectures_are_known(architecture):
    assert architecture in ARCHITECTURES


def test_the_configuration_waits_for_no_slow_import():
    slow = ("torch", "torchvision", "pandas", "numpy", "snakemake", "matplotlib", "sklearn")
    modules = "triptych.configuration.loading, triptych.workflow.options, triptych.workflow.named_modules"
    code = f"import sys, {modules}; print([name for name in {slow} if name in sys.modules])"
    folder = str(Path(__file__).parents[2] / "workflow")
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("training", "arm", "message"),
    [
        ({"keep": "best"}, {}, r"experiments\.\w+\.training\.keep: 'best' needs"),
        ({}, {"patience": 3}, r"arms\.scratch\.training\.patience: 3 needs"),
    ],
)
def test_a_choice_of_the_epoch_needs_validation_images(training, arm, message):
    arms = {"scratch": {"training": arm}}
    load_configuration(with_experiment(training=training, arms=arms, dataset={"validation_per_class": 1}))
    with pytest.raises(
        InputError, match=message + r" validation images, and experiments\.\w+\.dataset\.validation_per"
    ):
        load_configuration(with_experiment(training=training, arms=arms, dataset={"validation_per_class": 0}))
