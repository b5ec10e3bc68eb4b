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
        "One image is 0.50 points of accuracy on 200 validation images and 0.10 on 1,000 test images."
    )
    none = results(images=(300, 0), test="every_epoch")
    assert limits.precision(none) == "One image is 0.10 points of accuracy on 1,000 test images."


LAGGING = {"name": "scratch", "weights": "random", "first": 75, "last": 91, "lag": 60.0}


def test_the_lag_of_batchnorm_is_told_with_numbers(results):
    found = results(arms=[{"name": "finetune"}, LAGGING])
    history = found.of("history", "scratch").query("kept == 1")
    kept = history["validation_accuracy"].mean()
    assert found.of("runs", "scratch")["validation_accuracy"].mean() > kept
    (text,) = limits.lag(found)
    assert plain(text).endswith(
        "Curves have re-estimated statistics. Largest differences in validation accuracy: "
        "scratch, epoch 1: 75.4 % (moving averages 15.4 %). Kept networks have such statistics, too; with moving "
        f"averages, their validation accuracies would be {kept:.1f} % (scratch)."
    )
    assert "keep lagging averages" not in text and text in limits.blocks(found)[0].items
    tested = results(arms=[LAGGING], test="every_epoch")
    assert "in test accuracy" in limits.lag(tested)[0] and " 75.0 % (moving" in plain(limits.lag(tested)[0])


@pytest.mark.parametrize("arm", [{}, {"lag": 0.9}, {"batchnorm": "frozen"}])
def test_no_lag_is_told_where_none_shows(results, arm):
    assert limits.lag(results(arms=[{"name": "finetune", **arm}])) == []


def test_networks_that_keep_the_lag_are_named(results):
    never = {"epochs": 3, "recalibrate_batchnorm": "never"}
    found = results(arms=[{**LAGGING, "training": never}, {"name": "finetune", "training": never}])
    assert limits.lag(found)[0].endswith("The networks of scratch keep lagging averages.")
    runs = found.of("runs", "scratch")  # of the kept network: 60 / 4 points below the curve
    assert found.last("scratch", "validation_accuracy") - runs["validation_accuracy"].mean() == pytest.approx(15, abs=1)


def test_batchnorm_that_follows_the_data_of_a_frozen_network(results):
    assert "net3 · last_layer: part of the network is frozen, but BatchNorm is in train mode" in said(results())
