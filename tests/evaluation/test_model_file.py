"""A model whose files do not belong together is refused, each mistake with a message of its own."""

import json
import shutil

import pytest

from triptych.evaluation.model_file import FORMAT, OF_ENSEMBLES, model_folder, read_description
from triptych.storage.errors import InputError
from triptych.storage.tensors import load_metadata, load_tensors, save_tensors


@pytest.fixture
def folder(experiment, tmp_path):
    copy = tmp_path / "model"
    shutil.copytree(experiment / "model", copy)
    return copy


def edited(folder, change):
    path = folder / "model.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def other_weights(folder):
    tensors = load_tensors(folder / "model.safetensors")
    tensors["fc.bias"] = tensors["fc.bias"] + 1
    save_tensors(folder / "model.safetensors", tensors, load_metadata(folder / "model.safetensors"))


def test_what_was_written_is_read(folder):
    assert read_description(folder)["format"] == FORMAT


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda folder: edited(folder, lambda one: one["classes"].reverse()),
            "the classes are in another order than in the weights (number 0 is 'weed', in the weights 'a | <b>",
        ),
        (lambda folder: edited(folder, lambda one: one["classes"].pop()), "(missing 'weed')"),
        (
            lambda folder: edited(folder, lambda one: one["classes"].__setitem__(2, "Weed")),
            "(missing 'weed'; unknown 'Weed')",
        ),
        (
            lambda folder: edited(folder, lambda one: one.update(input_size=64)),
            "input_size is 64, that of the weights is 32",
        ),
        (
            lambda folder: edited(folder, lambda one: one["normalisation"].update(mean=[0, 0, 0])),
            "normalisation is {'mean': [0, 0, 0]",
        ),
        (
            lambda folder: edited(folder, lambda one: one["store"].update(size=64)),
            "store was changed after the file was written",
        ),
        (lambda folder: edited(folder, lambda one: one.update(temperature=2)), "temperature was changed"),
        (
            lambda folder: edited(folder, lambda one: one.update(format=3)),
            "format 3 cannot be read, 1 or 2 is expected",
        ),
        (
            lambda folder: edited(folder, lambda one: one.pop("store")),
            "not the description of a model of Triptych: no store",
        ),
        (
            lambda folder: edited(folder, lambda one: one.update(digests=[])),
            "not the description of a model of Triptych",
        ),
        (lambda folder: (folder / "model.json").write_text("{"), "expected JSON, found something else"),
        (lambda folder: (folder / "model.json").write_bytes(b"\xff"), "not UTF-8 text"),
        (lambda folder: (folder / "model.safetensors").unlink(), "model.safetensors: the file is missing"),
        (other_weights, "model.safetensors: these are not the weights that model.json describes"),
    ],
)
def test_each_mistake_is_refused_with_one_message(folder, change, message):
    change(folder)
    with pytest.raises(InputError) as caught:
        read_description(folder)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: (folder / "model-seed1.safetensors").unlink(), "model-seed1.safetensors: the file is missing"),
        (
            lambda folder: (folder / "model-seed1.safetensors").write_bytes(
                (folder / "model-seed0.safetensors").read_bytes()
            ),
            "model-seed1.safetensors: these are not the weights that model.json describes",
        ),
        (lambda folder: edited(folder, lambda one: one["members"].pop()), "members was changed"),
        (lambda folder: edited(folder, lambda one: one["members"].reverse()), "these are not the weights"),
        (
            lambda folder: edited(folder, lambda one: one.pop("members")),
            "not the description of a model of Triptych: no",
        ),
        (lambda folder: edited(folder, lambda one: one["normalisation"].reverse()), "normalisation is {'mean': [0.3"),
        (
            lambda folder: edited(folder, lambda one: one.update(format=1)),
            "description of a model of Triptych: no seed",
        ),
    ],
)
def test_each_mistake_in_an_ensemble_is_refused(ensemble, tmp_path, change, message):
    folder = tmp_path / "model"
    shutil.copytree(ensemble / "model", folder)
    assert read_description(folder)["format"] == OF_ENSEMBLES
    change(folder)
    with pytest.raises(InputError) as caught:
        read_description(folder)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_folder_of_the_experiment_serves_and_another_does_not(experiment, tmp_path):
    assert model_folder(experiment) == model_folder(experiment / "model") == experiment / "model"
    for path, what in (
        (tmp_path, "has no model.json"),
        (tmp_path / "none", "does not exist"),
        (experiment / "model" / "model.safetensors", "is no folder"),
    ):
        with pytest.raises(InputError, match=f"{what}; give the folder of a model, such as results/EXPERIMENT/model"):
            model_folder(path)
