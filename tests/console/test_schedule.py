"""The graph of jobs is Snakemake's, and the schedule is what its rules allow."""

import subprocess
import sys
from collections import Counter

from tests.conftest import ROOT
from tests.console.conftest import configuration
from triptych.console.schedule import Job, Needs, duration, read_jobs

DOT = """digraph snakemake_dag {
	0[label = "all", color = "0.00 0.6 0.85", style="rounded"];
	1[label = "train\\narm: b\\nrun: seed0", color = "0.62 0.6 0.85", style="rounded"];
	2[label = "prepare\\nexperiment: one\\npart: ", color = "0.52 0.6 0.85", style="rounded,dashed"];
	1 -> 0
	2 -> 1
}
"""


def test_wildcards_of_the_jobs_before_are_a_job_s_too():
    jobs = read_jobs(DOT)
    assert jobs[1] == Job("train", {"experiment": "one", "arm": "b", "run": "seed0"} | {"part": ""}, frozenset([2]))
    assert jobs[2].is_done and not jobs[0].is_done
    assert jobs[0].after == {1}


def test_snakemake_s_own_graph_is_read(here):
    configuration(here)
    call = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile", "--configfile", "tiny.yaml", "--dag"]
    dot = subprocess.run(call, capture_output=True, text=True, check=True, timeout=120, cwd=here).stdout
    jobs = read_jobs(dot)
    rules = Counter(job.rule for job in jobs.values())
    assert rules["train"] == rules["open_test"] == 2 and rules["decide"] == 1
    trained = [job.wildcards for job in jobs.values() if job.rule in ("train", "open_test")]
    assert Counter((one["experiment"], one["arm"], one["run"]) for one in trained) == {
        ("tiny", "all", "seed0"): 2,
        ("tiny", "head", "seed0"): 2,
    }
    assert not any(job.is_done for job in jobs.values())


def chain(*seconds, **needs):
    """Jobs of which each waits for the one before."""
    jobs = {
        number: Job("job", {}, frozenset([number - 1]) if number else frozenset()) for number in range(len(seconds))
    }
    return jobs, {number: Needs(each, **needs) for number, each in enumerate(seconds)}


def lasts(jobs, needs, cores=1, gpus=0):
    numbers = {id(job): number for number, job in jobs.items()}
    return duration(jobs, lambda job: needs[numbers[id(job)]], cores, gpus)


def test_jobs_that_wait_for_each_other_add_up_on_any_number_of_cores():
    jobs, needs = chain(1, 2, 3)
    assert lasts(jobs, needs, 1) == lasts(jobs, needs, 9) == 6


def test_jobs_side_by_side_share_the_cores():
    jobs = {number: Job("job", {}) for number in range(4)}
    needs = dict.fromkeys(jobs, Needs(5))
    assert [lasts(jobs, needs, cores) for cores in (1, 2, 3, 4)] == [20, 10, 10, 5]
    assert lasts(jobs, dict.fromkeys(jobs, Needs(5, cores=2)), 4) == 10
    assert lasts(jobs, dict.fromkeys(jobs, Needs(5, cores=64)), 4) == 20  # what is more than there is, is cut


def test_one_gpu_is_for_one_job_and_none_counts_none():
    jobs = {number: Job("job", {}) for number in range(4)}
    needs = dict.fromkeys(jobs, Needs(5, gpus=1))
    assert [lasts(jobs, needs, 4, gpus) for gpus in (0, 1, 2)] == [5, 20, 10]


def test_what_is_done_takes_no_time_and_the_important_comes_first():
    jobs = {0: Job("job", {}, is_done=True), 1: Job("job", {}, frozenset([0])), 2: Job("job", {}), 3: Job("job", {})}
    needs = {0: Needs(100), 1: Needs(1), 2: Needs(1), 3: Needs(4, priority=1)}
    assert lasts(jobs, needs, 2) == 4  # the long one starts first
    assert lasts({}, {}, 2) == 0
