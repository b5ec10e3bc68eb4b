"""The two modules about torchvision's networks are what the command writes, and what torch itself does."""

import difflib
import re
from pathlib import Path

import pytest
import torch

from triptych.configuration import architectures, torchvision_weights
from triptych.configuration.architectures import ANY_SIZE, INPUT_SIZES, SIZE_OF_WEIGHTS, SMALLEST_OF_FAMILY
from triptych.configuration.downloads import OFFICIAL_SHA256
from triptych.configuration.torchvision_weights import URLS
from triptych.models import document_architectures
from triptych.models.networks import build_network, build_shapes, load_state

COMMAND = (
    "python -m triptych document-architectures --architectures workflow/triptych/configuration/architectures.py "
    "--torchvision-weights workflow/triptych/configuration/torchvision_weights.py"
)


def assert_same(committed: str, written: str, name: str):
    difference = "\n".join(difflib.unified_diff(committed.splitlines(), written.splitlines(), "committed", "installed"))
    assert not difference, f"{name} is not of the installed torchvision; run `{COMMAND}`\n{difference}"


@pytest.mark.slow
def test_the_command_writes_the_committed_modules(tmp_path):
    written = {"architectures": tmp_path / "a.py", "torchvision_weights": tmp_path / "b.py"}
    document_architectures.document_architectures(**written)
    for module in (architectures, torchvision_weights):
        name = module.__name__.rpartition(".")[2]
        assert_same(Path(module.__file__).read_text(), written[name].read_text(), name)


def test_the_weights_are_those_of_the_installed_torchvision():
    committed = Path(torchvision_weights.__file__).read_text()
    assert_same(committed, document_architectures.weights_text(), "torchvision_weights")


def test_the_names_and_families_are_those_of_the_installed_torchvision():
    assert list(INPUT_SIZES) == list(URLS) == document_architectures.names()
    assert document_architectures.smallest_of_family() == SMALLEST_OF_FAMILY


@pytest.mark.parametrize("name", ["resnet18", "alexnet", "vit_b_32", "squeezenet1_1"])
def test_the_facts_about_one_architecture(name):
    assert document_architectures.input_sizes(name) == INPUT_SIZES[name]
    assert document_architectures.depends_on_size(name, INPUT_SIZES[name][0][0]) == (name in SIZE_OF_WEIGHTS)
    assert document_architectures.can_cache(name) == (name in architectures.CACHEABLE)


def test_every_address_has_digits_of_its_checksum():
    for url in URLS.values():
        assert re.search(r"-[0-9a-f]{8,}\.pth$", url)
    for architecture, checksum in OFFICIAL_SHA256.items():
        assert URLS[architecture].endswith(f"-{checksum[:8]}.pth")


def one_step(network, images):
    """Take one step of training; return the loss."""
    network.train()
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-4)
    loss = torch.nn.functional.cross_entropy(
        network(images), torch.zeros(len(images), dtype=torch.long, device=images.device)
    )
    loss.backward()
    optimiser.step()
    return loss


@pytest.mark.slow
@pytest.mark.parametrize("architecture", INPUT_SIZES)
def test_every_architecture_is_built_loads_its_state_and_takes_a_step(architecture):
    """At its smallest size, on the meta device."""
    size = INPUT_SIZES[architecture][0][0]
    network = build_shapes(architecture, 3, size)
    load_state(network, dict(network.state_dict()))
    assert one_step(network, torch.empty(2, 3, size, size, device="meta")).shape == ()
    assert all(parameter.grad is not None for parameter in network.parameters())


@pytest.mark.slow
@pytest.mark.parametrize("architecture", SMALLEST_OF_FAMILY.values())
def test_numbers_take_a_step_at_the_smallest_size_and_none_below_it(architecture):
    """On the CPU, where torch checks more than on the meta device: the limits are the same."""
    sizes = INPUT_SIZES[architecture][0]
    network = build_network(architecture, 3, sizes[0])
    load_state(network, {name: tensor.clone() for name, tensor in network.state_dict().items()})
    assert one_step(network, torch.rand(2, 3, sizes[0], sizes[0])).isfinite()
    below = sizes[0] - 1
    if below in ANY_SIZE:
        with pytest.raises((AssertionError, RuntimeError, ValueError)):
            network.eval()(torch.rand(1, 3, below, below))
