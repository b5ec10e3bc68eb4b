"""What a GPU's memory holds: as computed, and what is said where it does not suffice. All of it needs a GPU."""

import gc
import json

import pytest
import torch

from tests.training.conftest import train
from triptych.models.memory import memory_by_batch_size
from triptych.models.networks import build_shapes, head_tensors
from triptych.storage.errors import InputError

SIZE = 224
BESIDE = 2
"""How many times the computed memory the measured peak may be: not counted are workspaces of convolutions, and the
gradients of activations."""

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU here")


@pytest.fixture
def on_gpu(arguments):
    """Arguments of `train()` for ResNet-18 at 224 px, steps launched one by one, after which evaluation takes less."""
    changes = {"input_size": SIZE, "pretrained": None, "device": "cuda", "cuda_graphs": "never"}
    return arguments | changes | {"batch_size": 32, "evaluation_batch_size": 8}


@pytest.fixture(autouse=True)
def nothing_of_other_tests():
    """Memory that other tests have left to Python or to torch counts for nothing here."""
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()


def computed(train_what, batch_size):
    rows = memory_by_batch_size(
        build_shapes("resnet18", 3, SIZE), head_tensors("resnet18", 3, SIZE), SIZE, [batch_size]
    )
    return next(row["training_bytes"] for row in rows if row["train"] == train_what)


@pytest.mark.parametrize("train_what", ["all", "head"])
def test_the_computed_memory_is_nearly_the_measured_one(on_gpu, train_what):
    train(**on_gpu | {"train": train_what})
    measured = json.loads(on_gpu["cost"].read_text())["peak_memory_bytes"]
    assert 0.95 < measured / computed(train_what, 32) < BESIDE


def test_a_batch_that_the_memory_does_not_hold_is_one_message_and_a_smaller_one_fits(on_gpu):
    """The allocator gives no more than lies between the two."""
    limit = (computed("all", 2) * BESIDE + computed("all", 32)) / 2
    torch.cuda.set_per_process_memory_fraction(limit / torch.cuda.get_device_properties(0).total_memory)
    try:
        with pytest.raises(
            InputError,
            match=r"out of GPU memory in epoch 1, step 1 .*training\.batch_size \(now 32\)",
        ):
            train(**on_gpu)
        assert not on_gpu["trained"].exists()
        gc.collect()
        torch.cuda.empty_cache()
        train(**on_gpu | {"batch_size": 2, "evaluation_batch_size": 2})
        assert on_gpu["trained"].exists()
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
