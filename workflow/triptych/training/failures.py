"""What torch's errors mean for the configuration: which setting to change."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from triptych.errors import InputError
from triptych.training.arithmetic import Arithmetic


@contextmanager
def explained(batch_size: int, images: int, arithmetic: Arithmetic) -> Iterator[None]:
    """Turn those errors of torch that a setting causes into a message that names it; nothing is changed silently.

    Args:
        batch_size: of the recipe; images: how many there are to train on.

    Raises:
        InputError: the memory does not suffice, the last batch is too small, or there is no deterministic algorithm.
    """
    try:
        yield
    except (ValueError, RuntimeError) as error:  # torch.OutOfMemoryError is a RuntimeError
        message = _explanation(str(error), isinstance(error, torch.OutOfMemoryError), batch_size, images, arithmetic)
        if message is None:
            raise
        raise InputError(message) from None


def _explanation(text: str, out_of_memory: bool, batch_size: int, images: int, arithmetic: Arithmetic) -> str | None:
    device = arithmetic.device.type
    if out_of_memory or "not enough memory" in text or "can't allocate memory" in text:
        return (
            f"the memory of the {'GPU' if device == 'cuda' else 'computer'} does not hold a batch: lower "
            f"training.batch_size (now {batch_size}) or training.evaluation_batch_size, choose a smaller "
            f"model.input_size, or another training.precision (now {arithmetic.precision})"
        )
    if "does not have a deterministic implementation" in text:
        return (
            f"this network cannot be trained on {device} so that two runs give the same bits ({text}); set "
            "training.device to cpu, or choose another architecture"
        )
    if "more than 1 value per channel" in text:
        return (
            f"training.batch_size: {batch_size} leaves a last batch of one image out of {images}, and BatchNorm cannot "
            "train on one value; choose another batch size or number of training images"
        )
    return None
