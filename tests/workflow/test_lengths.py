"""An experiment whose arms are trained for different numbers of epochs, from nothing to the report."""

import json

import pandas
import pytest
import yaml

from tests.workflow.conftest import TINY, snakemake
from triptych.storage.tensors import load_tensors


@pytest.mark.slow
def test_patience_and_the_best_epoch_go_through_to_the_report(tmp_path):
    experiment = {
        **TINY,
        "weights": {"source": "none"},
        "training": {"epochs": 8, "num_threads": 2, "device": "cpu", "learning_rate": 1e-3},
        "arms": {"whole": {}, "long": {"training": {"patience": 2, "keep": "best"}}},
        "seeds": [0, 1],
    }
    configuration = tmp_path / "lengths.yaml"
    configuration.write_text(yaml.safe_dump({"experiments": {"lengths": experiment}}, sort_keys=False))
    snakemake("--cores", "2", "--configfile", configuration, directory=tmp_path)
    results = tmp_path / "results" / "lengths"
    runs = pandas.read_csv(results / "tables" / "runs.csv").set_index(["arm", "seed"])
    tested = pandas.read_csv(results / "tables" / "test_results.csv").set_index(["arm", "seed"]).loc["long"]
    history = pandas.read_csv(results / "tables" / "history.csv")
    decision = json.loads((results / "decision.json").read_text())
    assert decision["number_of_images"] == 10  # of each class one of two: the other one chose epochs
    assert runs.loc["whole", "epochs_run"].eq(8).all()
    own = runs.loc["long"]
    assert (own["epochs_run"] < 8).any(), own["epochs_run"]
    for seed in experiment["seeds"]:
        # the same order of batches: the arms agree as far as the shorter one went
        whole, long = (history[(history["arm"] == arm) & (history["seed"] == seed)] for arm in experiment["arms"])
        columns = ["epoch", "train_loss", "validation_accuracy"]
        assert long[columns].to_numpy()[1:].tolist() == whole[columns].to_numpy()[1 : len(long)].tolist()
        accuracies = long["selection_accuracy"].to_numpy()
        kept = own["kept_epoch"][seed]
        assert kept == 1 + accuracies[1:].argmax()
        assert len(long) - 1 == own["epochs_run"][seed] == min(8, kept + 2)
        folder = results / "runs" / "long" / f"seed{seed}"
        predicted = load_tensors(folder / "test.safetensors")["test_logits"].argmax(1)
        labels = load_tensors(results / "data" / "test.safetensors")["labels"]
        assert 100 * (predicted == labels).mean() == pytest.approx(tested["test_accuracy"][seed])
    report = (results / "report.html").read_text()
    stopped = bool((own["epochs_run"] == own["kept_epoch"] + 2).all())
    assert ("long stopped early in every run" in report) == stopped
    assert ("long did not stop early in every run" in report) != stopped
