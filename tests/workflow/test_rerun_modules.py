"""Each module of the package: which rules run again when it changes, on a finished graph that has nearly every rule."""

import pytest
import yaml

from triptych.code_digest import PACKAGE_FOLDER
from tests.workflow.conftest import COMMENTS, TINY, rules_of, snakemake

EXPERIMENT = {
    **TINY,
    "claims": "lecture45",
    "reference_models": [{"architecture": "resnet34", "input_size": 32}],
    "arms": {**TINY["arms"], "frozen": {"weights": "pretrained", "train": "head", "batchnorm": "frozen"}},
}
PLOTS_OF_TABLES = (
    "plot_arm_curves plot_curves plot_kernels plot_weight_delta plot_batchnorm_drift plot_confusion plot_cost "
    "plot_memory plot_notebook_loss plot_notebook_kernels"
)
READERS = {
    "write_configuration": "report",
    "prepare_letters": "pretrain_weights",
    "pretrain_weights": "initialise_model extract_features report",
    "prepare_dataset": "describe_model initialise_model extract_features train time_backward plot_samples",
    "describe_model": "collect_results",
    "compare_architectures": "plot_architectures check_claims",
    "initialise_model": "train",
    "extract_features": "train",
    "train": "extract_weight_delta",
    "extract_weight_delta": "collect_results",
    "collect_results": f"{PLOTS_OF_TABLES} check_claims",
    **dict.fromkeys(PLOTS_OF_TABLES.split(), "report"),
    **dict.fromkeys(("plot_samples", "plot_architectures", "check_claims", "time_backward"), "report"),
    "report": "write_manifest",
    "write_manifest": "",
}
"""The rules that read what a rule makes: they follow it."""

# TABLE


def with_followers(rules):
    """The rules and all that follow them."""
    found, waiting = set(), rules.split()
    while waiting:
        rule = waiting.pop()
        if rule not in found:
            found.add(rule)
            waiting += READERS[rule].split()
    return found


def test_the_table_has_every_module():
    files = (path for path in PACKAGE_FOLDER.rglob("*") if path.suffix in COMMENTS)
    named = [module for modules in FIRST_AGAIN.values() for module in modules.split()]
    assert sorted(named) == sorted(path.relative_to(PACKAGE_FOLDER).as_posix() for path in files)


@pytest.fixture(scope="module")
def finished(tmp_path_factory, checkout):
    folder = tmp_path_factory.mktemp("finished")
    (folder / "tiny.yaml").write_text(yaml.safe_dump({"experiments": {"tiny": EXPERIMENT}}, sort_keys=False))
    snakemake("--cores", "4", "--configfile", "tiny.yaml", directory=folder, checkout=checkout, timeout=1800)
    return folder


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize(
    ("module", "rules"),
    [(module, rules) for rules, modules in FIRST_AGAIN.items() for module in modules.split()],
    ids=lambda value: value if value.count(".") else "",
)
def test_a_changed_module_runs_what_uses_it_and_what_follows(finished, checkout, module, rules):
    path = checkout / "workflow" / "triptych" / module
    before = path.read_text()
    try:
        path.write_text(before + COMMENTS[path.suffix])
        dry_run = snakemake(
            "--dry-run", "--configfile", "tiny.yaml", directory=finished, checkout=checkout, timeout=120
        )
    finally:
        path.write_text(before)
    assert set(rules_of(dry_run.stdout)) == with_followers(rules)
