"""Steps that are replayed from a CUDA graph give the same results as eager steps. Most tests need a GPU."""

import pytest
import torch

from tests.training.conftest import phases, train
from triptych.results.schema import RUN_HISTORY
from triptych.results.tables import read_table
from triptych.storage.errors import InputError
from triptych.training.arithmetic import PRECISIONS, Arithmetic
from triptych.training.checkpoints import Checkpoints
from triptych.training.steps import WARM_UP, CapturedStep, with_cuda_graph

OUTPUTS = ("trained", "history", "predictions")
WAYS = {
    "scratch": {},
    "last_layer": {"phases": phases("head")},
    "frozen": {"phases": phases("head", "frozen")},
    "fused": {"fused_optimizer": True},
    "fast": {"precision": "bfloat16", "channels_last": True, "fused_optimizer": True},
    "tf32": {"precision": "tf32"},
    "best": {"keep": "best", "patience": 2},
    "recalibrated": {"keep": "best", "patience": 2, "recalibrate_batchnorm": "final"},
    "from the computer's memory": {"residency": "host"},
}

DROPOUT = {"architecture": "mobilenet_v2", "pretrained": None}
FLOAT16 = {"precision": "float16"}
KILLED = {"fast": WAYS["fast"], "float16": FLOAT16, "dropout": DROPOUT}

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU here")


def outputs(arguments):
    return {name: arguments[name].read_bytes() for name in OUTPUTS}


@pytest.fixture
def on_gpu(arguments):
    """Arguments of `train()`: 50 images in batches of 8, so that each epoch ends with a smaller one."""
    return arguments | {"device": "cuda", "batch_size": 8, "epochs": 3}


def test_steps_are_captured_on_a_gpu_only_and_not_with_scaled_losses():
    gpu = torch.device("cuda")
    assert [p for p in PRECISIONS if Arithmetic(gpu, p).captures_steps] == ["float32", "tf32", "bfloat16"]
    assert not Arithmetic(gpu, cuda_graphs="never").captures_steps
    assert not Arithmetic(torch.device("cpu")).captures_steps

    def step(images, labels):
        pass

    assert with_cuda_graph(step, 8, Arithmetic(torch.device("cpu"))) is step


@needs_gpu
@pytest.mark.parametrize("way", WAYS)
def test_replayed_steps_give_the_same_bytes(on_gpu, way):
    on_gpu |= WAYS[way]
    train(**on_gpu, cuda_graphs="never")
    expected = outputs(on_gpu)
    train(**on_gpu)
    assert outputs(on_gpu) == expected


@needs_gpu
def test_dropout_draws_anew_in_each_replayed_step(on_gpu):
    on_gpu |= DROPOUT
    train(**on_gpu, cuda_graphs="never")
    expected = outputs(on_gpu)
    train(**on_gpu)
    assert outputs(on_gpu) == expected


class Killed(BaseException):
    """Stands for a kill: nothing catches it."""


def scaler_that_moves(device):
    """Return a scaler whose scale soon overflows float16, so that steps are skipped and a lost scale shows."""
    return lambda self: torch.amp.GradScaler(device, growth_interval=2)


@needs_gpu
@pytest.mark.parametrize("way", KILLED)
def test_a_run_that_is_killed_ends_in_the_same_bytes(on_gpu, tmp_path, monkeypatch, way):
    on_gpu |= KILLED[way]
    if way == "float16":
        monkeypatch.setattr(Arithmetic, "loss_scaler", scaler_that_moves("cuda"))
    train(**on_gpu)
    expected = outputs(on_gpu)
    save, saves, deaths = Checkpoints.save, 0, 0

    def save_and_die(self, tensors, state):
        nonlocal saves
        save(self, tensors, state)
        saves += 1
        if saves % 6 == 0:
            raise Killed

    monkeypatch.setattr(Checkpoints, "save", save_and_die)
    monkeypatch.setattr(Checkpoints, "due", lambda self: True)  # after every step
    while True:
        try:
            train(**on_gpu, checkpoints=tmp_path / "checkpoints")
            break
        except Killed:
            deaths += 1
    assert deaths >= 3
    assert outputs(on_gpu) == expected


@pytest.mark.slow
def test_a_killed_run_goes_on_with_the_scale_of_its_losses(arguments, tmp_path, monkeypatch):
    """With the scaler of float16, on the CPU: after each step its state is that of an uninterrupted run."""
    monkeypatch.setattr(Arithmetic, "loss_scaler", scaler_that_moves("cpu"))
    monkeypatch.setattr(Checkpoints, "due", lambda self: True)  # after every step
    save = Checkpoints.save

    def states(deadly):
        found, deaths = {}, 0

        def save_and_die(self, tensors, state):
            save(self, tensors, state)
            found[state["epoch"], state["step"]] = dict(state["scaler"])
            if deadly and len(found) % 3 == 0:
                raise Killed

        monkeypatch.setattr(Checkpoints, "save", save_and_die)
        while True:
            try:
                train(**arguments, checkpoints=tmp_path / f"checkpoints_{deadly}")
                return found, deaths
            except Killed:
                deaths += 1

    (whole, _), (killed, deaths) = states(deadly=False), states(deadly=True)
    assert deaths >= 2
    assert killed == whole
    assert len({state["scale"] for state in whole.values()}) >= 3
    assert len({state["_growth_tracker"] for state in whole.values()}) == 2


@needs_gpu
def test_float16_gives_nearly_the_history_of_float32(on_gpu, monkeypatch):
    """From a scale with which no gradient overflows: with torch's own, the first steps are skipped until it is one."""
    monkeypatch.setattr(
        Arithmetic,
        "loss_scaler",
        lambda self: torch.amp.GradScaler("cuda", init_scale=256.0, enabled=self.precision == "float16"),
    )

    def history(**settings):
        train(**on_gpu, **settings)
        return read_table(on_gpu["history"], RUN_HISTORY)

    plain, half = history(), history(**FLOAT16)
    assert half["test_loss"][0] == pytest.approx(plain["test_loss"][0], abs=0.01)  # before any step
    assert half["test_loss"][0] != plain["test_loss"][0]
    assert list(half["train_loss"][1:]) == pytest.approx(list(plain["train_loss"][1:]), abs=0.15)


@needs_gpu
def test_a_step_that_asks_for_a_number_cannot_be_captured_and_says_which_setting_to_change():
    device = torch.device("cuda")
    total = torch.zeros((), device=device)

    def step(images, labels):
        total.add_(images.sum())
        total.item()

    take_step = CapturedStep(step, 4, device)
    images, labels = torch.ones(4, 2, device=device), torch.zeros(4, dtype=torch.int64, device=device)
    for _ in range(WARM_UP):
        take_step(images, labels)
    with pytest.raises(InputError, match=r"training\.cuda_graphs: .* cannot be captured .*; set it to never"):
        take_step(images, labels)
