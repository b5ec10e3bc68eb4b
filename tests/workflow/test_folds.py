"""Real graphs with folds, from image files to the report and a model."""

import json
import re
import subprocess
import sys

import numpy
import pandas
import pytest

from tests.workflow.conftest import rules_of, snakemake, untracked, write_configuration
from tests.workflow.test_image_files import EXPERIMENT, photograph
from triptych.data.folds import load_folds
from triptych.data.halves import decision_half
from triptych.storage.tensors import load_metadata, load_tensors, map_tensor

slow = pytest.mark.slow

FOLDS, REPEATS = 2, 2
FOLDED = {
    **EXPERIMENT,
    "dataset": {"source": "folder", "path": "photos", "test": 2, "folds": FOLDS, "repeats": REPEATS},
    "weights": {"source": "letters", "train_images": 52, "validation_images": 26, "epochs": 1},
    "arms": {
        "scratch": {"weights": "random", "training": {"keep": "best"}},
        "frozen": {"weights": "pretrained", "train": "head", "batchnorm": "frozen"},
    },
}
CHOSEN = {
    **FOLDED,
    "dataset": {**FOLDED["dataset"], "repeats": 1, "test": 0},
    "weights": {"source": "none"},
    "training": {**EXPERIMENT["training"], "epochs": 6, "learning_rate": 1e-3, "batch_size": 5},
    "arms": {"scratch": {"weights": "random"}},
}
"""Without test images; its arm learns the colours, so that there is a model."""
RUNS = [f"seed0_fold{fold}" for fold in range(FOLDS * REPEATS)]
CALL = ["--configfile", "mine.yaml"]
RESULTS = "results/mine"


def made(folder, experiment):
    """A folder in which an experiment on 3 classes of 6 images has run to its end."""
    photograph(folder / "photos", names=tuple(f"{number}.png" for number in range(6)))
    write_configuration(folder, experiment, name="mine", keep_weights="model")
    snakemake("--cores", "2", *CALL, directory=folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return made(tmp_path_factory.mktemp("folds"), FOLDED)


def table(folder, name):
    return pandas.read_csv(folder / RESULTS / "tables" / f"{name}.csv")


def finished(folder):
    """Nothing is left to run, no file is made that no rule declares, and all are as the manifest says."""
    assert not rules_of(snakemake("--dry-run", *CALL, directory=folder).stdout)
    others = untracked(*CALL, directory=folder)
    assert not [file for file in others if file.startswith(("results/", "logs/"))]
    subprocess.run([sys.executable, "-m", "triptych", "verify", RESULTS], cwd=folder, check=True, timeout=60)


@slow
def test_every_fold_is_a_run_and_nothing_is_left_to_do(folder):
    finished(folder)
    results = folder / RESULTS
    assert sorted(path.name for path in (results / "runs" / "frozen").iterdir()) == RUNS
    assert len(list((results / "features").iterdir())) == 1  # one extraction for all folds
    for name in ("runs", "history", "cost", "test_results", "weight_delta", "per_class", "predictions"):
        assert sorted(set(table(folder, name)["fold"])) == [0, 1, 2, 3], name
    assert "fold" not in table(folder, "summary")


@slow
def test_out_of_fold_predictions_decide(folder):
    results = folder / RESULTS
    train = results / "data" / "train.safetensors"
    labels, folds = load_tensors(train)["labels"], load_folds(results / "data" / "folds.safetensors", 12)
    assert not len(load_tensors(results / "data" / "validation.safetensors")["labels"])
    deciding = decision_half(map_tensor(train, "images"), labels)
    found, described = (
        load_tensors(results / "validation.safetensors"),
        load_metadata(results / "validation.safetensors"),
    )
    assert (described["images"], described["folds"]) == ("out_of_fold", FOLDS)
    assert described["runs"] == [[arm, 0, repeat] for arm in FOLDED["arms"] for repeat in range(REPEATS)]
    assert found["labels"].tolist() == labels[deciding].tolist()
    for (arm, _, repeat), row in zip(described["runs"], found["correct"], strict=True):
        expected = numpy.zeros(12, bool)
        for part in range(FOLDS):
            fold = repeat * FOLDS + part
            logits = load_tensors(results / "runs" / arm / RUNS[fold] / "predictions.safetensors")["validation_logits"]
            held_out = folds.held_out(fold)
            expected[held_out] = logits.argmax(1) == labels[held_out]
        assert row.astype(bool).tolist() == expected[deciding].tolist()
    ranking = {one["arm"]: one for one in json.loads((results / "decision.json").read_text())["ranking"]}
    runs = table(folder, "runs")
    for arm, one in ranking.items():
        own = runs[runs["arm"] == arm]
        right = (own["validation_accuracy"].fillna(0) * own["validation_images"]).sum() / own["validation_images"].sum()
        assert right == pytest.approx(one["accuracy"])


@slow
def test_an_arm_is_tested_by_all_of_its_networks(folder):
    tested, summary = table(folder, "test_results"), table(folder, "summary").set_index("arm")
    labels = load_tensors(folder / RESULTS / "data" / "test.safetensors")["labels"]
    for arm, own in tested.groupby("arm"):
        for fold, accuracy in zip(own["fold"], own["test_accuracy"], strict=True):
            logits = load_tensors(folder / RESULTS / "runs" / arm / RUNS[fold] / "test.safetensors")["test_logits"]
            assert accuracy == pytest.approx(100 * (logits.argmax(1) == labels).mean())
        assert summary["test_accuracy_mean"][arm] == pytest.approx(own["test_accuracy"].mean())
        assert summary["n"][arm] == 1
    lines = (folder / "logs/openings/mine/frozen/seed0_fold3.jsonl").read_text().splitlines()
    assert [(json.loads(line)["seed"], json.loads(line)["fold"]) for line in lines] == [(0, 3)]
    page = (folder / RESULTS / "report.html").read_text()
    assert "12 images in 2 folds, dealt 2 times" in page and "6 out-of-fold images" in page
    assert "No untouched images" not in page


@slow
def test_without_test_images_there_is_a_model_and_the_headline_says_so(tmp_path):
    folder = made(tmp_path, CHOSEN)
    finished(folder)
    results = folder / RESULTS
    chosen = json.loads((results / "decision.json").read_text())["chosen"]
    assert chosen == {"arm": "scratch", "seed": 0, "fold": 0}
    assert load_metadata(results / "model" / "model.safetensors")["run"]["fold"] == 0
    held_out = int(load_folds(results / "data" / "folds.safetensors").held_out(0).sum())
    card = (results / "model" / "README.md").read_text()
    assert f"| all | {18 - held_out} | {held_out} | 0 |" in card and "| scratch, seed 0, fold 0 |" in card
    assert not list(results.rglob("opened.json")) and not list((folder / "logs" / "openings").rglob("*.jsonl"))
    assert not (results / "tables" / "test_results.csv").exists()
    answer = re.search(r'<p class="answer">(.*?)</p>', (results / "report.html").read_text(), re.DOTALL)[1]
    assert "No untouched images" in answer
    assert table(folder, "mistakes").empty and set(table(folder, "predictions")["split"]) == {"out_of_fold"}


@slow
def test_more_folds_than_images_of_a_class_are_one_message(tmp_path):
    photograph(tmp_path / "photos", names=("1.png", "2.png", "3.png"))
    write_configuration(tmp_path, {**FOLDED, "dataset": {**FOLDED["dataset"], "test": 1, "folds": 3}}, name="mine")
    result = snakemake(f"{RESULTS}/data/folds.safetensors", "--cores", "2", *CALL, directory=tmp_path, check=False)
    assert result.returncode == 1 and "Traceback" not in result.stdout
    assert "folds: 3 needs 3 different images of each class outside the test part; too few: a (2), b (2), c (2)." in (
        result.stdout
    )


def test_present_runs_keep_their_folders_and_folds_have_their_own(tmp_path):
    """A dry run: of an experiment without folds, and of one with."""
    photograph(tmp_path / "photos", names=("1.png",))
    for dataset, expected in (({"validation": 1, "test": 1}, {"seed0"}), (FOLDED["dataset"], set(RUNS))):
        own = {"source": "folder", "path": "photos", **dataset}
        write_configuration(tmp_path, {**EXPERIMENT, "dataset": own}, name="mine")
        said = snakemake("--dry-run", *CALL, directory=tmp_path).stdout
        assert set(re.findall(r"results/mine/runs/scratch/(\w+)/history\.csv", said)) == expected
        assert rules_of(said)["assign_folds"] == int("folds" in dataset)
