"""An ensemble in a real graph: all networks of the chosen arm are kept, and predict together."""

import json
import shutil
import subprocess
import sys

import numpy
import pandas
import pytest
from PIL import Image

from tests.workflow.conftest import jobs_of, rules_of, snakemake, snakemakes_log, write_configuration
from triptych.data.dataset import load_split
from triptych.evaluation.predict import predict
from triptych.results.mistakes import DECIMALS, softmax
from triptych.storage.files import sha256
from triptych.storage.tensors import load_tensors

pytestmark = pytest.mark.slow

SMALL = {
    "dataset": {"source": "digits", "train_per_class": 20, "validation_per_class": 10, "test_per_class": 10},
    "model": {"architecture": "resnet18", "input_size": 32},
    "training": {"epochs": 2, "batch_size": 8, "num_threads": 1, "device": "cpu"},
    "report": {"images": "none"},
    "ensemble": True,
    "seeds": [0, 1],
    "arms": {
        "learns": {"weights": "random", "train": "all"},
        "hardly": {"weights": "random", "train": "all", "training": {"learning_rate": 1e-7}},
    },
}
"""The second arm is never chosen."""
RESULTS = "results/small"
BESIDE = {"model.json", "README.md", "predict.py", "decode.py"}


def call(folder, *arguments, **changes):
    path = write_configuration(folder, SMALL | changes, "small", keep_weights="model")
    return snakemake(*arguments, "--cores", "2", "--configfile", path, directory=folder)


def weights_of(folder):
    return {path.name: sha256(path) for path in (folder / RESULTS / "model").glob("*.safetensors")}


@pytest.fixture(scope="module")
def complete(tmp_path_factory):
    folder = tmp_path_factory.mktemp("complete")
    call(folder)
    return folder


def test_the_members_weights_alone_are_left_and_nothing_is_left_to_do(complete):
    results = complete / RESULTS
    assert not list(results.rglob("trained.safetensors"))
    names = {path.name for path in (results / "model").iterdir()}
    assert names == {"model-seed0.safetensors", "model-seed1.safetensors", *BESIDE}
    assert not rules_of(call(complete, "--dry-run").stdout)
    listed = json.loads((results / "manifest.json").read_text())["files"]
    assert {name for name in listed if name.startswith("model/")} == {f"model/{name}" for name in names}
    subprocess.run([sys.executable, "-m", "triptych", "verify", results], check=True, timeout=60)


def test_a_prediction_is_the_mean_of_the_members(complete, tmp_path):
    results = complete / RESULTS
    about = json.loads((results / "model" / "model.json").read_text())
    assert (about["arm"], about["members"]) == ("learns", ["seed0", "seed1"])
    logits = [load_tensors(results / f"runs/learns/{run}/test.safetensors")["test_logits"] for run in about["members"]]
    mean = numpy.mean([softmax(one) for one in logits], axis=0)
    split = load_split(results / "data" / "test.safetensors")
    for number, image in enumerate(split.images):
        Image.fromarray(image).save(tmp_path / f"{number:03d}.png")
    predict(results, [tmp_path], csv=tmp_path / "predictions.csv")
    found = pandas.read_csv(tmp_path / "predictions.csv")
    assert found["predicted"].tolist() == [int(split.classes[number]) for number in mean.argmax(axis=1)]
    assert found["probability"].tolist() == mean.max(axis=1).round(DECIMALS).tolist()
    assert about["tested"]["correct"] == (mean.argmax(axis=1) == split.labels).sum()


def test_one_more_seed_trains_one_run_of_each_arm(complete, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(complete, folder)
    before = weights_of(folder)
    call(folder, seeds=[0, 1, 2])
    jobs = jobs_of(snakemakes_log(folder))
    trained = sorted(job["wildcards"] for job in jobs if job["rule"] == "train")
    assert trained == [f"experiment=small, arm={arm}, run=seed2" for arm in ("hardly", "learns")]
    (copied,) = (job["wildcards"] for job in jobs if job["rule"] == "copy_member")
    assert copied == "experiment=small, run=seed2"
    after = weights_of(folder)
    assert len(after) == 3 and before.items() <= after.items()
    assert not list((folder / RESULTS).rglob("trained.safetensors"))
    assert not rules_of(call(folder, "--dry-run", seeds=[0, 1, 2]).stdout)
