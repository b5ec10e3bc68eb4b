"""What is known of torchvision's networks without torch is what torchvision says and does."""

import difflib
import re
from pathlib import Path

import pytest
import torch
from torchvision import models

from triptych import architectures, torchvision_weights
from triptych.document_architectures import architectures_module, document_architectures, weights_module
from triptych.downloads import OFFICIAL_SHA256
from triptych.errors import InputError
from triptych.models.networks import build_shapes, load_state

COMMAND = (
    "python -m triptych document-architectures --architectures workflow/triptych/architectures.py "
    "--weights workflow/triptych/torchvision_weights.py"
)
NAMES = sorted(models.list_models(module=models))


def check(module, text):
    committed = Path(module.__file__).read_text()
    difference = difflib.unified_diff(committed.splitlines(), text.splitlines(), "committed", "now", lineterm="", n=1)
    assert committed == text, f"run {COMMAND}\n" + "\n".join(difference)


def test_the_weights_are_those_of_the_installed_torchvision():
    check(torchvision_weights, weights_module(NAMES))


@pytest.mark.slow
def test_the_facts_are_those_of_the_installed_torchvision():
    check(architectures, architectures_module(NAMES))


def test_the_facts_of_some_networks_are_those_of_the_installed_torchvision():
    some = ["alexnet", "mnasnet0_5", "resnet18", "swin_t", "vit_b_32"]
    facts = {}
    exec(architectures_module(some), facts)
    for table in ("PARAMETERS", "SMALLEST_INPUT", "INPUT_STEP"):
        known = getattr(architectures, table)
        assert facts[table] == {name: known[name] for name in some if name in known}
    for names in ("ONE_SIZE", "CACHEABLE"):
        assert facts[names] == getattr(architectures, names) & set(some)


def test_every_network_has_all_facts():
    assert list(architectures.PARAMETERS) == list(architectures.SMALLEST_INPUT) == NAMES
    assert list(torchvision_weights.URLS) == list(torchvision_weights.SIZES) == NAMES


def test_both_files_are_written(tmp_path, monkeypatch):
    monkeypatch.setattr(models, "list_models", lambda module: ["resnet18", "alexnet"])
    files = {"architectures": tmp_path / "a.py", "weights": tmp_path / "w.py"}
    document_architectures(**files)
    some = ["alexnet", "resnet18"]
    assert files["architectures"].read_text() == architectures_module(some)
    assert files["weights"].read_text() == weights_module(some)


def test_every_architecture_has_weights_with_digits_of_their_checksum():
    for url in torchvision_weights.URLS.values():
        assert re.search(r"-[0-9a-f]{8,}\.pth$", url)
    for architecture, checksum in OFFICIAL_SHA256.items():
        assert torchvision_weights.URLS[architecture].endswith(f"-{checksum[:8]}.pth")


@pytest.mark.parametrize(
    ("architecture", "size"),
    [("vit_b_16", 225), ("vit_h_14", 224 + 7), ("maxvit_t", 256), ("alexnet", 62), ("inception_v3", 74)],
)
def test_a_size_that_the_facts_refuse_cannot_be_computed(architecture, size):
    with pytest.raises(InputError):
        build_shapes(architecture, 10, size)


@pytest.mark.slow
@pytest.mark.parametrize("architecture", NAMES)
def test_at_its_smallest_size_every_network_is_built_takes_its_own_state_and_trains(architecture):
    """Without numbers: on the meta device."""
    network = build_shapes(architecture, 10, architectures.SMALLEST_INPUT[architecture])
    before = {name: tensor.shape for name, tensor in network.state_dict().items()}
    load_state(network, dict(network.state_dict()))
    assert {name: tensor.shape for name, tensor in network.state_dict().items()} == before
    size = architectures.SMALLEST_INPUT[architecture]
    logits = network.train()(torch.empty(2, 3, size, size, device="meta"))
    assert logits.shape == (2, 10)
    logits.sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters() if parameter.requires_grad)
