"""Checkpoints as people have them: the trunk is found by names and shapes, or the file is refused, by name.

Each layout is one that users of other programs have reported (the repository and the issue stand with it).
"""

import argparse
from collections import OrderedDict

import numpy
import pytest
import safetensors.torch
import torch

from triptych.models.checkpoint_layouts import find_trunk, read_tensors
from triptych.models.networks import build_network, head_tensors, shapes_of
from triptych.storage.errors import InputError


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return build_network("resnet18", 10, 32)


@pytest.fixture(scope="module")
def state(network):
    return dict(network.state_dict())


@pytest.fixture
def find(network, tmp_path):
    """The trunk of ResNet-18 in what torch.save made of a content."""

    def run(content):
        path = tmp_path / "own.pth"
        torch.save(content, path)
        expected = shapes_of(network.state_dict())
        return find_trunk(read_tensors(path), expected, head_tensors("resnet18", 10, 32), "own.pth", "resnet18")

    return run


def prefixed(prefix, state):
    return OrderedDict((f"{prefix}{name}", tensor) for name, tensor in state.items())


LAYOUTS = {
    "a state_dict": lambda state: state,
    # akamaster/pytorch_resnet_cifar10#3: of DataParallel, nested, beside an accuracy
    "state_dict, module.": lambda state: {"state_dict": prefixed("module.", state), "best_prec1": 91.25},
    # a training script of torchvision: arguments and the state of the optimiser
    "model, with arguments": lambda state: {
        "model": state,
        "optimizer": {"state": {0: {"exp_avg": torch.ones(64, 3, 7, 7)}}, "param_groups": [{"lr": 0.1}]},
        "args": argparse.Namespace(epochs=3, device="cuda"),
        "best": numpy.float64(76.1),
    },
    # facebookresearch/simsiam#8: an encoder with a projector in the place of its head, and a predictor
    "module.encoder., a projector": lambda state: {
        "epoch": 100,
        "state_dict": prefixed("module.encoder.", {n: t for n, t in state.items() if not n.startswith("fc.")})
        | {"module.encoder.fc.0.weight": torch.ones(9, 512), "module.predictor.0.weight": torch.ones(2, 9)},
    },
    # mk-minchul/AdaFace#144: of a framework that calls the network "model" and has a head beside it
    "model., a head beside": lambda state: {
        "state_dict": prefixed("model.", state) | {"head.kernel": torch.ones(512, 7)},
        "hyper_parameters": {"arch": "resnet18"},
    },
    "without counts of batches": lambda state: {n: t for n, t in state.items() if "num_batches" not in n},
    "in half precision": lambda state: {n: t.half() if t.is_floating_point() else t for n, t in state.items()},
    "twice the same numbers": lambda state: {"model": state, "model_ema": {n: t.clone() for n, t in state.items()}},
    "in a list": lambda state: [{"epoch": 1}, ("resnet18", state)],
    "as parameters": lambda state: {n: torch.nn.Parameter(t) if "weight" in n else t for n, t in state.items()},
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_trunk_is_found(find, state, layout):
    found = find(LAYOUTS[layout](state)).tensors
    expected = {name: tensor for name, tensor in state.items() if not name.startswith("fc.")}
    counts = {name for name in expected if name.endswith("num_batches_tracked")}
    assert expected.keys() - counts <= found.keys() <= expected.keys()
    for name, tensor in found.items():
        assert torch.equal(tensor.to(expected[name].dtype), expected[name].to(tensor.dtype).to(expected[name].dtype))


def test_other_tensors_are_listed(find, state):
    content = {"model": state, "queue": torch.ones(3), "optimizer": {"state": {0: {"exp_avg": torch.ones(2)}}}}
    found = find(content)
    assert found.prefix == "model."
    assert found.left_out == ["model.fc.weight", "model.fc.bias", "queue", "optimizer.state.0.exp_avg"]


@pytest.mark.parametrize("kind", [torch.float32, torch.float16, torch.bfloat16])
def test_safetensors_with_any_file_name(network, state, tmp_path, kind):
    path = tmp_path / "own.pth"
    tensors = {f"model.{n}": t.to(kind) if t.is_floating_point() else t for n, t in state.items()}
    safetensors.torch.save_file(tensors, path)
    found = find_trunk(read_tensors(path), shapes_of(state), ["fc.weight", "fc.bias"], "own.pth", "resnet18")
    assert found.tensors["conv1.weight"].dtype == kind
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match=r"own\.pth: not a readable safetensors file"):
        read_tensors(path)


def test_an_incomplete_trunk_is_refused_by_name(find, state):
    lacking = {name: tensor for name, tensor in state.items() if not name.startswith("layer4.1.conv2")}
    with pytest.raises(InputError, match=r"resnet18:\n  missing module\.layer4\.1\.conv2\.weight \[512, 512, 3, 3\]$"):
        find(prefixed("module.", lacking))


def test_a_network_for_grey_images_is_named(find, state):
    """huggingface/pytorch-image-models#948."""
    with pytest.raises(InputError, match=r"conv1\.weight is \[64, 1, 7, 7\], .*a network for grey images"):
        find({**state, "conv1.weight": torch.ones(64, 1, 7, 7)})


def test_two_trunks_are_refused_by_name(find, state):
    """facebookresearch/moco-v3#30: an encoder and its momentum encoder."""
    other = {name: tensor + 1 for name, tensor in state.items()}
    content = prefixed("module.base_encoder.", state) | prefixed("module.momentum_encoder.", other)
    with pytest.raises(
        InputError, match=r"2 networks that fit resnet18 equally well, .*base_encoder\.\* and .*momentum_encoder\.\*"
    ):
        find({"state_dict": content})


def test_of_two_trunks_only_the_complete_one_counts(find, state):
    parts = {name: tensor + 1 for name, tensor in state.items() if name.startswith("layer1.")}
    assert find(prefixed("teacher.", parts) | prefixed("student.", state)).prefix == "student."


def test_a_larger_network_is_not_cut_down(find):
    """ResNet-34 has every tensor of ResNet-18, with the same shapes."""
    with pytest.raises(InputError, match=r"not the tensors of resnet18:\n  unexpected layer1\.2\.conv1\.weight"):
        find(build_network("resnet34", 10, 32).state_dict())


def test_a_pickled_module_is_refused_in_plain_words(find, network):
    """Helias/Car-Model-Recognition#2: the whole network, as torch.save(model) writes it."""
    with pytest.raises(InputError) as error:
        find(network)
    assert "torchvision.models.resnet.ResNet" in str(error.value)
    assert "torch.save(model.state_dict(), FILE)" in str(error.value)
    assert str(error.value).isprintable()


def test_none_of_the_names_fits(find):
    with pytest.raises(InputError, match="no tensor has the name of a tensor of resnet18; found a, b"):
        find({"a": torch.ones(1), "b": torch.ones(1)})


def test_a_mapping_that_holds_itself_is_read_once(find, state):
    content = {"model": state}
    content["again"] = [content, content]
    assert find(content).prefix == "model."


def test_two_tensors_of_one_name_are_refused(find):
    with pytest.raises(InputError, match=r"two tensors have the name a\.b"):
        find({"a.b": torch.ones(1), "a": {"b": torch.zeros(1)}})
