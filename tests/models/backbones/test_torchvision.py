"""What torchvision's module says of networks and their weights is what torchvision itself does."""

import inspect

import pytest
import torch
from torchvision import models

from tests.models.conftest import with_tiers
from triptych.models.backbones import torchvision
from triptych.models.networks import build_shapes, head_tensors
from triptych.storage.errors import InputError

NAMES = models.list_models(module=models)


def test_the_names_are_those_of_torchvision():
    assert torchvision.names() == sorted(NAMES)


@pytest.mark.parametrize("architecture", NAMES)
def test_torchvision_transforms_the_input_of_two_networks(architecture):
    """Those whose builder sets it where weights are given; no other class of networks has it at all."""
    source = inspect.getsource(models.get_model_builder(architecture))
    assert torchvision.weights(architecture).transform_input == ("transform_input" in source)


@pytest.mark.parametrize("architecture", NAMES)
def test_images_are_normalised_as_torchvision_does_it_for_these_weights(architecture):
    """White, black and grey come out of torchvision's own transforms as they do with the mean and deviation."""
    published = torchvision.weights(architecture)
    entry = next(iter(models.get_model_weights(architecture)))
    mean, std = (torch.tensor(values)[:, None, None] for values in (published.mean, published.std))
    for value in (0, 128, 255):
        found = entry.transforms()(torch.full((3, 16, 16), value, dtype=torch.uint8))
        assert torch.allclose(found, (value / 255 - mean) / std, atol=1e-5)


def test_not_all_weights_have_imagenets_normalisation():
    published = torchvision.weights("efficientnet_v2_l")
    assert (published.mean, published.std) == ([0.5] * 3, [0.5] * 3)


def test_only_two_networks_have_auxiliary_heads():
    with pytest.raises(InputError, match="resnet18: torchvision's network has no auxiliary head"):
        torchvision.build("resnet18", 7, 224, auxiliary=True)


BLOCKS = {
    "resnet18": (1 + 8 + 1, ["conv1.weight", "bn1.weight", "bn1.bias"]),
    "vit_b_32": (1 + 12 + 1, ["class_token", "conv_proj.weight", "conv_proj.bias", "encoder.pos_embedding"]),
    "vgg11_bn": (8 + 3, ["features.0.weight", "features.0.bias", "features.1.weight", "features.1.bias"]),
    "densenet121": (1 + (6 + 12 + 24 + 16) + 3 + 1, ["features.conv0.weight", "features.norm0.weight"]),
    "convnext_tiny": (1 + 18 + 3 + 1, ["features.0.0.weight", "features.0.0.bias"]),
    "swin_t": (1 + 12 + 3 + 1, ["features.0.0.weight", "features.0.0.bias"]),
    "efficientnet_b0": (2 + 16 + 1, ["features.0.0.weight", "features.0.1.weight"]),
    "squeezenet1_1": (1 + 8 + 1, ["features.0.weight", "features.0.bias"]),
}


@pytest.mark.parametrize("name", BLOCKS)
def test_blocks_run_from_the_input_to_the_head(name):
    """As many as the published descriptions of these networks have, with the stem, transitions and the head."""
    count, first = BLOCKS[name]
    blocks = checked_blocks(name)
    assert len(blocks) == count
    assert next(iter(blocks.values()))[: len(first)] == first


@pytest.mark.parametrize("name", with_tiers(sorted(set(NAMES) - set(BLOCKS))))
def test_blocks_of_every_network_run_from_the_input_to_the_head(name):
    assert len(checked_blocks(name)) >= 8


def test_a_block_is_named_after_its_module():
    names = {
        name: list(torchvision.blocks(build_shapes(name, 5, 224))) for name in ("resnet18", "vit_b_32", "densenet121")
    }
    assert names["resnet18"] == ["conv1", *(f"layer{i}.{j}" for i in (1, 2, 3, 4) for j in (0, 1)), "fc"]
    assert names["vit_b_32"][:2] == ["conv_proj", "encoder.layers.encoder_layer_0"]
    assert names["densenet121"][-2:] == ["features.denseblock4.denselayer16", "classifier"]


def checked_blocks(name):
    """The blocks: each parameter is in one, in definition order; the last is the head, of one or two tensors."""
    network = build_shapes(name, 5, 224)
    blocks, head = torchvision.blocks(network), head_tensors(name, 5, 224)
    parameters = [name for name, _ in network.named_parameters()]
    assert [parameter for block in blocks.values() for parameter in block] == parameters
    assert list(blocks.values())[-1] == head
    assert 1 <= len(head) <= 2
    assert all(tensor.endswith(("weight", "bias")) for tensor in head)
    return blocks
