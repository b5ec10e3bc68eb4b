"""What is said to be unchanged is counted."""

import pandas

from tests.report.conftest import plain
from triptych.report.sections import weights
from triptych.results.experiment import read_results


def test_what_is_exactly_unchanged_is_counted(results):
    text = weights.frozen(results(), "last_layer")
    assert "only fc.weight and fc.bias changed; the other 60 of 62 parameter tensors are exactly unchanged" in text
    # 20 layers; counters are no statistics
    assert "40 of 40 running statistics of BatchNorm changed (re-estimated after training), so the frozen" in text
    assert weights.frozen(results(), "finetune") == ""


def test_frozen_batchnorm_drifts_nowhere(results):
    arms = [{"name": "probe", "train": "head", "batchnorm": "frozen"}]
    assert "running statistics" not in weights.frozen(results(arms=arms), "probe")


def test_statistics_that_are_kept_as_training_left_them_are_not_called_reestimated(results):
    arms = [{"name": "head", "train": "head", "training": {"recalibrate_batchnorm": "never"}}]
    text = weights.frozen(results(arms=arms), "head")
    assert "BatchNorm changed (moving averages of training), so" in text and "re-estimated" not in text


def test_one_number_that_changed_in_one_seed_is_not_called_unchanged(experiment):
    folder = experiment()
    path = folder / "tables" / "weight_delta.csv"
    table = pandas.read_csv(path)
    moved = (table["arm"] == "last_layer") & (table["seed"] == 2) & (table["tensor"] == "conv1.weight")
    table.loc[moved, "unchanged_fraction"] = 1 - 1 / 9408
    table.to_csv(path, index=False)
    found = read_results(folder)
    assert "only fc.weight, fc.bias and conv1.weight changed" in weights.frozen(found, "last_layer")
    assert "exactly zero" not in weights.kernels(found, "last_layer")


def test_kernels_tell_colour_from_brightness_or_that_nothing_changed(results):
    found = results()
    assert "is exactly zero" in weights.kernels(found, "last_layer")
    text = plain(weights.kernels(found, "finetune"))
    assert "changed by 5.0 % of its norm" in text and "83.0 % is brightness" in text and "17.0 % is colour" in text


def test_grey_images_change_brightness_alone(results):
    arms = [{"name": "finetune", "colour_share": 2e-11}]
    text = weights.kernels(results(arms=arms), "finetune")
    assert text.endswith("All three colour channels changed alike, as grey images imply.")


def test_weights_that_only_meet_padding_are_named(results):
    found = results()
    assert weights.partly_unchanged(found, "finetune") == ""
    delta, layers = found.tables["weight_delta"], found.tables["layers"]
    conv = delta["tensor"] == "conv1.weight"
    delta.loc[conv & (delta["arm"] == "finetune"), "unchanged_fraction"] = 8 / 9
    text = plain(weights.partly_unchanged(found, "finetune"))
    assert "net2 · finetune: in 1 of 62 tensors (conv1.weight) more than 30 % of the parameters" in text
    assert "the unchanged ones are 17.6 % of the network’s parameters" in text
    assert text.endswith("The tables do not show why.")  # its map of 16 x 16 is no reason
    first = layers["layer"] == "conv1"
    columns = ["output_height", "output_width", "in_padding"]
    layers.loc[first, columns] = [1.0, 1.0, 8 / 9]
    text = plain(weights.partly_unchanged(found, "finetune"))
    assert text.endswith(
        "Their kernels have outer weights that only meet padding and get no gradient: their output is 1 × 1 pixels at "
        "32 px."
    )
    layers.loc[first, columns] = [1.0, 1.0, 5 / 9]
    text = plain(weights.partly_unchanged(found, "finetune"))
    assert text.endswith(
        "their output is 1 × 1 pixels at 32 px. That explains a part of conv1.weight (55.6 of 88.9 %); the tables do "
        "not show why the rest is unchanged."
    )
    assert weights.partly_unchanged(found, "last_layer") == ""


def test_the_changes_are_counted(results):
    rows = {row[0].title: row[1:] for row in weights.table(results()).rows}
    assert [plain(cell) for cell in rows["net2 · finetune"]][0::3] == ["62 of 62", "5.0 %"]
    assert rows["net3 · last_layer"][0] == "2 of 62" and rows["net3 · last_layer"][-1] == "40 of 40"


def test_the_median_is_over_common_tensors_and_says_over_which(results):
    found = results()
    delta, medians = found.tables["weight_delta"], found.tables["median_change"]
    delta.loc[delta["tensor"] == "conv1.weight", "relative_delta"] = 9.0  # of its own tensors, which do not count
    medians["common_tensors"], medians["median_change"] = 41.0, [0.107, 0.111, 0.0]
    table = weights.table(found)
    assert [plain(row[4]) for row in table.rows] == ["10.7 %", "11.1 %", "0 %"]
    assert "median over the 41 of 62 parameter tensors with such a ratio in every arm" in table.columns[4].meaning


def test_what_did_not_drift_is_said(results):
    arms = [
        {"name": "scratch", "label": "net1", "first": 10.0, "last": 90.0},
        {"name": "probe", "train": "head", "batchnorm": "frozen", "weights": "pretrained", "first": 10.0, "last": 60.0},
    ]
    text = weights.drift(results(arms))
    assert text.endswith("No drift: probe.")
    assert "(re-estimated after it, unless recalibrate_batchnorm is never)" in text
    assert "No drift" not in weights.drift(results())


def test_networks_without_batchnorm(results):
    found = results()
    delta = found.tables["weight_delta"]
    found.tables["weight_delta"] = delta[delta["kind"] == "parameter"]
    assert weights.drift(found) == "These networks have no BatchNorm."
