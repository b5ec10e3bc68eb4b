"""What is said of BatchNorm's drift."""

from triptych.report.drift import batchnorm_drift


def test_each_arm_is_told_by_its_median_layer(results):
    # means and variances of 0.5, of which 5 % (scratch: 20 %) change: 0.025 over sqrt(0.5) standard deviations, and 5 %
    said = batchnorm_drift(results()).replace("\u00a0", " ")
    assert (
        "In the median layer: scratch 0.14 and 20.0 %, finetune 0.035 and 5.0 % and last_layer 0.035 and 5.0 %." in said
    )


def test_what_did_not_drift_is_said_to_have_stayed(results):
    arms = [
        {"name": "scratch", "label": "net1", "first": 10.0, "last": 90.0},
        {"name": "probe", "train": "head", "batchnorm": "frozen", "weights": "pretrained", "first": 10.0, "last": 60.0},
    ]
    assert "Nothing drifted in probe." in batchnorm_drift(results(arms))
    assert "no BatchNorm" not in batchnorm_drift(results(arms))


def test_networks_without_batchnorm(results):
    found = results()
    delta = found.tables["weight_delta"]
    found.tables["weight_delta"] = delta[delta["kind"] == "parameter"]
    assert batchnorm_drift(found) == "These networks have no BatchNorm."
