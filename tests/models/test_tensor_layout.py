"""Blocks and roles of a network's tensors."""

from collections import Counter

import pytest

from triptych.models.networks import build_shapes
from triptych.models.tensor_layout import Position, layout_of, tensor_layout

# As published: 49 + 4 convolutions, 53 BatchNorm layers and a head; 12 blocks of ViT, each with two LayerNorms and four
# linear layers (one of them attention's for queries, keys and values).
ROLES = {
    "resnet50": {"weight": 54, "bias": 1, "normalisation": 106, "statistic": 106, "constant": 53},
    "vit_b_16": {"weight": 12 * 4 + 2, "bias": 12 * 4 + 2, "normalisation": 12 * 4 + 2, "other": 2},
    "efficientnet_b0": {"weight": 82, "bias": 33, "normalisation": 98, "statistic": 98, "constant": 49},
}


@pytest.mark.parametrize("architecture", ROLES)
def test_every_tensor_has_a_role(architecture):
    network = build_shapes(architecture, 10, 224)
    layout = tensor_layout(network, architecture)
    assert list(layout) == list(network.state_dict())
    assert Counter(position.role for position in layout.values()) == ROLES[architecture]


def test_buffers_are_in_the_block_of_their_layer():
    layout = layout_of({"architecture": "densenet121", "classes": ["a", "b"], "input_size": 64})
    assert layout["features.norm0.running_mean"] == Position("features.conv0", "statistic")
    assert layout["features.norm0.num_batches_tracked"] == Position("features.conv0", "constant")
    dense = "features.denseblock2.denselayer3"
    assert {layout[f"{dense}.{name}"].block for name in ("norm1.weight", "conv1.weight", "norm2.running_var")} == {
        dense
    }
    assert layout["features.norm5.running_var"].block == "features.denseblock4.denselayer16"
    assert layout["classifier.bias"] == Position("classifier", "bias")
