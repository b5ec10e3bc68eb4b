"""A workflow that is stopped in the middle of a training and started again ends in the same bytes."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest
import yaml

from tests.workflow.conftest import TINY, snakemake, tiers

DATA = "results/tiny/data"
RUN = "results/tiny/runs/scratch/seed0"
LOG = "logs/train/tiny/scratch/seed0.log"
OUTPUTS = ("trained.safetensors", "history.csv", "predictions.safetensors")
EXPERIMENT = {
    **TINY,
    "weights": {"source": "none"},
    "training": {"epochs": 8, "num_threads": 1, "checkpoint_minutes": 0.001},
    "seeds": [0],
    "arms": {"scratch": {"weights": "random", "train": "all"}},
}
STOPS = {
    "Ctrl-C": (signal.SIGINT, "unlocked"),
    "its terminal is closed": (signal.SIGHUP, "locked"),
    "everything is killed": (signal.SIGKILL, "locked"),
}
"""What the driver and its jobs get, and whether Snakemake's lock of the folder outlives them."""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, checkout):
    """The bytes of a run that nobody disturbed, and its configuration."""
    folder = tmp_path_factory.mktemp("undisturbed")
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump({"experiments": {"tiny": EXPERIMENT}}))
    call = [f"{RUN}/{name}" for name in OUTPUTS]
    snakemake(*call, "--cores", "1", "--configfile", path, directory=folder, checkout=checkout)
    return path, [(folder / name).read_bytes() for name in call]


@pytest.fixture
def prepared(tmp_path, undisturbed):
    """A folder with the data of that run: nothing but the training is left to do."""
    shutil.copytree(undisturbed[0].parent / DATA, tmp_path / DATA)


TARGETS = [f"{RUN}/{name}" for name in OUTPUTS]


def heed_signals():
    """Else what tests start ignores Ctrl-C in a shell's background job, and a closed terminal under `nohup`."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


class Driver:
    """A real Snakemake in a folder, in a session of its own."""

    def __init__(self, folder, checkout, path):
        self.folder = folder
        # of its own: what a killed one has left goes on writing to that one's
        self.printed = folder / f"driver{len(list(folder.glob('driver*.txt')))}.txt"
        call = [sys.executable, "-m", "snakemake", "--snakefile", checkout / "Snakefile", "--directory", folder]
        with self.printed.open("w") as file:
            self.process = subprocess.Popen(
                [*call, *TARGETS, "--cores", "1", "--configfile", path],
                cwd=folder,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=heed_signals,
            )

    def wait_for(self, text):
        """Wait until the log of its training has `text`."""
        until = time.monotonic() + 300
        while text not in (self.folder / LOG).read_text() if (self.folder / LOG).exists() else True:
            assert self.process.poll() is None and time.monotonic() < until, self.printed.read_text()
            time.sleep(0.02)

    def kill(self):
        """End it and all that it has started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(60)


@pytest.fixture
def training(tmp_path, checkout, undisturbed, prepared):
    """A driver whose one job is in the middle of training."""
    driver = Driver(tmp_path, checkout, undisturbed[0])
    try:
        driver.wait_for("epoch 3/8")
        yield driver
    finally:
        driver.kill()


def unlock(folder, checkout, path):
    """Unlock the folder, which must be necessary."""
    refused = snakemake(
        *TARGETS, "--cores", "1", "--configfile", path, directory=folder, checkout=checkout, check=False
    )
    assert refused.returncode == 1
    assert "Directory cannot be locked" in refused.stdout
    snakemake("--unlock", "--configfile", path, directory=folder, checkout=checkout)


def check(folder, expected):
    """The same bytes, and no file that is not declared."""
    assert [(folder / name).read_bytes() for name in TARGETS] == expected
    left = {file.name for file in (folder / RUN).iterdir()}
    assert left == {"cost.json", *OUTPUTS}


# the long one's last run: 2026-11-28, passed
@pytest.mark.parametrize("stop", tiers(slow=["Ctrl-C", "everything is killed"], long=["its terminal is closed"]))
def test_a_stopped_workflow_goes_on_to_the_same_bytes(tmp_path, checkout, undisturbed, training, stop):
    path, expected = undisturbed
    number, lock = STOPS[stop]
    os.killpg(training.process.pid, number)
    training.process.wait(120)
    assert not [name for name in TARGETS if (tmp_path / name).exists()]

    if lock == "locked":
        unlock(tmp_path, checkout, path)
    snakemake(*TARGETS, "--cores", "1", "--configfile", path, directory=tmp_path, checkout=checkout)
    assert "scratch seed 0 | resuming from a checkpoint: epoch" in (tmp_path / LOG).read_text()
    check(tmp_path, expected)


@pytest.mark.slow
def test_a_job_that_is_killed_alone_is_made_again_by_the_same_command(tmp_path, checkout, undisturbed, training):
    """As the kernel does for want of memory. There is nothing to unlock."""
    path, expected = undisturbed
    os.kill(holder_of(tmp_path), signal.SIGKILL)
    assert training.process.wait(120) == 1
    snakemake(*TARGETS, "--cores", "1", "--configfile", path, directory=tmp_path, checkout=checkout)
    assert "scratch seed 0 | resuming from a checkpoint: epoch" in (tmp_path / LOG).read_text()
    check(tmp_path, expected)


@pytest.mark.slow
def test_a_driver_that_is_told_to_end_lets_its_job_end(tmp_path, checkout, undisturbed, training):
    path, expected = undisturbed
    training.process.send_signal(signal.SIGTERM)
    training.process.wait(120)
    check(tmp_path, expected)
    call = [*TARGETS, "--cores", "1", "--configfile", path]
    assert "Nothing to be done" in snakemake(*call, directory=tmp_path, checkout=checkout).stdout


def holder_of(folder):
    """The process that makes the run, by its lock."""
    return int((folder / RUN / ".checkpoints.lock").read_text().split()[0])


@pytest.mark.slow
def test_a_killed_driver_leaves_a_training_which_the_next_one_waits_for(
    tmp_path, checkout, undisturbed, training, request
):
    """One trains and the other waits, then takes over what the first has trained."""
    path, expected = undisturbed
    orphan = holder_of(tmp_path)
    os.kill(orphan, signal.SIGSTOP)  # however long the rest takes
    training.process.kill()
    training.process.wait(120)
    unlock(tmp_path, checkout, path)
    second = Driver(tmp_path, checkout, path)
    request.addfinalizer(second.kill)
    waiting = f"process {orphan} on {socket.gethostname()} is making this file; waiting for it"
    second.wait_for(waiting)
    assert holder_of(tmp_path) == orphan
    os.kill(orphan, signal.SIGCONT)
    assert second.process.wait(300) == 0, second.printed.read_text()
    _, _, after = (tmp_path / LOG).read_text().partition(waiting)
    assert "resuming from a checkpoint: epoch 9, step 0" in after  # of eight: the orphan's last
    assert " | epoch " not in after  # it has trained nothing itself: never two writers
    check(tmp_path, expected)
