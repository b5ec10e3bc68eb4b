"""What torch's errors mean for the configuration: which setting to change."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from triptych.storage.errors import InputError
from triptych.training.arithmetic import Arithmetic

NO_MEMORY = ("not enough memory", "can't allocate memory", "bad_alloc", "ALLOC_FAILED")
"""What torch and its libraries say where the computer, or the GPU, has no more."""


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error of torch or of one of its libraries says that there is no more memory."""
    known = isinstance(error, (torch.OutOfMemoryError, MemoryError))
    return known or any(sign in str(error) for sign in NO_MEMORY)


def not_finite(
    what: str, value: float, place: str, learning_rate: float, precision: str, section: str = "training"
) -> InputError:
    """The error for a loss that is no longer a finite number.

    Args:
        what: which loss, as "training".
        place: the epoch and the step, and the last good checkpoint.
        section: of the configuration, where the learning rate stands.
    """
    return InputError(
        f"the {what} loss is {value} in {place}. Lower {section}.learning_rate (now {learning_rate:g}), or choose "
        f"another training.precision (now {precision}); with either, training starts anew"
    )


@contextmanager
def explained(
    batch_size: int,
    images: int,
    arithmetic: Arithmetic,
    place: Callable[[], str] | None = None,
    setting: str = "training.batch_size",
) -> Iterator[None]:
    """Turn those errors of torch that a setting causes into a message that names it; nothing is changed silently.

    Args:
        batch_size: of what is done here; images: how many there are to train on.
        place: tells how far it has come and which checkpoint is the last good one.
        setting: the key of the configuration that decides the batch size.

    Raises:
        InputError: the memory does not suffice, the last batch is too small, or there is no deterministic algorithm.
    """
    try:
        yield
    except (ValueError, RuntimeError, MemoryError) as error:  # torch.OutOfMemoryError is a RuntimeError
        where = f" in {place()}" if place else ""
        message = _explanation(str(error), is_out_of_memory(error), batch_size, images, arithmetic, where, setting)
        if message is None:
            raise
        raise InputError(message) from None


def _explanation(
    text: str, out_of_memory: bool, batch_size: int, images: int, arithmetic: Arithmetic, where: str, setting: str
) -> str | None:
    device = arithmetic.device.type
    if out_of_memory:
        recorded = ", or set training.cuda_graphs to never, which takes less" if arithmetic.records_steps else ""
        return (
            f"the memory of the {'GPU' if device == 'cuda' else 'computer'} does not hold a batch{where}: lower "
            f"{setting} (now {batch_size}), choose a smaller model.input_size, or another training.precision "
            f"(now {arithmetic.precision}){recorded}"
        )
    if "does not have a deterministic implementation" in text:
        return (
            f"this network cannot be trained on {device} so that two runs give the same bits ({text}); set "
            "training.device to cpu, or choose another architecture"
        )
    if "more than 1 value per channel" in text:
        return (
            f"{setting}: {batch_size} leaves a last batch of one image out of {images}, and BatchNorm cannot "
            "train on one value; choose another batch size or number of training images"
        )
    return None
