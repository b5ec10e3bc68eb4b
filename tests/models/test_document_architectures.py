"""The file of facts about torchvision's networks is what the command writes, and what torch itself does."""

import difflib
import json

import pytest
import torch

from tests.models.conftest import KINDS, with_tiers
from triptych.configuration.architecture_words import SMALLEST_OF_FAMILY
from triptych.configuration.backbones.registry import ANY_SIZE, ARCHITECTURES, facts_file
from triptych.models import document_architectures
from triptych.models.networks import build_network, build_shapes, load_state
from triptych.storage.errors import InputError

COMMITTED = facts_file("torchvision")
COMMAND = (
    "python -m triptych document-architectures --library torchvision "
    "--facts workflow/triptych/configuration/backbones/torchvision.json"
)


@pytest.mark.parametrize(
    "chosen",
    [
        pytest.param(KINDS, marks=pytest.mark.slow, id="one of each kind"),
        pytest.param(set(ARCHITECTURES), marks=pytest.mark.long, id="all"),  # last run: 2026-11-28, passed
    ],
)
def test_the_command_writes_the_committed_file(tmp_path, monkeypatch, chosen):
    path, names = tmp_path / "facts.json", document_architectures.names
    monkeypatch.setattr(
        document_architectures, "names", lambda library: [name for name in names(library) if name in chosen]
    )
    document_architectures.document_architectures(library="torchvision", facts=path)
    assert list(json.loads(path.read_text())) == sorted(chosen)
    committed = [line for line in COMMITTED.read_text().splitlines() if line in "{}" or line.split('"')[1] in chosen]
    lines = [[line.rstrip(",") for line in file] for file in (committed, path.read_text().splitlines())]
    difference = "\n".join(difflib.unified_diff(*lines, "committed", "installed"))
    assert not difference, f"the facts are not of the installed torchvision; run `{COMMAND}`\n{difference}"


def test_the_names_and_weights_are_those_of_the_installed_torchvision():
    committed = json.loads(COMMITTED.read_text())
    assert list(committed) == document_architectures.names("torchvision")
    for name, entry in committed.items():
        assert entry["weights"] == document_architectures.weight_file(name)


@pytest.mark.parametrize("name", ["resnet18", "alexnet", "vit_b_32", "squeezenet1_1", "googlenet"])
def test_the_facts_about_one_architecture(name):
    facts = json.loads(json.dumps(document_architectures.facts_of("torchvision", name)))
    assert facts == json.loads(COMMITTED.read_text())[name]


def test_an_unknown_library_is_refused(tmp_path):
    with pytest.raises(InputError, match="there is no library 'tinm'"):
        document_architectures.document_architectures(library="tinm", facts=tmp_path / "facts.json")


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


@pytest.mark.parametrize("architecture", with_tiers(ARCHITECTURES))
def test_every_architecture_is_built_loads_its_state_and_takes_a_step(architecture):
    """At its smallest size, on the meta device."""
    size = ARCHITECTURES[architecture].input_sizes[0][0]
    network = build_shapes(architecture, 3, size)
    load_state(network, dict(network.state_dict()))
    assert one_step(network, torch.empty(2, 3, size, size, device="meta")).shape == ()
    assert all(parameter.grad is not None for parameter in network.parameters())


@pytest.mark.slow
@pytest.mark.parametrize("architecture", SMALLEST_OF_FAMILY.values())
def test_numbers_take_a_step_at_the_smallest_size_and_none_below_it(architecture):
    """On the CPU, where torch checks more than on the meta device: the limits are the same."""
    sizes = ARCHITECTURES[architecture].input_sizes[0]
    network = build_network(architecture, 3, sizes[0])
    load_state(network, {name: tensor.clone() for name, tensor in network.state_dict().items()})
    assert one_step(network, torch.rand(2, 3, sizes[0], sizes[0])).isfinite()
    below = sizes[0] - 1
    if below in ANY_SIZE:
        with pytest.raises((AssertionError, RuntimeError, ValueError)):
            network.eval()(torch.rand(1, 3, below, below))
