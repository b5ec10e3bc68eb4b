"""Which epoch's weights are a run's, and when training ends: decided on validation images, never on test images."""

import math
from dataclasses import dataclass

from triptych.storage.errors import InputError


@dataclass
class Stopping:
    """Follows the validation accuracy of a run. Its state is plain numbers, so that it can be stored and restored.

    Only a strictly higher accuracy counts as a rise, so the earliest of equal epochs is the best. Epoch 0, before
    training, is no candidate: an untrained network is never the result.

    Attributes:
        keep: `last` or `best`, the epoch whose weights are the run's.
        patience: stop after so many epochs without a rise (None: never).
        best_epoch, best_accuracy: the highest validation accuracy so far (percent) and where it was.
    """

    keep: str = "last"
    patience: int | None = None
    best_epoch: int = 0
    best_accuracy: float = -math.inf

    def __post_init__(self) -> None:
        if self.patience is not None and self.patience < 1:
            raise InputError(f"patience: {self.patience} is not allowed; give at least 1, or nothing")

    def check(self, validation_images: int) -> None:
        """Make sure that there is something to decide on.

        Raises:
            InputError: validation images are needed, and there are none.
        """
        if validation_images or (self.keep == "last" and self.patience is None):
            return
        key = "training.keep: best" if self.keep == "best" else f"training.patience: {self.patience}"
        raise InputError(
            f"{key} is decided on validation images, and there are none; give some (dataset.validation_per_class), "
            "or keep the last epoch and no patience"
        )

    def update(self, epoch: int, accuracy: float | None) -> bool:
        """Take note of an epoch's validation accuracy in percent; say whether it is the highest so far."""
        if epoch < 1 or accuracy is None or not accuracy > self.best_accuracy:
            return False
        self.best_epoch, self.best_accuracy = epoch, accuracy
        return True

    def ends(self, epoch: int) -> bool:
        """Whether the validation accuracy has not risen for `patience` epochs."""
        return self.patience is not None and epoch - self.best_epoch >= self.patience
