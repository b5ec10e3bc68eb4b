"""Residency: where the images of a training are stored, and how batches reach the device that computes.

Residency does not affect results, only speed and memory.
"""

from collections.abc import Iterator

import numpy
import torch

from triptych.data.dataset import Split
from triptych.training.batches import batches_of
from triptych.training.device import available_memory_bytes

SHARE = 1 / 4
"""The share of free memory that images may use; the rest is for the activations of the network."""


def choose_residency(residency: str, size: int, device: torch.device) -> str:
    """Return `device`, `host` or `mapped`; for `auto` the first whose share of free memory holds `size` bytes."""
    if residency != "auto":
        return residency
    if device.type != "cpu" and size <= SHARE * available_memory_bytes(device):
        return "device"
    return "host" if size <= SHARE * available_memory_bytes(torch.device("cpu")) else "mapped"


class Resident:
    """A split that yields batches of images and labels on the device that computes.

    Args:
        split: images uint8 [N, H, W, 3] (or features, float32 [N, F]) and labels int64 [N].
        device: the device that computes.
        residency: where all images are stored: `device`; `host`, the CPU's memory; or `mapped`, the memory-mapped file,
            which the operating system caches.
    """

    def __init__(self, split: Split, device: torch.device, residency: str = "device"):
        self.device = device
        self.labels = torch.from_numpy(split.labels).to(device)
        self.on_device = residency == "device" or (residency == "host" and device.type == "cpu")
        # a copy unless mapped, so that images in memory are not read from the file again
        images = split.images if residency == "mapped" else numpy.array(split.images)
        self.images = torch.from_numpy(images)
        if self.on_device:
            self.images = self.images.to(device)
        elif residency == "host":
            self.images = self.images.pin_memory()

    def __len__(self) -> int:
        return len(self.labels)

    def batches(
        self, batch_size: int, order: torch.Tensor | None = None
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield images and labels batch by batch, in the given order (int64 [N], on the CPU) or in stored order."""
        if order is None:
            for images, labels in zip(self.images.split(batch_size), self.labels.split(batch_size), strict=True):
                if len(labels):
                    yield images.to(self.device, non_blocking=True), labels
            return
        if not len(order):  # torch would yield one empty batch
            return
        on_device = order.to(self.device)  # copied once, because a copy for each batch would stall a GPU
        for rows, here in zip(batches_of(order, batch_size), batches_of(on_device, batch_size), strict=True):
            images = self.images[here] if self.on_device else self.images[rows].to(self.device, non_blocking=True)
            yield images, self.labels[here]
