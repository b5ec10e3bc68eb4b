"""The small graph on a cluster, from data to report: what SLURM gave to each job, and the bytes of a local run."""

from collections import Counter
from itertools import pairwise

import pytest
import yaml

from tests.slurm.conftest import PROFILE, run_name
from tests.workflow.conftest import snakemake
from tests.workflow.test_rerun import contents

GPU_RULES = {"train": 2, "pretrain_weights": 1, "extract_features": 1}
"""Rule -> how many jobs."""
TARGETS = ["results/tiny/report.html", "results/tiny/manifest.json"]
FIGURES = 13
"""How many jobs draw figures from tables; the profile lets four of them share one job of SLURM."""


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Where the cluster's run, and a local one, have their results."""
    return tmp_path_factory.mktemp("cluster"), tmp_path_factory.mktemp("one machine")


@pytest.fixture(scope="module")
def finished(cluster, folders, configuration, submit, tmp_path_factory):
    """What the driver printed, and SLURM's records of its jobs. The local run passes while the cluster waits."""
    there, here = folders
    profile = yaml.safe_load((PROFILE / "profile.yaml").read_text())
    profile["groups"]["extract_weight_delta"] = "deltas"  # as docs/cluster.md says
    profile["group-components"]["deltas"] = 4
    site = tmp_path_factory.mktemp("site")
    (site / "profile.yaml").write_text(yaml.safe_dump(profile))
    with submit(*TARGETS, directory=there, partition="one", profile=site, seconds=600) as driver:
        snakemake(*TARGETS, "--configfile", configuration, "--cores", "1", directory=here, timeout=600)
        code = driver.wait(600)
    said = driver.log.read_text()
    assert code == 0, said
    return said, cluster.jobs(run_name(said))


def test_every_job_gets_what_its_rule_asks_for(finished):
    said, jobs = finished
    assert {job["JobState"] for job in jobs} == {"COMPLETED"}
    assert Counter(job["rule"] for job in jobs if job["rule"] in GPU_RULES) == GPU_RULES
    for job in jobs:
        asked, given = job.get("TresPerJob", ""), job["JOB_GRES"]
        expected = ("gres:gpu:1", "gpu:pretended:1") if job["rule"] in GPU_RULES else ("", "(null)")
        assert (asked, given) == expected, job["rule"]
    trainings = {job["wildcards"]: job for job in jobs if job["rule"] == "train"}
    for arm, threads in (("scratch", "2"), ("last_layer", "1")):
        train = trainings[f"tiny_{arm}_0"]
        assert (train["MinMemoryNode"], train["TimeLimit"], train["CPUs/Task"]) == ("8000M", "12:00:00", threads)
    assert "Trying to restart" not in said


def test_with_one_gpu_trainings_run_one_after_another(finished):
    _, jobs = finished
    spans = sorted((job["StartTime"], job["EndTime"]) for job in jobs if job["rule"] in GPU_RULES)
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))


def test_short_jobs_share_one_job_of_slurm(finished):
    _, jobs = finished
    groups = [job for job in jobs if job["rule"].startswith("figures")]
    assert len(groups) == -(-FIGURES // 4)
    assert sorted(job["NumCPUs"] for job in groups) == ["1", "4", "4", "4"]
    assert [job["NumCPUs"] for job in jobs if job["rule"].startswith("deltas")] == ["2"]
    alone = {job["rule"] for job in jobs if job["rule"].startswith(("plot_", "extract_weight_delta"))}
    assert alone == {"plot_samples"}


def test_the_bytes_are_those_of_a_local_run(finished, folders):
    there, here = (contents(folder / "results" / "tiny") for folder in folders)
    assert len(there) > 50
    assert there == here
