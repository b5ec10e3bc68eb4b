"""The timing of the unused backward pass."""

from dataclasses import replace

import pandas
import pytest
import torch

from tests.training.conftest import make_split
from triptych.data.dataset import save_split
from triptych.lecture45 import time_backward as module
from triptych.lecture45.schema import COST_BACKWARD
from triptych.lecture45.time_backward import REPEATS, TimingRecipe, measured, time_backward
from triptych.storage.errors import InputError


@pytest.fixture
def arguments(files, tmp_path):
    return {
        "architecture": "resnet18",
        "input_size": 32,
        "recipe": TimingRecipe(batch_size=8, learning_rate=1e-4, num_threads=1, device="cpu"),
        "train_data": files / "train.safetensors",
        "output": tmp_path / "cost_backward.csv",
    }


def test_both_ways_are_measured_in_turns_and_differ_in_what_has_gradients_alone(arguments, monkeypatch):
    steps = []

    def step(network, optimiser, images, labels):
        original(network, optimiser, images, labels)
        trunk = [name for name, parameter in network.named_parameters() if parameter.requires_grad]
        steps.append((len(trunk), network.training, sum(len(group["params"]) for group in optimiser.param_groups)))

    original = module.step
    monkeypatch.setattr(module, "step", step)
    time_backward(**arguments)
    # 62 parameter tensors, of which the head has two: one warm-up of each way, then turns
    assert steps == [(62, True, 2), (2, True, 2)] * (1 + REPEATS)
    table = pandas.read_csv(arguments["output"])
    assert list(table.columns) == COST_BACKWARD.names
    row = table.iloc[0]
    assert (row["device"], row["batch_size"], row["n"]) == ("cpu", 8, REPEATS)
    assert row["images_per_second_notebook"] > 0
    assert row["ratio_low"] <= row["ratio"] <= row["ratio_high"]


def test_what_the_notebook_leaves_adds_up(files):
    """Only the head's gradients are cleared, as in the notebook, where those of the trunk grow with every step."""
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 4), torch.nn.Linear(4, 3))
    optimiser = torch.optim.SGD(network[2].parameters(), lr=0.0)
    norms = []
    for _ in range(3):
        module.step(network, optimiser, torch.ones(2, 2, 2, 3), torch.tensor([0, 1]))
        norms.append((network[1].weight.grad.norm().item(), network[2].weight.grad.norm().item()))
    trunk, head = zip(*norms, strict=True)
    assert trunk[2] == pytest.approx(3 * trunk[0])
    assert head[2] == pytest.approx(head[0])


def test_medians_and_the_ratios_of_neighbours():
    found = measured([10, 20, 40], [30, 30, 200])
    assert found == {
        "images_per_second_notebook": 20,
        "images_per_second_here": 30,
        "ratio": 3,
        "ratio_low": 1.5,
        "ratio_high": 5,
        "n": 3,
    }


def test_no_images_is_an_error(arguments, tmp_path):
    save_split(tmp_path / "empty.safetensors", make_split(0, 1))
    with pytest.raises(InputError, match="no training images"):
        time_backward(**{**arguments, "train_data": tmp_path / "empty.safetensors"})


def test_fewer_images_than_a_batch_are_one_batch(arguments):
    time_backward(**{**arguments, "recipe": replace(arguments["recipe"], batch_size=64)})
    assert pandas.read_csv(arguments["output"])["batch_size"][0] == 50
