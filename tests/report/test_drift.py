"""What is said of BatchNorm's drift."""

from triptych.report.drift import batchnorm_drift
from triptych.report.results import read_results


def test_each_arm_is_told_by_its_median_layer(experiment):
    # norms of 4 before and 0.2 of the change in 64 channels: 0.025 over sqrt(0.5) standard deviations, and 5 %
    said = batchnorm_drift(read_results(experiment())).replace("\u00a0", " ")
    assert (
        "In the median layer: scratch 0.035 and 5.0 %, finetune 0.035 and 5.0 % and last_layer 0.035 and 5.0 %." in said
    )


def test_what_did_not_drift_is_said_to_have_stayed(experiment):
    arms = [
        {"name": "scratch", "label": "net1", "first": 10.0, "last": 90.0},
        {"name": "probe", "train": "head", "batchnorm": "frozen", "weights": "pretrained", "first": 10.0, "last": 60.0},
    ]
    assert "Nothing drifted in probe." in batchnorm_drift(read_results(experiment(arms)))
    assert "no BatchNorm" not in batchnorm_drift(read_results(experiment(arms)))


def test_networks_without_batchnorm(experiment):
    results = read_results(experiment())
    delta = results.tables["weight_delta"]
    results.tables["weight_delta"] = delta[delta["kind"] == "parameter"]
    assert batchnorm_drift(results) == "These networks have no BatchNorm."
