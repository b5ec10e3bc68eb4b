"""A training that is killed at any moment and started again ends in the same bytes."""

import os
import random
import signal
import subprocess
import time

import pytest

from tests.conftest import ROOT, command
from triptych.training import loop
from triptych.training.checkpoints import Checkpoints, run_key
from triptych.training.extract_features import extract_features
from triptych.training.train import train

OUTPUTS = ("trained", "history", "predictions")
WAYS = {
    "scratch": {},
    "best": {"keep": "best", "patience": 2, "epochs": 4},
    "last_layer": {"train": "head"},
    "frozen": {"train": "head", "batchnorm": "frozen"},
    "fast": {"channels_last": True, "fused_optimizer": True},
}


def outputs(arguments):
    return {name: arguments[name].read_bytes() for name in OUTPUTS}


class Killed(BaseException):
    """Stands for a kill: nothing catches it."""


@pytest.mark.parametrize("way", WAYS)
def test_a_run_that_is_killed_after_every_few_steps_ends_in_the_same_bytes(arguments, tmp_path, monkeypatch, way):
    arguments |= WAYS[way]
    train(**arguments)
    expected = outputs(arguments)
    for name in OUTPUTS:
        arguments[name].unlink()
    saves = 0
    save = Checkpoints.save

    def save_and_die(self, tensors, state):
        nonlocal saves
        save(self, tensors, state)
        saves += 1
        if saves % 3 == 0:
            raise Killed

    monkeypatch.setattr(Checkpoints, "save", save_and_die)
    monkeypatch.setattr(Checkpoints, "due", lambda self: True)  # after every step
    folder, deaths = tmp_path / "checkpoints", 0
    while True:
        try:
            train(**arguments, checkpoints=folder)
            break
        except Killed:
            deaths += 1
            assert not arguments["trained"].exists()
    assert deaths >= 3
    assert outputs(arguments) == expected
    assert not folder.exists()


@pytest.mark.parametrize(("minutes", "runtime", "between"), [(10, None, 10), (10, 720, 10), (10, 20, 5), (0.1, 1, 0.1)])
def test_checkpoints_come_often_enough_for_the_time_that_a_job_has(tmp_path, minutes, runtime, between):
    assert Checkpoints(tmp_path, "", minutes, runtime).minutes == between


def test_a_job_whose_time_is_shorter_than_an_epoch_gets_to_the_end(arguments, tmp_path, monkeypatch):
    """Each attempt has time for two steps or evaluations, an epoch has four steps: only checkpoints in it lead on."""
    train(**arguments)
    expected = outputs(arguments)
    for name in OUTPUTS:
        arguments[name].unlink()
    steps, cross_entropy = 0, loop.cross_entropy

    def at_the_limit(*values):
        nonlocal steps
        steps += 1
        if steps > 2:
            raise Killed
        return cross_entropy(*values)

    monkeypatch.setattr(loop, "cross_entropy", at_the_limit)
    attempts = 0
    while attempts < 20:
        steps, attempts = 0, attempts + 1
        try:
            train(**arguments, checkpoints=tmp_path / "checkpoints", checkpoint_minutes=10, runtime=1e-6)
            break
        except Killed:
            pass
    assert attempts > 4
    assert outputs(arguments) == expected


def test_a_damaged_checkpoint_is_set_aside_and_the_one_before_it_is_used(arguments, tmp_path, monkeypatch, capsys):
    train(**arguments)
    expected = outputs(arguments)
    folder = tmp_path / "checkpoints"
    keep = loop.Fitting.keep

    def die(self):
        raise Killed

    monkeypatch.setattr(loop.Fitting, "keep", die)
    with pytest.raises(Killed):
        train(**arguments, checkpoints=folder)
    newest = max(folder.glob("*.safetensors"), key=lambda path: path.stat().st_mtime_ns)
    newest.write_bytes(newest.read_bytes()[:-100])
    monkeypatch.setattr(loop.Fitting, "keep", keep)
    capsys.readouterr()
    train(**arguments, checkpoints=folder)
    printed = capsys.readouterr().out
    assert f"{newest}: a damaged checkpoint, set aside as {newest.stem}.damaged" in printed
    assert "going on from a checkpoint: epoch 2, step 0" in printed  # of two epochs, the first
    assert outputs(arguments) == expected


@pytest.mark.parametrize("change", ["seed", "learning_rate", "num_threads", "code", "data"])
def test_the_checkpoint_of_another_run_is_never_used(arguments, files, tmp_path, monkeypatch, change):
    def key(learning_rate=1e-4, seed=0, num_threads=1, data="train"):
        settings = {"learning_rate": learning_rate, "seed": seed, "num_threads": num_threads}
        return run_key("training.train", {"train": files / f"{data}.safetensors", "features": None}, settings)

    first = key()
    assert first == key()
    if change == "code":
        monkeypatch.setattr("triptych.training.checkpoints.code_digest", lambda module: "other")
        assert key() != first
    else:
        assert key(**{change: {"data": "test"}.get(change, 7)}) != first


def test_features_go_on_where_they_were(arguments, tmp_path, monkeypatch):
    shared = ["train_data", "validation_data", "test_data", "num_threads", "device"]
    call = {key: arguments[key] for key in shared} | {
        "evaluation_batch_size": 8,
        "pretrained": arguments["initial"],
        "cost": tmp_path / "cost.json",
    }
    call |= {"architecture": "resnet18", "input_size": 32, "normalisation": "none"}
    extract_features(**call, features=tmp_path / "whole")
    monkeypatch.setattr(Checkpoints, "due", lambda self: True)
    save, deaths = Checkpoints.save, 0

    def save_and_die(self, tensors, state):
        save(self, tensors, state)
        raise Killed

    monkeypatch.setattr(Checkpoints, "save", save_and_die)
    while not (tmp_path / "resumed").exists():
        try:
            extract_features(**call, features=tmp_path / "resumed", checkpoints=tmp_path / "checkpoints")
        except Killed:
            deaths += 1
    assert deaths == 7 + 2 + 3  # batches of 8 of 50, 9 and 20 images
    assert (tmp_path / "resumed").read_bytes() == (tmp_path / "whole").read_bytes()
    assert not (tmp_path / "checkpoints").exists()


@pytest.mark.slow
@pytest.mark.parametrize("kills", [4, pytest.param(40, marks=pytest.mark.long)])
@pytest.mark.parametrize("way", WAYS)
def test_a_process_that_is_killed_at_random_moments_ends_in_the_same_bytes(arguments, tmp_path, way, kills):
    """Real processes and real signals: 20 in all, and 200 in the long run."""
    # where only the head trains, an epoch is short
    arguments |= {"epochs": 30 if "train" in WAYS[way] else 6} | WAYS[way]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow")}
    call = command("train", **arguments, checkpoints=tmp_path / "checkpoints", checkpoint_minutes=0.001)
    train(**arguments)
    expected = outputs(arguments)
    moments = random.Random(way)
    while_training = 0
    for _ in range(kills):
        for name in OUTPUTS:
            arguments[name].unlink(missing_ok=True)
        process = subprocess.Popen(call, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for line in process.stdout:  # it trains: what comes before that is of no interest, and takes longest
            if line.startswith(("epoch", "going on")):
                break
        time.sleep(moments.uniform(0, 0.3))
        while_training += process.poll() is None
        process.send_signal(moments.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT]))
        process.communicate(timeout=60)
    assert while_training  # else nothing was put to the test
    for name in OUTPUTS:
        arguments[name].unlink(missing_ok=True)
    subprocess.run(call, env=environment, check=True, capture_output=True, timeout=120)
    assert outputs(arguments) == expected
    assert not (tmp_path / "checkpoints").exists()


@pytest.mark.slow
def test_a_second_process_waits_for_the_first(arguments, tmp_path):
    arguments |= {"epochs": 6}
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow")}
    call = command("train", **arguments, checkpoints=tmp_path / "checkpoints", checkpoint_minutes=10)
    first = subprocess.Popen(call, env=environment, stdout=subprocess.PIPE, text=True)
    for line in first.stdout:
        if line.startswith("epoch 1/6"):
            break
    first.send_signal(signal.SIGSTOP)  # however long the second takes to start
    second = subprocess.Popen(call, env=environment, stdout=subprocess.PIPE, text=True)
    for line in second.stdout:
        if f"process {first.pid} is making this file; waiting for it" in line:
            break
    first.send_signal(signal.SIGCONT)
    first.communicate(timeout=120)
    said, _ = second.communicate(timeout=120)
    assert (first.returncode, second.returncode) == (0, 0)
    assert said.startswith("epoch 0/6")  # it waited, and then went its own way from the start
