"""A training step that is recorded once and replayed, where Python would be slower than the GPU.

ResNet-18 launches some five hundred kernels a step. On a batch of 32 a GPU has done them before Python has asked for
them, unless it is given all of them at once, as a CUDA graph.
"""

from collections.abc import Callable

import torch

from triptych.storage.errors import InputError
from triptych.training.arithmetic import Arithmetic
from triptych.training.failures import is_out_of_memory

WARM_UP = 3
"""Full batches before the recording: libraries choose their kernels, and Adam makes its moments. They count as any."""

Step = Callable[[torch.Tensor, torch.Tensor], None]


def recorded(step: Step, batch_size: int, arithmetic: Arithmetic) -> Step:
    """`step`, replayed from a CUDA graph where `arithmetic.records_steps`, else as it is.

    Args:
        step: takes images and labels of a batch on the device; everything else that it reads or writes must lie at
            the same addresses each time, and it may ask the device for no number.
        batch_size: of the batches that are replayed; one of another size is trained as it comes.
    """
    return RecordedStep(step, batch_size, arithmetic.device) if arithmetic.records_steps else step


class RecordedStep:
    """The same kernels on the same numbers as `step`, and so the same bits; only Python is left out."""

    def __init__(self, step: Step, batch_size: int, device: torch.device):
        self.step, self.batch_size, self.device = step, batch_size, device
        self.full_batches = 0
        self.aside: torch.cuda.Stream | None = None
        self.graph: torch.cuda.CUDAGraph | None = None
        self.images = self.labels = torch.empty(0)

    def __call__(self, images: torch.Tensor, labels: torch.Tensor) -> None:
        """Take a step. Images and labels must be shaped alike whenever there are `batch_size` of them.

        Raises:
            InputError: something in the network cannot be recorded.
        """
        if len(labels) != self.batch_size:
            self.step(images, labels)
            return
        if self.full_batches < WARM_UP:
            self.full_batches += 1
            self.take_aside(images, labels)
            return
        if self.graph is None:
            self.graph = self.record(images, labels)
        self.images.copy_(images)
        self.labels.copy_(labels)
        self.graph.replay()

    def take_aside(self, images: torch.Tensor, labels: torch.Tensor) -> None:
        """A step on a stream of its own, as one must be taken before a recording."""
        if self.aside is None:
            self.aside = torch.cuda.Stream(self.device)
        stream, current = self.aside, torch.cuda.current_stream(self.device)
        stream.wait_stream(current)
        with torch.cuda.stream(stream):
            self.step(images, labels)
        current.wait_stream(stream)

    def record(self, images: torch.Tensor, labels: torch.Tensor) -> torch.cuda.CUDAGraph:
        """Write down what a step launches, without launching it."""
        self.images, self.labels = images.clone(), labels.clone()
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph):
                self.step(self.images, self.labels)
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise
            reason = str(error).strip().partition("\n")[0]
            raise InputError(
                f"training.cuda_graphs: a step of this network cannot be recorded ({reason}); set it to never"
            ) from error
        return graph
