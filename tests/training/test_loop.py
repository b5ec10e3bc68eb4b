from triptych.training.loop import Outcome, progress_line


def test_the_progress_line_has_what_people_look_for():
    row = dict.fromkeys(["validation_loss", "validation_accuracy", "fit_loss", "fit_accuracy"])
    row |= {"epoch": 3, "train_loss": 0.5, "train_accuracy": 84.25, "test_loss": 0.7, "test_accuracy": 80.0}
    line = progress_line(row, 10, Outcome(training_seconds=2.0, evaluation_seconds=38.0, images_trained=1800))
    assert line == "epoch  3/10 | train 0.5000  84.2 % | test 0.7000  80.0 % | 900 images/s | 1:10 left"
