"""Options that follow from the configuration: what decides the images, and what the weights are."""

import json

from triptych.configuration.backbones.registry import ARCHITECTURES
from triptych.configuration.effective import effective
from triptych.configuration.loading import load_configuration
from triptych.workflow.options import dataset_json, pretraining_json

ARMS = {"finetune": {"weights": "pretrained"}}
ELSEWHERE = {"urls": ["http://mirror/x"], "path": "x"}


def experiment_of(**keys):
    experiment = {"arms": ARMS, "test": "every_epoch", **keys}
    return effective(load_configuration({"experiments": {"e": experiment}}))["experiments"]["e"]


def test_the_images_are_decided_by_sorted_settings_without_addresses():
    letters = {"source": "letters"}
    text = dataset_json(experiment_of(weights=letters))
    assert text == (
        '{"seed": 0, "source": "digits", "test_per_class": null, "train_per_class": 30, "validation_per_class": 20}'
    )
    archive, moved = (
        dataset_json(experiment_of(weights=letters, dataset={"source": "cifar10", **keys})) for keys in ({}, ELSEWHERE)
    )
    assert archive == moved
    assert json.loads(archive)["expected_train"] == 50_000


def test_weights_have_a_checksum_unless_they_are_the_published_ones():
    published = ARCHITECTURES["resnet18"].weights.sha256
    for own, said in [(None, None), (published, None), ("ab" * 32, "ab" * 32)]:
        weights = {"source": "torchvision", "sha256": own, **ELSEWHERE}
        found = json.loads(pretraining_json(experiment_of(weights=weights)))
        assert (found["sha256"], found["urls"], found["path"]) == (said, None, None)
