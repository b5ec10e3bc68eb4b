"""The lecture's claims in a whole graph: on digits, offline, where most of them cannot be tested."""

import pandas
import pytest
import yaml

from tests.workflow.conftest import TINY, rules_of, snakemake, untracked

ONLY_WITH_CLAIMS = {
    "check_claims",
    "compare_full_run",
    "time_backward",
    "plot_full_run",
    "plot_notebook_loss",
    "plot_notebook_kernels",
}


def write(folder, claims):
    path = folder / f"{claims}.yaml"
    frozen = {"weights": "pretrained", "train": "head", "batchnorm": "frozen", "role": "control"}
    experiment = {**TINY, "seeds": [0], "claims": claims, "arms": {**TINY["arms"], "frozen": frozen}}
    path.write_text(yaml.safe_dump({"experiments": {"tiny": experiment}}, sort_keys=False))
    return path


@pytest.mark.parametrize("claims", ["none", "lecture45"])
def test_the_rules_are_there_with_claims_alone(tmp_path, claims):
    rules = rules_of(snakemake("--dry-run", "--configfile", write(tmp_path, claims), directory=tmp_path).stdout)
    assert ONLY_WITH_CLAIMS & set(rules) == (ONLY_WITH_CLAIMS if claims == "lecture45" else set())
    assert rules["plot_batchnorm_drift"] == 1


@pytest.mark.slow
def test_a_tiny_experiment_with_claims_runs_to_its_report(tmp_path):
    configuration = write(tmp_path, "lecture45")
    snakemake("--cores", "2", "--configfile", configuration, directory=tmp_path)
    results = tmp_path / "results" / "tiny"
    assert (results / "features").is_dir()
    assert untracked("--configfile", configuration, directory=tmp_path) == {configuration.name}
    claims = pandas.read_csv(results / "tables" / "claims.csv").set_index("claim")
    verdicts = claims["verdict"]
    assert verdicts["the network has 11 million parameters"] == "agrees"
    assert verdicts["net2’s second layer changes as well; in net3 nothing before fc does"] == "agrees"
    assert "disagrees" not in set(verdicts)
    assert "the images are digits, not cifar10" in claims.loc["net3 is still rising, below 80 %", "reason"]
    faults = pandas.read_csv(results / "tables" / "faults.csv").set_index("fault")
    assert len(faults) == 17
    assert claims.loc["GoogLeNet took larger images and a smaller batch", "verdict"] == "not tested here"
    assert faults.loc[6, "value"] == 9600
    history = pandas.read_csv(results / "tables" / "history.csv").set_index(["arm", "epoch"])
    most = max(60 / 100 * history.loc[(arm, 1), "train_loss"] for arm in ("scratch", "finetune", "last_layer"))
    assert faults.loc[2, "value"] == pytest.approx(most)
    assert pandas.read_csv(results / "tables" / "cost_backward.csv")["ratio"][0] > 0
    page = (results / "report.html").read_text()
    assert "The lecture’s claims" in page and "The notebook’s faults" in page
    # nothing measured decides the tables: a second making gives the same bytes
    full_run = pandas.read_csv(results / "tables" / "full_run.csv")
    assert set(full_run["run"]) == {"this run", "full run"}
    names = [f"results/tiny/tables/{name}.csv" for name in ("claims", "faults")]
    before = [(tmp_path / name).read_bytes() for name in names]
    snakemake(*names, "--cores", "1", "--forcerun", "check_claims", "--configfile", configuration, directory=tmp_path)
    assert [(tmp_path / name).read_bytes() for name in names] == before
    assert not rules_of(snakemake("--dry-run", "--configfile", configuration, directory=tmp_path).stdout).keys() - {
        "report",
        "write_manifest",
    }
