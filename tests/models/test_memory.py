"""The estimate of memory is the sum of its parts, and its activations are those that torch really keeps."""

import pandas
import pytest
import torch

from triptych.models.layers import layer_table
from triptych.models.memory import (
    BatchBytes,
    kept_activations,
    largest_tensor,
    live_activations,
    memory_by_batch_size,
    weight_bytes,
)
from triptych.models.networks import build_network, build_shapes, head_tensors

PARAMETERS = 11_181_642
HEAD_PARAMETERS = 5_130


@pytest.fixture(scope="module")
def table():
    network = build_shapes("resnet18", 10, 224)
    rows = memory_by_batch_size(network, head_tensors("resnet18", 10, 224), 224, [1, 2, 32])
    return pandas.DataFrame(rows).set_index(["train", "batch_size"])


def test_parts(table):
    assert (table["training_bytes"] == table.iloc[:, 2:].sum(axis=1)).all()
    # 9,600 statistics in float32 and 20 counters in int64
    assert (table["weight_bytes"] == PARAMETERS * 4 + 9_600 * 4 + 20 * 8).all()
    assert (table.loc["all", "gradient_bytes"] == PARAMETERS * 4).all()
    assert (table.loc["head", "gradient_bytes"] == HEAD_PARAMETERS * 4).all()
    assert (table["optimizer_bytes"] == 2 * table["gradient_bytes"]).all()


def test_growth(table):
    for column in ("training_bytes", "inference_bytes"):
        for trainable in ("all", "head"):
            one, two, many = (table.loc[(trainable, size), column] for size in (1, 2, 32))
            assert many == one + 31 * (two - one)
    assert (table["inference_bytes"] < table["training_bytes"]).all()
    assert table.loc[("head", 32), "training_bytes"] < table.loc[("all", 32), "training_bytes"] / 3


def test_activations_are_the_layers_outputs(table):
    """Beside them the image and the places that max pooling remembers (8 bytes each), without the shortcuts' outputs.

    The shortcuts' convolutions end in a sum, whose derivative needs nothing.
    """
    layers = layer_table(build_shapes("resnet18", 10, 224), 224)
    outputs = sum(row["activation_bytes"] for row in layers if not row["layer"].endswith("downsample.1"))
    image, places = 3 * 224 * 224 * 4, 64 * 56 * 56 * 8
    each = table.loc[("all", 2), "activation_bytes"] - table.loc[("all", 1), "activation_bytes"]
    assert each == outputs + image + places + 8  # and a label


def test_trunk_keeps_its_largest_moment():
    """In resnet18 that is normalising the first convolution's output: 64x112x112 twice, and the image."""
    live = live_activations(build_shapes("resnet18", 10, 224), 224)
    assert live.each == (2 * 64 * 112 * 112 + 3 * 224 * 224) * 4


@pytest.mark.parametrize("trainable", ["all", "head"])
def test_the_meta_device_keeps_what_the_cpu_keeps(trainable):
    head = head_tensors("resnet18", 10, 32)
    network = build_network("resnet18", 10, 32)
    names = {name for name, _ in network.named_parameters() if trainable == "all" or name in head}
    predicted = kept_activations(build_shapes("resnet18", 10, 32), 32, names)
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name in names)
    weights = {tensor.untyped_storage().data_ptr() for tensor in network.state_dict().values()}
    kept = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = (storage.nbytes(), tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        torch.nn.functional.cross_entropy(network(torch.rand(5, 3, 32, 32)), torch.arange(5))
    assert predicted.of(5) == pytest.approx(sum(size for size, _ in kept.values()), rel=0.02)


def test_auxiliary_heads_keep_activations_too():
    every = {name for name, _ in build_shapes("googlenet", 10, 64, auxiliary=True).named_parameters()}
    with_heads, without = (
        kept_activations(build_shapes("googlenet", 10, 64, auxiliary), 64, every) for auxiliary in (True, False)
    )
    # each of two heads: 128x4x4 three times (convolution, BatchNorm, ReLU), and what its two linear layers read
    assert 2 * 3 * 128 * 16 * 4 < with_heads.each - without.each < 2**20


def test_largest_batch():
    need = BatchBytes(fixed=100, each=30)
    assert [need.largest_batch(memory) for memory in (50, 100, 129, 130, 159, 160)] == [0, 0, 0, 1, 1, 2]
    assert need + BatchBytes(1, 2) == BatchBytes(101, 32)


@pytest.mark.parametrize(
    ("architecture", "input_size", "elements"),
    [("resnet18", 224, 64 * 112 * 112), ("vgg11", 224, 64 * 224 * 224), ("alexnet", 64, 64 * 15 * 15)],
)
def test_the_largest_tensor_is_that_of_the_first_layer(architecture, input_size, elements):
    assert largest_tensor(build_shapes(architecture, 10, input_size), input_size) == elements


def test_network_is_left_trainable():
    network = build_shapes("resnet18", 10, 32)
    kept_activations(network, 32, {"fc.weight"})
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert weight_bytes(network) == PARAMETERS * 4 + 9_600 * 4 + 20 * 8
