"""The quick set's one real graph: the smallest experiment with every step, from data to the report."""

import re
import subprocess
import sys

import pandas
import pytest

from tests.workflow.conftest import TINY, WHOLE, rules_of, snakemake, untracked, write_configuration
from triptych.storage.tensors import load_tensors

EXPERIMENT = {
    **TINY,
    "model": {"architecture": "shufflenet_v2_x0_5", "input_size": 32},
    "training": WHOLE["training"],
    "seeds": [0],
    "arms": {"scratch": TINY["arms"]["scratch"], "frozen": WHOLE["arms"]["frozen"]},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder in which it has run to its end."""
    folder = tmp_path_factory.mktemp("smallest")
    path = write_configuration(folder, EXPERIMENT, keep_weights="model")
    snakemake("--cores", "2", "--configfile", path, directory=folder)
    return folder


def test_it_is_finished_and_no_file_is_made_that_no_rule_declares(folder):
    call = ["--configfile", "tiny.yaml"]
    assert not rules_of(snakemake("--dry-run", *call, directory=folder).stdout)
    assert untracked(*call, directory=folder) == {"tiny.yaml"}
    subprocess.run([sys.executable, "-m", "triptych", "verify", "results/tiny"], cwd=folder, check=True, timeout=60)


def test_its_accuracies_are_those_of_its_predictions(folder):
    results = folder / "results" / "tiny"
    runs = pandas.read_csv(results / "tables" / "test_results.csv").set_index("arm")
    assert list(runs.index) == ["scratch", "frozen"]
    labels = load_tensors(results / "data" / "test.safetensors")["labels"]
    assert len(labels) == 100
    for arm in runs.index:
        logits = load_tensors(results / "runs" / arm / "seed0" / "test.safetensors")["test_logits"]
        assert runs.loc[arm, "test_accuracy"] == pytest.approx(100 * (logits.argmax(1) == labels).mean())


def test_in_the_frozen_arm_nothing_but_the_head_moved(folder):
    delta = pandas.read_csv(folder / "results" / "tiny" / "tables" / "weight_delta.csv")
    moved = {arm: set(rows.loc[rows["delta_norm"] != 0, "tensor"]) for arm, rows in delta.groupby("arm")}
    assert moved["frozen"] == {"fc.weight", "fc.bias"}
    assert "conv1.0.weight" in moved["scratch"]


def test_its_report_answers_the_question_and_its_links_lead_somewhere(folder):
    results = folder / "results" / "tiny"
    page = (results / "report.html").read_text()
    assert "<h1" in page and "scratch" in page and "frozen" in page
    assert {"config.yaml", "sizes.csv", "runs.csv"} <= set(re.findall(r'download="([^"]+)"', page))
    assert all((results / link).is_file() for link in re.findall(r'href="([^"#:]+)"', page))
    assert page.count('src="data:image/svg+xml,') == len(list((results / "figures").glob("*.svg")))
