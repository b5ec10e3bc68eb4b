import pytest

from triptych.cached_features import arm_of_features
from triptych.configuration import effective, load_configuration

FROZEN = {"weights": "pretrained", "train": "head", "batchnorm": "frozen"}


def source(changes, other=None):
    """The arm that extracts the features of an arm like FROZEN with `changes`, which stands after `other`."""
    arms = {"scratch": {"weights": "random"}, "other": other or FROZEN, "last_layer": FROZEN | changes}
    raw = {"experiments": {"e": {"weights": {"source": "letters"}, "arms": arms}}}
    return arm_of_features(effective(load_configuration(raw))["experiments"]["e"]["arms"], "last_layer")


@pytest.mark.parametrize(
    "changes",
    [
        {"weights": "random"},
        {"train": "all"},
        {"batchnorm": "train"},
        {"training": {"cache_features": False}},
        {"model": {"architecture": "mobilenet_v2"}},  # dropout before its head
    ],
)
def test_only_what_is_exact_is_cached(changes):
    assert source(changes) is None


def test_arms_with_the_same_trunk_share():
    assert source({"training": {"learning_rate": 1e-2, "epochs": 3, "batch_size": 8}}) == "other"


@pytest.mark.parametrize(
    "changes",
    [
        {"model": {"normalisation": "imagenet"}},
        {"model": {"input_size": 96}},
        {"training": {"channels_last": True}},
        {"training": {"train_images": 50}},
        {"training": {"evaluation_batch_size": 8}},
    ],
)
def test_arms_with_other_features_do_not(changes):
    assert source(changes) == "last_layer"
    assert source({}, other=FROZEN | changes) == "last_layer"
