"""Each process claims a GPU. The number of GPUs and some UUIDs are simulated; processes, locks and kills are real."""

import os
import re
import select
import subprocess
import sys
import time

import pytest
import torch

from tests.conftest import command, without_rights
from triptych.storage.errors import InputError
from triptych.training import gpus
from triptych.training.device import choose_device
from triptych.training.gpus import LOCK_FOLDER, VISIBLE, claim_gpu, lock_folder, visible_gpus

SECONDS = 60

CLAIM = """
import os, sys, time, types
if os.environ.get("UUIDS") != "real":
    sys.modules["torch"] = types.ModuleType("torch")  # to start at once; what would ask it is replaced below
from triptych.training import gpus
count, jobs_per_gpu = int(sys.argv[1]), int(sys.argv[2])
gpus.device_count = lambda: count
if (uuids := os.environ.get("UUIDS")) != "real":
    gpus.device_uuid = lambda index: uuids.split(",")[index] if uuids else None
gpus.claim_gpu(gpus.visible_gpus(), jobs_per_gpu)
time.sleep(600)
"""


class Job:
    """A process that claims one of the simulated GPUs and keeps it until it is killed."""

    def __init__(self, count, jobs_per_gpu, environment):
        self.process = subprocess.Popen(
            [sys.executable, "-c", CLAIM, str(count), str(jobs_per_gpu)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            bufsize=1,
            env=environment,
        )

    def line(self) -> str:
        """The next line that it prints."""
        ready, _, _ = select.select([self.process.stdout], [], [], SECONDS)
        assert ready, f"nothing printed in {SECONDS} s"
        return self.process.stdout.readline().strip()

    def gpu(self) -> str:
        """The GPU that it says it has claimed."""
        line = self.line()
        assert line.startswith("claimed GPU "), line
        return line.split()[2]

    def silent(self, seconds) -> bool:
        return not select.select([self.process.stdout], [], [], seconds)[0]

    def kill(self):
        self.process.kill()
        self.process.wait(SECONDS)


@pytest.fixture
def start(tmp_path):
    """Starts jobs whose locks are all in one folder; ends those that are left."""
    jobs = []

    def start(count, jobs_per_gpu=1, **variables):
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM", VISIBLE))}
        jobs.append(Job(count, jobs_per_gpu, {**environment, LOCK_FOLDER: str(tmp_path / "locks"), **variables}))
        return jobs[-1]

    yield start
    for job in jobs:
        job.kill()
        job.process.stdout.close()


@pytest.fixture
def pretend(monkeypatch):
    """Simulate `seen` GPUs for torch and `installed` in the machine, with this CUDA_VISIBLE_DEVICES."""

    def pretend(seen, installed, visible=None):
        monkeypatch.setattr(gpus, "device_count", lambda: seen)
        monkeypatch.setattr(gpus, "installed_count", lambda: installed)
        monkeypatch.delenv(VISIBLE, raising=False)
        if visible is not None:
            monkeypatch.setenv(VISIBLE, visible)

    return pretend


def test_two_at_once_get_different_gpus_a_third_waits_and_a_killed_one_frees_its_own(start):
    first, second = start(2), start(2)
    taken = {first.gpu(), second.gpu()}
    assert taken == {"0", "1"}

    third = start(2)
    assert third.line().startswith("every GPU (0, 1) is taken; waiting for one (locks: ")
    assert third.silent(2)  # it says so once
    second.kill()
    freed = third.gpu()
    assert freed in taken
    first.kill()
    assert start(2).gpu() != freed


@pytest.mark.slow
def test_jobs_per_gpu_share_a_gpu_and_each_gpu_is_taken_once_before_any_twice(start):
    assert [start(2, jobs_per_gpu=2).gpu() for _ in range(4)] == ["0", "1", "0", "1"]
    assert "is taken" in start(2, jobs_per_gpu=2).line()


def test_who_wants_a_gpu_alone_has_it_alone(start):
    alone = start(1)
    assert alone.gpu() == "0"
    shares = start(1, jobs_per_gpu=2)
    assert "is taken" in shares.line()
    alone.kill()
    assert shares.gpu() == "0"
    assert "is taken" in start(1).line()


@pytest.mark.slow
def test_who_wants_a_gpu_alone_gets_it_although_others_come_to_share_it_without_end(start):
    """As the timing of the backward pass among trainings that overlap."""
    early = [start(1, jobs_per_gpu=4), start(1, jobs_per_gpu=4)]
    assert [job.gpu() for job in early] == ["0", "0"]
    alone = start(1)
    assert "is taken" in alone.line()
    late = start(1, jobs_per_gpu=4)
    assert "is taken" in late.line()  # although there are free slots
    early[0].kill()
    assert alone.silent(1) and late.silent(1)
    early[1].kill()
    assert alone.gpu() == "0"
    assert late.silent(1)
    alone.kill()
    assert late.gpu() == "0"
    assert start(1, jobs_per_gpu=4).gpu() == "0"


@pytest.mark.slow
def test_who_is_killed_while_it_waits_for_a_whole_gpu_holds_nobody_up(start):
    assert start(1, jobs_per_gpu=4).gpu() == "0"
    alone = start(1)
    assert "is taken" in alone.line()
    late = start(1, jobs_per_gpu=4)
    assert "is taken" in late.line()
    alone.kill()
    assert late.gpu() == "0"


@pytest.mark.slow
def test_who_wants_a_gpu_alone_keeps_others_from_one_gpu_and_takes_whichever_is_free_first(start):
    early = []
    for gpu in ("0", "1"):
        early.append(start(2, jobs_per_gpu=2))
        assert early[-1].gpu() == gpu
    alone = start(2)
    assert "is taken" in alone.line()
    late = start(2, jobs_per_gpu=2)
    assert late.gpu() == "1"
    late.kill()
    early[1].kill()
    assert alone.gpu() == "1"
    assert start(2, jobs_per_gpu=2).gpu() == "0"  # which nobody waits for any more


@pytest.mark.slow
def test_a_card_is_the_same_whatever_it_is_called(start):
    assert start(2, UUIDS="a,b").gpu() == "0"
    assert start(2, UUIDS="a,b", **{VISIBLE: "GPU-a,GPU-b"}).gpu() == "GPU-b"
    assert "is taken" in start(2, UUIDS="b,a", SLURM_JOB_ID="7", **{VISIBLE: "1,0"}).line()
    assert start(3, UUIDS="b,a,c", **{VISIBLE: "1,0,2"}).gpu() == "2"


def test_a_number_may_be_written_in_several_ways(start):
    assert start(2, **{VISIBLE: "0,1"}).gpu() == "0"
    assert start(2, **{VISIBLE: "+0,01"}).gpu() == "01"


def test_of_several_that_are_named_one_is_claimed_by_its_name(start):
    assert start(2, **{VISIBLE: "3,2"}).gpu() == "3"
    assert start(2, **{VISIBLE: "3,1"}).gpu() == "1"
    assert "every GPU (3, 1) is taken" in start(2, **{VISIBLE: "3,1"}).line()


def test_slurm_may_give_the_same_numbers_to_two_of_its_jobs(start):
    jobs = [start(2, **{VISIBLE: "0,1", "SLURM_JOB_ID": number}) for number in ("7", "8", "7")]
    claimed = [job.gpu() for job in jobs]
    assert claimed[1] == "0"
    assert {claimed[0], claimed[2]} == {"0", "1"}


def test_a_single_gpu_that_is_named_is_taken_as_it_is(pretend, monkeypatch, tmp_path):
    monkeypatch.setenv(LOCK_FOLDER, str(tmp_path / "locks"))
    pretend(1, 4, "3")
    assert [claim_gpu(visible_gpus(), 1) for _ in range(3)] == [0, 0, 0]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("visible", "seen", "names"),
    [
        (None, 2, ["0", "1"]),
        ("2,0", 2, ["2", "0"]),
        ("1, 0", 2, ["1", "0"]),
        ("GPU-8932f937,GPU-123", 2, ["GPU-8932f937", "GPU-123"]),
        ("MIG-1,MIG-2", 1, ["MIG-1"]),
        ("1,-1,0", 1, ["1"]),
        ("", 0, []),
        ("-1", 0, []),
        ("NoDevFiles", 0, []),
    ],
)
def test_what_may_be_used(pretend, visible, seen, names):
    pretend(seen, 4, visible)
    assert visible_gpus() == names


@pytest.mark.parametrize(
    ("visible", "seen", "installed", "words"),
    [
        (
            "7",
            0,
            4,
            r"CUDA_VISIBLE_DEVICES=7: torch finds 0 of these 1 GPUs; .* has 4 \(allowed: 0 to 3\); .* or unset",
        ),
        ("0,7,1", 1, 2, r"CUDA_VISIBLE_DEVICES=0,7,1: torch finds 1 of these 3 GPUs; .* has 2 \(allowed: 0 to 1\)"),
        ("0,0", 0, 1, r"torch finds 0 of these 2 GPUs; .* has 1 \(allowed: 0\); list each existing GPU at most once"),
        ("GPU-none", 0, 1, r"CUDA_VISIBLE_DEVICES=GPU-none: torch finds 0 of these 1 GPUs"),
    ],
)
def test_a_gpu_that_is_named_and_not_there(pretend, visible, seen, installed, words):
    pretend(seen, installed, visible)
    with pytest.raises(InputError, match=words):
        visible_gpus()


def test_where_there_is_no_gpu_at_all_a_name_is_no_mistake(pretend, capsys):
    """SLURM and containers set the variable on machines without one, and `auto` then is the CPU."""
    pretend(0, 0, "0")
    assert visible_gpus() == []
    assert "CUDA_VISIBLE_DEVICES=0: torch finds no GPU on this machine" in capsys.readouterr().out


@pytest.mark.parametrize("visible", [None, "0"])
@pytest.mark.parametrize("count", [1, 2])
def test_a_driver_that_torch_cannot_use_is_reported(monkeypatch, capsys, visible, count):
    """As with a driver that is too old: the management library shows the GPUs and CUDA does not start."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.delenv(VISIBLE, raising=False)
    if visible is not None:
        monkeypatch.setenv(VISIBLE, visible)
    said = f"torch cannot use the GPU driver of this machine, which lists {count} GPU"
    assert choose_device("auto", 1) == torch.device("cpu")
    assert capsys.readouterr().out.startswith(said)
    with pytest.raises(InputError, match=rf"training\.device: cuda is not available: {said}.* allowed are auto"):
        choose_device("cuda", 1)


def test_counting_what_is_installed_leaves_the_choice_as_it_is(monkeypatch):
    monkeypatch.setenv(VISIBLE, "5")
    assert gpus.installed_count() >= gpus.device_count()
    assert os.environ[VISIBLE] == "5"
    monkeypatch.delenv(VISIBLE)
    gpus.installed_count()
    assert VISIBLE not in os.environ


def test_the_folder_is_the_users_own(monkeypatch, tmp_path):
    monkeypatch.delenv(LOCK_FOLDER, raising=False)
    monkeypatch.setattr(gpus.tempfile, "tempdir", str(tmp_path))
    folder = lock_folder()
    assert folder.parent == tmp_path
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.rmdir()
    folder.symlink_to(tmp_path)
    with pytest.raises(InputError, match="not a folder of this user"):
        lock_folder()


@pytest.mark.parametrize("name", ["a file", "under a file", "/proc", "/proc/locks"])
def test_a_folder_that_cannot_be_written_says_what_to_do(monkeypatch, tmp_path, pretend, name):
    pretend(2, 2)
    (tmp_path / "file").touch()
    folder = {"a file": tmp_path / "file", "under a file": tmp_path / "file" / "locks"}.get(name, name)
    monkeypatch.setenv(LOCK_FOLDER, str(folder))
    with pytest.raises(InputError, match=rf"{folder}: .* set {LOCK_FOLDER} to another folder"):
        claim_gpu(visible_gpus(), 1)


TRAIN = """
import sys
from triptych.__main__ import main
from triptych.training import gpus
gpus.device_count = lambda: 2
sys.exit(main())
"""


def said_with_locks_in(folder, arguments, before=()):
    """Return the stderr of the real command with two simulated GPUs; it fails with status 1."""
    words = command("train", **arguments | {"device": "cuda", "jobs_per_gpu": 1})
    call = [*before, sys.executable, "-c", TRAIN, *words[words.index("train") :]]
    environment = {name: value for name, value in os.environ.items() if name != VISIBLE} | {LOCK_FOLDER: str(folder)}
    done = subprocess.run(call, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stderr


@pytest.mark.slow
def test_a_lock_folder_without_the_right_to_write(tmp_path, arguments):
    before = without_rights()
    folder = tmp_path / "locks"
    folder.mkdir(mode=0o555)
    said = said_with_locks_in(folder, arguments, before)
    assert re.fullmatch(rf"error: {folder}: .* \(Permission denied\); set .* to another folder.*\n", said)


@pytest.mark.slow
def test_a_lock_folder_on_a_read_only_disk(disk, arguments):
    disk.remount("ro")
    said = said_with_locks_in(disk.folder, arguments)
    assert re.fullmatch(rf"error: {disk.folder}: .* \(Read-only file system\); set .* to another folder.*\n", said)
    disk.remount("rw")
    assert not list(disk.folder.iterdir())


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_on_the_cpu_nothing_is_claimed(arguments):
    """Through the real command: a folder that cannot be used does not matter."""
    call = command("train", **arguments | {"device": "auto", "epochs": 1, "jobs_per_gpu": 1})
    environment = {**os.environ, LOCK_FOLDER: "/proc/locks", VISIBLE: "0"}
    result = subprocess.run(
        call,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "(cpu, float32)" in result.stdout


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_on_a_real_gpu_a_training_claims_it_and_a_second_waits(tmp_path, start, arguments):
    """Both are real: the first process holds every GPU of the machine, and the training trains when it ends."""
    holders = [start(torch.cuda.device_count(), UUIDS="real") for _ in range(torch.cuda.device_count())]
    for holder in holders:
        holder.gpu()
    call = command("train", **arguments | {"device": "cuda", "jobs_per_gpu": 1})
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM", VISIBLE))}
    environment |= {LOCK_FOLDER: str(tmp_path / "locks")}
    log = tmp_path / "log"
    with log.open("w") as file:
        process = subprocess.Popen(
            call,
            env=environment,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
        deadline = time.monotonic() + SECONDS
        while "is taken; waiting" not in log.read_text():
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        holders[0].kill()
        assert process.wait(2 * SECONDS) == 0, log.read_text()
    assert "claimed GPU" in log.read_text()
    assert "(cuda, float32)" in log.read_text()
