import math

import pytest

from triptych.storage.errors import InputError
from triptych.training.stopping import Stopping


def followed(accuracies: list[float], **options) -> tuple[Stopping, int]:
    """The state after these validation accuracies of the epochs 0, 1, ..., and the epoch in which training ended."""
    stopping = Stopping(**options)
    for epoch, accuracy in enumerate(accuracies):
        stopping.update(epoch, accuracy)
        if stopping.ends(epoch):
            return stopping, epoch
    return stopping, len(accuracies) - 1


@pytest.mark.parametrize(
    ("patience", "ended"),
    [(None, 7), (1, 3), (2, 6), (3, 7), (100, 7)],
)
def test_training_ends_after_patience_epochs_without_a_rise(patience, ended):
    stopping, epoch = followed([10, 50, 60, 60, 70, 65, 70, 70], patience=patience)
    assert epoch == ended
    assert (stopping.best_epoch, stopping.best_accuracy) == ((2, 60) if ended < 4 else (4, 70))


def test_the_earliest_of_equals_is_the_best_and_an_untrained_network_never_is():
    assert followed([99, 50, 50, 50])[0].best_epoch == 1
    assert followed([99, 0, 0])[0].best_epoch == 1


def test_without_validation_images_nothing_is_followed():
    stopping, _ = followed([None, None, None])
    assert (stopping.best_epoch, stopping.best_accuracy) == (0, -math.inf)
    stopping.check(0, 0)


@pytest.mark.parametrize(
    ("options", "key"), [({"keep": "best"}, r"training\.keep: best"), ({"patience": 3}, r"training\.patience: 3")]
)
def test_a_selection_needs_validation_images(options, key):
    Stopping(**options).check(1, 2)
    with pytest.raises(InputError, match=key + r" needs validation images, and there are none; set"):
        Stopping(**options).check(0, 0)
    with pytest.raises(InputError, match=key + r" needs validation images, and no class has two"):
        Stopping(**options).check(0, 3)


def test_what_is_allowed():
    with pytest.raises(InputError, match="patience: 0 is not allowed; give at least 1"):
        Stopping(patience=0)
