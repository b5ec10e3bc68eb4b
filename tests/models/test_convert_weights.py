"""torchvision's tensors arrive as they are, float32, under the names of the network; anything else is named."""

import os

import numpy
import pytest
import torch

from tests.models.conftest import save_start
from triptych.models.convert_weights import convert_weights
from triptych.models.networks import build_network, load_network
from triptych.storage.errors import InputError
from triptych.storage.files import sha256
from triptych.storage.tensors import load_metadata, load_tensors


@pytest.fixture(scope="module")
def state():
    torch.manual_seed(0)
    return build_network("resnet18", 1000, 224).state_dict()


@pytest.fixture
def convert(tmp_path):
    def run(content, architecture="resnet18", checksum=None):
        path = tmp_path / "download.pth"
        torch.save(content, path)
        weights = tmp_path / "weights.safetensors"
        convert_weights(architecture=architecture, sha256=checksum or sha256(path), state_dict=path, weights=weights)
        return weights

    return run


def test_every_tensor_arrives(state, convert, train_data, tmp_path, capsys):
    weights = convert(state)
    found, metadata = load_tensors(weights), load_metadata(weights)
    assert {name: array.tobytes() for name, array in found.items()} == {
        name: tensor.numpy().tobytes() for name, tensor in state.items()
    }
    assert len(metadata["classes"]) == 1000
    assert (metadata["classes"][0], metadata["input_size"]) == ("tench", 224)
    assert metadata["normalisation"]["mean"] == [0.485, 0.456, 0.406]
    assert metadata["sha256"] == sha256(tmp_path / "download.pth")
    load_network(weights)
    assert "resnet18: 122 tensors, 11,699,132 numbers" in capsys.readouterr().out
    save_start(tmp_path / "initial.safetensors", train_data, input_size=64, pretrained=weights)
    assert load_tensors(tmp_path / "initial.safetensors")["conv1.weight"].tobytes() == found["conv1.weight"].tobytes()


def test_half_precision_becomes_single(state, convert):
    found = load_tensors(convert({**state, "conv1.weight": state["conv1.weight"].half()}))
    assert found["conv1.weight"].dtype == numpy.float32
    assert numpy.array_equal(found["conv1.weight"], state["conv1.weight"].half().float().numpy())
    assert found["bn1.num_batches_tracked"].dtype == numpy.int64


def test_an_older_file_lacks_the_counts_of_batches(state, convert):
    older = {name: tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")}
    assert load_tensors(convert(older))["bn1.num_batches_tracked"] == 0


def test_the_names_of_old_dense_layers(convert):
    state = build_network("densenet121", 1000, 224).state_dict()
    old = {name.replace("norm1.", "norm.1.").replace("conv2.", "conv.2."): tensor for name, tensor in state.items()}
    assert old.keys() != state.keys()
    assert load_tensors(convert(old, "densenet121")).keys() == state.keys()


def test_auxiliary_heads_are_left_out(convert, capsys):
    state = build_network("googlenet", 1000, 224).state_dict()
    found = load_tensors(convert({**state, "aux1.fc1.weight": torch.zeros(3)}, "googlenet"))
    assert found.keys() == state.keys()
    assert "tensors that were dropped: aux1.fc1.weight" in capsys.readouterr().out


def test_the_input_is_transformed_as_torchvision_does_it(state, convert, train_data, tmp_path):
    """From torchvision's file to the network that a run begins with; random weights begin without, as there."""
    assert load_metadata(convert(state))["transform_input"] is False
    weights = convert(build_network("googlenet", 1000, 224).state_dict(), "googlenet")
    initial = tmp_path / "initial.safetensors"
    for pretrained in (weights, None):
        save_start(initial, train_data, architecture="googlenet", pretrained=pretrained)
        network, metadata = load_network(initial)
        assert network.transform_input is metadata["transform_input"] is (pretrained is not None)


def test_tensors_of_another_network_are_named(state, convert, tmp_path):
    change = {**state, "layer1.0.conv1.weight": torch.zeros(64, 32, 3, 3)}
    del change["bn1.bias"]
    with pytest.raises(InputError) as error:
        convert(change)
    for words in ("download.pth", "resnet18 without its head", "missing bn1.bias [64]"):
        assert words in str(error.value)
    assert "layer1.0.conv1.weight is [64, 32, 3, 3], expected [64, 64, 3, 3]" in str(error.value)
    with pytest.raises(InputError, match=r"not the tensors of resnet34 without its head:\n  missing layer1.2"):
        convert(state, "resnet34")
    assert not (tmp_path / "weights.safetensors").exists()


def test_values_that_are_not_finite(state, convert):
    with pytest.raises(InputError, match=r"not finite in bn1\.bias"):
        convert({**state, "bn1.bias": torch.full((64,), float("nan"))})


class Evil:
    """Makes a folder when a careless reader opens it."""

    def __reduce__(self):
        return os.mkdir, ("evil",)


def test_nothing_in_a_file_is_executed(convert, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="not a file of tensors only"):
        convert({"conv1.weight": Evil()})
    assert not (tmp_path / "evil").exists()


def test_another_checksum_is_not_even_opened(state, convert):
    with pytest.raises(InputError, match=f"expected sha256 {'0' * 64}, found .*; the file was not opened"):
        convert({"a": Evil()}, checksum="0" * 64)


@pytest.mark.parametrize("content", [[1, 2], {"state_dict": {}}, {"epoch": 3}])
def test_what_holds_no_tensors(convert, content):
    with pytest.raises(InputError, match="there are no tensors"):
        convert(content)


@pytest.mark.parametrize("classes", [2, 21843, None])
def test_a_head_for_other_classes_or_none(state, convert, train_data, tmp_path, classes):
    """It is replaced, so it does not matter."""
    trunk = {name: tensor for name, tensor in state.items() if not name.startswith("fc.")}
    head = {"fc.weight": torch.ones(classes, 512), "fc.bias": torch.ones(classes)} if classes else {}
    weights = convert(trunk | head)
    assert load_tensors(weights).keys() == trunk.keys()
    assert load_metadata(weights)["classes"] == []
    started = [
        load_tensors(save_start(tmp_path / f"{number}", train_data, pretrained=pretrained))
        for number, pretrained in enumerate((weights, convert(state)))
    ]
    for name, array in started[1].items():
        assert array.tobytes() == started[0][name].tobytes()


def test_what_is_no_file_of_tensors(tmp_path):
    path = tmp_path / "page.pth"
    path.write_text("<html>")
    with pytest.raises(InputError, match=r"page\.pth: not a file of tensors only"):
        convert_weights(
            architecture="resnet18", sha256=sha256(path), state_dict=path, weights=tmp_path / "w.safetensors"
        )
