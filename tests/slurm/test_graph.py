"""The three arms on a cluster, from data to report, with the faults that users meet most: the bytes of a local run.

One graph and two GPUs. `scratch` hangs until its time is up, its second job is cancelled, and the third ends well.
`finetune` is killed, and while its second job runs so is the driver; the next driver makes the rest.
"""

import os
import signal
from collections import Counter
from types import SimpleNamespace

import pytest

from tests.slurm.conftest import RESUMES, TARGETS, log_of, printed, run_name, train_jobs
from tests.workflow.test_rerun import contents

GPUS = 2
GPU_RULES = {"train": 7, "pretrain_weights": 1, "extract_features": 1, "open_test": 3}
"""Rule -> how many jobs: of the trainings, three for each that is disturbed."""
ENDS = ("COMPLETED", "CANCELLED", "FAILED", "TIMEOUT")
"""The states of jobs that are over."""


@pytest.fixture(scope="module")
def disturbed(cluster, undisturbed, submit, hold, tmp_path_factory):
    """What the first driver has left: the second job of `finetune`, which hangs, and all that does not wait for it."""
    folder = tmp_path_factory.mktemp("cluster")
    with submit(*TARGETS, directory=folder, partition="two", seconds=1200) as driver:
        both = {arm: hold(driver, folder, arm) for arm in ("scratch", "finetune")}
        devices = [
            (training.environment["CUDA_VISIBLE_DEVICES"], cluster.record(training.job)["GRES"])
            for training in both.values()
        ]
        cluster.time_out(both["scratch"].job)
        os.kill(both["finetune"].pid, signal.SIGKILL)
        left = hold(driver, folder, "finetune", 2)
        cluster.run("scancel", hold(driver, folder, "scratch", 2).job["JobId"])

        name = run_name(driver.log.read_text())

        def nothing_else_is_left():
            jobs = cluster.jobs(name)
            live = {job["JobId"] for job in jobs if job["JobState"] not in ENDS}
            made = {job["wildcards"] for job in jobs if job["rule"] == "train" and job["JobState"] == "COMPLETED"}
            return made == {"tiny_scratch_seed0", "tiny_last_layer_seed0"} and live == {left.job["JobId"]}

        cluster.wait_until(nothing_else_is_left, "all that does not wait for finetune is made", 400, every=1)
        os.killpg(driver.pid, signal.SIGKILL)
        driver.wait(30)
    said = driver.log.read_text()
    return SimpleNamespace(folder=folder, name=name, said=said, devices=devices, left=left)


@pytest.fixture(scope="module")
def finished(disturbed, cluster, submit, run_there):
    """SLURM's records of all jobs, and what the second driver printed, whose job waited for the one left."""
    folder = disturbed.folder
    where = {"directory": folder, "partition": "two"}
    assert cluster.record(disturbed.left.job)["JobState"] == "RUNNING"
    run_there("--unlock", **where)
    with submit(*TARGETS, **where, seconds=900) as driver:
        waits = "is making this file; waiting for it"
        cluster.wait_until(lambda: waits in log_of(folder, "finetune"), "the new job waits", 300)
        os.kill(disturbed.left.pid, signal.SIGCONT)
        code = driver.wait(900)
    said = driver.log.read_text()
    assert code == 0, said
    name = run_name(said)
    return SimpleNamespace(said=said, name=name, jobs=cluster.jobs(disturbed.name) + cluster.jobs(name))


def test_two_gpus_are_used_at_once_by_different_jobs(disturbed):
    """In SLURM's records as in what the training sees."""
    assert sorted(disturbed.devices) == [(number, f"gpu:pretended:1(IDX:{number})") for number in "01"]


@pytest.mark.parametrize(
    ("arm", "states"), [("scratch", ["TIMEOUT", "CANCELLED"]), ("finetune", ["FAILED"])], ids=["scratch", "finetune"]
)
def test_a_disturbed_training_is_submitted_again_with_twice_the_memory_and_goes_on(disturbed, cluster, arm, states):
    *failed, last = train_jobs(cluster, disturbed.name, arm)
    assert [job["JobState"] for job in failed] == states
    for state in states:
        assert f"SLURM status is: '{state}'" in disturbed.said
    assert ["DUE TO TIME LIMIT" in printed(job) for job in failed] == [state == "TIMEOUT" for state in states]
    assert [job["MinMemoryNode"] for job in (*failed, last)] == ["8000M", *["16000M"] * len(failed)]
    assert RESUMES in log_of(disturbed.folder, arm)


def test_the_driver_is_killed_and_started_again(disturbed, finished, cluster):
    """Its job lives on, and the new driver's job for the same run waits for that one; nothing else is trained again."""
    (new,) = [job for job in cluster.jobs(finished.name) if job["rule"] in GPU_RULES.keys() - {"open_test"}]
    assert new["wildcards"] == "tiny_finetune_seed0"
    assert (cluster.record(disturbed.left.job)["JobState"], new["JobState"]) == ("COMPLETED", "COMPLETED")
    assert "Trying to restart" not in finished.said


def test_every_job_gets_what_its_rule_asks_for(finished):
    states = Counter(job["JobState"] for job in finished.jobs)
    assert states == {"COMPLETED": len(finished.jobs) - 3, "TIMEOUT": 1, "CANCELLED": 1, "FAILED": 1}
    assert Counter(job["rule"] for job in finished.jobs if job["rule"] in GPU_RULES) == GPU_RULES
    for job in finished.jobs:
        asked, given = job.get("TresPerJob", ""), job["JOB_GRES"]
        expected = ("gres:gpu:1", "gpu:pretended:1") if job["rule"] in GPU_RULES else ("", "(null)")
        assert (asked, given) == expected, job["rule"]
    trainings = {job["wildcards"]: job for job in finished.jobs if job["rule"] == "train"}
    for arm, threads in (("finetune", "1"), ("last_layer", "2")):
        train = trainings[f"tiny_{arm}_seed0"]
        assert (train["MinMemoryNode"], train["TimeLimit"], train["CPUs/Task"]) == ("8000M", "12:00:00", threads)


def test_there_are_never_more_jobs_with_a_gpu_than_gpus(finished):
    spans = [(job["StartTime"], job["EndTime"]) for job in finished.jobs if job["rule"] in GPU_RULES]
    at_once = [sum(start <= moment < end for start, end in spans) for moment, _ in spans]
    assert max(at_once) == GPUS


def test_the_bytes_are_those_of_a_local_run(disturbed, finished, undisturbed):
    there, here = (contents(folder / "results" / "tiny") for folder in (disturbed.folder, undisturbed.result()))
    assert len(there) > 50
    assert there == here
