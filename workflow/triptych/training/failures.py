"""Translate errors of torch into messages that name the setting to change."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from triptych.storage.errors import InputError
from triptych.training.arithmetic import Arithmetic

NO_MEMORY = ("not enough memory", "can't allocate memory", "bad_alloc", "ALLOC_FAILED")
"""Parts of the messages of torch and its libraries when memory is exhausted."""


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error of torch or of one of its libraries means that memory is exhausted."""
    known = isinstance(error, (torch.OutOfMemoryError, MemoryError))
    return known or any(sign in str(error) for sign in NO_MEMORY)


def not_finite(
    what: str, value: float, progress: str, learning_rate: float, precision: str, section: str = "training"
) -> InputError:
    """Return the error for a loss that is not finite.

    Args:
        what: which loss, such as "training".
        progress: the current epoch and step, and the last checkpoint.
        section: the section of the configuration that has the learning rate.
    """
    return InputError(
        f"the {what} loss is {value} in {progress}; lower {section}.learning_rate (now {learning_rate:g}), or choose "
        f"another training.precision (now {precision}); either change restarts the training from epoch 0."
    )


@contextmanager
def translate_torch_errors(
    batch_size: int,
    images: int,
    arithmetic: Arithmetic,
    progress: Callable[[], str] | None = None,
    setting: str = "training.batch_size",
) -> Iterator[None]:
    """Translate errors of torch that a setting causes into a message that names the setting.

    Args:
        batch_size: the batch size within the block.
        images: the number of training images.
        progress: returns the current epoch and step, and the last checkpoint.
        setting: the configuration key of the batch size.

    Raises:
        InputError: memory is exhausted, the last batch is too small, or an operation has no deterministic algorithm.
    """
    try:
        yield
    except (ValueError, RuntimeError, MemoryError) as error:  # torch.OutOfMemoryError is a RuntimeError
        where = f" in {progress()}" if progress else ""
        message = _translated(str(error), is_out_of_memory(error), batch_size, images, arithmetic, where, setting)
        if message is None:
            raise
        raise InputError(message) from None


def _translated(
    text: str, out_of_memory: bool, batch_size: int, images: int, arithmetic: Arithmetic, where: str, setting: str
) -> str | None:
    device = arithmetic.device.type
    if out_of_memory:
        graphs = ", or set training.cuda_graphs to never, which needs less memory" if arithmetic.captures_steps else ""
        return (
            f"out of {'GPU ' if device == 'cuda' else ''}memory{where}: a batch does not fit; lower "
            f"{setting} (now {batch_size}), choose a smaller model.input_size, or another training.precision "
            f"(now {arithmetic.precision}){graphs}."
        )
    if "does not have a deterministic implementation" in text:
        return (
            f"this network cannot be trained deterministically on {device} ({text}); set training.device to cpu, or "
            "choose another architecture."
        )
    if "more than 1 value per channel" in text:
        return (
            f"{setting}: {batch_size} leaves one of {images} images for the last batch, and BatchNorm needs at least "
            "two values per channel; choose another batch size or number of training images."
        )
    return None
