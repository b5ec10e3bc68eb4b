"""The last lines of a run, for every kind of result."""

import pytest

from tests.report.conftest import TWO, against
from tests.report.sections.test_metric import ARMS, OPTIONS
from triptych.report.last_words import last_words, lines_of
from triptych.storage.errors import InputError

MODEL = "model/model.safetensors"


def numbers(line):
    """A line about an arm as its parts: name, value, and what follows."""
    name, _, rest = line.strip().partition(": ")
    return name, rest


def lines(found):
    """The lines about arms."""
    return lines_of(found)[1:]


def test_the_answer_accuracies_and_paths(experiment):
    folder = experiment()
    assert last_words(folder) == ["digits: no report yet."]
    (folder / "report.html").touch()
    (folder / MODEL).parent.mkdir(exist_ok=True)
    answer, first, second, third, report, model = last_words(folder)
    assert answer.startswith(
        "digits: net2 · finetune is the best of 3 arms: 97.3 % accuracy on 200 validation images, "
    )
    assert first.startswith("  net2 · finetune: ") and first.endswith(", chosen")
    assert " % test accuracy (95 % CI " in first
    assert {numbers(line)[0] for line in (second, third)} == {"net1 · scratch", "net3 · last_layer"}
    assert [report, model] == [f"Report: {folder}/report.html", f"Model: {folder}/model"]


def test_a_file_that_is_not_what_it_should_be_is_one_message(experiment):
    folder = experiment()
    (folder / "report.html").touch()
    (folder / "decision.json").write_text("{}")
    with pytest.raises(InputError, match=r"decision\.json: missing keys"):
        last_words(folder)


def test_a_partial_report_is_provisional_and_names_no_model(find, tmp_path):
    made = find().copy(tmp_path / "digits")
    made.runs["scratch"] = [0, 2]
    made.complete("partial/")
    report = made.folder / "partial" / "report.html"
    report.touch()
    (made.folder / MODEL).parent.mkdir(exist_ok=True)
    words = last_words(made.folder)
    assert words[0].startswith("digits: Provisional: ")
    assert all("validation accuracy (95 % CI " in line for line in words[1:-1])
    assert words[-1] == f"Report: {report}"
    (made.folder / "report.html").touch()
    assert last_words(made.folder, "partial") == words


def test_undecided(results):
    found = results(arms=TWO, comparisons=against("undecided"))
    answer, *arms = lines_of(found)
    assert answer.startswith("Undecided: net2 · finetune reaches ")
    assert [line.endswith(", chosen") for line in arms] == [True, False]


def test_nothing_is_chosen(results):
    found = results(arms=[{"name": "a", "first": 10, "last": 11.0}, {"name": "b", "first": 10, "last": 10.5}])
    answer, *arms = lines_of(found)
    assert answer.startswith("No arm is shown to be better than guessing, so none is chosen.")
    assert not any("chosen" in line for line in arms)


def test_every_epoch_and_balanced_accuracy(results):
    assert all(" % test accuracy (" in line for line in lines(results(test="every_epoch")))
    balanced = lines(results(arms=ARMS, comparison={"metric": "balanced_accuracy"}, **OPTIONS))
    assert len(balanced) == 2 and all(" % balanced test accuracy (" in line for line in balanced)


def test_a_control_is_there_and_comes_last(results):
    control = {"name": "frozen", "role": "control", "last": 99.0, "train": "head", "batchnorm": "frozen"}
    found = results(arms=[control, *TWO], comparisons=against("better", 0.5, 0.1, 0.9, 0.01))
    assert numbers(lines(found)[-1])[0] == "frozen"
