"""The default experiment as a user runs it, from nothing to the report, and what its tables must say."""

import json
import re
import shutil
import zipfile

import pandas
import pytest

from benchmarks.first_kernels import first_convolution, neighbour_correlation
from tests.conftest import ROOT
from tests.workflow.conftest import jobs_of, rules_of, snakemake
from tests.workflow.test_rerun import check_same_bytes
from triptych.report.last_words import last_words
from triptych.results.learning_curves import learning_curves
from triptych.storage.files import sha256
from triptych.storage.tensors import load_metadata

slow = pytest.mark.slow


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A folder in which the default experiment has run to its end, and what that printed."""
    folder = tmp_path_factory.mktemp("default")
    return folder, snakemake("--cores", "2", directory=folder, timeout=1800).stdout


@pytest.fixture(scope="module")
def folder(run):
    return run[0]


@pytest.fixture(scope="module")
def results(folder):
    return folder / "results" / "digits"


def table(results, name):
    return pandas.read_csv(results / "tables" / f"{name}.csv", keep_default_na=True)


@slow
def test_the_order_of_the_arms(results):
    summary = table(results, "summary").set_index("arm")
    accuracy = summary["test_accuracy_mean"]
    lead = accuracy["finetune"] - accuracy[["scratch", "last_layer"]]
    assert lead.min() > 4  # it is at least 7.6 with AVX-512 and with AVX2 instructions
    assert accuracy.min() > 70
    assert (summary["n"] == 3).all()
    pairs = table(results, "comparisons")
    assert len(pairs) == 3
    of_finetune = pairs.query("arm_a == 'finetune'").set_index("arm_b")["difference"]
    assert of_finetune.to_dict() == pytest.approx(lead.to_dict())


@slow
def test_the_arm_that_is_chosen_and_that_little_is_left(results):
    decision = json.loads((results / "decision.json").read_text())
    assert (decision["verdict"], decision["chosen"]["arm"]) == ("better", "finetune")
    assert not list(results.glob("runs/*/*/trained.safetensors"))
    chosen = load_metadata(results / "model" / "model.safetensors")
    assert chosen["run"]["seed"] == decision["chosen"]["seed"]
    assert sum(path.stat().st_size for path in results.rglob("*") if path.is_file()) < 100e6


@slow
def test_what_is_trained_on_all_weights_is_not_stopped_while_it_rises(results):
    history = table(results, "history").query("arm != 'last_layer'")
    accuracy = learning_curves(history).groupby(["arm", "epoch"])["validation_accuracy"].mean().unstack()
    assert history.query("epoch > 0")["reestimated_validation_accuracy"].notna().all()
    assert accuracy.columns.max() == 12
    # over three epochs each, since a mean of three seeds moves by two points from epoch to epoch
    rise = accuracy[[10, 11, 12]].mean(axis=1) - accuracy[[7, 8, 9]].mean(axis=1)
    assert (rise < 3).all()


@slow
def test_the_pretrained_kernels_look_like_filters(results):
    """Neighbouring weights of ImageNet's have a correlation of 0.37, random ones of 0."""
    assert neighbour_correlation(first_convolution(results / "weights" / "resnet18.safetensors")) > 0.3


@slow
def test_in_the_last_layer_arm_nothing_but_the_head_moved(results):
    delta = table(results, "weight_delta").query("arm == 'last_layer' and kind == 'parameter'")
    assert len(delta) == 3 * 62
    moved = delta[delta["delta_norm"] != 0]
    assert set(moved["tensor"]) == {"fc.weight", "fc.bias"}
    trunk = delta[~delta["tensor"].isin(["fc.weight", "fc.bias"])]
    assert (trunk[["delta_norm", "relative_delta", "max_abs_delta"]] == 0).all(axis=None)
    assert (trunk["unchanged_fraction"] == 1).all()


@slow
def test_every_declared_table_has_the_columns_that_others_rely_on(results):
    expected = {
        "history": "arm label seed epoch train_loss train_accuracy validation_loss validation_accuracy "
        "selection_accuracy reestimated_validation_loss reestimated_validation_accuracy kept",
        "runs": "arm label seed epochs epochs_run kept_epoch trainable_parameters total_parameters train_loss "
        "train_accuracy fit_loss fit_accuracy validation_loss validation_accuracy validation_balanced_accuracy",
        "test_results": "arm label seed test_loss test_accuracy test_accuracy_low test_accuracy_high "
        "test_balanced_accuracy test_balanced_accuracy_low test_balanced_accuracy_high",
        "summary": "arm label n test_accuracy_mean test_accuracy_sd test_accuracy_low test_accuracy_high "
        "validation_accuracy_mean change_mean test_loss_mean test_balanced_accuracy_mean test_balanced_accuracy_sd "
        "test_balanced_accuracy_low test_balanced_accuracy_high validation_balanced_accuracy_mean balanced_change_mean",
        "comparisons": "arm_a arm_b difference low high p_value networks_p scope verdict",
        "per_class": "arm seed class images recall precision recall_low recall_high",
        "recall": "arm class images recall low high",
        "predictions": "path class predicted probability arm run split",
        "mistakes": "path class predicted probability runs arm split row model_predicted model_probability",
        "confusion": "arm true_class predicted_class share",
        "weight_delta": "arm seed tensor kind size initial_norm delta_norm relative_delta cosine max_abs_delta "
        "unchanged_fraction near_zero_fraction block role",
    }
    for name, columns in expected.items():
        assert list(table(results, name).columns) == columns.split(), name
    assert {"architecture", "layer", "type", "output_shape", "parameters", "macs", "activation_bytes"} <= set(
        table(results, "layers").columns
    )
    assert {"arm", "seed", "device", "seconds", "images_per_second", "peak_memory_bytes"} <= set(
        table(results, "cost").columns
    )


@slow
def test_the_manifest_is_true_of_every_file(results):
    manifest = json.loads((results / "manifest.json").read_text())
    files = {path.relative_to(results).as_posix() for path in results.rglob("*") if path.is_file()}
    listed = manifest["files"]
    assert set(listed) == files - {"manifest.json"}
    for path, entry in listed.items():
        assert entry["sha256"] == sha256(results / path)


@slow
def test_the_bytes_are_those_of_the_readmes_first_command(folder, tmp_path):
    """Which a user's own processes have made with other options, where it has been called: `.ci/run` does."""
    theirs = ROOT / "results" / "digits"
    if not (theirs / "manifest.json").is_file():
        pytest.skip(f"the README's first command was not called in {ROOT}; `-m long` compares two runs")
    shutil.copytree(ROOT / ".snakemake" / "metadata", tmp_path / ".snakemake" / "metadata")
    for name in ("results", "logs"):
        (tmp_path / name).symlink_to(ROOT / name)
    if rules_of(snakemake("--dry-run", directory=tmp_path).stdout):
        pytest.skip(f"{theirs} is of other code")
    copy = tmp_path / "copy" / "digits"
    shutil.copytree(folder / "results" / "digits", copy)
    check_same_bytes(copy, theirs)


@pytest.mark.long  # last run: 2026-11-28, passed
def test_two_clean_runs_give_the_same_bytes(folder, tmp_path):
    snakemake("--cores", "4", "--resources", "gpu=1", directory=tmp_path, timeout=1800)
    check_same_bytes(tmp_path / "results" / "digits", folder / "results" / "digits")


@slow
def test_what_it_prints_where_there_is_no_terminal(run):
    """Few lines, no epoch, and the answer at the end."""
    folder, said = run
    lines = said.strip().splitlines()
    minutes = [line for line in lines if re.match(r"\S+ \d+ of \d+ jobs done", line)]
    assert len(lines) - max(0, len(minutes) - 20) <= 60, said  # on two idle cores it takes less than ten minutes
    done = [line for line in lines if re.match(r"\S+ train \w+ seed \d: done in \d+:\d\d, accuracy \d+\.\d %$", line)]
    assert len(done) == 9
    assert "validation_loss" not in said and "rule" not in said
    words = last_words(folder / "results" / "digits")
    assert len(words) == 6
    shown = [line.replace(f"{folder}/", "") for line in words]
    assert lines[-6:] == shown
    assert shown[-2:] == ["Report: results/digits/report.html", "Model: results/digits/model"]
    for seed in (0, 1, 2):
        log = (folder / f"logs/train/digits/finetune/seed{seed}.log").read_text().splitlines()
        assert len(log) >= 11 and all(line.startswith(f"finetune seed {seed} | ") for line in log)


@slow
def test_snakemakes_own_report_holds_the_figures_and_tables(folder, tmp_path):
    snakemake("--report", tmp_path / "report.zip", directory=folder)
    with zipfile.ZipFile(tmp_path / "report.zip") as archive:
        names = archive.namelist()
    for file in ("validation_accuracy.svg", "kernels_finetune.svg", "summary.csv", "sizes.csv"):
        assert any(name.endswith(file) for name in names), file


@slow
def test_one_artefact_alone(folder, tmp_path):
    target = "results/digits/figures/validation_accuracy.svg"
    jobs = jobs_of(snakemake(target, "--dry-run", directory=tmp_path).stdout)
    assert sum(job["rule"] == "train" for job in jobs) == 9
    assert sum(job["rule"].startswith("plot_") for job in jobs) == 1
    (folder / target).unlink()
    before = (folder / "results/digits/report.html").stat().st_mtime_ns
    snakemake(target, "--cores", "1", directory=folder)
    assert (folder / target).is_file()
    assert (folder / "results/digits/report.html").stat().st_mtime_ns == before
