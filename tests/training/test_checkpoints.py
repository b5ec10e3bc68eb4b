"""A training that is killed at any moment and resumed ends with the same bytes."""

import json
import random
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import fields

import numpy
import pytest
import torch

from tests.conftest import command
from tests.training.conftest import (
    EACH_EPOCH,
    NETWORK,
    RECIPE,
    extract_features,
    phases,
    pretrain_weights,
    short_run,
    train,
)
from triptych.models.networks import build_network, network_metadata, state_arrays
from triptych.storage.tensors import save_tensors
from triptych.training import checkpoints, loop
from triptych.training.checkpoints import Checkpoints, run_key
from triptych.training.recipe import FeaturesRecipe

OUTPUTS = ("trained", "history", "predictions")
OF_FEATURES = tuple(field.name for field in fields(FeaturesRecipe))
WAYS = {
    "scratch": {},
    "best": {"keep": "best", "patience": 2, "epochs": 4},
    "recalibrated": {"keep": "best", "patience": 2, "epochs": 3, "recalibrate_batchnorm": "final"},
    "recalibrated, last": {"recalibrate_batchnorm": "final"},
    "last_layer": {"phases": phases("head")},
    "frozen": {"phases": phases("head", "frozen")},
    "fast": {"channels_last": True, "fused_optimizer": True},
    "unopened": {"test_data": None, "keep": "best", "epochs": 4},
}


def outputs(arguments):
    return {name: arguments[name].read_bytes() for name in OUTPUTS}


class Killed(BaseException):
    """Stands for a kill: nothing catches it."""


SMALL = "shufflenet_v2_x0_5"
"""The network of the fewest parameters with BatchNorm: its checkpoints have 4 MB, and those of resnet18 134."""


def of_network(architecture, folder):
    """The network and its pretrained weights, as options of a run."""
    weights = folder / f"{architecture}.safetensors"
    network = build_network(architecture, 5, 32)
    scale = {"mean": [0.0] * 3, "std": [1.0] * 3}
    metadata = network_metadata(
        network, architecture=architecture, classes=list("abcde"), input_size=32, normalisation=scale
    )
    save_tensors(weights, state_arrays(network), metadata)
    return {"architecture": architecture, "pretrained": weights}


@pytest.mark.parametrize(
    ("way", "architecture"),
    [
        ("scratch", SMALL),
        # mnasnet0_5 loads no tensors without a version
        pytest.param("recalibrated", "mnasnet0_5", marks=pytest.mark.slow),
        *(pytest.param(way, SMALL, marks=pytest.mark.slow) for way in WAYS if way not in ("scratch", "recalibrated")),
    ],
)
def test_a_run_that_is_killed_after_every_few_steps_ends_in_the_same_bytes(
    arguments, tmp_path, monkeypatch, way, architecture
):
    arguments |= WAYS[way]
    if architecture != arguments["architecture"]:
        arguments |= of_network(architecture, tmp_path)
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


def test_epochs_within_ten_seconds_share_a_checkpoint_unless_another_process_waits(tmp_path, monkeypatch):
    now = 0.0
    monkeypatch.setattr(checkpoints.time, "monotonic", lambda: now)
    monkeypatch.setattr(checkpoints, "LEAST_SECONDS", 10.0)
    of_run, saved = Checkpoints(tmp_path / "run", "key", 10), []
    for now in (0.0, 4.0, 8.0, 12.0, 16.0, 20.0, 24.0):
        if of_run.due_after_epoch():
            of_run.save({}, {})
            saved.append(now)
    assert saved == [12.0, 24.0]
    of_run.waited_for = lambda: True
    assert of_run.due_after_epoch()
    assert not Checkpoints(None, "key", 10).due_after_epoch()


@pytest.mark.parametrize(("seconds", "saves"), [(0.0, 3), (1e6, 0)])
def test_epochs_that_are_shorter_than_the_least_time_save_nothing(arguments, tmp_path, monkeypatch, seconds, saves):
    """Two epochs, and the evaluation before them."""
    monkeypatch.setattr(checkpoints, "LEAST_SECONDS", seconds)
    kept, save = [], Checkpoints.save
    monkeypatch.setattr(Checkpoints, "save", lambda self, *state: kept.append(1) or save(self, *state))
    train(**arguments, checkpoints=tmp_path / "checkpoints")
    assert len(kept) == saves


def test_a_job_whose_time_is_shorter_than_an_epoch_gets_to_the_end(arguments, undisturbed, tmp_path, monkeypatch):
    """Each attempt has time for two steps, an epoch has four: only checkpoints in it lead on."""
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
    assert attempts > 3
    assert outputs(arguments) == undisturbed


DAMAGE = {
    "cut short": lambda content: content[:-100],
    "a flipped bit": lambda content: content[:-1000] + bytes([content[-1000] ^ 1]) + content[-999:],
    "empty": lambda content: b"",
}


@pytest.fixture(scope="module")
def killed(files, tmp_path_factory):
    """The folder with the checkpoints of a run that was killed after its last epoch."""

    def die(self):
        raise Killed

    folder = tmp_path_factory.mktemp("killed")
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr(loop.Trainer, "keep", die)
        train(**short_run(files, folder), checkpoints=folder / "checkpoints")
    return folder / "checkpoints"


@pytest.fixture
def stopped(killed, tmp_path):
    """The two checkpoints of such a run, the newer first."""
    folder = shutil.copytree(killed, tmp_path / "checkpoints")
    newest = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    assert len(newest) == 2
    return newest


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_corrupt_checkpoint_is_renamed_and_the_previous_one_is_used(arguments, stopped, undisturbed, capsys, damage):
    newest, _ = stopped
    newest.write_bytes(DAMAGE[damage](newest.read_bytes()))
    train(**arguments, checkpoints=newest.parent)
    printed = capsys.readouterr().out
    assert f"{newest}: the checkpoint is corrupt, renamed to {newest.stem}.damaged" in printed
    assert "resuming from a checkpoint: epoch 2, step 0" in printed  # of two epochs, the first
    assert outputs(arguments) == undisturbed
    assert not newest.parent.exists()


def test_if_both_checkpoints_are_corrupt_training_restarts_and_prints_so(arguments, stopped, undisturbed, capsys):
    both = stopped
    for path, damage in zip(both, ("a flipped bit", "cut short"), strict=True):
        path.write_bytes(DAMAGE[damage](path.read_bytes()))
    train(**arguments, checkpoints=both[0].parent)
    printed = capsys.readouterr().out
    for path in both:
        assert f"{path}: the checkpoint is corrupt, renamed to {path.stem}.damaged" in printed
    assert (
        f"{both[0].parent}: no checkpoint is intact; starting from the beginning\ntraining seed 0 | epoch 0/2"
        in printed
    )
    assert outputs(arguments) == undisturbed
    assert not both[0].parent.exists()


def test_a_checkpoint_under_the_name_of_another_run_is_not_used(tmp_path, capsys):
    Checkpoints(tmp_path, "first", 10).save({"array": numpy.zeros(3)}, {"epoch": 1, "step": 0})
    (path,) = tmp_path.iterdir()
    path.rename(path.with_name(path.name.replace("first", "second")))
    assert Checkpoints(tmp_path, "second", 10).load() is None
    assert "second-b.damaged (it belongs to another run)" in capsys.readouterr().out


def test_memory_and_time_before_a_kill_count(arguments, stopped, monkeypatch):
    """The process that goes on needs less memory, and knows what the first one needed."""
    newest, _ = stopped
    (key,) = {path.name[:32] for path in newest.parent.iterdir()}
    state = Checkpoints(newest.parent, key, 10).load()[1]
    assert state["peak_memory_bytes"] > 10_000_000
    for module in ("loop", "train"):
        monkeypatch.setattr(f"triptych.training.{module}.peak_memory_bytes", lambda device: 1)
    train(**arguments, checkpoints=newest.parent)
    cost = json.loads(arguments["cost"].read_text())
    assert cost["peak_memory_bytes"] == state["peak_memory_bytes"]
    assert cost["seconds"] > state["outcome"]["training_seconds"] + state["outcome"]["evaluation_seconds"]


@pytest.mark.parametrize("change", ["seed", "learning_rate", "num_threads", "code", "library", "data"])
def test_the_checkpoint_of_another_run_is_never_used(arguments, files, tmp_path, monkeypatch, change):
    def key(learning_rate=1e-4, seed=0, num_threads=1, data="train"):
        settings = {"learning_rate": learning_rate, "seed": seed, "num_threads": num_threads}
        read = {"train": files / f"{data}.safetensors", "features": None}
        return run_key("training.train", "resnet18", read, settings)

    first = key()
    assert first == key()
    if change == "code":
        monkeypatch.setattr("triptych.training.checkpoints.code_digest", lambda module, named: "other")
        assert key() != first
    elif change == "library":
        module = "triptych.training.checkpoints.library_module"
        monkeypatch.setattr(module, lambda architecture: "triptych.models.head")
        assert key() != first
    else:
        assert key(**{change: {"data": "test"}.get(change, 7)}) != first


@pytest.mark.parametrize("tested", [True, False])
def test_features_go_on_where_they_were(arguments, tmp_path, monkeypatch, tested):
    shared = ["train_data", "validation_data", "test_data", *OF_FEATURES, *NETWORK]
    call = {key: arguments[key] for key in shared} | {
        "evaluation_batch_size": 8,
        "pretrained": arguments["pretrained"],
        "cost": tmp_path / "cost.json",
    }
    if not tested:
        del call["test_data"]
    extract_features(**call, features=tmp_path / "whole")
    peaks = iter([5, 9, 7])
    monkeypatch.setattr("triptych.training.extract_features.peak_memory_bytes", lambda device: next(peaks, 1))
    monkeypatch.setattr(Checkpoints, "due", lambda self: True)
    save, deaths, spent = Checkpoints.save, 0, 0.0

    def save_and_die(self, tensors, state):
        nonlocal spent
        assert state["seconds"] > spent
        spent = state["seconds"]
        save(self, tensors, state)
        raise Killed

    monkeypatch.setattr(Checkpoints, "save", save_and_die)
    while not (tmp_path / "resumed").exists():
        try:
            extract_features(**call, features=tmp_path / "resumed", checkpoints=tmp_path / "checkpoints")
        except Killed:
            deaths += 1
    assert deaths == 7 + 2 + 3 * tested  # batches of 8 of 50, 9 and 20 images
    assert (tmp_path / "resumed").read_bytes() == (tmp_path / "whole").read_bytes()
    assert not (tmp_path / "checkpoints").exists()
    cost = json.loads((tmp_path / "cost.json").read_text())
    assert cost["seconds"] > cost["extraction_seconds"] > spent
    assert cost["peak_memory_bytes"] == 9  # of the second process


KILLS = {
    "scratch": [signal.SIGTERM, *3 * [signal.SIGKILL]],
    "recalibrated": [signal.SIGINT, *3 * [signal.SIGKILL]],
    "last_layer": [signal.SIGTERM, *2 * [signal.SIGKILL]],
    "frozen": [signal.SIGINT, *3 * [signal.SIGKILL]],
    "fast": [signal.SIGTERM, *3 * [signal.SIGKILL]],
    "dropout": [signal.SIGINT, *2 * [signal.SIGKILL]],
    "features": [signal.SIGTERM, *2 * [signal.SIGKILL]],
    "pretraining": [signal.SIGINT, *2 * [signal.SIGKILL]],
}
"""What each way is sent: 20 times SIGKILL, and the others 4 times each."""
MOMENTS = ("training", "training", "outputs", "training", "training", "start")
"""The moments of the kills, in turn; each way begins at a different one."""
BEGINS = {"start": ("training", "pretraining"), "training": ("epoch", "resuming"), "outputs": ("kept epoch",)}
"""How the line begins, after the name of the run, with which it begins."""


def begins(line, moment):
    """Whether a moment begins with a line."""
    return line.partition(" | ")[2].startswith(BEGINS[moment])


@pytest.fixture
def killable(arguments, of_resnet18, tmp_path):
    """For a way: the function, its options, and which of these are the declared outputs, all in one folder."""
    arguments |= of_resnet18

    def prepare(way):
        folder = tmp_path / "run"
        folder.mkdir()
        names = ["trained", "history", "predictions", "cost"]
        call = arguments | {name: folder / arguments[name].name for name in names} | WAYS.get(way, {})
        if way != "scratch":  # whose large files are killed while they are written
            call |= of_network(SMALL, tmp_path)
        call |= {"epochs": {"features": 300, "scratch": 6}.get(way, 12)}
        function = train
        if way == "dropout":
            call["architecture"] = "mobilenet_v3_small"
            del call["pretrained"]
            network = build_network(call["architecture"], 3, 32)
            assert any(isinstance(module, torch.nn.Dropout) for module in network.modules())
        elif way == "features":
            features = {"features": tmp_path / "features.safetensors", "cost": tmp_path / "features.json"}
            shared = ("train_data", "validation_data", "test_data", "pretrained", *OF_FEATURES, *NETWORK)
            extract_features(**{name: call[name] for name in shared}, **features)
            call |= {"phases": phases("head", "frozen"), "features": features["features"]}
        elif way == "pretraining":
            function, names = pretrain_weights, ["weights", "history"]
            shared = ("train_data", "validation_data", "seed", *NETWORK, *set(RECIPE) - {"train_images"})
            call = {name: call[name] for name in shared} | {
                "weights": folder / "weights.safetensors",
                "history": folder / "history.csv",
            }
        return function, call, {name: call[name] for name in names}

    return prepare


# long: last run by 2026-11-26, passed
@pytest.mark.parametrize("times", [pytest.param(1, marks=pytest.mark.slow), pytest.param(10, marks=pytest.mark.long)])
@pytest.mark.parametrize("way", KILLS)
def test_a_process_that_is_killed_at_random_moments_ends_in_the_same_bytes(killable, way, times):
    """Real processes and real signals: 20 SIGKILLs, 4 SIGTERMs and 4 SIGINTs; ten times as many in the long run."""
    function, options, declared = killable(way)
    folder = declared["history"].parent
    resumable = options | {"checkpoints": folder / "checkpoints", "checkpoint_minutes": 0.001}
    call = command(function.__name__, **resumable)
    function(**options)
    expected = {name: path.read_bytes() for name, path in declared.items() if name != "cost"}

    def check():
        """What it ends in: the same bytes, and no file that is not declared."""
        assert {name: declared[name].read_bytes() for name in expected} == expected
        assert set(folder.iterdir()) == set(declared.values())

    moments = random.Random(way)
    signals = times * KILLS[way]
    moments.shuffle(signals)
    begin, while_training = list(KILLS).index(way), 0
    for number, sent in enumerate(signals, begin):
        for path in declared.values():
            path.unlink(missing_ok=True)
        with subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
            said = []
            for line in process.stdout:
                said.append(line)
                if begins(line, MOMENTS[number % len(MOMENTS)]):
                    break
            time.sleep(moments.uniform(0, 0.3))
            process.send_signal(sent)
            said += process.stdout
            whole = process.wait(60) == 0
        trained = any(begins(line, "outputs") for line in said)
        while_training += any(begins(line, "training") for line in said) and not trained
        if trained:  # what is killed next trains from the beginning
            if not whole:
                function(**resumable)
            check()
    assert while_training >= (len(signals) / 2 if times > 1 else 1)
    if not trained:
        for path in declared.values():
            path.unlink(missing_ok=True)
        function(**resumable)
        check()


@pytest.mark.slow
def test_a_second_process_waits_for_the_first(arguments, tmp_path):
    arguments |= of_network(SMALL, tmp_path) | {"epochs": 6}
    train(**arguments)
    expected = outputs(arguments)
    call = command("train", **arguments, checkpoints=tmp_path / "checkpoints", **EACH_EPOCH)
    first = subprocess.Popen(call, stdout=subprocess.PIPE, text=True)
    for line in first.stdout:
        if begins(line, "training") and "epoch 1/6" in line:
            break
    first.send_signal(signal.SIGSTOP)  # however long the second takes to start
    second = subprocess.Popen(call, stdout=subprocess.PIPE, text=True)
    for line in second.stdout:
        if f"process {first.pid} on {socket.gethostname()} is making this file; waiting for it" in line:
            break
    first.send_signal(signal.SIGCONT)
    first.communicate(timeout=120)
    said, _ = second.communicate(timeout=120)
    assert (first.returncode, second.returncode) == (0, 0)
    resumed, kept, *_ = (line.removeprefix("training seed 0 | ") for line in said.splitlines())
    assert resumed == "resuming from a checkpoint: epoch 7, step 0"  # the first one's last
    assert kept.startswith("kept epoch 6")
    assert {name: arguments[name].read_bytes() for name in expected} == expected
    assert not (tmp_path / "checkpoints").exists()
