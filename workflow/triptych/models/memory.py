"""Estimate the memory of training and inference by batch size, from the structure of the network.

Counted are:

- for inference: the weights, and the peak of live activations;
- for training everything: the weights, a gradient and Adam's two moments per parameter, and every activation that
  autograd saves for the backward pass;
- for training the head: all weights, the gradients and moments of the head, the activations that are saved for its
  backward pass, and the peak of live activations in the trunk, which saves none.

Not counted are the workspaces of libraries, the CUDA context, fragmentation, the gradients of activations (few are
alive at a time) and resident images. The sizes of activations are measured: the network runs on the meta device, where
tensors have shapes but no memory, and its storages are tracked.
"""

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from triptych.configuration.regime import on_paper

ADAM_MOMENTS = 2

MOST_ELEMENTS = 2**31 - 1
"""The most elements of a tensor that those of torch's kernels can index that count in 32 bits."""

# BatchNorm in training mode needs at least two values per channel, so one image is not enough.
_SMALL_BATCH = 2


@dataclass(frozen=True)
class BatchBytes:
    """Bytes that grow with the batch: `fixed + batch_size * each`."""

    fixed: int
    each: int

    def of(self, batch_size: int) -> int:
        """Return the bytes for a batch of `batch_size` images."""
        return self.fixed + batch_size * self.each

    def largest_batch(self, memory_bytes: int) -> int:
        """Return the largest batch that fits into `memory_bytes`; 0 if not even one image fits."""
        return max(0, memory_bytes - self.fixed) // self.each

    def __add__(self, other: "BatchBytes") -> "BatchBytes":
        return BatchBytes(self.fixed + other.fixed, self.each + other.each)


@dataclass(frozen=True)
class TrainingBytes:
    """The memory of training, by part, in bytes."""

    weights: int
    gradients: int
    moments: int
    activations: BatchBytes

    @property
    def total(self) -> BatchBytes:
        return BatchBytes(self.weights + self.gradients + self.moments, 0) + self.activations


def _storage_key(tensor: torch.Tensor) -> int:
    """Return an identifier of a storage; on the meta device all addresses are zero."""
    return int(tensor.untyped_storage()._cdata)


class _LiveBytes(TorchDispatchMode):
    """Track the sum of live storages and its peak."""

    def __init__(self, without: list[torch.Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # untyped in torch
        self.peak = 0
        self._alive: dict[int, int] = {}
        self._without = {_storage_key(tensor) for tensor in without}

    def _see(self, tensor: torch.Tensor) -> None:
        key = _storage_key(tensor)
        if key in self._alive or key in self._without:
            return
        storage = tensor.untyped_storage()
        self._alive[key] = storage.nbytes()
        weakref.finalize(storage, self._alive.pop, key)
        self.peak = max(self.peak, sum(self._alive.values()))

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, torch.Tensor):
                self._see(leaf)
        return result


def _peak_bytes(network: torch.nn.Module, input_size: int, batch_size: int) -> int:
    """Return the peak of live bytes in a forward pass without gradients, with the input, without the weights."""
    network.eval()
    live = _LiveBytes(list(network.state_dict().values()))
    with torch.no_grad(), live:
        network(torch.empty(batch_size, 3, input_size, input_size, device="meta"))
    return live.peak


@contextmanager
def _training_only(network: torch.nn.Module, trained: set[str]) -> Iterator[None]:
    """Require gradients of the named parameters only, within the block."""
    parameters = dict(network.named_parameters())
    for name, parameter in parameters.items():
        parameter.requires_grad_(name in trained)
    try:
        yield
    finally:
        for parameter in parameters.values():
            parameter.requires_grad_(True)


def _kept_bytes(network: torch.nn.Module, input_size: int, batch_size: int) -> int:
    """Return the bytes that autograd saves in a forward pass in training mode, without the weights."""
    network.train()
    weights = {_storage_key(tensor) for tensor in network.state_dict().values()}
    kept: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if _storage_key(tensor) not in weights:
            kept[_storage_key(tensor)] = tensor
        return tensor

    with torch.random.fork_rng(devices=[]), torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        outputs = network(torch.empty(batch_size, 3, input_size, input_size, device="meta"))
        labels = torch.empty(batch_size, dtype=torch.int64, device="meta")
        # one tensor of logits per head; the graph of each loss is alive until the backward pass
        losses = [torch.nn.functional.cross_entropy(logits, labels) for logits in tree_leaves(outputs)]
    del outputs, losses
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


def _by_batch(
    measure: Callable[[torch.nn.Module, int, int], int], network: torch.nn.Module, input_size: int
) -> BatchBytes:
    """Measure with two batch sizes, and fit a line: memory is linear in the batch size."""
    small, large = (measure(network, input_size, size) for size in (_SMALL_BATCH, 2 * _SMALL_BATCH))
    each = (large - small) // _SMALL_BATCH
    return BatchBytes(small - _SMALL_BATCH * each, each)


def live_activations(network: torch.nn.Module, input_size: int) -> BatchBytes:
    """Return the peak of live activations in a forward pass without gradients.

    Args:
        network: on the meta device; left in eval mode.
    """
    return _by_batch(_peak_bytes, network, input_size)


def kept_activations(network: torch.nn.Module, input_size: int, trained: set[str]) -> BatchBytes:
    """Return the activations that a forward pass saves for the gradients of the `trained` parameters.

    Args:
        network: on the meta device; left in training mode.
    """
    with _training_only(network, trained):
        return _by_batch(_kept_bytes, network, input_size)


class _Elements(TorchDispatchMode):
    """List the elements of the largest result of every operation, in the order of the operations."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # untyped in torch
        self.sizes: list[int] = []

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        own = [leaf.numel() for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor)]
        self.sizes.append(max(own, default=0))
        return result


def largest_tensor(network: torch.nn.Module, input_size: int) -> int:
    """Return the elements for one image of the largest tensor of a forward pass, the input included.

    Args:
        network: on the meta device; left in eval mode.
    """
    network.eval()
    sizes = []
    for batch_size in (_SMALL_BATCH, 2 * _SMALL_BATCH):
        with torch.no_grad(), _Elements() as elements:
            network(torch.empty(batch_size, 3, input_size, input_size, device="meta"))
        sizes.append(elements.sizes)
    slopes: list[int] = [(large - small) // _SMALL_BATCH for small, large in zip(*sizes, strict=True)]
    return max(slopes)


def weight_bytes(network: torch.nn.Module) -> int:
    """Return the bytes of all parameters and buffers, each in its type."""
    return sum(tensor.numel() * tensor.element_size() for tensor in network.state_dict().values())


def training_bytes(
    network: torch.nn.Module, head: list[str], input_size: int, live: BatchBytes
) -> dict[str, TrainingBytes]:
    """Estimate the memory to train everything (`all`) and the head (`head`).

    Args:
        network: on the meta device, with or without auxiliary heads.
        head: the names of the head's parameters.
        live: the network's `live_activations`.
    """
    sizes = {name: parameter.numel() * parameter.element_size() for name, parameter in network.named_parameters()}
    parts = {}
    for trainable, names in on_paper(set(sizes), set(head)).items():
        gradients = sum(sizes[name] for name in names)
        activations = kept_activations(network, input_size, names)
        if names != set(sizes):
            activations += live
        parts[trainable] = TrainingBytes(weight_bytes(network), gradients, ADAM_MOMENTS * gradients, activations)
    return parts


def memory_by_batch_size(
    network: torch.nn.Module, head: list[str], input_size: int, batch_sizes: list[int]
) -> list[dict[str, int | str]]:
    """Return table rows with the estimated memory to train everything and the head.

    Args:
        network: on the meta device.
        head: the names of the head's parameters.

    Returns:
        A row for `train` = `all` and `head` and each of `batch_sizes`: `train`, `batch_size`, `training_bytes`,
        `inference_bytes`, and the four parts of training: `weight_bytes`, `gradient_bytes`, `optimizer_bytes`,
        `activation_bytes`.
    """
    live = live_activations(network, input_size)
    return [
        {
            "train": trainable,
            "batch_size": batch_size,
            "training_bytes": parts.total.of(batch_size),
            "inference_bytes": parts.weights + live.of(batch_size),
            "weight_bytes": parts.weights,
            "gradient_bytes": parts.gradients,
            "optimizer_bytes": parts.moments,
            "activation_bytes": parts.activations.of(batch_size),
        }
        for trainable, parts in training_bytes(network, head, input_size, live).items()
        for batch_size in batch_sizes
    ]
