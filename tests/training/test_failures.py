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
from tests.training.conftest import train
from triptych.storage.errors import InputError
from triptych.storage.tensors import load_metadata, load_tensors, save_tensors
from triptych.training import loop
from triptych.training.arithmetic import Arithmetic
from triptych.training.checkpoints import Checkpoints
from triptych.training.failures import explained

CPU = Arithmetic(torch.device("cpu"))


def test_too_large_a_batch_names_the_settings():
    message = r"memory of the computer .* lower training.batch_size \(now 32\)"
    with pytest.raises(InputError, match=message), explained(32, 100, CPU):
        torch.empty(1 << 60, dtype=torch.uint8)  # more than any address space


@pytest.mark.parametrize("after", range(3))
def test_memory_that_an_evaluation_lacks_names_its_batch(arguments, monkeypatch, after):
    """Before training, after the second epoch, and at the end: the evaluation of what is kept."""
    evaluations, evaluate = [], loop.evaluate

    def at_the_limit(*values):
        evaluations.append(values)
        if len(evaluations) > [0, 4, 6][after]:
            torch.empty(1 << 60, dtype=torch.uint8)
        return evaluate(*values)

    monkeypatch.setattr(loop, "evaluate", at_the_limit)
    place = ["epoch 0, before training", "epoch 2, after its last step", "the evaluation after the last epoch"][after]
    setting = r"training\.evaluation_batch_size \(now 32\)"
    with pytest.raises(InputError, match=rf"a batch in {place} \(there is no checkpoint\): lower {setting}"):
        train(**arguments)


def test_a_gpus_memory_is_called_so():
    gpu = Arithmetic(torch.device("cuda"), "bfloat16")
    message = r"memory of the GPU .*training.precision \(now bfloat16\)"
    with pytest.raises(InputError, match=message), explained(32, 100, gpu):
        raise torch.OutOfMemoryError("CUDA out of memory")


def test_other_errors_pass():
    with pytest.raises(RuntimeError, match="something else"), explained(32, 100, CPU):
        raise RuntimeError("something else")


@pytest.mark.slow
def test_memory_that_runs_out_in_the_middle_of_a_training_is_one_message_and_it_goes_on(arguments, tmp_path):
    """A real process, whose address space is limited from outside once it has two checkpoints."""
    folder = tmp_path / "checkpoints"
    arguments |= {"epochs": 6, "batch_size": 5}
    train(**arguments)
    expected = arguments["trained"].read_bytes()
    arguments["trained"].unlink()
    call = command("train", **arguments, checkpoints=folder, checkpoint_minutes=10)
    # without it glibc keeps freed memory for itself, and little has to be asked for again
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"}
    with subprocess.Popen(
        call, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        until = time.monotonic() + 120
        while len(list(folder.glob("[!.]*.safetensors"))) < 2:
            assert process.poll() is None and time.monotonic() < until
            time.sleep(0.001)
        process.send_signal(signal.SIGSTOP)  # however long the rest takes
        while list(folder.glob(".*")):  # not in the middle of writing a checkpoint, of which no batch is to blame
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
        r"error: the memory of the computer does not hold a batch in (epoch \d, (step \d+|after its last step)|the "
        r"evaluation after the last epoch) \(the last good checkpoint is of epoch \d, step 0\): "
        r"lower training\.(batch_size \(now 5\)|evaluation_batch_size \(now 32\)), .*\n",
        said,
    )
    assert not arguments["trained"].exists()
    train(**arguments, checkpoints=folder)
    assert arguments["trained"].read_bytes() == expected


def test_a_loss_that_is_no_number_later_on_names_the_last_good_checkpoint(arguments, tmp_path):
    """The loss is one only in the second epoch, since a checkpoint of the first is given huge weights."""
    folder = tmp_path / "checkpoints"
    arguments |= {"epochs": 400, "checkpoints": folder}  # so many that it is not done before it is killed
    with subprocess.Popen(command("train", **arguments), stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if line.startswith("epoch   2/400"):
                break
        process.kill()
    (key,) = {path.name.partition("-")[0] for path in folder.glob("[!.]*.safetensors")}
    kept = Checkpoints(folder, key, 10)
    tensors, state = kept.load()
    tensors["network.fc.weight"] = numpy.full_like(tensors["network.fc.weight"], 3e38)
    kept.save(tensors, state)
    message = (
        r"the training loss is (nan|inf) in epoch (\d+), step 1 \(the last good checkpoint is of epoch \2, step 0\)\. "
        r"Lower training\.learning_rate \(now 0\.0001\)"
    )
    with pytest.raises(InputError, match=message):
        train(**arguments)


def test_a_loss_of_the_test_images_that_is_no_number_stops_the_run(arguments, tmp_path):
    tensors, metadata = load_tensors(arguments["pretrained"]), load_metadata(arguments["pretrained"])
    for name in ("layer4.1.bn1.weight", "layer4.1.bn2.weight"):
        tensors[name] = numpy.full_like(tensors[name], 3e38)
    arguments["pretrained"] = tmp_path / "huge.safetensors"
    save_tensors(arguments["pretrained"], tensors, metadata)
    with pytest.raises(InputError, match=r"validation loss is (nan|inf) in epoch 0, before training"):
        train(**arguments)


def test_no_checkpoint_is_made_of_a_loss_that_is_no_number(arguments, tmp_path, monkeypatch):
    """One is due after each step, and the loss is none from the second step on."""
    monkeypatch.setattr(Checkpoints, "due", lambda self: True)
    folder = tmp_path / "checkpoints"
    with pytest.raises(InputError, match=r"step 2 \(the last good checkpoint is of epoch 1, step 1\)"):
        train(**arguments | {"learning_rate": 1e30}, checkpoints=folder)
    newest = max(folder.glob("*.safetensors"), key=lambda path: path.stat().st_mtime_ns)
    assert numpy.isfinite(load_tensors(newest)["sum.loss"])
