"""The lines about a training: what is written is what is read."""

import pytest

from triptych.results.training_log import Progress, last_progress, progress_line

ROW = {
    "train_loss": 0.51234,
    "train_accuracy": 80.25,
    "validation_loss": 0.4,
    "validation_accuracy": 91.04,
    "test_loss": None,
    "test_accuracy": None,
}
STEP = Progress("finetune seed 1", 3, 8, 5, 13, None, 12345.4, 125)


@pytest.mark.parametrize(
    ("progress", "row", "line"),
    [
        (
            Progress("finetune seed 1", 2, 8, images_per_second=900.4, seconds_left=3605),
            ROW,
            "finetune seed 1 | epoch 2/8 | train 0.5123  80.2 % | validation 0.4000  91.0 % | 900 images/s | "
            "60:05 left",
        ),
        (STEP, None, "finetune seed 1 | epoch 3/8 step  5/13 | 12,345 images/s | 2:05 left"),
        (Progress("a.b-c seed 0", 0, 12), {}, "a.b-c seed 0 | epoch  0/12"),
        (Progress("resnet18", 0, 0, 5, 13, None, 900.4, 65), None, "resnet18 | batch  5/13 | 900 images/s | 1:05 left"),
        (Progress("a seed 0", 0, 0), ROW, "a seed 0 | epoch 0/0 | train 0.5123  80.2 % | validation 0.4000  91.0 %"),
    ],
)
def test_a_line_is_read_as_it_was_written(tmp_path, progress, row, line):
    assert progress_line(progress, row) == line
    log = tmp_path / "log"
    log.write_text(f"something before it\n{line}\nkept epoch 3 | fit 0.1 99.0 %\n")
    found = last_progress(log)
    assert (found.run, found.epoch, found.epochs, found.step, found.steps) == (
        *(progress.run, progress.epoch, progress.epochs),
        *(progress.step, progress.steps),
    )
    assert found.accuracy == (91.0 if row else None)
    assert found.seconds_left == progress.seconds_left
    if progress.images_per_second:
        assert found.images_per_second == round(progress.images_per_second)


def test_the_accuracy_is_on_validation_images_else_on_training_images(tmp_path):
    log = tmp_path / "log"
    reestimated = ROW | {"reestimated_validation_loss": 0.3, "reestimated_validation_accuracy": 93.0}
    for row, accuracy in ((reestimated, 93.0), (ROW | {"validation_loss": None}, 80.2)):
        line = progress_line(Progress("finetune seed 1", 2, 8), row)
        assert ("re-estimated:  93.0 %" in line) == (row is reestimated)
        log.write_text(f"{line}\n{progress_line(STEP)}\n")
        assert (last_progress(log).accuracy, last_progress(log).step) == (accuracy, 5)


def test_a_line_that_is_being_written_and_a_log_without_one_say_nothing(tmp_path):
    log = tmp_path / "log"
    assert last_progress(log) is None
    log.write_text(f"finetune seed 1 | training all of resnet18\n{progress_line(STEP)}")
    assert last_progress(log) is None
    log.write_bytes(b"\xff\xfe" * 9000 + f"\n{progress_line(STEP)}\n".encode())
    assert last_progress(log).step == 5


def test_the_share_that_is_done():
    assert [Progress("", 0, 8).share, Progress("", 2, 8).share, Progress("", 8, 8).share] == [0, 0.25, 1]
    assert Progress("", 2, 8, 5, 10).share == 1.5 / 8
    assert Progress("", 0, 0).share == 1
