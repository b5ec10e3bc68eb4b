import os
import re
import resource
import signal
import subprocess
import time
from pathlib import Path

import numpy
import pytest
import torch

from tests.conftest import command
from tests.training.conftest import EACH_EPOCH, train
from triptych.storage.errors import InputError
from triptych.storage.tensors import load_metadata, load_tensors, save_tensors
from triptych.training import loop
from triptych.training.arithmetic import Arithmetic
from triptych.training.checkpoints import Checkpoints
from triptych.training.failures import translate_torch_errors

CPU = Arithmetic(torch.device("cpu"))


def test_too_large_a_batch_names_the_settings():
    message = r"out of memory: .* lower training.batch_size \(now 32\)"
    with pytest.raises(InputError, match=message), translate_torch_errors(32, 100, CPU):
        torch.empty(1 << 60, dtype=torch.uint8)  # more than any address space


@pytest.mark.parametrize("after", range(3))
def test_memory_that_an_evaluation_lacks_names_its_batch(arguments, monkeypatch, after):
    """Before training, after the second epoch, and at the end: the evaluation of the kept epoch."""
    evaluations, evaluate = [], loop.evaluate

    def at_the_limit(*values):
        evaluations.append(values)
        if len(evaluations) > [0, 6, 10][after]:
            torch.empty(1 << 60, dtype=torch.uint8)
        return evaluate(*values)

    monkeypatch.setattr(loop, "evaluate", at_the_limit)
    moments = ("epoch 0, before training", "epoch 2, after its last step", "the evaluation after the last epoch")
    setting = r"training\.evaluation_batch_size \(now 32\)"
    with pytest.raises(
        InputError, match=rf"memory in {moments[after]} \(no checkpoint\): a batch does not fit; lower {setting}"
    ):
        train(**arguments)


def test_gpu_memory_is_named():
    gpu = Arithmetic(torch.device("cuda"), "bfloat16")
    message = r"out of GPU memory: .*training.precision \(now bfloat16\)"
    with pytest.raises(InputError, match=message), translate_torch_errors(32, 100, gpu):
        raise torch.OutOfMemoryError("CUDA out of memory")


def test_other_errors_pass():
    with pytest.raises(RuntimeError, match="something else"), translate_torch_errors(32, 100, CPU):
        raise RuntimeError("something else")


@pytest.mark.slow
def test_a_training_that_runs_out_of_memory_ends_with_one_message_and_resumes(arguments, of_resnet18, tmp_path):
    """A real process, whose address space the test limits once it has two checkpoints."""
    arguments |= of_resnet18
    folder = tmp_path / "checkpoints"
    arguments |= {"epochs": 4, "batch_size": 5}
    train(**arguments)
    expected = arguments["trained"].read_bytes()
    arguments["trained"].unlink()
    call = command("train", **arguments, checkpoints=folder, **EACH_EPOCH)
    # without it glibc keeps freed memory, and rarely allocates new memory
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"}
    with subprocess.Popen(
        call, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        until = time.monotonic() + 120
        while len(list(folder.glob("[!.]*.safetensors"))) < 2:
            assert process.poll() is None and time.monotonic() < until
            time.sleep(0.001)
        process.send_signal(signal.SIGSTOP)  # so that the following lines are not in a hurry
        while list(folder.glob(".*")):  # not while it writes a checkpoint: the error would not be about a batch
            process.send_signal(signal.SIGCONT)
            time.sleep(0.01)
            process.send_signal(signal.SIGSTOP)
            assert process.poll() is None and time.monotonic() < until
        status = Path(f"/proc/{process.pid}/status").read_text()
        half = int(re.search(r"VmSize:\s+(\d+) kB", status)[1]) * 512
        resource.prlimit(process.pid, resource.RLIMIT_AS, (half, half))
        process.send_signal(signal.SIGCONT)
        _, said = process.communicate(timeout=120)
    assert process.returncode == 1
    assert re.fullmatch(
        r"error: out of memory in (epoch \d, (step \d+|after its last step)|the evaluation after the last epoch) "
        r"\(last checkpoint: epoch \d, step \d+\): a batch does not fit; "
        r"lower training\.(batch_size \(now 5\)|evaluation_batch_size \(now 32\)), .*\n",
        said,
    )
    assert not arguments["trained"].exists()
    train(**arguments, checkpoints=folder)
    assert arguments["trained"].read_bytes() == expected


def test_a_loss_that_is_not_finite_names_the_last_checkpoint(arguments, tmp_path, monkeypatch):
    """The loss is not finite after a resume, because the test writes huge weights into a checkpoint."""
    folder, evaluate_epoch = tmp_path / "checkpoints", loop.Trainer.evaluate_epoch
    arguments |= {"epochs": 4, "checkpoints": folder}

    def until_the_third(trainer, row):
        if trainer.epoch == 3:
            raise KeyboardInterrupt
        evaluate_epoch(trainer, row)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(loop.Trainer, "evaluate_epoch", until_the_third)
        train(**arguments)
    (key,) = {path.name.partition("-")[0] for path in folder.glob("[!.]*.safetensors")}
    checkpoints = Checkpoints(folder, key, 10)
    tensors, state = checkpoints.load()
    tensors["network.fc.weight"] = numpy.full_like(tensors["network.fc.weight"], 3e38)
    checkpoints.save(tensors, state)
    message = (
        r"the training loss is (nan|inf) in epoch 3, step 1 \(last checkpoint: epoch 3, step 0\); "
        r"lower training\.learning_rate \(now 0\.0001\)"
    )
    with pytest.raises(InputError, match=message):
        train(**arguments)


def test_an_evaluation_loss_that_is_not_finite_stops_the_run(arguments, tmp_path):
    tensors, metadata = load_tensors(arguments["pretrained"]), load_metadata(arguments["pretrained"])
    for name in ("stage4.3.branch2.6.weight", "conv5.1.weight"):
        tensors[name] = numpy.full_like(tensors[name], 3e38)
    arguments["pretrained"] = tmp_path / "huge.safetensors"
    save_tensors(arguments["pretrained"], tensors, metadata)
    with pytest.raises(InputError, match=r"validation loss is (nan|inf) in epoch 0, before training"):
        train(**arguments)


def test_a_loss_that_is_not_finite_is_not_saved(arguments, tmp_path, monkeypatch):
    """A checkpoint is due after each step; the loss is not finite from the second step on."""
    monkeypatch.setattr(Checkpoints, "due", lambda self: True)
    folder = tmp_path / "checkpoints"
    with pytest.raises(InputError, match=r"step 2 \(last checkpoint: epoch 1, step 1\)"):
        train(**arguments | {"learning_rate": 1e30}, checkpoints=folder)
    newest = max(folder.glob("*.safetensors"), key=lambda path: path.stat().st_mtime_ns)
    assert numpy.isfinite(load_tensors(newest)["sum.loss"])
