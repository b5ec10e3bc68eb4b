"""What is said of arms that end by patience and keep their best epoch, with seeds of different lengths."""

import pandas
import pytest

from tests.report.test_story import plain
from triptych.report import content, lengths, story
from triptych.report.report import report

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


def test_a_curve_ends_with_the_shortest_seed(found):
    curve = found.curve("last_layer_long", "test_accuracy")
    assert curve.index.tolist() == list(range(13))
    assert found.curve("finetune", "test_accuracy").index.tolist() == list(range(11))


def test_the_work_is_that_of_the_epochs_really_run(found):
    # 300 images; three passes where all trains
    macs = found.tables["models"]["macs"][0]
    assert story.work(found, "last_layer_long") == pytest.approx(macs * 300 * (12 + 20 + 30) / 3)
    assert story.work(found, "finetune") == macs * 3 * 300 * 10


def test_an_arm_that_stopped_is_not_called_unfinished(found):
    assert lengths.stopped(found, "last_layer_long")
    assert not lengths.stopped(found, "finetune")
    assert "last_layer_long" not in story.rising_arms(found, list(found.arms["arm"]))
    said = plain(" ".join(story.advice(found)))
    assert "last_layer_long was trained until its validation accuracy had not risen for 5 epochs: 12, 20 and 30" in said
    assert "Kept by seed is epoch 7, 15 and 25 of 12, 20 and 30" in said
    assert "last_layer_long is not finished" not in said


def test_an_arm_that_used_up_its_epochs_is_said_to_have(results):
    arms = [{**ARMS[1], "ran": (60, 60, 60), "kept": (59, 60, 58)}]
    found = results(arms=arms)
    assert not lengths.stopped(found, "last_layer_long")
    said = plain(" ".join(lengths.about_patience(found)))
    assert "after the 60 epochs that it was allowed it had not come to that in every seed" in said
    # patience that ran out in the last epoch is patience that ran out
    assert lengths.stopped(results(arms=[{**arms[0], "kept": (55, 54, 50)}]), "last_layer_long")


def test_which_epoch_the_numbers_are_of_and_who_chose_it(found, results):
    said = plain(" ".join(story.limits(found)))
    assert "The numbers of finetune are those of the last epoch, chosen beforehand." in said
    assert "The numbers of last_layer_long are those of the epoch with the highest validation accuracy" in said
    assert "epochs, patience and epoch that is kept differ" in said
    assert plain(story.test_accuracy_curves(found)).startswith("After the first and the kept epoch: ")
    assert "Kept by seed is epoch 7" in plain(story.arm_accuracy(found, "last_layer_long"))
    assert "Kept" not in story.arm_accuracy(found, "finetune")
    by_default = results()
    assert plain(lengths.rule(by_default)) == "The numbers are those of the last epoch, chosen beforehand."
    assert lengths.about_patience(by_default) == []
    stops = results(arms=[{**ARMS[0], "training": {"patience": 3}}])
    assert "the validation images decided which that is" in lengths.rule(stops)


def test_the_tables_tell_lengths_and_validation(found, results):
    names = content.arm_names(found, dict.fromkeys(found.arms["arm"], "#000000"))
    recipe = {row[0]: row[1:] for row in content.recipe(found, names).rows}
    assert recipe["epochs"] == ["10", "60 (12, 20, 30)"]
    assert recipe["patience"] == ["none", "5"]
    assert recipe["epoch that is kept"] == ["last", "best (7, 15, 25)"]
    summary = content.summary(found, names)
    assert [column.title for column in summary.columns][1:4] == ["test accuracy", "validation", "first epoch"]
    expected = found.tables["runs"].query("arm == 'last_layer_long'")["validation_accuracy"].mean()
    assert plain(summary.rows[1][2]) == f"{expected:.1f} %"
    without = results(images=(300, 0))
    names = content.arm_names(without, dict.fromkeys(without.arms["arm"], "#000000"))
    assert "validation" not in [column.title for column in content.summary(without, names).columns]


def test_the_report_is_made(experiment):
    folder = experiment(arms=ARMS)
    report(experiment="digits", experiment_folder=folder, output=folder / "report.html")
    text = (folder / "report.html").read_text()
    assert "last_layer_long was trained until" in text
    assert ">nan" not in text
    assert pandas.read_csv(folder / "tables" / "history.csv").groupby(["arm", "seed"]).size().nunique() > 1
