"""Trainings that are disturbed on a cluster in rarer ways: they go on from their checkpoints, to the same bytes.

Long tests; tests/README.md says when they were last run.
"""

import os
import re
import signal
from itertools import pairwise

import pytest

from tests.slurm.conftest import RESUMES, log_of, outputs, printed, run_name, train_jobs, trained

pytestmark = pytest.mark.long


def test_a_training_whose_node_fails_goes_on_when_the_node_is_back(cluster, undisturbed, before_training, submit, hold):
    """Beside it another one waits for the only GPU: they run one after another."""
    folder, arms = before_training(), ("scratch", "finetune")
    model = ["--set-resources", "train:gpu_model=pretended"]
    with submit(*map(trained, arms), *model, directory=folder, partition="one", seconds=600) as driver:
        name = cluster.wait_until(lambda: run_name(driver.log.read_text()), "the driver starts")
        first, second = cluster.wait_until(lambda: len(cluster.jobs(name)) == 2 and cluster.jobs(name), "both wait")
        arm, other = (job["wildcards"].split("_")[1] for job in (first, second))
        job = hold(driver, folder, arm).job
        assert (cluster.record(second)["JobState"], cluster.record(second)["Reason"]) == ("PENDING", "Resources")
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
        assert driver.wait(600) == 0, driver.log.read_text()
    jobs = cluster.jobs(name)
    assert {record["JobId"]: record["Restarts"] for record in jobs} == {first["JobId"]: "1", second["JobId"]: "0"}
    assert {(record["JobState"], record["TresPerJob"]) for record in jobs} == {("COMPLETED", "gres:gpu:pretended:1")}
    spans = sorted((record["StartTime"], record["EndTime"]) for record in jobs)
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))
    assert RESUMES in log_of(folder, arm)
    for trained_arm in (arm, other):
        assert outputs(folder, trained_arm) == outputs(undisturbed.result(), trained_arm)


def test_the_driver_is_killed_its_jobs_are_cancelled_and_it_is_started_again(
    cluster, undisturbed, before_training, submit, run_there, hold
):
    """By the name that they share, as docs/cluster.md says; nothing is trained twice."""
    folder, target = before_training(), trained("finetune")
    with submit(target, directory=folder, partition="two", seconds=600) as driver:
        job = hold(driver, folder, "finetune").job
        name = run_name(driver.log.read_text())
        os.killpg(driver.pid, signal.SIGKILL)
        driver.wait(30)
    assert cluster.record(job)["JobState"] == "RUNNING"
    cluster.run("scancel", "--name", name)
    run_there("--unlock", directory=folder, partition="two")
    said = run_there(target, directory=folder, partition="two")
    (new,) = train_jobs(cluster, run_name(said), "finetune")
    assert (cluster.record(job)["JobState"], new["JobState"]) == ("CANCELLED", "COMPLETED")
    assert RESUMES in log_of(folder, "finetune")
    assert outputs(folder, "finetune") == outputs(undisturbed.result(), "finetune")


def test_a_time_limit_shorter_than_an_epoch_says_what_to_change(
    cluster, undisturbed, before_training, submit, run_there, hold
):
    """With a higher one, as it says, the same run goes on within its epoch."""
    folder, target = before_training(), trained("scratch")
    with submit(target, "--retries", "0", directory=folder, partition="more", seconds=600) as driver:
        cluster.time_out(hold(driver, folder, "scratch").job)
        code = driver.wait(600)
    said = driver.log.read_text()
    assert code == 1, said
    assert "SLURM status is: 'TIMEOUT'" in said
    (advice,) = [line for line in said.splitlines() if line.startswith("cluster: ")]
    assert "a job reached its run time in every attempt" in advice
    assert "raise `retries`, or `runtime` (minutes) under `set-resources`, in profiles/slurm/profile.yaml" in advice
    assert "Traceback" not in said
    (job,) = train_jobs(cluster, run_name(said), "scratch")
    assert job["JobState"] == "TIMEOUT"
    assert "DUE TO TIME LIMIT" in printed(job)
    assert "epoch 1/2 | " not in log_of(folder, "scratch")

    limit = ["--set-resources", "train:runtime=1440"]
    said = run_there(target, *limit, "--retries", "0", directory=folder, partition="more")
    (job,) = train_jobs(cluster, run_name(said), "scratch")
    assert (job["JobState"], job["TimeLimit"]) == ("COMPLETED", "1-00:00:00")
    assert re.search(r"resuming from a checkpoint: epoch 1, step [1-9]", log_of(folder, "scratch"))
    assert outputs(folder, "scratch") == outputs(undisturbed.result(), "scratch")
