"""The finished experiment, whose frozen arm trained on cached features, and the same one without the cache."""

import pandas
import pytest

from tests.workflow.conftest import WHOLE, rules_of, snakemake, write_configuration


@pytest.mark.slow
def test_the_cache_changes_the_time_and_not_the_results(finished):
    """With the cache off, what was trained on features trains again, and nothing else; the accuracies stay."""
    folder = finished / "results" / "tiny"
    runs = pandas.read_csv(folder / "tables" / "runs.csv")
    cost = pandas.read_csv(folder / "tables" / "cost.csv")
    used = cost.groupby("arm")["features_seconds"].min() > 0
    assert used.to_dict() == {arm: arm == "frozen" for arm in WHOLE["arms"]}
    assert "cached" in (folder / "report.html").read_text()
    training = {**WHOLE["training"], "cache_features": False}
    call = ["--configfile", write_configuration(finished, {**WHOLE, "training": training})]
    planned = rules_of(snakemake("--dry-run", *call, directory=finished).stdout)
    assert planned["train"] == len(WHOLE["seeds"])  # of the frozen arm
    assert not {"pretrain_weights", "extract_features"} & set(planned)
    snakemake("results/tiny/tables/runs.csv", "--cores", "2", *call, directory=finished)
    uncached = pandas.read_csv(folder / "tables" / "runs.csv")
    for column in ("validation_accuracy", "validation_loss", "fit_loss"):
        assert uncached[column].to_numpy() == pytest.approx(runs[column].to_numpy(), rel=1e-5)
