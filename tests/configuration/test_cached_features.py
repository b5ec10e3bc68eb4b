import pytest

from triptych.configuration.cached_features import trunk_of, trunks
from triptych.configuration.effective import effective
from triptych.configuration.loading import load_configuration

FROZEN = {"weights": "pretrained", "train": "head", "batchnorm": "frozen"}


def arms_of(**arms):
    """The arms of an experiment, with everything in effect."""
    raw = {"experiments": {"e": {"weights": {"source": "letters"}, "arms": arms}}}
    return effective(load_configuration(raw))["experiments"]["e"]["arms"]


def trunk(changes):
    return trunk_of(arms_of(last_layer=FROZEN | changes)["last_layer"])


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
def test_only_what_nothing_changes_is_cached(changes):
    assert trunk(changes) is None


def test_arms_with_the_same_trunk_share_whatever_else_is_there():
    other = FROZEN | {"training": {"learning_rate": 1e-2, "epochs": 3, "residency": "mapped"}}
    arms = arms_of(new=FROZEN, scratch={"weights": "random"}, last_layer=FROZEN, other=other)
    assert trunk_of(arms["other"]) == trunk_of(arms["last_layer"]) == trunk(FROZEN)
    assert list(trunks(arms)) == [trunk(FROZEN)]
    assert trunk(FROZEN).startswith("resnet18_224_")


@pytest.mark.parametrize(
    "changes",
    [
        {"model": {"normalisation": "imagenet"}},
        {"model": {"input_size": 96}},
        {"training": {"channels_last": True}},
        {"training": {"train_images": 50}},
        {"training": {"evaluation_batch_size": 8}},
        {"training": {"batch_size": 8}},  # so is the evaluation batch
    ],
)
def test_arms_with_other_features_do_not(changes):
    assert trunk(changes) not in (None, trunk({}))
