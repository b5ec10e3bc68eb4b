"""The head of a network apart from its trunk: for training the head on features that the trunk gives once."""

import torch

from triptych.storage.errors import InputError


def head_of(network: torch.nn.Module, head: list[str]) -> torch.nn.Module:
    """The one module that holds the tensors named in `head`.

    Raises:
        InputError: they belong to several modules.
    """
    modules = {name.rpartition(".")[0] for name in head}
    if len(modules) != 1:
        raise InputError(f"the head is in several modules ({', '.join(sorted(modules))}), so it cannot train by itself")
    return network.get_submodule(modules.pop())


def features_and_logits(
    network: torch.nn.Module, head: torch.nn.Module, images: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """What `head` is given, and what the network makes, of a batch of input images.

    Raises:
        InputError: what the head makes is not what the network makes, so the head is not its last operation.
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
        raise InputError("the head is not the network's last operation, so it cannot train by itself")
    return calls[0]
