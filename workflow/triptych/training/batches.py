"""The order of the batches, and the transform from stored images to the input of a network."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy
import torch


def epoch_order(seed: int, epoch: int, images: int) -> torch.Tensor:
    """Return the order in which an epoch visits the training images: a permutation, int64 [images].

    It is a function of (seed, epoch, images) only. So all arms of a seed see the same batches, and a resumed run sees
    the same batches as an uninterrupted one.
    """
    return torch.from_numpy(numpy.random.default_rng([seed, epoch]).permutation(images))


def batches_of(order: torch.Tensor, batch_size: int) -> Iterator[torch.Tensor]:
    """Split an order into batches; the last one may be smaller."""
    yield from order.split(batch_size)


@contextmanager
def _any_algorithm() -> Iterator[None]:
    """Allow nondeterministic algorithms within the block, for resizing.

    The forward pass of resizing is deterministic; only its backward pass, which images do not need, is not. With
    deterministic algorithms required, torch would use a slow decomposition on a GPU.
    """
    deterministic = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(False)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(deterministic)


class InputTransform:
    """Transform stored images to the input of a network, on the device of the images.

    uint8 [N, H, W, 3] -> float32 [N, 3, input_size, input_size]. Images are resized by bilinear interpolation, with
    antialiasing if they shrink (as Pillow's bilinear resize does), scaled to 0..1, and normalised: (x - mean) / std.
    The result has the given `memory_format`.
    """

    def __init__(
        self,
        input_size: int,
        mean: list[float],
        std: list[float],
        device: torch.device,
        memory_format: torch.memory_format = torch.contiguous_format,
    ):
        self.memory_format = memory_format
        self.input_size = input_size
        self.scales = mean != [0, 0, 0] or std != [1, 1, 1]
        self.mean = torch.tensor(mean, dtype=torch.float32, device=device).view(1, 3, 1, 1)
        self.std = torch.tensor(std, dtype=torch.float32, device=device).view(1, 3, 1, 1)

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        pixels = images.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format)
        height, width = pixels.shape[2:]
        size = (self.input_size, self.input_size)
        if (height, width) != size:
            smaller = self.input_size < max(height, width)
            with _any_algorithm():
                pixels = torch.nn.functional.interpolate(
                    pixels, size, mode="bilinear", align_corners=False, antialias=smaller
                )
        pixels = pixels / 255
        if self.scales:
            pixels = (pixels - self.mean) / self.std
        return pixels.contiguous(
            memory_format=self.memory_format
        )  # done last, because resizing is several times slower in channels_last
