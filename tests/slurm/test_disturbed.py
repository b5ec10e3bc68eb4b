"""Trainings that are disturbed on a cluster are submitted again and go on from their checkpoints, to the same bytes."""

import os
import re
import signal
from types import SimpleNamespace

import pytest

from tests.slurm.conftest import log_of, outputs, run_name, trained


def reaches(folder, seed, epoch):
    return lambda: re.search(rf"^epoch +{epoch}/", log_of(folder, seed), flags=re.M)


def train_jobs(cluster, name, seed):
    """SLURM's records of the jobs that were to make a run, oldest first."""
    return [job for job in cluster.jobs(name) if job["rule"] == "train" and job["wildcards"] == f"long_scratch_{seed}"]


@pytest.fixture(scope="module")
def disturbed(cluster, before_training, submit):
    """Three trainings on two GPUs: one is cancelled, one killed, and one hangs until its time is up. Not waited for."""
    folder = before_training()
    with submit(*map(trained, range(3)), directory=folder, partition="two", seconds=500) as driver:
        name = cluster.wait_until(lambda: run_name(driver.log.read_text()), "the driver starts")

        def running():
            return {job["wildcards"]: job for job in cluster.jobs(name) if job["JobState"] == "RUNNING"}

        def hold(seed):
            """Stop the process of a training in its third epoch, so that there is time to look."""
            cluster.wait_until(reaches(folder, seed, 3), f"seed {seed} trains", 120)
            job = running()[f"long_scratch_{seed}"]
            pid, environment = cluster.training(job["JobId"])
            os.kill(pid, signal.SIGSTOP)
            return job["JobId"], pid, environment

        cluster.wait_until(lambda: len(running()) == 2, "two trainings run at once")
        cancelled, killed = (int(wildcards.rpartition("_")[2]) for wildcards in running())
        (too_long,) = {0, 1, 2} - {cancelled, killed}
        held = {seed: hold(seed) for seed in (cancelled, killed)}
        devices = [environment["CUDA_VISIBLE_DEVICES"] for _, _, environment in held.values()]
        waiting = train_jobs(cluster, name, too_long)[-1]

        cluster.run("scancel", held[cancelled][0])
        os.kill(held[killed][1], signal.SIGKILL)
        job, _, _ = hold(too_long)
        cluster.run("scontrol", "update", f"JobId={job}", "TimeLimit=1")
        seeds = {"cancelled": cancelled, "killed": killed, "too long": too_long}
        yield SimpleNamespace(folder=folder, driver=driver, name=name, devices=devices, waiting=waiting, seeds=seeds)


def test_two_gpus_are_used_at_once_by_different_jobs(disturbed):
    assert sorted(disturbed.devices) == ["0", "1"]
    assert (disturbed.waiting["JobState"], disturbed.waiting["Reason"]) == ("PENDING", "Resources")


def test_a_training_whose_node_fails_goes_on_when_the_node_is_back(disturbed, cluster, local, before_training, submit):
    folder, seed = before_training(), 1
    model = ["--set-resources", "train:gpu_model=pretended"]
    with submit(trained(seed), *model, directory=folder, partition="one") as driver:
        cluster.wait_until(reaches(folder, seed, 3), "it trains", 120)
        (job,) = train_jobs(cluster, run_name(driver.log.read_text()), seed)
        pid, _ = cluster.training(job["JobId"])
        os.kill(pid, signal.SIGSTOP)
        try:
            cluster.run("scontrol", "update", "NodeName=one", "State=DRAIN", "Reason=test")
            assert cluster.states()["one"] == "draining"  # no new job comes, the running one may end
            assert cluster.record(job)["JobState"] == "RUNNING"
            cluster.run("scontrol", "update", "NodeName=one", "State=DOWN", "Reason=test")
            cluster.wait_until(
                lambda: cluster.record(job)["JobState"] == "PENDING", "SLURM puts it back into the queue"
            )
            cluster.wait_until(lambda: cluster.training(job["JobId"]) is None, "its process is gone")
        finally:
            cluster.run("scontrol", "update", "NodeName=one", "State=RESUME")
        assert driver.wait(240) == 0, driver.log.read_text()
    job = cluster.record(job)
    assert (job["JobState"], job["Restarts"], job["TresPerJob"]) == ("COMPLETED", "1", "gres:gpu:pretended:1")
    assert "going on from a checkpoint: epoch" in log_of(folder, seed)
    assert outputs(folder, seed) == outputs(local, seed)


def test_the_driver_is_killed_and_started_again(disturbed, cluster, local, before_training, submit, run_there):
    """Its job lives on; the new driver's job for the same run waits for that one, and the bytes are the same."""
    folder, seed = before_training(), 0
    with submit(trained(seed), directory=folder, partition="more") as driver:
        cluster.wait_until(reaches(folder, seed, 3), "it trains", 120)
        (old,) = train_jobs(cluster, run_name(driver.log.read_text()), seed)
        pid, _ = cluster.training(old["JobId"])
        os.killpg(driver.pid, signal.SIGKILL)
        driver.wait(30)
    os.kill(pid, signal.SIGSTOP)
    assert cluster.record(old)["JobState"] == "RUNNING"
    run_there("--unlock", directory=folder, partition="more")
    with submit(trained(seed), directory=folder, partition="more") as driver:
        cluster.wait_until(
            lambda: "is making this file; waiting for it" in log_of(folder, seed), "the new job waits", 120
        )
        os.kill(pid, signal.SIGCONT)
        assert driver.wait(240) == 0, driver.log.read_text()
    (new,) = train_jobs(cluster, run_name(driver.log.read_text()), seed)
    assert (cluster.record(old)["JobState"], new["JobState"]) == ("COMPLETED", "COMPLETED")
    assert outputs(folder, seed) == outputs(local, seed)


# Last, since a time limit is a minute at least: the tests before pass while it does.
@pytest.mark.parametrize(
    ("what", "state"), [("cancelled", "CANCELLED"), ("killed", "FAILED"), ("too long", "TIMEOUT")], ids=str
)
def test_a_disturbed_training_goes_on_in_a_second_job(cluster, disturbed, local, what, state):
    assert disturbed.driver.wait(400) == 0, disturbed.driver.log.read_text()
    assert f"SLURM status is: '{state}'" in disturbed.driver.log.read_text()
    seed = disturbed.seeds[what]
    first, second = train_jobs(cluster, disturbed.name, seed)
    assert (first["JobState"], second["JobState"]) == (state, "COMPLETED")
    assert "going on from a checkpoint: epoch" in log_of(disturbed.folder, seed)
    assert outputs(disturbed.folder, seed) == outputs(local, seed)
    assert (first["MinMemoryNode"], second["MinMemoryNode"]) == ("8000M", "16000M")  # in case that it was memory
