"""Separate the head of a network from its trunk, to train the head on cached features."""

import torch

from triptych.storage.errors import InputError


def head_of(network: torch.nn.Module, head: list[str]) -> torch.nn.Module:
    """Return the module that has the tensors named in `head`.

    Raises:
        InputError: they are in several modules.
    """
    modules = {name.rpartition(".")[0] for name in head}
    if len(modules) != 1:
        raise InputError(f"the head has several modules ({', '.join(sorted(modules))}); it cannot use cached features.")
    return network.get_submodule(modules.pop())


def features_and_logits(
    network: torch.nn.Module, head: torch.nn.Module, images: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the input of `head` and the output of the network for a batch of input images.

    Raises:
        InputError: the head is not the last operation of the network.
    """
    calls: list[tuple[torch.Tensor, torch.Tensor]] = []

    def note(_: torch.nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        calls.append((inputs[0], output))

    handle = head.register_forward_hook(note)
    try:
        logits = network(images)
    finally:
        handle.remove()
    if len(calls) != 1 or calls[0][1] is not logits:
        raise InputError("the head is not the last operation of the network; it cannot use cached features.")
    return calls[0]
