import re

from tests.training.conftest import train
from triptych.results.training_log import Progress, progress_line
from triptych.training import loop
from triptych.training.loop import Outcome, progress_of


def test_the_progress_line_has_what_people_look_for():
    row = dict.fromkeys(["validation_loss", "validation_accuracy", "fit_loss", "fit_accuracy"])
    row |= {"epoch": 3, "train_loss": 0.5, "train_accuracy": 84.25, "test_loss": 0.7, "test_accuracy": 80.0}
    outcome = Outcome(training_seconds=2.0, evaluation_seconds=38.0, images_trained=1800)
    line = progress_line(progress_of(Progress("a seed 0", 3, 10), outcome), row)
    assert line == "a seed 0 | epoch  3/10 | train 0.5000  84.2 % | test 0.7000  80.0 % | 900 images/s | 1:11 left"


def test_in_an_epoch_the_time_left_counts_its_seconds():
    """After 2 of 4 steps of epoch 2 of 3: half of the training is done, and two of four evaluations."""
    outcome = Outcome(training_seconds=20.0, evaluation_seconds=8.0, images_trained=300)
    found = progress_of(Progress("a seed 0", 2, 3, 2, 4), outcome, 10.0)
    assert (found.images_per_second, found.seconds_left) == (10.0, 30 + 8)
    assert progress_of(Progress("a seed 0", 0, 3), Outcome(evaluation_seconds=2.0)).seconds_left is None


def test_every_line_of_a_training_begins_with_its_arm_and_seed(arguments, capsys, monkeypatch):
    monkeypatch.setattr(loop, "SECONDS_BETWEEN_LINES", 0.0)
    train(arm="mine", **arguments)
    lines = capsys.readouterr().out.splitlines()
    assert all(line.startswith("mine seed 0 | ") for line in lines)
    assert [
        line
        for line in lines
        if re.match(r"mine seed 0 \| epoch 1/\d step \d/\d \| \d+ images/s \| \d:\d\d left$", line)
    ]
