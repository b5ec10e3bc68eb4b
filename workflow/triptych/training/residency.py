"""Where the images of a training lie, and how batches of them come to the device that computes.

The same batches with the same bits come from each place; only the speed and the memory differ.
"""

from collections.abc import Iterator

import numpy
import torch

from triptych.data.dataset import Split
from triptych.training.batches import batches_of
from triptych.training.device import available_memory_bytes

SHARE = 1 / 4
"""The share of the free memory that images may take: the rest is for the network's activations."""


def choose_residency(residency: str, size: int, device: torch.device) -> str:
    """`device`, `host` or `mapped`; for `auto` the first of them whose free memory holds `size` bytes well."""
    if residency != "auto":
        return residency
    if device.type != "cpu" and size <= SHARE * available_memory_bytes(device):
        return "device"
    return "host" if size <= SHARE * available_memory_bytes(torch.device("cpu")) else "mapped"


class Resident:
    """A split whose images and labels come in batches to the device that computes.

    Args:
        split: images uint8 [N, H, W, 3] (or features, float32 [N, F]) and labels int64 [N].
        device: where batches are needed.
        residency: where all images lie meanwhile: `device`; `host`, the memory of the computer; or `mapped`, their
            file, of which the operating system keeps in memory what it can.
    """

    def __init__(self, split: Split, device: torch.device, residency: str = "device"):
        self.device = device
        self.labels = torch.from_numpy(split.labels).to(device)
        self.on_device = residency == "device" or (residency == "host" and device.type == "cpu")
        # a copy, unless mapped: what lies in memory must not be read from the file again
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
        """Images and labels of one batch after the other, in the given order (int64 [N], on the CPU) or as they lie."""
        if order is None:
            for images, labels in zip(self.images.split(batch_size), self.labels.split(batch_size), strict=True):
                if len(labels):
                    yield images.to(self.device, non_blocking=True), labels
            return
        if not len(order):  # torch would cut one empty batch
            return
        on_device = order.to(self.device)  # at once: a transfer for each batch would make a GPU wait
        for rows, here in zip(batches_of(order, batch_size), batches_of(on_device, batch_size), strict=True):
            images = self.images[here] if self.on_device else self.images[rows].to(self.device, non_blocking=True)
            yield images, self.labels[here]
