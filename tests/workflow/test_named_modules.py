"""The modules that settings name are there, and are those of these settings alone."""

import importlib

import pytest

from tests.conftest import WITHOUT_COMMAND
from tests.test_names import RULES
from triptych.__main__ import COMMANDS
from triptych.configuration.claims import WINGS
from triptych.configuration.effective import effective
from triptych.configuration.loading import load_configuration
from triptych.configuration.sources.registry import SOURCES, section_of
from triptych.data.source import reader_of
from triptych.models.backbone import library_of
from triptych.storage.code_digest import modules_of
from triptych.workflow.named_modules import (
    modules_of_backbones,
    modules_of_networks,
    modules_of_report,
    modules_of_section,
    modules_of_source,
)


def experiment_of(**keys):
    raw = {"experiments": {"e": {"arms": {"one": {}}, "test": "every_epoch", **keys}}}
    return effective(load_configuration(raw))["experiments"]["e"]


@pytest.mark.parametrize("source", SOURCES)
def test_a_source_names_its_two_modules(source):
    path = {"path": "photos"} if section_of(source).FILES else {}
    experiment = experiment_of(dataset={"source": source, **path})
    (section,), (reader,) = modules_of_section(experiment), modules_of_source(experiment)
    assert importlib.import_module(section).SECTION.model_fields["source"].default == source
    assert importlib.import_module(reader) is reader_of(source)


def test_no_command_needs_a_source_or_a_library_that_no_setting_names():
    """Those modules are imported by name alone: an import statement would put all of them into every digest."""
    for command in ("data.prepare_dataset", "training.train", "models.compare_architectures"):
        modules = modules_of(f"triptych.{command}")
        assert not [name for name in modules if ".sources." in name or ".models.backbones." in name]


@pytest.mark.parametrize("rule", sorted(set(RULES) - WITHOUT_COMMAND))
def test_a_rule_whose_command_finds_a_module_by_name_says_which(rule):
    """Else a change of that module would run nothing again."""
    modules = modules_of(f"{COMMANDS[rule]}.{rule}")
    finders = {"data.source", "models.backbone", "configuration.sources.registry", "configuration.claims"}
    finders = {f"triptych.{finder}" for finder in finders}
    assert ("named=" in RULES[rule][-1]) == bool(finders & set(modules))


@pytest.mark.parametrize("wing", WINGS)
def test_claims_name_the_modules_of_their_wing(wing):
    experiment = experiment_of()
    assert modules_of_report(experiment) == ()
    experiment["claims"] = wing
    parts = ("schema", "catalogue", "sections")
    assert modules_of_report(experiment) == tuple(f"triptych.{wing}.{part}" for part in parts)
    assert modules_of_section(experiment)[1:] == (f"triptych.{wing}.requirements",)


def test_networks_name_their_libraries_each_once():
    torchvision = library_of("resnet18")[0].__name__
    assert modules_of_backbones(["resnet18", "vgg11"]) == (torchvision,)
    assert modules_of_backbones(["toy/b", "resnet18", "toy/a"]) == (
        "triptych.models.backbones.torchvision",
        "triptych.models.backbones.toy",
    )
    references = [{"architecture": "vgg11", "input_size": 32}]
    assert modules_of_networks(experiment_of(reference_models=references)) == (torchvision,)
