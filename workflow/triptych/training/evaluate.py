"""The evaluation of a network on a split."""

import torch
from torch.nn.functional import cross_entropy

from triptych.training.arithmetic import Arithmetic
from triptych.training.batches import Transform
from triptych.training.residency import Resident


@torch.inference_mode()
def evaluate(
    network: torch.nn.Module, data: Resident, transform: Transform, batch_size: int, arithmetic: Arithmetic
) -> tuple[float | None, float | None, torch.Tensor]:
    """Return mean loss, accuracy in percent (None without images) and logits, float32 [N, classes], in eval mode.

    The bits of an image's logits do not depend on the other images: every batch is padded to `batch_size`, since
    libraries choose their kernels by its size. They may depend on the image's position in its batch: measured on a CPU
    with less than 16 images in a batch, for 3 of 11 networks (squeezenet1_1 with one thread, mobilenet_v3_small and
    vgg11 with two).
    """
    network.eval()
    parts = []
    for images, labels in data.batches(batch_size):
        with arithmetic.autocast():
            logits = network(transform(padded(images, batch_size)))
        parts.append(logits[: len(labels)].float())
    if not parts:
        return None, None, torch.empty(0)
    logits = torch.cat(parts)
    loss = cross_entropy(logits.double(), data.labels).item()
    accuracy = 100 * (logits.argmax(1) == data.labels).sum().item() / len(data)
    return loss, accuracy, logits.cpu()


def padded(images: torch.Tensor, batch_size: int) -> torch.Tensor:
    """Return a batch of `batch_size` images (or features): those given, then zeros."""
    missing = batch_size - len(images)
    return torch.cat([images, images.new_zeros((missing, *images.shape[1:]))]) if missing else images
