import subprocess
import sys

import pytest
import torch

from triptych.training.adam import Adam

WITHOUT_COMPILER = """
import sys
import torch
from triptych.models.networks import build_network
from triptych.training.adam import Adam
from triptych.training.arithmetic import Arithmetic
from triptych.training.batches import EvaluationTransform
from triptych.training.device import make_deterministic

make_deterministic(1)
network = build_network("resnet18", 2, 32)
images = EvaluationTransform(32, [0.5] * 3, [0.5] * 3, torch.device("cpu"))(torch.zeros(2, 8, 8, 3, dtype=torch.uint8))
for fused in (True, None):
    optimiser = Adam(network.parameters(), fused=fused)
    scaler = Arithmetic(torch.device("cpu")).loss_scaler()
    optimiser.zero_grad(set_to_none=True)
    scaler.scale(network(images).sum()).backward()
    scaler.step(optimiser)
assert torch.are_deterministic_algorithms_enabled()
assert not {"torch._dynamo", "torch._inductor", "sympy"} & set(sys.modules)
"""


@pytest.mark.slow
def test_a_training_imports_no_compiler():
    assert subprocess.run([sys.executable, "-c", WITHOUT_COMPILER], timeout=60).returncode == 0


@pytest.mark.parametrize("fused", [True, None])
def test_it_is_torchs_adam(fused):
    def trained(optimiser_class):
        torch.manual_seed(0)
        layer = torch.nn.Linear(40, 30)
        optimiser = optimiser_class(layer.parameters(), lr=1e-2, fused=fused)
        for _ in range(5):
            optimiser.zero_grad(set_to_none=True)
            layer(torch.randn(8, 40)).square().sum().backward()
            optimiser.step()
        state = [value for values in optimiser.state.values() for value in values.values()]
        assert all(parameter.requires_grad for parameter in layer.parameters())
        return [*layer.parameters(), *state]

    for ours, torchs in zip(trained(Adam), trained(torch.optim.Adam), strict=True):
        assert torch.equal(ours, torchs)
