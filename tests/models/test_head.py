import pytest
import torch

from triptych.models.head import features_and_logits, head_of
from triptych.models.networks import build_shapes, head_tensors
from triptych.storage.errors import InputError


@pytest.mark.parametrize(("architecture", "width"), [("resnet18", 512), ("densenet121", 1024), ("vit_b_16", 768)])
def test_the_head_is_given_the_trunks_features(architecture, width):
    network = build_shapes(architecture, 10, 224)
    head = head_of(network, head_tensors(architecture, 10, 224))
    features, logits = features_and_logits(network, head, torch.empty(2, 3, 224, 224, device="meta"))
    assert (features.shape, logits.shape) == ((2, width), (2, 10))
    assert not head._forward_hooks  # nothing is left behind


def test_a_head_that_is_not_last_is_refused():
    network = build_shapes("squeezenet1_0", 10, 224)
    head = head_of(network, head_tensors("squeezenet1_0", 10, 224))
    with pytest.raises(InputError, match="not the last operation of the network"):
        features_and_logits(network, head, torch.empty(2, 3, 224, 224, device="meta"))


def test_a_head_in_two_modules_is_refused():
    with pytest.raises(InputError, match=r"several modules \(a, b\)"):
        head_of(torch.nn.Module(), ["a.weight", "b.weight"])
