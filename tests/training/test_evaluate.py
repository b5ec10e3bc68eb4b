"""The logits of an image are the same bits whatever is evaluated beside it."""

import numpy
import pytest
import torch
import torchvision

from tests.training.conftest import make_split
from triptych.data.dataset import Split
from triptych.models.networks import build_network
from triptych.training.arithmetic import Arithmetic, cpu_has_bfloat16
from triptych.training.batches import EvaluationTransform
from triptych.training.device import make_deterministic
from triptych.training.evaluate import evaluate, padded
from triptych.training.residency import Resident

CPU = torch.device("cpu")
BATCH = 16
IMAGES = BATCH + 5


def network_of(name: str) -> torch.nn.Module:
    torch.manual_seed(0)
    if name == "vision transformer":
        network = torchvision.models.VisionTransformer(32, 8, 2, 4, 64, 128, num_classes=3)
        torch.nn.init.normal_(network.heads.head.weight)  # it begins with zeros
        return network
    return build_network(name, 3, 32)


@pytest.fixture(params=["float32", "bfloat16"])
def arithmetic(request):
    if request.param == "bfloat16" and not cpu_has_bfloat16():
        pytest.skip("this CPU has no units for bfloat16")
    make_deterministic(1)
    return Arithmetic(CPU, request.param)


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "vision transformer"])
def test_logits_do_not_depend_on_neighbours_order_or_number_of_images(name, arithmetic):
    network, transform = network_of(name), EvaluationTransform(32, [0.5] * 3, [0.25] * 3, CPU)
    split, others = make_split(IMAGES, 1), make_split(IMAGES, 2)

    def logits_of(rows, images=split.images) -> numpy.ndarray:
        rows = numpy.asarray(rows)
        part = Split(images[rows], split.labels[rows], split.classes)
        return evaluate(network, Resident(part, CPU), transform, BATCH, arithmetic)[2].numpy()

    expected = logits_of(range(IMAGES))
    assert len({row.tobytes() for row in expected}) == IMAGES  # else the test shows nothing
    for row in (0, BATCH - 1, BATCH, IMAGES - 1):
        assert logits_of([row]).tobytes() == expected[row].tobytes()  # alone
        neighbours = others.images.copy()
        neighbours[row] = split.images[row]
        assert logits_of(range(IMAGES), neighbours)[row].tobytes() == expected[row].tobytes()
    for order in (numpy.arange(IMAGES)[::-1], numpy.random.default_rng(0).permutation(IMAGES)):
        assert logits_of(order).tobytes() == expected[order].tobytes()
    assert logits_of(range(BATCH + 1)).tobytes() == expected[: BATCH + 1].tobytes()


def test_a_batch_is_padded_with_zeros():
    images = torch.ones(3, 2, 2, 3, dtype=torch.uint8)
    assert padded(images, 3) is images
    assert torch.equal(padded(images, 5), torch.cat([images, torch.zeros(2, 2, 2, 3, dtype=torch.uint8)]))
    assert padded(torch.ones(1, 4), 2).tolist() == [[1.0] * 4, [0.0] * 4]
