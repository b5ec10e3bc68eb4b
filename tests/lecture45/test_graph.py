"""The lecture's claims in a whole graph: on digits, offline, where most of them cannot be tested."""

import pandas
import pytest

from tests.workflow.conftest import TINY, jobs_of, resources_of, rules_of, snakemake, write_configuration

ONLY_WITH_CLAIMS = {
    "check_claims",
    "compare_full_run",
    "time_backward",
    "plot_full_run",
    "plot_notebook_loss",
    "plot_notebook_kernels",
}


@pytest.mark.parametrize("claims", ["none", "lecture45"])
def test_the_rules_are_there_with_claims_alone(tmp_path, claims):
    path = write_configuration(tmp_path, {**TINY, "claims": claims, "test": "every_epoch"})
    rules = rules_of(snakemake("--dry-run", "--configfile", path, directory=tmp_path).stdout)
    assert ONLY_WITH_CLAIMS & set(rules) == (ONLY_WITH_CLAIMS if claims == "lecture45" else set())
    assert rules["plot_batchnorm_drift"] == 1


@pytest.mark.parametrize(("device", "slots"), [("auto", True), ("cpu", False)])
def test_the_timing_asks_for_the_gpu_that_the_training_uses(tmp_path, device, slots):
    training = {**TINY["training"], "device": device}
    path = write_configuration(tmp_path, {**TINY, "training": training, "claims": "lecture45", "test": "every_epoch"})
    jobs = jobs_of(snakemake("--dry-run", "--configfile", path, directory=tmp_path).stdout)
    asking = {job["rule"] for job in jobs if resources_of(job).get("gpu") == "1"}
    assert ("time_backward" in asking) is slots
    assert asking - {"pretrain_weights", "train", "time_backward"} == set()


@pytest.mark.slow
def test_a_tiny_experiment_with_claims_runs_to_its_report(finished):
    results = finished / "results" / "tiny"
    assert (results / "features").is_dir()
    claims = pandas.read_csv(results / "tables" / "claims.csv").set_index("claim")
    verdicts = claims["verdict"]
    assert verdicts["the network has 11 million parameters"] == "agrees"
    assert verdicts["net2’s second layer changes as well; in net3 nothing before fc does"] == "agrees"
    assert "disagrees" not in set(verdicts)
    assert "the images are digits, not cifar10" in claims.loc["net3 is still rising, much below 80 %", "different"]
    faults = pandas.read_csv(results / "tables" / "faults.csv").set_index("fault")
    assert len(faults) == 17
    assert claims.loc["GoogLeNet took larger images and a smaller batch", "verdict"] == "not tested here"
    assert faults.loc[6, "value"] == 9600
    history = pandas.read_csv(results / "tables" / "history.csv").query("epoch == 1")
    loss = history.groupby("arm")["train_loss"].mean()
    most = max(60 / 100 * loss[["scratch", "finetune", "last_layer"]])
    assert faults.loc[2, "value"] == pytest.approx(most)
    assert pandas.read_csv(results / "tables" / "cost_backward.csv")["ratio"][0] > 0
    page = (results / "report.html").read_text()
    assert "The lecture’s claims" in page and "The notebook’s faults" in page
    # nothing measured decides the tables: a second making gives the same bytes
    full_run = pandas.read_csv(results / "tables" / "full_run.csv")
    assert set(full_run["run"]) == {"this run", "full run"}
    names = [f"results/tiny/tables/{name}.csv" for name in ("claims", "faults")]
    before = [(finished / name).read_bytes() for name in names]
    call = ["--configfile", "tiny.yaml"]
    snakemake(*names, "--cores", "1", "--forcerun", "check_claims", *call, directory=finished)
    assert [(finished / name).read_bytes() for name in names] == before
    assert not rules_of(snakemake("--dry-run", *call, directory=finished).stdout).keys() - {"report", "write_manifest"}
