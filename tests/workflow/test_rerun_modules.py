"""Each module of the package: which rules run again when it changes, on a finished graph that has nearly every rule."""

import pytest

from tests.workflow.conftest import COMMENTS, rules_of, snakemake
from triptych.code_digest import PACKAGE_FOLDER

PLOTS_OF_TABLES = (
    "plot_arm_curves plot_curves plot_kernels plot_weight_delta plot_batchnorm_drift plot_confusion plot_cost "
    "plot_memory plot_notebook_loss plot_notebook_kernels"
)
READERS = {
    "write_configuration": "report",
    "prepare_letters": "pretrain_weights",
    "pretrain_weights": "initialise_model extract_features report",
    "download_dataset": "prepare_dataset",
    "download_weights": "convert_weights",
    "convert_weights": "initialise_model extract_features report",
    "prepare_dataset": "describe_model initialise_model extract_features train time_backward plot_samples",
    "describe_model": "collect_results",
    "compare_architectures": "plot_architectures check_claims",
    "initialise_model": "train",
    "extract_features": "train",
    "train": "extract_weight_delta",
    "extract_weight_delta": "collect_results",
    "collect_results": f"{PLOTS_OF_TABLES} check_claims compare_full_run",
    "compare_full_run": "plot_full_run report",
    **dict.fromkeys(PLOTS_OF_TABLES.split(), "report"),
    **dict.fromkeys(("plot_samples", "plot_architectures", "plot_full_run", "check_claims", "time_backward"), "report"),
    "report": "write_manifest",
    "write_manifest": "",
}
"""The rules that read what a rule makes: they follow it."""

FIRST_AGAIN = {
    "": (
        "__main__.py cluster_advice.py configuration_files.py data/download_dataset.py data/fetch.py "
        "document_architectures.py document_configuration.py models/convert_weights.py models/download_weights.py "
        "report/verify.py"
    ),
    "train": "training/train.py",
    "report": (
        "report/complexity.py report/content.py report/drift.py report/formatting.py report/lecture.py "
        "report/lengths.py report/partial.py report/peaks.py report/provenance.py report/report.css "
        "report/report.html.jinja report/report.py report/results.py report/story.py"
    ),
    "plot_cost": "figures/plot_cost.py",
    "plot_curves": "figures/plot_curves.py",
    "plot_memory": "figures/plot_memory.py",
    "check_claims": "analysis/check_claims.py analysis/claims.py analysis/faults.py",
    "compare_full_run": "analysis/compare_full_run.py",
    "check_claims compare_full_run": "analysis/evidence.py",
    "write_configuration check_claims compare_full_run": "downloads.py torchvision_weights.py",
    "plot_samples": "figures/plot_samples.py",
    "time_backward": "training/time_backward.py",
    "describe_model": "models/describe_model.py",
    "plot_confusion": "figures/plot_confusion.py",
    "write_manifest": "report/write_manifest.py version.py",
    "collect_results": (
        "analysis/classes.py analysis/collect_results.py analysis/comparisons.py analysis/intervals.py "
        "analysis/runs.py cached_features.py"
    ),
    "plot_arm_curves": "figures/plot_arm_curves.py",
    "prepare_dataset": "data/cifar.py data/digits.py data/prepare_dataset.py data/source.py data/stratify.py",
    "prepare_letters": "data/letters.py data/prepare_letters.py",
    "extract_features": "models/head.py training/extract_features.py",
    "pretrain_weights": (
        "code_digest.py models/normalisation.py run_files.py training/checkpoints.py training/loop.py "
        "training/pretrain_weights.py training/steps.py training/stopping.py"
    ),
    "plot_architectures": "figures/plot_architectures.py",
    "plot_full_run": "figures/plot_full_run.py",
    "plot_notebook_loss": "figures/plot_notebook_loss.py",
    "write_configuration": ("configuration.py configuration_words.py report/__init__.py report/write_configuration.py"),
    "extract_weight_delta": "analysis/__init__.py analysis/extract_weight_delta.py",
    "plot_batchnorm_drift": "figures/plot_batchnorm_drift.py",
    "compare_architectures": "models/compare_architectures.py",
    "plot_notebook_kernels": "figures/plot_notebook_kernels.py",
    "plot_confusion plot_samples": "figures/tiles.py",
    "pretrain_weights time_backward": (
        "training/__init__.py training/allocator.py training/arithmetic.py training/batches.py training/device.py "
        "training/failures.py training/gpus.py training/regime.py training/residency.py"
    ),
    "prepare_letters prepare_dataset": "data/__init__.py data/dataset.py",
    "initialise_model extract_features": "models/initialise_model.py",
    "plot_batchnorm_drift check_claims": "batchnorm.py",
    "plot_kernels plot_notebook_kernels": "figures/plot_kernels.py",
    "describe_model compare_architectures": "models/layers.py models/memory.py",
    "plot_weight_delta plot_batchnorm_drift": "figures/plot_weight_delta.py",
    "prepare_letters prepare_dataset compare_architectures": "tensors.py",
    "pretrain_weights describe_model compare_architectures time_backward": "models/__init__.py models/networks.py",
    "write_configuration prepare_letters prepare_dataset compare_architectures": (
        "__init__.py errors.py files.py locks.py"
    ),
    "write_configuration pretrain_weights describe_model compare_architectures time_backward": (
        "architecture_words.py architectures.py"
    ),
    (
        "plot_arm_curves plot_curves plot_kernels plot_weight_delta plot_batchnorm_drift plot_confusion plot_cost "
        "plot_memory plot_full_run plot_notebook_loss plot_notebook_kernels plot_samples"
    ): "figures/tables.py",
    (
        "plot_arm_curves plot_curves plot_kernels plot_weight_delta plot_batchnorm_drift plot_confusion plot_cost "
        "plot_memory plot_full_run plot_notebook_loss plot_notebook_kernels plot_architectures"
    ): "arm_styles.py",
    (
        "plot_arm_curves plot_curves plot_kernels plot_weight_delta plot_batchnorm_drift plot_confusion plot_cost "
        "plot_memory plot_full_run plot_notebook_loss plot_notebook_kernels plot_samples plot_architectures"
    ): "figures/__init__.py figures/style.py",
    (
        "plot_arm_curves plot_curves plot_kernels plot_weight_delta plot_batchnorm_drift plot_confusion plot_cost "
        "plot_memory plot_full_run plot_notebook_loss plot_notebook_kernels plot_samples plot_architectures "
        "collect_results check_claims compare_full_run"
    ): "tables.py",
}
"""The modules by the rules that use them: those run again, and what follows them, and nothing else."""


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
