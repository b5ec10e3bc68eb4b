"""Layers add up to the network, and to the numbers that are published for it."""

import pandas
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from triptych.models.layers import layer_table
from triptych.models.networks import build_shapes


# torchvision's documentation of these weights gives parameters and GFLOPS (which there are multiply-accumulates).
@pytest.mark.parametrize(
    ("architecture", "input_size", "parameters", "giga_macs"),
    [
        ("resnet18", 224, 11_689_512, 1.814),
        ("resnet34", 224, 21_797_672, 3.664),
        ("resnet50", 224, 25_557_032, 4.089),
        ("googlenet", 224, 6_624_904, 1.498),
        ("inception_v3", 299, 23_834_568, 5.713),
        ("vit_b_32", 224, 88_224_232, 4.409),
        ("swin_t", 224, 28_288_354, 4.491),
        ("maxvit_t", 224, 30_919_624, 5.558),
    ],
)
def test_published_totals(architecture, input_size, parameters, giga_macs):
    network = build_shapes(architecture, 1000, input_size)
    table = pandas.DataFrame(layer_table(network, input_size))
    assert table["parameters"].sum() == parameters
    assert table["macs"].sum() / 1e9 == pytest.approx(giga_macs, rel=0.01)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(torch.empty(1, 3, input_size, input_size, device="meta"))
    assert table["macs"].sum() * 2 == counter.get_total_flops()
    assert (table[["parameters", "macs", "activation_bytes"]] >= 0).all(axis=None)


@pytest.mark.parametrize(
    ("architecture", "input_size", "parameters"), [("googlenet", 224, 13_004_888), ("inception_v3", 299, 27_161_264)]
)
def test_auxiliary_heads_are_counted_where_they_run(architecture, input_size, parameters):
    network = build_shapes(architecture, 1000, input_size, auxiliary=True)
    network.training = True
    assert pandas.DataFrame(layer_table(network, input_size))["parameters"].sum() == parameters


def test_layers_of_resnet18():
    table = pandas.DataFrame(layer_table(build_shapes("resnet18", 1000, 224), 224))
    assert table["layer"].iloc[[0, -1]].tolist() == ["conv1", "fc"]
    rows = table.drop_duplicates("layer").set_index("layer")
    first = rows.loc["conv1"]
    assert first["type"] == "Conv2d"
    assert first["output_shape"] == "64x112x112"
    assert first[["output_height", "output_width", "in_padding"]].tolist() == [112, 112, 0]
    assert first["parameters"] == 64 * 3 * 7 * 7
    assert first["macs"] == 64 * 112 * 112 * 3 * 7 * 7
    assert first["activation_bytes"] == 64 * 112 * 112 * 4
    assert rows.loc["fc", "output_shape"] == "1000" and rows.loc["fc", ["output_height", "in_padding"]].isna().all()
    assert rows.loc["fc", "macs"] == 512 * 1000
    # written over its input
    assert rows.loc["relu", "activation_bytes"] == 0
    # called twice in a block, counted twice as a layer
    assert (table["layer"] == "layer1.0.relu").sum() == 2
    assert (table["type"] == "Conv2d").sum() == 20


def test_the_share_of_a_kernel_in_padding_is_that_of_weights_without_a_gradient():
    """Of each convolution, also with strides, dilation and an even kernel."""
    torch.manual_seed(0)
    for size, options in [
        (2, {"kernel_size": 3, "stride": 2, "padding": 1}),
        (1, {"kernel_size": 3, "padding": 1}),
        (3, {"kernel_size": (7, 3), "padding": (3, 1), "stride": 2}),
        (2, {"kernel_size": 3, "padding": 2, "dilation": 2}),
        (1, {"kernel_size": 4, "padding": 2}),
        (2, {"kernel_size": 5, "padding": "same"}),
        (4, {"kernel_size": 3, "padding": 1}),
    ]:
        convolution = torch.nn.Conv2d(3, 2, **options)
        convolution(torch.rand(1, 3, size, size) + 1).sum().backward()
        shapes = torch.nn.Sequential(torch.nn.Conv2d(3, 2, **options, device="meta")).eval()
        (row,) = layer_table(shapes, size)
        assert row["in_padding"] == pytest.approx((convolution.weight.grad == 0).float().mean().item()), options
    table = pandas.DataFrame(layer_table(build_shapes("resnet18", 10, 24), 24)).drop_duplicates("layer")
    shares = table.set_index("layer")["in_padding"]
    assert shares[["layer4.0.conv1", "layer4.1.conv1"]].tolist() == pytest.approx([5 / 9, 8 / 9])


def test_attention_is_counted_with_what_it_uses():
    table = pandas.DataFrame(layer_table(build_shapes("vit_b_32", 1000, 224), 224)).set_index("layer")
    attention = table.loc["encoder.layers.encoder_layer_0.self_attention"]
    tokens, width = 50, 768
    assert attention["type"] == "MultiheadAttention"
    assert attention["parameters"] == 4 * width * width + 4 * width
    assert attention["macs"] == 4 * tokens * width * width + 2 * tokens * tokens * width
