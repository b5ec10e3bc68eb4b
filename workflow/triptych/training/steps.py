"""Training steps as CUDA graphs, captured once and replayed.

ResNet-18 launches about 500 kernels per step. With batches of 32, a GPU runs them faster than Python launches them. A
CUDA graph launches all of them at once.
"""

from collections.abc import Callable

import torch

from triptych.storage.errors import InputError
from triptych.training.arithmetic import Arithmetic
from triptych.training.failures import is_out_of_memory

WARM_UP = 3
"""Full batches before the capture, in which libraries select kernels and Adam allocates its moments. They are normal
training steps."""

Step = Callable[[torch.Tensor, torch.Tensor], None]


def with_cuda_graph(step: Step, batch_size: int, arithmetic: Arithmetic) -> Step:
    """Return `step` as a CUDA graph if `arithmetic.captures_steps`, else `step` itself.

    Args:
        step: takes images and labels of a batch on the device. Everything else that it reads or writes must keep its
            address, and it must not read a number back from the device.
        batch_size: the size of batches that are replayed; other batches run eagerly.
    """
    return CapturedStep(step, batch_size, arithmetic.device) if arithmetic.captures_steps else step


class CapturedStep:
    """A step that is replayed from a CUDA graph. It runs the same kernels as `step`, so results are the same."""

    def __init__(self, step: Step, batch_size: int, device: torch.device):
        self.step, self.batch_size, self.device = step, batch_size, device
        self.full_batches = 0
        self.side_stream: torch.cuda.Stream | None = None
        self.graph: torch.cuda.CUDAGraph | None = None
        self.images = self.labels = torch.empty(0)

    def __call__(self, images: torch.Tensor, labels: torch.Tensor) -> None:
        """Run a step. All batches of `batch_size` images must have the same shape.

        Raises:
            InputError: an operation of the network cannot be captured.
        """
        if len(labels) != self.batch_size:
            self.step(images, labels)
            return
        if self.full_batches < WARM_UP:
            self.full_batches += 1
            self.run_on_side_stream(images, labels)
            return
        if self.graph is None:
            self.graph = self.capture(images, labels)
        self.images.copy_(images)
        self.labels.copy_(labels)
        self.graph.replay()

    def run_on_side_stream(self, images: torch.Tensor, labels: torch.Tensor) -> None:
        """Run one eager step on a side stream, as CUDA graph capture requires."""
        if self.side_stream is None:
            self.side_stream = torch.cuda.Stream(self.device)
        stream, current = self.side_stream, torch.cuda.current_stream(self.device)
        stream.wait_stream(current)
        with torch.cuda.stream(stream):
            self.step(images, labels)
        current.wait_stream(stream)

    def capture(self, images: torch.Tensor, labels: torch.Tensor) -> torch.cuda.CUDAGraph:
        """Capture the kernels of a step without running them."""
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
                f"training.cuda_graphs: a step of this network cannot be captured ({reason}); set it to never."
            ) from error
        return graph
