"""A small experiment on image files, made by the commands themselves: the model of its one run, its test results."""

import json
import os
import shutil
from pathlib import Path

import numpy
import pandas
import pytest
from PIL import Image

from tests.conftest import bundled
from tests.data.photos import CHECKING, SPLITTING, check, prepare
from tests.fabricated import OF_IMAGES
from tests.training import conftest as training
from tests.training.conftest import RECIPE, phases, train
from triptych.analysis.collect_predictions import collect_predictions
from triptych.evaluation import open_test as open_test_module
from triptych.evaluation.write_model import write_model
from triptych.results.decision import DECISION_KEYS, decision_digest
from triptych.results.mistakes import softmax
from triptych.storage.tensors import load_metadata, load_tensors, save_tensors

CLASSES = ("a | <b>rose `x`", "tulip é", "weed")
IMAGES = 50
"""Of each class."""
NETWORK = training.NETWORK | {"architecture": "resnet18"}
"""Fewer layers than the network of the trainings: an export looks at each."""
STORED = {"store_size": 37}
"""8/7 of the network's input: networks see the centre alone."""
SHARES = {"validation": 0.4, "test": 0.3}
ARM = "mine"
MEMBERS = ("seed0", "seed1")
"""The runs of the ensemble."""
OF_EVALUATION = ("evaluation_batch_size", "num_threads", "device", "precision", "channels_last")
FILES = {"model.safetensors", "model.json", "README.md", "predict.py", "decode.py"}


def photograph(path: Path, number: int) -> None:
    """Write noise in the colour of a class, which some hardly show: JPEG with EXIF data, or PNG with alpha."""
    generator = numpy.random.default_rng(number)
    pixels = generator.integers(0, 120, (50, 40 + number % 30, 3), dtype=numpy.uint8)
    pixels[..., number % 3] += 2 if number % 4 == 0 else 110
    image = Image.fromarray(pixels)
    path.parent.mkdir(parents=True, exist_ok=True)
    if number % 4 == 1:
        image.putalpha(200)
        image.save(path.with_suffix(".png"))
    else:
        exif = Image.Exif()
        exif[274] = 1 + number % 8
        image.save(path.with_suffix(".jpg"), exif=exif, quality=90)


def write_decision(path: Path, chosen: dict | None) -> Path:
    content = dict.fromkeys(DECISION_KEYS) | {"chosen": chosen}
    path.write_text(json.dumps(content | {"digest": decision_digest(content)}))
    return path


def model_options(folder: Path, model: Path, **changes) -> dict:
    """The options of `write_model` for the experiment in a folder."""
    run = folder / "runs" / ARM / "seed0"
    arm = {
        **{"name": ARM, "label": "My arm", "weights": "random", "train": "all", "batchnorm": "train"},
        **{"role": "arm", "trunk": None, "model": NETWORK, "training": RECIPE | {"keep": "last", "patience": None}},
    }
    return {
        "experiment": "photos",
        "arms": json.dumps([arm]),
        "dataset": json.dumps({**CHECKING, **SPLITTING, **STORED, **SHARES}),
        "comparison": json.dumps({"confidence": 0.95}),
        "pretraining": json.dumps({"source": "none"}),
        "mode": "after_decision",
        "decision": folder / "decision.json",
        "weights": [model / "model.safetensors"],
        "cost": run / "cost.json",
        "predictions": [run / "predictions.safetensors"],
        "tested": [run / "test.safetensors"],
        **{f"{split}_data": folder / "data" / f"{split}.safetensors" for split in ("train", "validation", "test")},
        **{name: folder / "data" / f"{name}.csv" for name in ("index", "leaks")},
        "description": model / "model.json",
        "card": model / "README.md",
        "script": model / "predict.py",
        "decoder": model / "decode.py",
        **changes,
    }


@pytest.fixture(scope="session")
def experiment(tmp_path_factory):
    """The folder of the experiment; the pictures are in `photos` beside it. Read only."""
    base = tmp_path_factory.mktemp("experiment")
    folder, photos = base / "photos-results", base / "photos"
    for number in range(3 * IMAGES):
        photograph(photos / CLASSES[number % 3] / f"{number:03d}", number)
    data = folder / "data"
    data.mkdir(parents=True)
    check(photos, data, base / "cache", **STORED)
    prepare(photos, data, base / "cache", **STORED, **SHARES)
    run, model = folder / "runs" / ARM / "seed0", folder / "model"
    splits = {f"{split}_data": data / f"{split}.safetensors" for split in ("train", "validation", "test")}
    outputs = {name: run / f"{name}.safetensors" for name in ("trained", "predictions")}
    recipe = {**RECIPE, "learning_rate": 1e-3, "batch_size": 10}
    of_training = {name: path for name, path in splits.items() if name != "test_data"}
    train(
        **{**NETWORK, **recipe, **of_training, **outputs, "phases": phases(), "seed": 0},
        history=run / "history.csv",
        cost=run / "cost.json",
    )
    options = {
        **{name: recipe[name] for name in OF_EVALUATION},
        **{"architecture": NETWORK["architecture"], "input_size": NETWORK["input_size"], "arm": ARM, "seed": 0},
        **{"trained": run / "trained.safetensors", "decision": folder / "decision.json"},
        **{"test_data": splits["test_data"], "openings": base / "openings.jsonl"},
        **{"predictions": run / "test.safetensors", "opened": run / "opened.json"},
    }
    write_decision(folder / "decision.json", {"arm": ARM, "seed": 0})
    open_test_module.open_test(**bundled("open_test", options))
    collect_predictions(
        experiment_folder=folder,
        runs=json.dumps([[ARM, [0]]]),
        **{name: model_options(folder, model)[name] for name in ("arms", "comparison", "mode", "decision")},
        **{name: folder / "tables" / f"{name}.csv" for name in OF_IMAGES},
    )
    model.mkdir()
    os.link(run / "trained.safetensors", model / "model.safetensors")
    write_model(**model_options(folder, model))
    return folder


def opened(folder: Path, run: Path, split: str) -> numpy.ndarray:
    """The logits of a run's network for a split, as `open_test` computes them."""
    about = load_metadata(run / "trained.safetensors")
    options = {
        **{name: about["run"]["recipe"][name] for name in OF_EVALUATION if name != "device"},
        **{"device": "cpu", "architecture": about["architecture"], "input_size": about["input_size"], "arm": ARM},
        **{"seed": about["run"]["seed"], "trained": run / "trained.safetensors", "openings": run / "openings.jsonl"},
        **{"decision": folder / "decision.json", "test_data": folder / "data" / f"{split}.safetensors"},
        **{"predictions": run / "opened.safetensors", "opened": run / "opened.json"},
    }
    open_test_module.open_test(**bundled("open_test", options))
    return load_tensors(run / "opened.safetensors")["test_logits"]


def with_groups(folder: Path, index: Path, size: int) -> Path:
    """Write the index of an experiment with the test images of each class in groups of `size`; return its path."""
    table = pandas.read_csv(folder / "data" / "index.csv", dtype=str, keep_default_na=False)
    own = table["split"] == "test"
    within = table[own].groupby("class").cumcount() // size
    table.loc[own, "group"] = table.loc[own, "class"] + " " + within.astype(str)
    table.to_csv(index, index=False)
    return index


@pytest.fixture(scope="session")
def ensemble(experiment, tmp_path_factory):
    """The experiment with another run, whose last layer and normalisation differ, and a model of both. Read only."""
    folder = tmp_path_factory.mktemp("ensemble") / "photos-results"
    shutil.copytree(experiment, folder, copy_function=os.link)
    shutil.rmtree(folder / "model")
    (folder.parent / "photos").symlink_to(experiment.parent / "photos")
    first, second, model = (folder / name for name in (f"runs/{ARM}/seed0", f"runs/{ARM}/seed1", "model"))
    second.mkdir()
    model.mkdir()
    tensors, about = (read(first / "trained.safetensors") for read in (load_tensors, load_metadata))
    tensors["fc.weight"] = tensors["fc.weight"][:, ::-1].copy()
    other = {"run": about["run"] | {"seed": 1}, "normalisation": {"mean": [0.3, 0.4, 0.5], "std": [0.2, 0.25, 0.3]}}
    save_tensors(second / "trained.safetensors", tensors, about | other)
    for split, name in (("validation", "predictions"), ("test", "test")):
        save_tensors(second / f"{name}.safetensors", {f"{split}_logits": opened(folder, second, split)})
    for run in (first, second):
        os.link(run / "trained.safetensors", model / f"model-{run.name}.safetensors")
    write_model(**ensemble_options(folder, model))
    return folder


def ensemble_options(folder: Path, model: Path, **changes) -> dict:
    """The options of `write_model` for the ensemble in a folder."""
    runs = [folder / "runs" / ARM / name for name in MEMBERS]
    of_members = {
        "weights": [model / f"model-{run.name}.safetensors" for run in runs],
        "predictions": [run / "predictions.safetensors" for run in runs],
        "tested": [run / "test.safetensors" for run in runs],
    }
    return model_options(folder, model, **of_members | changes)


def mean_of_members(folder: Path, name: str, split: str) -> numpy.ndarray:
    """The mean of the probabilities of the ensemble's members, [images, classes]."""
    paths = [folder / "runs" / ARM / run / f"{name}.safetensors" for run in MEMBERS]
    return numpy.mean([softmax(load_tensors(path)[f"{split}_logits"]) for path in paths], axis=0)
