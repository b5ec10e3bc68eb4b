"""Trainings that are disturbed on a cluster are submitted again and go on from their checkpoints, to the same bytes."""

import os
import re
import signal
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.slurm.conftest import log_of, outputs, run_name, trained


def reaches(folder, seed, epoch):
    return lambda: re.search(rf"^epoch +{epoch}/", log_of(folder, seed), flags=re.M)


def train_jobs(cluster, name, seed, arm="scratch"):
    """SLURM's records of the jobs that were to make a run, oldest first."""
    return [job for job in cluster.jobs(name) if job["rule"] == "train" and job["wildcards"] == f"long_{arm}_{seed}"]


def printed(job):
    """What SLURM's job has printed, and SLURM about it."""
    return Path(job["StdOut"]).read_text()


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
        devices = [
            (environment["CUDA_VISIBLE_DEVICES"], cluster.record({"JobId": job})["GRES"])
            for job, _, environment in held.values()
        ]
        waiting = train_jobs(cluster, name, too_long)[-1]

        cluster.run("scancel", held[cancelled][0])
        os.kill(held[killed][1], signal.SIGKILL)
        job, _, _ = hold(too_long)
        cluster.run("scontrol", "update", f"JobId={job}", "TimeLimit=1")
        seeds = {"cancelled": cancelled, "killed": killed, "too long": too_long}
        yield SimpleNamespace(folder=folder, driver=driver, name=name, devices=devices, waiting=waiting, seeds=seeds)


@pytest.fixture(scope="module")
def longer_than_its_job(cluster, disturbed, before_training, submit):
    """A training that hangs within its only epoch until its time is up, and is not tried again. Not waited for.

    It passes its time while `disturbed` does.
    """
    folder = before_training()
    target = trained(0, "one_epoch")
    checkpoints = (folder / target).parent / "checkpoints"
    with submit(target, "--retries", "0", directory=folder, partition="more", seconds=500) as driver:
        cluster.wait_until(lambda: len(list(checkpoints.glob("[!.]*.safetensors"))) == 2, "it is past a step", 120)
        (job,) = train_jobs(cluster, run_name(driver.log.read_text()), 0, "one_epoch")
        pid, _ = cluster.training(job["JobId"])
        os.kill(pid, signal.SIGSTOP)
        cluster.run("scontrol", "update", f"JobId={job['JobId']}", "TimeLimit=1")
        yield SimpleNamespace(folder=folder, driver=driver, target=target)


def test_two_gpus_are_used_at_once_by_different_jobs(disturbed, longer_than_its_job):
    """In SLURM's records as in what the training sees."""
    assert sorted(disturbed.devices) == [(number, f"gpu:pretended:1(IDX:{number})") for number in "01"]
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


@pytest.fixture(scope="module")
def left_alone(cluster, disturbed, before_training, submit):
    """By partition, a folder whose driver is killed while its training runs, which lives on, stopped."""
    seed, folders, left = 0, {partition: before_training() for partition in ("more", "one")}, {}
    with ExitStack() as both:
        drivers = {
            partition: both.enter_context(submit(trained(seed), directory=folder, partition=partition))
            for partition, folder in folders.items()
        }

        def stopped():
            for partition in folders.keys() - left.keys():
                if reaches(folders[partition], seed, 3)():
                    name = run_name(drivers[partition].log.read_text())
                    (job,) = train_jobs(cluster, name, seed)
                    pid, _ = cluster.training(job["JobId"])
                    os.kill(pid, signal.SIGSTOP)
                    left[partition] = SimpleNamespace(folder=folders[partition], name=name, job=job, pid=pid)
            return left.keys() == folders.keys()

        cluster.wait_until(stopped, "both train", 120)
        for driver in drivers.values():
            os.killpg(driver.pid, signal.SIGKILL)
            driver.wait(30)
    return left


def test_the_driver_is_killed_and_started_again(left_alone, cluster, local, submit, run_there):
    """Its job lives on; the new driver's job for the same run waits for that one, and the bytes are the same."""
    old, seed = left_alone["more"], 0
    assert cluster.record(old.job)["JobState"] == "RUNNING"
    run_there("--unlock", directory=old.folder, partition="more")
    with submit(trained(seed), directory=old.folder, partition="more") as driver:
        cluster.wait_until(
            lambda: "is making this file; waiting for it" in log_of(old.folder, seed), "the new job waits", 120
        )
        os.kill(old.pid, signal.SIGCONT)
        assert driver.wait(240) == 0, driver.log.read_text()
    (new,) = train_jobs(cluster, run_name(driver.log.read_text()), seed)
    assert (cluster.record(old.job)["JobState"], new["JobState"]) == ("COMPLETED", "COMPLETED")
    assert outputs(old.folder, seed) == outputs(local, seed)


def test_the_driver_is_killed_its_jobs_are_cancelled_and_it_is_started_again(left_alone, cluster, local, run_there):
    """By the name that they share, as docs/cluster.md says; nothing is trained twice."""
    old, seed = left_alone["one"], 0
    assert cluster.record(old.job)["JobState"] == "RUNNING"
    cluster.run("scancel", "--name", old.name)
    run_there("--unlock", directory=old.folder, partition="one")
    said = run_there(trained(seed), directory=old.folder, partition="one")
    (new,) = train_jobs(cluster, run_name(said), seed)
    assert (cluster.record(old.job)["JobState"], new["JobState"]) == ("CANCELLED", "COMPLETED")
    assert "going on from a checkpoint: epoch" in log_of(old.folder, seed)
    assert outputs(old.folder, seed) == outputs(local, seed)


# The last ones, since a time limit is a minute at least: the tests before pass while it does.


def test_a_time_limit_shorter_than_an_epoch_says_what_to_change(longer_than_its_job, cluster, local, run_there):
    """With a higher one, as it says, the same run goes on within its epoch."""
    folder, driver, target = (getattr(longer_than_its_job, name) for name in ("folder", "driver", "target"))
    assert driver.wait(400) == 1, driver.log.read_text()
    said = driver.log.read_text()
    assert "SLURM status is: 'TIMEOUT'" in said
    (advice,) = [line for line in said.splitlines() if line.startswith("cluster: ")]
    assert "a job reached its run time in every attempt" in advice
    assert "raise `retries`, or `runtime` (minutes) under `set-resources`, in profiles/slurm/profile.yaml" in advice
    assert "Traceback" not in said
    (job,) = train_jobs(cluster, run_name(said), 0, "one_epoch")
    assert (job["JobState"], job["TimeLimit"]) == ("TIMEOUT", "00:01:00")
    assert "DUE TO TIME LIMIT" in printed(job)
    assert "epoch 1/1" not in log_of(folder, 0, "one_epoch")

    limit = ["--set-resources", "train:runtime=1440"]
    said = run_there(target, *limit, "--retries", "0", directory=folder, partition="more")
    (job,) = train_jobs(cluster, run_name(said), 0, "one_epoch")
    assert (job["JobState"], job["TimeLimit"]) == ("COMPLETED", "1-00:00:00")
    assert re.search(r"going on from a checkpoint: epoch 1, step [1-9]", log_of(folder, 0, "one_epoch"))
    assert outputs(folder, 0, "one_epoch") == outputs(local, 0, "one_epoch")


@pytest.mark.parametrize(
    ("what", "state"), [("cancelled", "CANCELLED"), ("killed", "FAILED"), ("too long", "TIMEOUT")], ids=str
)
def test_a_disturbed_training_goes_on_in_a_second_job(cluster, disturbed, local, what, state):
    assert disturbed.driver.wait(400) == 0, disturbed.driver.log.read_text()
    assert f"SLURM status is: '{state}'" in disturbed.driver.log.read_text()
    seed = disturbed.seeds[what]
    first, second = train_jobs(cluster, disturbed.name, seed)
    assert (first["JobState"], second["JobState"]) == (state, "COMPLETED")
    assert ("DUE TO TIME LIMIT" in printed(first)) is (state == "TIMEOUT")
    assert "going on from a checkpoint: epoch" in log_of(disturbed.folder, seed)
    assert outputs(disturbed.folder, seed) == outputs(local, seed)
    assert (first["MinMemoryNode"], second["MinMemoryNode"]) == ("8000M", "16000M")  # in case that it was memory
