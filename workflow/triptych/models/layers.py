"""The output and cost of each layer of a network, for one image."""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

# torch counts a multiplication and an addition as two floating point operations.
_OPERATIONS_OF_A_MAC = 2


def _first_tensor(value: Any) -> torch.Tensor | None:
    return next((leaf for leaf in tree_leaves(value) if isinstance(leaf, torch.Tensor)), None)


def layer_table(network: torch.nn.Module, input_size: int) -> list[dict[str, Any]]:
    """Return all layers in the order of a forward pass with one image of `input_size` px.

    A layer is a module without submodules, or one with its own parameters or operations in addition to those of the
    submodules that it calls, such as attention. A module that is called twice has two rows. Its parameters and
    operations are in the first row, so that the columns add up to the totals of the network.

    Args:
        network: in eval mode on the meta device. If only the network itself, but no submodule, is in training mode, its
            auxiliary heads run and are counted.

    Returns:
        Rows of `layer` (its name in the network), `type` (its class), `output_shape` (such as "64x16x16", without the
        batch), `output_height` and `output_width` (None if the output is not a feature map), `in_padding` (the share of
        the kernel's positions that only meet padding; None if it is no convolution), `parameters`, `macs`
        (multiply-accumulates of convolutions, matrix products and attention) and `activation_bytes` (of the output; 0
        if it is computed in place or is a view of the input).
    """
    names = {module: name for name, module in network.named_modules()}
    calls: list[tuple[torch.nn.Module, torch.Tensor | None, torch.Tensor | None]] = []

    def note(module: torch.nn.Module, inputs: Any, output: Any) -> None:
        calls.append((module, _first_tensor(inputs), _first_tensor(output)))

    image = torch.empty(1, 3, input_size, input_size, device="meta")
    handles = [module.register_forward_hook(note) for module in names]
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            network(image)
    finally:
        for handle in handles:
            handle.remove()

    called = {module for module, _, _ in calls}
    root = type(network).__name__
    counts = {name: sum(operations.values()) for name, operations in counter.get_flop_counts().items()}
    macs = {
        module: counts.get(f"{root}.{name}" if name else root, 0) // _OPERATIONS_OF_A_MAC
        for module, name in names.items()
    }
    rows = []
    seen_modules: set[torch.nn.Module] = set()
    seen_storages = {image.untyped_storage()._cdata}
    for module, entered, output in calls:
        first, leaf = module not in seen_modules, not list(module.children())
        seen_modules.add(module)
        parameters = _own_parameters(module, called) if first else 0
        own_macs = macs[module] - sum(macs[inner] for inner in _called_inside(module, called)) if first else 0
        if not leaf and not parameters and not own_macs:
            continue
        assert output is not None, names[module]  # every layer returns a tensor
        storage = output.untyped_storage()._cdata
        height, width = output.shape[2:] if output.ndim == 4 else (None, None)
        rows.append(
            {
                "layer": names[module],
                "type": type(module).__name__,
                "output_shape": "x".join(str(length) for length in output.shape[1:]),
                "parameters": parameters,
                "macs": own_macs,
                "activation_bytes": 0 if storage in seen_storages else output.numel() * output.element_size(),
                "output_height": height,
                "output_width": width,
                "in_padding": _in_padding(module, entered, output),
            }
        )
        seen_storages.add(storage)
    return rows


def _in_padding(module: torch.nn.Module, entered: torch.Tensor | None, output: torch.Tensor) -> float | None:
    """The share of a convolution's kernel that only meets zeros around its input; None of another layer."""
    if not isinstance(module, torch.nn.Conv2d):
        return None
    if entered is None or module.padding_mode != "zeros":
        return 0.0
    before = module._reversed_padding_repeated_twice[-2::-2]  # torch's order: left, right, top, bottom
    used = [
        positions_used(*sides) / sides[0]
        for sides in zip(
            module.kernel_size,
            module.stride,
            module.dilation,
            before,
            entered.shape[-2:],
            output.shape[-2:],
            strict=True,
        )
    ]
    return float(1 - math.prod(used))


def positions_used(kernel: int, stride: int, dilation: int, padding: int, entered: int, output: int) -> int:
    """Return how many positions of a kernel meet a pixel of the input at all, along one axis.

    Args:
        kernel, stride, dilation: of the convolution; `padding` before the input.
        entered, output: lengths of input and output.
    """
    starts = [stride * step - padding for step in range(output)]
    return sum(any(0 <= start + dilation * position < entered for start in starts) for position in range(kernel))


def _called_inside(module: torch.nn.Module, called: set[torch.nn.Module]) -> Iterator[torch.nn.Module]:
    """Yield the nearest submodules that are called, also those inside containers that are not called."""
    for child in module.children():
        if child in called:
            yield child
        else:
            yield from _called_inside(child, called)


def _own_parameters(module: torch.nn.Module, called: set[torch.nn.Module]) -> int:
    """Count the parameters of a module and of submodules that it uses without calling them, as attention does."""
    own = sum(parameter.numel() for parameter in module.parameters(recurse=False))
    return own + sum(_own_parameters(child, called) for child in module.children() if child not in called)
