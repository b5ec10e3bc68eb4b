"""What the code looks like, and whether the shipped configurations fit together."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.workflow.conftest import rules_of, snakemake
from tests.workflow.graphs import CONFIGURATIONS


def test_all_configurations_together_make_one_graph(tmp_path):
    """Letters and torchvision's weights go to the same place, each by its own rule; downloads are shared."""
    rules = rules_of(snakemake("--dry-run", "--configfile", *CONFIGURATIONS, directory=tmp_path).stdout)
    assert {rule: rules[rule] for rule in ("download_dataset", "download_weights", "pretrain_weights")} == {
        "download_dataset": 1,
        "download_weights": 1,
        "pretrain_weights": 1,
    }
    assert rules["convert_weights"] >= 2


@pytest.mark.parametrize(
    "call",
    [["snakefmt", "--check", "."], ["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"]],
    ids=" ".join,
)
def test_form(call):
    program = Path(sys.executable).parent / call[0]
    environment = {"PATH": f"{program.parent}:/usr/bin:/bin"}  # snakefmt calls shfmt, which lies beside it
    result = subprocess.run(
        [program, *call[1:]], cwd=ROOT, capture_output=True, text=True, check=False, env=environment
    )
    assert result.returncode == 0, result.stdout + result.stderr
