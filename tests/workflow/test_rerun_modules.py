"""Each module of the package: which rules run again when it changes, on a finished graph that has nearly every rule."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.workflow.conftest import COMMENTS, rules_of, snakemake
from triptych.__main__ import COMMANDS
from triptych.storage.code_digest import PACKAGE, PACKAGE_FOLDER, modules_of

PLOTS_OF_TABLES = (
    "plot_arm_curves plot_curves plot_kernels plot_weight_delta plot_batchnorm_drift plot_confusion plot_cost "
    "plot_memory plot_notebook_loss plot_notebook_kernels"
)
READERS = {
    "write_configuration": "report",
    "prepare_letters": "pretrain_weights",
    "pretrain_weights": "extract_features train extract_weight_delta report",
    "download_dataset": "prepare_dataset",
    "download_weights": "convert_weights",
    "convert_weights": "extract_features train extract_weight_delta report",
    "check_data": "find_duplicates prepare_dataset report_data",
    "find_duplicates": "report_data",
    "report_data": "write_manifest",
    "prepare_dataset": "describe_model compare_architectures extract_features train time_backward plot_samples "
    "collect_predictions",
    "describe_model": "collect_validation",
    "compare_architectures": "plot_architectures check_claims",
    "extract_features": "train",
    "train": "extract_weight_delta",
    "extract_weight_delta": "collect_validation",
    "collect_validation": f"{PLOTS_OF_TABLES} decide collect_results check_claims compare_full_run report",
    "decide": "collect_predictions collect_results report",
    "collect_predictions": "report",
    "collect_results": "plot_confusion plot_cost check_claims report",
    "copy_model": "write_model write_manifest",
    "copy_member": "write_model write_manifest",
    "write_model": "write_manifest",
    "compare_full_run": "plot_full_run report",
    **dict.fromkeys(PLOTS_OF_TABLES.split(), "report"),
    **dict.fromkeys(
        ("plot_samples", "plot_letters", "plot_architectures", "plot_full_run", "check_claims", "time_backward"),
        "report",
    ),
    "report": "write_manifest",
    "write_manifest": "",
}
"""The rules that read what a rule makes: they follow it."""

BUILD_NETWORKS = (
    "pretrain_weights describe_model compare_architectures extract_features train extract_weight_delta time_backward"
)
OF_CLAIMS = tuple(f"triptych.lecture45.{part}" for part in ("schema", "catalogue", "sections"))
NAMED = {
    "write_configuration": ("triptych.configuration.sources.digits", "triptych.lecture45.requirements"),
    "prepare_dataset": ("triptych.data.sources.digits",),
    **dict.fromkeys(BUILD_NETWORKS.split(), ("triptych.models.backbones.torchvision",)),
    **dict.fromkeys(("report", "write_manifest"), OF_CLAIMS),
}
"""The modules that the settings of the graph name, by the rule that needs them."""

NOT_IN_THE_GRAPH = {
    "copy_member",  # of an ensemble
    *("download_dataset", "download_weights", "convert_weights"),
    *("check_data", "find_duplicates", "report_data"),
}
OF_THE_CHOSEN_RUN = {"copy_model", "write_model"}
"""Their input is known once the decision is made: no dry run lists them if it is to be made again."""
NAMED_FILES = {
    "report/report.css": "report",
    "report/report.html.jinja": "report",
    "configuration/keys.py": "",
    "evaluation/predict_alone.py": "write_model",
    "configuration/training.py": "check_claims compare_full_run report",
    "results/schema.py": "report write_manifest",
    "lecture45/schema.py": "report write_manifest",
}
"""Templates and declarations: who imports a declaration need not run again, but only the rules that name it."""
MODULES = sorted(
    path.relative_to(PACKAGE_FOLDER).as_posix() for path in PACKAGE_FOLDER.rglob("*") if path.suffix in COMMENTS
)


def users_of(module):
    """The rules of the graph whose command needs a file of the package."""
    if module in NAMED_FILES:
        return NAMED_FILES[module]
    dotted = ".".join((PACKAGE, *Path(module).with_suffix("").parts)).removesuffix(".__init__")
    rules = READERS.keys() - NOT_IN_THE_GRAPH
    return " ".join(rule for rule in rules if dotted in needed_by(rule))


def needed_by(rule):
    """The modules that a rule's command needs, with those that the settings of the graph name."""
    names = [f"{COMMANDS[rule]}.{rule}", *NAMED.get(rule, ())]
    return {module for name in names for module in modules_of(name)}


def with_followers(rules):
    """The rules and all that follow them."""
    found, waiting = set(), rules.split()
    while waiting:
        rule = waiting.pop()
        if rule not in found:
            found.add(rule)
            waiting += READERS[rule].split()
    return found


def test_what_a_command_needs_is_what_python_loads():
    """Were an import missed, a change of that module would run nothing again."""
    command = f"{COMMANDS['train']}.train"
    loaded = f"import sys, {command}; print(*(name for name in sys.modules if name.split('.')[0] == '{PACKAGE}'))"
    process = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True, timeout=120)
    assert set(process.stdout.split()) == set(modules_of(command))


@pytest.mark.long  # last run: 2026-11-29, 24 of the 306 modules, passed
@pytest.mark.parametrize("module", MODULES)
def test_a_changed_module_runs_what_uses_it_and_what_follows(finished, checkout, module):
    path = checkout / "workflow" / "triptych" / module
    before = path.read_text()
    try:
        path.write_text(before + COMMENTS[path.suffix])
        dry_run = snakemake(
            "--dry-run", "--configfile", "tiny.yaml", directory=finished, checkout=checkout, timeout=120
        )
    finally:
        path.write_text(before)
    expected = with_followers(users_of(module))
    assert set(rules_of(dry_run.stdout)) == expected - (OF_THE_CHOSEN_RUN if "decide" in expected else set())
