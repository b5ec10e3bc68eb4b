"""The head of a network is found; files are read back; wrong tensors are refused by name."""

import numpy
import pytest
import torch
from torchvision import models

from triptych.models.networks import (
    build_network,
    build_shapes,
    head_tensors,
    load_network,
    load_state,
    network_metadata,
    state_arrays,
)
from triptych.storage.errors import InputError
from triptych.storage.tensors import save_tensors

NO_NORMALISATION = {"mean": [0.0, 0.0, 0.0], "std": [1.0, 1.0, 1.0]}


def metadata_of(network, architecture="squeezenet1_1", classes=("a", "b")):
    return network_metadata(
        network,
        architecture=architecture,
        classes=list(classes),
        input_size=32,
        normalisation=NO_NORMALISATION,
    )


@pytest.fixture(scope="module")
def small():
    """The network of fewest tensors."""
    return build_network("squeezenet1_1", 2, 32)


@pytest.mark.parametrize(
    ("architecture", "head"),
    [
        ("resnet18", ["fc.weight", "fc.bias"]),
        ("squeezenet1_1", ["classifier.1.weight", "classifier.1.bias"]),
        ("vit_b_32", ["heads.head.weight", "heads.head.bias"]),
        ("maxvit_t", ["classifier.5.weight"]),
        ("regnet_y_400mf", ["fc.weight", "fc.bias"]),
        ("googlenet", ["fc.weight", "fc.bias"]),
    ],
)
def test_heads(architecture, head):
    assert head_tensors(architecture, 7, 224) == head


def test_head_has_one_output_for_each_class():
    network = build_network("resnet18", 7, 32)
    assert network.fc.weight.shape == (7, 512)
    assert network.training
    assert {tensor.device.type for tensor in network.state_dict().values()} == {"cpu"}


def test_building_shapes_draws_no_random_numbers():
    before = torch.get_rng_state()
    network = build_shapes("swin_t", 10, 64)
    head_tensors("convnext_tiny", 10, 64)
    assert torch.equal(torch.get_rng_state(), before)
    assert {tensor.device.type for tensor in network.state_dict().values()} == {"meta"}


@pytest.mark.parametrize(
    ("architecture", "input_size", "message"),
    [
        ("resnet17", 32, r"'resnet17': not a classification network of its library; the nearest is resnet18"),
        ("fcn_resnet50", 32, "not a classification network of its library"),
        ("tinm/resnet18", 32, "there is no library 'tinm'"),
        ("alexnet", 32, "alexnet cannot run on images of 32 px: .*too small"),
        ("inception_v3", 32, "inception_v3 cannot run on images of 32 px"),
        ("vit_b_16", 30, "vit_b_16 cannot be built for images of 30 px: .*patch size"),
        ("maxvit_t", 32, "maxvit_t cannot be built for images of 32 px"),
    ],
)
def test_what_cannot_be_built(architecture, input_size, message):
    with pytest.raises(InputError, match=message):
        build_network(architecture, 10, input_size)


@pytest.mark.parametrize(
    ("architecture", "first", "first_3x3"),
    [
        ("resnet18", "conv1.weight", "layer1.0.conv1.weight"),
        ("resnet50", "conv1.weight", "layer1.0.conv2.weight"),
        ("vgg11", "features.0.weight", "features.3.weight"),
        ("vit_b_32", "conv_proj.weight", None),
    ],
)
def test_convolutions_to_look_at(architecture, first, first_3x3):
    metadata = metadata_of(build_shapes(architecture, 2, 32), architecture)
    assert metadata["first_convolution"] == first
    assert metadata["first_3x3_convolution"] == first_3x3


def test_metadata():
    network = build_shapes("resnet18", 2, 32)
    metadata = metadata_of(network, "resnet18")
    assert metadata["tensors"] == list(network.state_dict())
    assert set(metadata["tensors"]) - set(metadata["buffers"]) == {name for name, _ in network.named_parameters()}
    assert metadata["buffers"][:3] == ["bn1.running_mean", "bn1.running_var", "bn1.num_batches_tracked"]
    assert metadata["head"] == ["fc.weight", "fc.bias"]
    assert metadata["classes"] == ["a", "b"]
    assert (metadata["input_size"], metadata["normalisation"]) == (32, NO_NORMALISATION)


def test_file_round_trip(tmp_path):
    torch.manual_seed(5)
    network = build_network("resnet18", 3, 32)
    arrays, metadata = state_arrays(network), metadata_of(network, "resnet18", "abc")
    assert list(arrays) == metadata["tensors"]
    path = tmp_path / "initial.safetensors"
    save_tensors(path, arrays, metadata)
    before = torch.get_rng_state()
    read, read_metadata = load_network(path)
    assert torch.equal(torch.get_rng_state(), before)
    assert read_metadata == metadata
    for name, array in state_arrays(read).items():
        assert array.dtype == arrays[name].dtype
        assert array.tobytes() == arrays[name].tobytes()


def test_tensors_of_a_file_lack_versions_and_are_loaded_where_a_network_asks_for_one(tmp_path):
    network = build_network("mnasnet0_5", 3, 32)
    arrays = state_arrays(network)
    path = tmp_path / "initial.safetensors"
    save_tensors(path, arrays, metadata_of(network, "mnasnet0_5", "abc"))
    assert {name: array.tobytes() for name, array in state_arrays(load_network(path)[0]).items()} == {
        name: array.tobytes() for name, array in arrays.items()
    }
    with pytest.raises(RuntimeError, match="Missing key"):
        load_state(network, {})


@pytest.mark.parametrize(("architecture", "input_size"), [("inception_v3", 75), ("googlenet", 32)])
def test_a_network_that_transforms_its_input_is_torchvision_s(architecture, input_size, tmp_path):
    torch.manual_seed(3)
    ours = build_network(architecture, 3, input_size, transform_input=True)
    for module in ours.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():  # as fresh as they are, BatchNorm's statistics would let no image through
        ours(torch.rand(4, 3, input_size, input_size))
    path = tmp_path / "initial.safetensors"
    metadata = network_metadata(
        ours, architecture=architecture, classes=list("abc"), input_size=input_size, normalisation=NO_NORMALISATION
    )
    assert metadata["transform_input"] is True
    save_tensors(path, state_arrays(ours), metadata)
    read = load_network(path)[0].eval()
    options = {"num_classes": 3, "aux_logits": False, "init_weights": False}
    theirs, plain = (
        models.get_model(architecture, weights=None, transform_input=transform_input, **options).eval()
        for transform_input in (True, False)
    )
    images = torch.rand(2, 3, input_size, input_size)
    with torch.no_grad():
        for network in (theirs, plain):
            network.load_state_dict(ours.state_dict())
        assert torch.equal(read(images), theirs(images))
        assert not torch.allclose(read(images), plain(images))


def test_a_file_that_does_not_say_so_transforms_nothing(tmp_path):
    network = build_network("googlenet", 2, 32)
    path = tmp_path / "old.safetensors"
    metadata = metadata_of(network, "googlenet")
    assert metadata.pop("transform_input") is False
    save_tensors(path, state_arrays(network), metadata)
    assert load_network(path)[0].transform_input is False


def test_auxiliary_heads_run_where_the_network_is_told_so():
    network = build_shapes("googlenet", 7, 224, auxiliary=True)
    assert head_tensors("googlenet", 7, 224, auxiliary=True) == [
        *("aux1.fc2.weight", "aux1.fc2.bias", "aux2.fc2.weight", "aux2.fc2.bias", "fc.weight", "fc.bias")
    ]
    network.training = True
    assert len(network(torch.empty(1, 3, 224, 224, device="meta"))) == 3
    with pytest.raises(InputError, match="resnet18: torchvision's network has no auxiliary head"):
        build_shapes("resnet18", 7, 224, auxiliary=True)


def test_arrays_are_copies(small):
    arrays = state_arrays(small)
    first = next(iter(arrays))
    kept = arrays[first].copy()
    with torch.no_grad():
        small.state_dict()[first].add_(1)
    assert numpy.array_equal(arrays[first], kept)


def test_wrong_tensors_are_all_named(tmp_path, small):
    arrays = state_arrays(small)
    del arrays["features.0.weight"]
    arrays["features.0.bias"] = arrays["features.0.bias"][:5]
    arrays["features.99.bias"] = arrays["features.0.bias"]
    path = tmp_path / "odd.safetensors"
    save_tensors(path, arrays, metadata_of(small))
    with pytest.raises(InputError) as error:
        load_network(path)
    message = str(error.value)
    assert str(path) in message
    assert "missing features.0.weight [64, 3, 3, 3]" in message
    assert "unexpected features.99.bias [5]" in message
    assert "features.0.bias is [5], expected [64]" in message
    assert len(message.splitlines()) == 4


def test_a_file_without_a_network(tmp_path):
    path = tmp_path / "images.safetensors"
    save_tensors(path, {"images": numpy.zeros(3)}, {"classes": ["a"]})
    with pytest.raises(InputError, match=r"images.safetensors: .*no architecture, input_size"):
        load_network(path)


def test_a_wrong_tensor_type_is_refused(tmp_path, small):
    arrays = state_arrays(small)
    arrays["features.0.bias"] = arrays["features.0.bias"].astype(numpy.int32)
    path = tmp_path / "odd.safetensors"
    save_tensors(path, arrays, metadata_of(small))
    with pytest.raises(
        InputError, match=r"odd\.safetensors: wrong tensor types.*\n  features\.0\.bias is int32, expected float32"
    ):
        load_network(path)


@pytest.mark.parametrize(
    ("key", "value"),
    [("architecture", 3), ("architecture", "os.system"), ("classes", 2), ("input_size", "32"), ("input_size", None)],
)
def test_invalid_metadata_is_refused(tmp_path, small, key, value):
    path = tmp_path / "odd.safetensors"
    save_tensors(path, state_arrays(small), {**metadata_of(small), key: value})
    with pytest.raises(InputError, match=r"odd\.safetensors|os\.system"):
        load_network(path)
