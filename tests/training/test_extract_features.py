"""Training on cached features is training on images: the same logits and the same history."""

import json
import re
from dataclasses import fields

import numpy
import pandas
import pytest
import torch

from tests.training.conftest import FEATURES, NETWORK, extract_features, initial_of, phases, train, with_margin
from triptych.data.dataset import Split, load_split, save_split
from triptych.storage.errors import InputError
from triptych.storage.tensors import load_tensors, save_tensors
from triptych.training.extract_features import SPLITS, Lines, with_features
from triptych.training.recipe import FeaturesRecipe

SHARED = ["train_data", "validation_data", "test_data", "pretrained", *NETWORK]
SHARED += [field.name for field in fields(FeaturesRecipe)]
HEAD = {"phases": phases("head", "frozen"), "learning_rate": 1e-2}


def extract(arguments, folder, **changes):
    folder.mkdir(exist_ok=True)
    features, cost = folder / "features.safetensors", folder / "cost.json"
    call = {key: arguments[key] for key in SHARED} | changes
    extract_features(**call, features=features, cost=cost)
    return features


@pytest.mark.parametrize("settings", [{}, {"channels_last": True}])
def test_the_cached_path_is_the_uncached_one(arguments, tmp_path, settings):
    train(**arguments | HEAD | settings)
    history = pandas.read_csv(arguments["history"])
    predictions, trained = load_tensors(arguments["predictions"]), load_tensors(arguments["trained"])
    features = extract(arguments, tmp_path / "features", **settings)
    train(**arguments | HEAD | settings, features=features)
    cached = pandas.read_csv(arguments["history"])
    assert history["train_loss"].iloc[1] > history["train_loss"].iloc[2]  # it learns
    numpy.testing.assert_allclose(cached.to_numpy(), history.to_numpy(), rtol=1e-5)
    for name, logits in load_tensors(arguments["predictions"]).items():
        numpy.testing.assert_allclose(logits, predictions[name], rtol=1e-4, atol=1e-5)
    for name, tensor in load_tensors(arguments["trained"]).items():
        numpy.testing.assert_allclose(tensor, trained[name], rtol=1e-4, atol=1e-6)
        assert name.startswith("fc.") or tensor.tobytes() == trained[name].tobytes()


def test_features_are_what_the_head_is_given(arguments, tmp_path):
    found = load_tensors(extract(arguments, tmp_path / "features"))
    assert {name: array.shape for name, array in found.items()} == {
        "train": (50, FEATURES),
        "validation": (9, FEATURES),
        "test": (20, FEATURES),
    }
    assert json.loads((tmp_path / "features" / "cost.json").read_text())["images_per_second"] > 0
    train(**arguments | HEAD, features=tmp_path / "features" / "features.safetensors")
    first = pandas.read_csv(arguments["history"])["test_loss"][0]
    weight, bias = (torch.from_numpy(initial_of(arguments)[0][f"fc.{name}"]) for name in ("weight", "bias"))
    logits = torch.from_numpy(found["test"]) @ weight.T + bias
    labels = torch.from_numpy(load_split(arguments["test_data"]).labels)
    assert torch.nn.functional.cross_entropy(logits.double(), labels).item() == pytest.approx(first, rel=1e-6)


def test_no_validation_and_fewer_training_images(arguments, tmp_path, files):
    empty = tmp_path / "empty.safetensors"
    save_split(empty, load_split(files / "validation.safetensors").first(0))
    features = extract(arguments | {"validation_data": empty}, tmp_path / "features", train_images=12)
    assert [len(load_tensors(features)[name]) for name in SPLITS] == [12, 0, 20]
    train(**arguments | HEAD | {"validation_data": empty, "train_images": 12}, features=features)
    assert pandas.read_csv(arguments["history"])["validation_loss"].isna().all()


def test_without_test_images_no_features_of_them_are_computed(arguments, tmp_path):
    features = extract(arguments | {"test_data": None}, tmp_path / "features")
    found, complete = load_tensors(features), load_tensors(extract(arguments, tmp_path / "complete"))
    assert found["test"].shape == (0, FEATURES)
    for name in ("train", "validation"):
        assert found[name].tobytes() == complete[name].tobytes()
    train(**arguments | HEAD | {"test_data": None, "keep": "best"}, features=features)
    history = pandas.read_csv(arguments["history"])
    assert history["selection_accuracy"].notna().all()
    with pytest.raises(InputError, match="expected the features of 20 test images, found 0"):
        train(**arguments | HEAD, features=features)


@pytest.mark.parametrize("settings", [{}, {"channels_last": True}])
def test_features_of_an_image_do_not_depend_on_the_others(arguments, tmp_path, settings):
    """Alone, in another order, and with other neighbours: the same bits."""
    split = load_split(arguments["test_data"])

    def features_of(rows, **changes):
        save_split(tmp_path / "some.safetensors", Split(split.images[rows], split.labels[rows], split.classes))
        changes = {"test_data": tmp_path / "some.safetensors"} | settings | changes
        return load_tensors(extract(arguments, tmp_path / "features", **changes))["test"]

    expected = features_of(numpy.arange(20))
    assert features_of([13]).tobytes() == expected[13].tobytes()
    assert features_of(numpy.arange(20)[::-1]).tobytes() == expected[::-1].tobytes()
    assert features_of([7, 3]).tobytes() == expected[[7, 3]].tobytes()
    in_batches = features_of(numpy.arange(20), evaluation_batch_size=16)
    assert features_of([19], evaluation_batch_size=16).tobytes() == in_batches[19].tobytes()


def test_features_of_other_images_are_refused(arguments, tmp_path):
    path = tmp_path / "features.safetensors"
    splits = tuple(load_split(arguments[f"{name}_data"]) for name in SPLITS)
    save_tensors(path, {name: numpy.zeros((7, FEATURES), numpy.float32) for name in SPLITS})
    with pytest.raises(InputError, match="expected the features of 50 train images, found 7"):
        with_features(path, splits)


def test_memory_that_runs_out_names_the_batch_of_extraction(arguments, tmp_path, monkeypatch):
    def at_the_limit(*values):
        return torch.empty(1 << 60, dtype=torch.uint8)

    monkeypatch.setattr("triptych.training.extract_features.features_and_logits", at_the_limit)
    with pytest.raises(InputError, match=r"lower training\.evaluation_batch_size \(now 32\)"):
        extract(arguments, tmp_path / "features")
    assert not list((tmp_path / "features").iterdir())


def test_features_are_those_of_what_the_network_sees(arguments, tmp_path):
    found = [
        extract(arguments | with_margin(arguments, tmp_path / f"crop{crop}", crop=crop), tmp_path / f"features{crop}")
        for crop in (True, False)
    ]
    cropped, central = (load_tensors(path) for path in found)
    assert {name: array.tobytes() for name, array in cropped.items()} == {
        name: array.tobytes() for name, array in central.items()
    }


def test_its_lines_say_how_far_it_is(arguments, tmp_path, capsys, monkeypatch):
    """50, 9 and 20 images are 2, 1 and 1 batches of 32."""
    monkeypatch.setattr("triptych.training.extract_features.SECONDS_BETWEEN_LINES", 0.0)
    extract(arguments, tmp_path / "features")
    lines = [line for line in capsys.readouterr().out.splitlines() if " | batch " in line]
    assert [re.sub(r"[\d,]+ images/s", "N images/s", line) for line in lines][-1] == (
        f"{NETWORK['architecture']} | batch 4/4 | N images/s | 0:00 left"
    )
    assert [line.split(" | ")[1] for line in lines] == [f"batch {number}/4" for number in (1, 2, 3, 4)]


def test_a_resumed_extraction_counts_what_was_done(capsys, monkeypatch):
    monkeypatch.setattr("triptych.training.extract_features.SECONDS_BETWEEN_LINES", 0.0)
    lines = Lines("net", 32, {"train": 50, "validation": 9, "test": 20})
    lines.resume({"train": 50, "validation": 0, "test": 0})
    lines.started -= 9.0
    lines.add(9)
    assert capsys.readouterr().out == "net | batch 3/4 | 1 images/s | 0:20 left\n"
