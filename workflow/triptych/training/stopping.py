"""Model selection and early stopping inside a run, on validation images that decide nothing between arms."""

import math
from dataclasses import dataclass

from triptych.data.halves import selects_epoch
from triptych.storage.errors import InputError


@dataclass
class Stopping:
    """Track the selection accuracy of a run, that on the validation images that select its epoch.

    The state is plain numbers, so that a checkpoint can save it.
    Only a strictly higher accuracy is an improvement, so of equal epochs the first is the best. Epoch 0, before
    training, is never the best.

    Attributes:
        keep: `last` or `best`, the epoch whose weights are kept.
        patience: stop after `patience` epochs without improvement (None: never).
        best_epoch, best_accuracy: the epoch with the highest selection accuracy so far, and that accuracy in percent.
    """

    keep: str = "last"
    patience: int | None = None
    best_epoch: int = 0
    best_accuracy: float = -math.inf

    def __post_init__(self) -> None:
        if self.patience is not None and self.patience < 1:
            raise InputError(f"patience: {self.patience} is not allowed; give at least 1, or null to train all epochs.")

    def check(self, selecting: int, validation_images: int) -> None:
        """Check that there are images that select, if they are needed.

        Args:
            selecting: the number of `validation_images` that select.

        Raises:
            InputError: they are needed, and there are none.
        """
        if selecting or not selects_epoch(self.keep, self.patience):
            return
        key = "training.keep: best" if self.keep == "best" else f"training.patience: {self.patience}"
        found = (
            "no class has two: one to select the epoch, one to select the arm"
            if validation_images
            else "there are none"
        )
        raise InputError(
            f"{key} needs validation images, and {found}; set aside at least 2 of each class (section dataset), "
            "or set training.keep to last and training.patience to null."
        )

    def update(self, epoch: int, accuracy: float | None) -> bool:
        """Record the selection accuracy of an epoch in percent; return whether it is the highest so far."""
        if epoch < 1 or accuracy is None or not accuracy > self.best_accuracy:
            return False
        self.best_epoch, self.best_accuracy = epoch, accuracy
        return True

    def ends(self, epoch: int) -> bool:
        """Whether the selection accuracy has not improved for `patience` epochs."""
        return self.patience is not None and epoch - self.best_epoch >= self.patience
