"""The lines that a long command writes to its log while it runs, and what they say to a reader of that log.

`progress_line` writes them, `last_progress` reads them. Each begins with the name of the run (its arm and its seed), so
that the lines of several runs can be told apart wherever they are printed together.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from triptych.results.schema import REESTIMATED

SECONDS_BETWEEN_LINES = 10.0
"""The least time between two lines about steps: an epoch that is shorter has none."""

TAIL_BYTES = 8192
"""How much of the end of a log is read: far more than the last line has."""

_LINE = re.compile(
    r"(?P<run>.+?) \| (?:epoch +(?P<epoch>\d+)/(?P<epochs>\d+)(?: step +)?|batch +)(?:(?P<step>\d+)/(?P<steps>\d+))?"
    r"(?P<rest>(?: \|.*)?)"
)
_ACCURACY = [
    re.compile(rf"\| {split} [\d.]+ +(\d+\.\d) %(?: \(BatchNorm re-estimated: +(\d+\.\d) %\))?")
    for split in ("validation", "train")
]
_SPEED = re.compile(r"\| ([\d,]+) images/s")
_LEFT = re.compile(r"\| (\d+):(\d\d) left")


@dataclass(frozen=True)
class Progress:
    """How far a training is.

    Attributes:
        run: its name, such as `finetune seed 1`.
        epoch: the current epoch; 0 is the evaluation before training.
        epochs: the number of epochs of the recipe; 0 if no network trains, as where features are extracted.
        step, steps: finished steps of the epoch, and all of them; None after an epoch. Without epochs, batches.
        accuracy: in percent after the last epoch, on validation images, else on training images; None if there is none.
        images_per_second: of training steps; None before the first one.
        seconds_left: an estimate; None before the first step.
    """

    run: str
    epoch: int
    epochs: int
    step: int | None = None
    steps: int | None = None
    accuracy: float | None = None
    images_per_second: float | None = None
    seconds_left: int | None = None

    @property
    def is_training(self) -> bool:
        """Whether there are epochs to count."""
        return self.epochs > 0 or self.step is None

    @property
    def noun(self) -> str:
        """What `step` counts, in a word."""
        return "step" if self.is_training else "batch"

    @property
    def share(self) -> float:
        """The finished part of all epochs, from 0 to 1."""
        if not self.epochs:
            return 1.0
        if self.step is None:
            return self.epoch / self.epochs
        return (self.epoch - 1 + self.step / max(1, self.steps or 1)) / self.epochs


def progress_line(progress: Progress, row: Mapping[str, Any] | None = None) -> str:
    """Return one line for a log: run, epoch (and step), losses and accuracies, images per second, time left.

    Args:
        progress: its `accuracy` is not written; the columns of `row` say it.
        row: the row of the history, after an epoch.
    """
    words = []
    if progress.is_training:
        words.append(f"epoch {progress.epoch:>{len(str(progress.epochs))}}/{progress.epochs}")
    if progress.step is not None:
        words.append(f"{progress.noun} {progress.step:>{len(str(progress.steps))}}/{progress.steps}")
    parts = [progress.run, " ".join(words)]
    for split in ("train", "validation", "test"):
        if row and row[f"{split}_loss"] is not None:
            parts.append(f"{split} {row[f'{split}_loss']:.4f} {row[f'{split}_accuracy']:5.1f} %")
            if row.get(f"{REESTIMATED}{split}_loss") is not None:
                parts[-1] += f" (BatchNorm re-estimated: {row[f'{REESTIMATED}{split}_accuracy']:5.1f} %)"
    if progress.images_per_second is not None:
        parts.append(f"{progress.images_per_second:,.0f} images/s")
    if progress.seconds_left is not None:
        parts.append(f"{progress.seconds_left // 60}:{progress.seconds_left % 60:02d} left")
    return " | ".join(parts)


def last_progress(path: Path) -> Progress | None:
    """Return what the last complete lines of a log say; None if it is missing, or has no line of a training yet.

    A line about a step names no accuracy: it is that of the last epoch before it.
    """
    accuracy, found = None, None
    for line in last_lines(path):
        match = _LINE.fullmatch(line)
        if match:
            found = match
            accuracy = _accuracy(match["rest"]) if match["step"] is None else accuracy
    if found is None:
        return None
    speed, left = _SPEED.search(found["rest"]), _LEFT.search(found["rest"])
    return Progress(
        run=found["run"],
        epoch=int(found["epoch"] or 0),
        epochs=int(found["epochs"] or 0),
        step=None if found["step"] is None else int(found["step"]),
        steps=None if found["steps"] is None else int(found["steps"]),
        accuracy=accuracy,
        images_per_second=float(speed[1].replace(",", "")) if speed else None,
        seconds_left=60 * int(left[1]) + int(left[2]) if left else None,
    )


def last_lines(path: Path) -> list[str]:
    """Return the complete lines among the last `TAIL_BYTES` of a log; none if it cannot be read."""
    try:
        with Path(path).open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    return text.split("\n")[:-1]


def _accuracy(results: str) -> float | None:
    """The accuracy (%) on validation images in a line's results, else on training images.

    With re-estimated BatchNorm statistics where there are such, as in figures.
    """
    matches = [pattern.search(results) for pattern in _ACCURACY]
    return next((float(match[2] or match[1]) for match in matches if match), None)
