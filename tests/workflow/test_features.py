"""An experiment whose frozen arm trains on cached features, and the same one without the cache."""

import pandas
import pytest
import yaml

from tests.workflow.conftest import TINY, rules_of, snakemake

FROZEN = {"weights": "pretrained", "train": "head", "batchnorm": "frozen", "training": {"learning_rate": 1e-2}}


def configuration(folder, **training):
    """TINY with the arm `frozen`, in folder/frozen.yaml."""
    experiment = {**TINY, "arms": {"frozen": FROZEN, "finetune": TINY["arms"]["finetune"]}}
    experiment["training"] = {**TINY["training"], **training}
    path = folder / "frozen.yaml"
    path.write_text(yaml.safe_dump({"experiments": {"tiny": experiment}}, sort_keys=False))
    return path


@pytest.mark.slow
def test_the_cache_changes_the_time_and_not_the_results(tmp_path, checkout):
    """With the cache off, what was trained on features trains again, and nothing else; the accuracies stay."""
    call = {"directory": tmp_path, "checkout": checkout}
    snakemake("--cores", "2", "--configfile", configuration(tmp_path), **call)
    folder = tmp_path / "results" / "tiny"
    runs = pandas.read_csv(folder / "tables" / "runs.csv")
    cost = pandas.read_csv(folder / "tables" / "cost.csv")
    assert (cost.set_index("arm")["features_seconds"] > 0).to_dict() == {"frozen": True, "finetune": False}
    assert "cached" in (folder / "report.html").read_text()
    path = configuration(tmp_path, cache_features=False)
    planned = rules_of(snakemake("--dry-run", "--configfile", path, **call).stdout)
    assert planned["train"] == len(TINY["seeds"])  # of the frozen arm
    assert not {"pretrain_weights", "initialise_model", "extract_features"} & set(planned)
    snakemake("--cores", "2", "--configfile", path, **call)
    uncached = pandas.read_csv(folder / "tables" / "runs.csv")
    for column in ("test_accuracy", "test_loss", "fit_loss"):
        assert uncached[column].to_numpy() == pytest.approx(runs[column].to_numpy(), rel=1e-5)
