"""SLURM's messages, and what to change. tests/slurm/ has them from a real SLURM."""

import pytest

from tests.conftest import ROOT
from triptych.workflow.cluster_advice import ADVICE, PROFILE, cluster_advice


@pytest.mark.parametrize("said", [part for parts in ADVICE for part in parts])
def test_each_message_has_one_advice_in_one_line(tmp_path, said):
    log = tmp_path / "log"
    log.write_text(f"[date]\n    message: sbatch: error: {said}\n" * 2)
    advice = cluster_advice(log, tmp_path / "missing")
    assert advice.startswith("cluster: ")
    assert advice.endswith(".\n")
    assert advice.count("\n") == 1
    assert PROFILE in advice


def test_what_is_named_is_there():
    profile = (ROOT / PROFILE).read_text()
    names = "slurm_partition slurm_account default-resources set-resources retries runtime mem_mb"
    for name in names.split():
        assert name in profile


def test_other_failures_get_none(tmp_path):
    log = tmp_path / "log"
    log.write_text("Error in rule train: the loss is no longer finite\n")
    assert cluster_advice(log) == ""
    assert cluster_advice() == ""


def test_the_page_on_clusters_lists_every_message():
    page = (ROOT / "docs" / "cluster.md").read_text()
    for parts in ADVICE:
        assert any(part in page for part in parts), parts
