"""The limits name what these runs lack."""

import pytest

from tests.report.conftest import TWO, plain
from triptych.report.sections import limits


def said(found):
    return plain(" ".join(limits.blocks(found)[0].items))


def test_one_recipe_or_different_ones_are_told_apart(results):
    assert "All arms share one recipe (learning rate 0.0001, 10 epochs)" in said(results())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"learning_rate": 1e-3, "epochs": 20}, "The recipes differ: epochs and learning rate differ."),
        ({"precision": "bfloat16"}, "The recipes differ: precision differs."),
    ],
)
def test_different_recipes_are_named(results, change, words):
    text = said(results(arms=[TWO[0], {**TWO[1], "training": change}]))
    assert words in text and "one recipe" not in text


@pytest.mark.parametrize(
    ("seeds", "words"),
    [
        (1, "One seed of an arm: no verdict on arms."),
        (2, "Two seeds of an arm are too few for a verdict on arms."),
        (3, "3 seeds are few: where seeds differ, intervals are wide"),
        (12, ""),
    ],
)
def test_how_few_the_seeds_are(results, seeds, words):
    text = limits.seeds(results(arms=TWO, seeds=tuple(range(seeds))))
    expected = f"{words} One split and one set of pretrained weights: the intervals do not cover others."
    start, end = expected.split(" One split")
    assert plain(text).startswith(start) and plain(text).endswith(end)
    assert plain(text).count(".") == (3 if seeds == 1 else 2 if words else 1)


def test_weights_that_no_arm_has_are_not_mentioned(results):
    assert "pretrained" not in limits.seeds(results(arms=[TWO[1]]))


def test_what_to_select_on(results):
    assert "because of these test accuracies, the new one needs other test images." in said(results())
    every = results(test="every_epoch")
    assert "Select epochs, recipes and arms on the 200 validation images" in said(every)
    assert "There are no validation images" in said(results(images=(300, 0), test="every_epoch"))


def test_how_much_an_image_is(results):
    assert limits.precision(results()) == (
        "One image is 0.50 points of accuracy on 200 validation images and 0.10 points of accuracy on 1,000 test "
        "images."
    )
    none = results(images=(300, 0), test="every_epoch")
    assert limits.precision(none) == "One image is 0.10 points of accuracy on 1,000 test images."


def test_running_statistics_that_lag_are_told(results):
    # 300 images in batches of 32: 10 steps, 0.9 ** 10 = 35 %
    text = said(results())
    assert "net1 · scratch, net2 · finetune and net3 · last_layer: an epoch has only 10 steps" in text
    assert "After epoch 1 these still hold 35 % of their initial values" in text


def test_a_smaller_momentum_lags_longer(results):
    found = results()
    found.tables["models"]["batchnorm_momentum"] = 0.01
    assert "replaces 1 % of BatchNorm’s running statistics" in said(found) and "still hold 90 %" in said(found)
    found.tables["models"]["batchnorm_momentum"] = float("nan")  # no BatchNorm
    assert "lag" not in said(found)


@pytest.mark.parametrize("change", [{"batchnorm": "frozen"}, {"training": {"batch_size": 12}}])
def test_no_lag_with_frozen_statistics_or_many_steps(results, change):
    assert "accuracies lag" not in said(results(arms=[{"name": "finetune", **change}]))


def test_batchnorm_that_follows_the_data_of_a_frozen_network(results):
    assert "net3 · last_layer: part of the network is frozen, but BatchNorm is in train mode" in said(results())
