"""The order of the batches, and the transforms from stored images to the input of a network."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import numpy
import torch

from triptych.data.dataset import view_side
from triptych.training.arithmetic import Arithmetic

Transform = Callable[[torch.Tensor], torch.Tensor]


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
    mode = torch.get_deterministic_debug_mode()
    torch.set_deterministic_debug_mode("default")
    try:
        yield
    finally:
        torch.set_deterministic_debug_mode(mode)


class EvaluationTransform:
    """Transform stored images to the input of a network, on the device of the images.

    uint8 [N, H, W, 3] -> float32 [N, 3, input_size, input_size]. With `crop`, the centre of the images is kept
    (`triptych.data.dataset.view_side`). Images are resized by bilinear interpolation, with antialiasing if they shrink
    (as Pillow's bilinear resize does), scaled to 0..1, and normalised: (x - mean) / std. The result has the given
    `memory_format`.
    """

    def __init__(
        self,
        input_size: int,
        mean: list[float],
        std: list[float],
        device: torch.device,
        memory_format: torch.memory_format = torch.contiguous_format,
        crop: bool = False,
    ):
        self.memory_format = memory_format
        self.input_size = input_size
        self.crop = crop
        self.scales = mean != [0, 0, 0] or std != [1, 1, 1]
        self.mean = torch.tensor(mean, dtype=torch.float32, device=device).view(1, 3, 1, 1)
        self.std = torch.tensor(std, dtype=torch.float32, device=device).view(1, 3, 1, 1)

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        pixels = self.view(images).permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format)
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

    def view(self, images: torch.Tensor) -> torch.Tensor:
        """Return what is seen of stored images, uint8 [N, H, W, 3]: the centre with `crop`, else all of them."""
        if not self.crop:
            return images
        height, width = (view_side(stored, self.input_size) for stored in images.shape[1:3])
        top, left = (images.shape[1] - height) // 2, (images.shape[2] - width) // 2
        return images[:, top : top + height, left : left + width]


class TrainingTransform(EvaluationTransform):
    """Transform stored images to the input of a network while it trains: the same view as in evaluation.

    It is a class of its own, so that augmentation of training images cannot reach an evaluation.
    """


class Transforms(NamedTuple):
    """The transforms of a run: of training batches, and of images in evaluation and re-estimated statistics."""

    training: Transform
    evaluation: Transform

    @classmethod
    def to_input(
        cls, input_size: int, scale: Mapping[str, list[float]], arithmetic: Arithmetic, crop: bool
    ) -> "Transforms":
        """Return the transforms to the input of a network.

        Args:
            scale: `mean` and `std` of the three channels.
            arithmetic: the device and the memory format.
            crop: of the split (`triptych.data.dataset.Split`).
        """
        given = (input_size, scale["mean"], scale["std"], arithmetic.device, arithmetic.memory_format, crop)
        return cls(TrainingTransform(*given), EvaluationTransform(*given))

    @classmethod
    def of_features(cls) -> "Transforms":
        """Return the transforms of features, which are inputs as they are."""
        return cls(torch.nn.Identity(), torch.nn.Identity())
