"""Malicious or corrupt files of weights: nothing in them is executed, and there is one message each."""

import io
import os
import pickle
import random
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch

from triptych.models.checkpoint_layouts import read_tensors
from triptych.storage.errors import InputError
from triptych.storage.files import sha256

STATE = {f"layer{number}.weight": torch.full((20, 10), float(number)) for number in range(5)}


class Payload:
    """An object that creates a file if a reader unpickles it."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


def payloads(folder):
    target = str(folder / "pwned")
    return {
        "os.system": Payload(os.system, f"touch {target}"),
        "open": Payload(open, target, "w"),
        "exec": Payload(exec, f"open({target!r}, 'w')"),
        "eval": Payload(eval, f"open({target!r}, 'w')"),
        "subprocess": Payload(subprocess.check_call, ["touch", target]),
        "torch.load in torch.load": Payload(torch.load, target),
        "torch.save": Payload(torch.save, 1, target),
    }


def refuse(path, folder):
    with pytest.raises(InputError, match=rf"{path.name}: not a file of tensors only") as error:
        read_tensors(path)
    assert "Traceback" not in str(error.value)
    assert not (folder / "pwned").exists()


@pytest.mark.parametrize("name", payloads(Path()))
@pytest.mark.parametrize("form", ["zip", "legacy", "plain pickle"])
def test_nothing_in_a_file_is_executed(tmp_path, name, form):
    content = {**STATE, "extra": payloads(tmp_path)[name]}
    path = tmp_path / "evil.pth"
    if form == "plain pickle":
        path.write_bytes(pickle.dumps(payloads(tmp_path)[name]))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=form == "zip")
    refuse(path, tmp_path)


@pytest.mark.slow
def test_the_command_says_it_in_one_line(tmp_path):
    path = tmp_path / "evil.pth"
    torch.save({"a": payloads(tmp_path)["os.system"]}, path)
    call = [sys.executable, "-m", "triptych", "convert-weights", "--architecture", "resnet18"]
    call += ["--sha256", sha256(path), "--state-dict", path, "--weights", tmp_path / "w.safetensors"]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["evil.pth"]


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_a_truncated_file_is_refused(tmp_path, legacy):
    whole = tmp_path / "whole.pth"
    torch.save(STATE, whole, _use_new_zipfile_serialization=not legacy)
    content = whole.read_bytes()
    path = tmp_path / "cut.pth"
    for length in [0, 1, 3, 10, 100, len(content) // 2, len(content) - 30, len(content) - 1]:
        path.write_bytes(content[:length])
        with pytest.raises(InputError, match=r"cut\.pth: not a file of tensors only"):
            read_tensors(path)


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_a_damaged_file_is_read_or_refused(tmp_path, legacy):
    whole = tmp_path / "whole.pth"
    torch.save(STATE, whole, _use_new_zipfile_serialization=not legacy)
    content = whole.read_bytes()
    generator = random.Random(0)
    path, refused = tmp_path / "damaged.pth", 0
    for _ in range(150):
        damaged = bytearray(content)
        for _ in range(generator.randint(1, 8)):
            damaged[generator.randrange(min(len(damaged), 1500))] = generator.randrange(256)
        path.write_bytes(damaged)
        try:
            found = read_tensors(path)
        except InputError as error:
            assert "damaged.pth" in str(error)
            refused += 1
        else:
            assert all(isinstance(tensor, torch.Tensor) for tensor in found.values())
    assert refused > 20


def test_a_compressed_file_is_not_decompressed(tmp_path):
    buffer = io.BytesIO()
    torch.save(STATE, buffer)
    path = tmp_path / "bomb.pth"
    with zipfile.ZipFile(buffer) as valid, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as bomb:
        for entry in valid.infolist():
            content = valid.read(entry)
            bomb.writestr(entry.filename, bytes(300 << 20) if "/data/0" in entry.filename else content)
    assert path.stat().st_size < 4_000_000
    with pytest.raises(InputError, match="it is compressed"):
        read_tensors(path)
