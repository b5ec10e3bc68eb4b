"""What is said of the curves follows from the tables of convergence."""

import pytest

from tests.report.conftest import plain
from triptych.report.blocks import Figure
from triptych.report.sections import answer, curves, limits, setup

LONG = {"epochs": 60, "patience": 5, "keep": "best"}
ARMS = [
    {"name": "finetune", "label": "net2", "last": 96.0},
    {
        "name": "last_layer_long",
        "train": "head",
        "first": 60,
        "last": 90.0,
        "training": LONG,
        "ran": (12, 20, 30),
        "kept": (7, 15, 25),
    },
]


@pytest.fixture
def found(results):
    return results(arms=ARMS)


def test_arms_that_overfit_are_named(results):
    found = results()
    assert curves.overfitting(found) == "The mean loss of every arm ends at most a tenth above its lowest."
    table, columns = found.tables["convergence"], ["overfits", "lowest_epoch", "lowest_loss", "last_loss"]
    table.loc[table["arm"] == "scratch", [*columns, "seeds_that_overfit"]] = [1.0, 6.0, 0.2, 0.246, 2.0]
    assert plain(curves.overfitting(found)) == (
        "net1 · scratch overfits: its mean validation loss ends 23 % above its lowest (epoch 6), and more than a tenth "
        "in 2 of 3 seeds. The mean loss of net2 · finetune and net3 · last_layer ends at most a tenth above its lowest."
    )


def test_a_train_loss_that_misleads_is_told(results):
    found = results()
    assert "does not mean" not in curves.train_loss(found)
    found.tables["loss_and_accuracy"].loc[0] = ["last_layer", "scratch", 0.01, 0.9, 24.0, 30.0, 2.0]
    said = plain(curves.train_loss(found))
    assert "in epoch 1 net3 · last_layer has a lower train loss than net1 · scratch" in said
    assert said.endswith("and a lower validation accuracy (24.0 % and 30.0 %).")


@pytest.mark.parametrize(("mode", "split"), [("after_decision", "validation"), ("every_epoch", "test")])
def test_the_curves_are_of_the_images_that_the_mode_has(results, mode, split):
    found = results(test=mode)
    names = [block.name for block in curves.blocks(found) if isinstance(block, Figure)]
    assert names == [f"{split}_loss", "train_loss"]
    said = curves.of_one_arm(found, "finetune")
    assert said.startswith(f"Solid: {split} images.")
    assert ("Dotted: validation" in said) == (mode == "every_epoch")
    assert f"of the {split} images (gap:" in plain(curves.generalisation_gap(found, "finetune"))


def test_the_second_line_of_an_arm_is_explained(results):
    found = results(arms=[{"name": "scratch", "first": 75, "lag": 60.0}, {"name": "finetune"}])
    figures = [block for block in [*curves.blocks(found), *answer.blocks(found)] if isinstance(block, Figure)]
    said = (
        " From epoch 1 on, BatchNorm’s statistics of scratch are re-estimated on training images; thin, dash-dotted: "
        "moving averages, which lag after few steps."
    )
    assert [one.name for one in figures if said in one.caption] == ["validation_loss", "validation_accuracy"]
    for of_one in (curves.of_one_arm, curves.accuracy_of_one_arm):
        assert said.replace(" of scratch", "") in of_one(found, "scratch")
        assert "dash-dotted" not in of_one(found, "finetune") and "re-estimated" not in of_one(found, "finetune")
    assert "dash-dotted" not in answer.curve(results())


def test_curves_with_new_statistics_say_so_where_no_second_line_is_drawn(results):
    found = results(arms=[{"name": "finetune", "lag": 0.5}, {"name": "scratch", "lag": 0.5}])
    said = "From epoch 1 on, BatchNorm’s statistics are re-estimated on training images."
    assert said in answer.curve(found) and "dash-dotted" not in answer.curve(found)
    assert curves.of_one_arm(found, "finetune").endswith(said)
    history = found.tables["history"]
    late = (history["arm"] == "finetune") & (history["epoch"] > 4)  # an arm that keeps moving averages
    history.loc[late, ["reestimated_validation_accuracy", "reestimated_validation_loss"]] = float("nan")
    assert curves.moving_averages(found, "loss", ["finetune", "scratch"]) == (
        " Up to epoch 4, BatchNorm’s statistics of finetune are re-estimated on training images. From epoch 1 on, "
        "BatchNorm’s statistics of scratch are re-estimated on training images."
    )


def test_a_curve_ends_with_the_shortest_seed(found):
    assert found.curve("last_layer_long", "validation_accuracy").index.tolist() == list(range(13))
    assert found.curve("finetune", "validation_accuracy").index.tolist() == list(range(11))


def test_an_arm_that_stopped_early(found):
    (text,) = curves.patience(found)
    assert "last_layer_long stopped early in every run: 5 epochs without" in plain(text)
    assert text.endswith("Best epoch by seed, by selection accuracy: 7, 15 and 25 of 12, 20 and 30.")
    assert curves.kept(found, "finetune") == ""


@pytest.mark.parametrize("kept", [(59, 60, 58), (55, 55, 55)], ids=["patience left", "patience ends in the last epoch"])
def test_an_arm_that_used_up_its_epochs(results, kept):
    (text,) = curves.patience(results(arms=[{**ARMS[1], "ran": (60, 60, 60), "kept": kept}]))
    assert "did not stop early in every run: it ran 60 of 60 epochs (patience 5)" in plain(text)
    assert curves.patience(results()) == []


def test_which_epoch_the_numbers_are_of(found, results):
    said = plain(limits.reported(found))
    assert "Accuracies of net2 · finetune are of the last epoch; the number of epochs was fixed in advance." in said
    assert "Accuracies of last_layer_long are of the epoch with the highest accuracy on half of the validation" in said
    fixed = "Accuracies are of the last epoch; the number of epochs was fixed in advance."
    assert plain(limits.reported(results())) == fixed
    stops = results(arms=[{**ARMS[0], "training": {"patience": 3}}])
    assert "patience selects it on half of the validation images" in limits.reported(stops)


def test_the_recipe_shows_lengths(found):
    recipe = {row[0]: row[1:] for row in setup.recipe(found).rows}
    assert recipe["epochs"] == ["10", "60 (12, 20, 30)"]
    assert recipe["patience"] == ["none", "5"]
    assert recipe["epoch that is kept"] == ["last", "best (7, 15, 25)"]


def test_keys_that_are_off_are_left_out_of_the_recipe(results):
    assert not {"patience", "epoch that is kept", "fused optimiser"} & {row[0] for row in setup.recipe(results()).rows}
