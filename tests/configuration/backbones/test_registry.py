"""The facts about architectures are read as they were written, and every library has a file of them and a module."""

import json
import re

from triptych.configuration.backbones.names import architecture_of, library_and_name
from triptych.configuration.backbones.registry import ARCHITECTURES, LIBRARIES, Facts, facts_file, read_facts
from triptych.models.backbone import known_libraries

ENTRY = {
    "input_sizes": [[16, 64, 16], [100, 100, 1]],
    "size_dependent": True,
    "parameters": 5,
    "auxiliary": False,
    "cacheable": True,
    "weights": None,
}
WEIGHTS = {"url": "https://x/y", "sha256": "0a", "bytes": None, "input_size": 32, "interpolation": "bicubic"}
WEIGHTS |= {"mean": [0, 0, 0], "std": [1, 1, 1]}


def test_every_library_has_its_facts_and_its_module():
    assert sorted(LIBRARIES) == known_libraries()
    assert sorted(facts_file("any").parent.glob("*.json")) == sorted(map(facts_file, LIBRARIES))


def test_facts_are_read_from_their_file(tmp_path):
    path = tmp_path / "toy.json"
    path.write_text(json.dumps({"plain": ENTRY, "trained": {**ENTRY, "weights": WEIGHTS}}))
    facts = read_facts(path)
    sizes = (range(16, 65, 16), range(100, 101))
    assert facts["plain"] == Facts(sizes, True, 5, False, True, None)
    assert (facts["plain"].size_of_weights, facts["trained"].size_of_weights) == (None, 32)
    assert facts["trained"].weights.interpolation == "bicubic"


def test_a_bare_name_is_torchvisions():
    assert library_and_name("resnet18") == ("torchvision", "resnet18")
    assert library_and_name("timm/a/b") == ("timm", "a/b")
    for architecture in ("resnet18", "timm/resnet18"):
        assert architecture_of(*library_and_name(architecture)) == architecture


def test_every_address_of_torchvision_has_digits_of_its_checksum():
    for facts in read_facts(facts_file("torchvision")).values():
        digits = re.search(r"-([0-9a-f]{8,})\.pth$", facts.weights.url)[1]
        assert facts.weights.sha256.startswith(digits)


def test_one_line_is_one_architecture():
    """So that a difference is read by people."""
    lines = facts_file("torchvision").read_text().splitlines()
    assert len(lines) == len(ARCHITECTURES) + 2
    assert [line.split('"')[1] for line in lines[1:-1]] == sorted(read_facts(facts_file("torchvision")))
