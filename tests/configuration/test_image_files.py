"""The keys of the user's own image files: what they become for the commands, and what is refused with which message."""

import json

import pytest

from triptych.configuration.colours import rgb
from triptych.configuration.effective import effective
from triptych.configuration.image_files import stored_size
from triptych.configuration.loading import load_configuration
from triptych.storage.errors import InputError
from triptych.workflow.options import checking_json, dataset_json

KEY = "experiments.mine.dataset"
SHARES = "give a fraction below 1, as 0.15, or a whole number of images of each class"
COLOURS = 'give white, black or "#rrggbb", six hexadecimal digits in quotation marks'


def experiment_of(*, source="folder", others=None, **keys):
    dataset = {"source": source, "path": "photos", **keys}
    raw = {"experiments": {"mine": {"dataset": dataset, **(others or {})}}}
    return effective(load_configuration(raw))["experiments"]["mine"]


@pytest.mark.parametrize("source", ["folder", "table"])
def test_commands_are_given_what_decides_and_never_the_path(source):
    experiment = experiment_of(source=source)
    checking = {
        "source": source,
        "store_size": 256,
        "fit": "crop",
        "background": "white",
        "value_range": None,
        "largest_megapixels": 100,
    }
    splitting = {"validation": 0.15, "test": 0.15, "seed": 0, "policy": "stop"}
    assert json.loads(checking_json(experiment)) == checking
    assert json.loads(dataset_json(experiment)) == checking | splitting
    elsewhere = experiment_of(source=source, path="/mnt/photos")
    assert (checking_json(elsewhere), dataset_json(elsewhere)) == (checking_json(experiment), dataset_json(experiment))


@pytest.mark.parametrize(
    "key",
    ["validation: 7", "test: 0.3", "seed: 1", "policy: quarantine", "group: (p[0-9]+)-"],
    ids=lambda key: key.split(":")[0],
)
def test_the_split_decodes_nothing_anew(key):
    name, value = key.split(": ")
    changed = experiment_of(**{name: value})
    assert checking_json(changed) == checking_json(experiment_of())
    assert dataset_json(changed) != dataset_json(experiment_of())


def test_other_sources_are_not_checked():
    raw = {"experiments": {"mine": {"arms": {"one": {}}}}}
    assert checking_json(effective(load_configuration(raw))["experiments"]["mine"]) == "{}"


@pytest.mark.parametrize(
    ("input_sizes", "side"), [([224], 256), ([96], 110), ([32, 224, 96], 256), ([7], 8), ([8], 10)]
)
def test_the_stored_side_is_eight_sevenths_of_the_largest_input(input_sizes, side):
    assert stored_size(input_sizes) == side


def test_the_stored_side_follows_the_largest_arm_unless_it_is_given():
    arms = {
        "small": {"model": {"input_size": 64}},
        "large": {},
        "own": {"role": "control", "model": {"input_size": 98}},
    }
    others = {"model": {"input_size": 96}, "arms": arms}
    assert experiment_of(others=others)["dataset"]["store_size"] == 112
    assert experiment_of(others=others, store_size="64")["dataset"]["store_size"] == 64


def test_folds_take_the_place_of_validation_images_and_test_may_be_0():
    dataset = experiment_of(folds="5", repeats="2", test="0")["dataset"]
    assert (dataset["folds"], dataset["repeats"], dataset["validation"], dataset["test"]) == (5, 2, 0, 0)
    assert experiment_of(folds=5, validation=0)["dataset"]["validation"] == 0


def test_an_ensemble_may_be_of_the_folds_of_one_seed():
    assert experiment_of(folds=5, others={"seeds": [0], "ensemble": True})["ensemble"]


def test_without_folds_their_keys_are_not_in_effect():
    """So nothing that was made before there were folds is made again."""
    experiment = experiment_of(folds=None, repeats=1)
    assert experiment == experiment_of() and not {"folds", "repeats"} & set(experiment["dataset"])
    assert "folds" not in dataset_json(experiment)


def test_values_from_the_command_line_are_texts():
    dataset = experiment_of(validation="12", test="0.25", background="#FF00aa", value_range=["0", "4095"])["dataset"]
    assert (dataset["validation"], dataset["test"], dataset["background"]) == (12, 0.25, "#ff00aa")
    assert dataset["value_range"] == [0, 4095]


def test_no_validation_images_are_one_text_however_written():
    texts = {dataset_json(experiment_of(validation=none, others={"test": "every_epoch"})) for none in (0, 0.0, "0")}
    assert len(texts) == 1


def test_without_a_pattern_the_split_is_that_of_before_there_were_patterns():
    texts = {dataset_json(experiment_of(**keys)) for keys in ({}, {"group": None}, {"group": "null"})}
    assert len(texts) == 1
    assert "group" not in texts.pop()


@pytest.mark.parametrize(
    ("colour", "values"), [("white", (255, 255, 255)), ("black", (0, 0, 0)), ("#0080fF", (0, 128, 255))]
)
def test_colours(colour, values):
    assert rgb(colour) == values


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"path": None}, f"{KEY}.path: nothing (null) is not allowed; give a path"),
        ({"path": ""}, f"{KEY}.path: '' is not allowed; give a path"),
        ({"path": 2024}, f"{KEY}.path: 2024 is not allowed; it is read as a number; for a name write ./2024"),
        (
            {"path": "~/photos"},
            f"{KEY}.path: '~/photos' is not allowed; give a path without ~, from / or from the folder where you run",
        ),
        ({"validation": 1.5}, f"{KEY}.validation: 1.5 is not allowed; {SHARES}"),
        ({"validation": 1.0}, f"{KEY}.validation: 1.0 is not allowed; {SHARES}"),
        ({"validation": -0.1}, f"{KEY}.validation: -0.1 is not allowed; {SHARES}"),
        ({"validation": None}, f"{KEY}.validation: nothing (null) is not allowed; {SHARES}"),
        ({"test": "few"}, f"{KEY}.test: 'few' is not allowed; {SHARES}"),
        (
            {"test": 0},
            f"{KEY}.test: 0 is not allowed; test images are needed; give a fraction above 0, as 0.15, or a whole "
            f"number of images of each class; or give {KEY}.folds, which can do without",
        ),
        ({"folds": 1}, f"{KEY}.folds: 1 is not allowed; give a whole number from 2 to 20 or null"),
        ({"folds": 21}, f"{KEY}.folds: 21 is not allowed; give a whole number from 2 to 20 or null"),
        ({"folds": 5, "repeats": 0}, f"{KEY}.repeats: 0 is not allowed; give a whole number from 1 to 20"),
        ({"repeats": 2}, f"{KEY}.repeats: 2 is not allowed without {KEY}.folds; give folds, as 5, or 1"),
        (
            {"folds": 5, "validation": 0.1},
            f"{KEY}.validation: 0.1 is not allowed with {KEY}.folds, which take its place; leave it out, or give 0",
        ),
        (
            {"folds": 5, "others": {"test": "every_epoch"}},
            f"experiments.mine.test: every_epoch is not allowed with {KEY}.folds; give after_decision, or null for the "
            "folds",
        ),
        (
            {"folds": 5, "others": {"training": {"train_images": 30}}},
            f"experiments.mine.training.train_images: 30 is not allowed with {KEY}.folds; give null: a fold trains on "
            "all images that it does not hold out",
        ),
        (
            {"validation": 0.5, "test": 0.5},
            f"{KEY}: validation 0.5 and test 0.5 leave no training images; give fractions whose sum is below 1",
        ),
        (
            {"validation": 0},
            f"{KEY}: there are no validation images to choose an arm on; give {KEY}.validation: 0.15, or "
            "experiments.mine.test: every_epoch to evaluate test images after every epoch",
        ),
        ({"background": "#12"}, f"{KEY}.background: '#12' is not allowed; {COLOURS}"),
        ({"background": "#12345g"}, f"{KEY}.background: '#12345g' is not allowed; {COLOURS}"),
        ({"background": None}, f"{KEY}.background: nothing (null) is not allowed; {COLOURS}"),
        ({"background": 0}, f"{KEY}.background: 0 is not allowed; {COLOURS}"),
        (
            {"value_range": [4095, 0]},
            f"{KEY}.value_range: [4095, 0] is not allowed; the first number must be below the second; give [black, "
            "white]",
        ),
        ({"value_range": [0]}, f"{KEY}.value_range: [0] is not allowed; give null or two numbers, as [0, 4095]"),
        (
            {"value_range": [0, float("inf")]},
            f"{KEY}.value_range: [0, inf] is not allowed; give null or two numbers, as [0, 4095]",
        ),
        (
            {"value_range": [0, 10**400]},
            f"{KEY}.value_range: [0, 1{'0' * 52}... is not allowed; give null or two numbers, as [0, 4095]",
        ),
        ({"store_size": 4}, f"{KEY}.store_size: 4 is not allowed; give a whole number from 8 to 2048 or null"),
        (
            {"largest_megapixels": 1000},
            f"{KEY}.largest_megapixels: 1000 is not allowed; give a number above 0 and of at most 900",
        ),
        ({"fit": "stretch"}, f"{KEY}.fit: 'stretch' is not allowed; give one of crop, squash, pad"),
        (
            {"group": "(p[0-9]+"},
            f"{KEY}.group: '(p[0-9]+' is not allowed; it is no regular expression: missing ), unterminated subpattern "
            "at position 0; correct it",
        ),
        (
            {"group": "(p)([0-9])"},
            f"{KEY}.group: '(p)([0-9])' is not allowed; a pattern has one group in parentheses, and this has 2; give "
            "one, as '(patient[0-9]+)', and write others as (?:...)",
        ),
        (
            {"group": 7},
            f"{KEY}.group: 7 is not allowed; give a regular expression in quotation marks, as '(patient[0-9]+)'",
        ),
        ({"policy": "ignore"}, f"{KEY}.policy: 'ignore' is not allowed; give one of stop, quarantine"),
    ],
)
def test_wrong_values_are_one_message(keys, message):
    with pytest.raises(InputError) as caught:
        experiment_of(**keys)
    assert str(caught.value) == f"{message}."


def test_a_missing_path_and_a_missing_source_are_one_message():
    for dataset, message in (
        ({"source": "folder"}, f"{KEY}.path: missing; give a path."),
        (
            {"path": "photos", "fit": "pad"},
            f"2 problems:\n  {KEY}.path: there is no such key (given 'photos'); path needs source: cifar10 or "
            f"cifar100 or folder or table.\n"
            f"  {KEY}.fit: there is no such key (given 'pad'); fit needs source: folder or table.",
        ),
    ):
        with pytest.raises(InputError) as caught:
            load_configuration({"experiments": {"mine": {"dataset": dataset}}})
        assert str(caught.value) == message
