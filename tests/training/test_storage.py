"""Real file systems that are full, read-only or forbidden: one message, no partial file, and then a resume."""

import re
import shutil
import subprocess

import pytest

from tests.conftest import command, without_rights
from tests.training.conftest import EACH_EPOCH, train

OUTPUTS = ("trained", "history", "predictions")
WEIGHTS = 43 * 2**20
"""In bytes: less than the weights of the network. After the first step a checkpoint has three times as much."""


@pytest.fixture
def arguments(arguments, of_resnet18):
    """A run of the larger network: the sizes of the disks are chosen for its files."""
    return arguments | of_resnet18


@pytest.fixture(scope="module")
def undisturbed(undisturbed_large):
    return undisturbed_large


def run(arguments, *before):
    """Train in a separate process; return its exit status and its stderr."""
    done = subprocess.run(
        [*before, *command("train", **arguments, **EACH_EPOCH)], capture_output=True, text=True, timeout=120
    )
    return done.returncode, done.stderr


def resumed(arguments, capsys):
    """Train here, where nothing is said on stderr; return what is said, and the outputs."""
    capsys.readouterr()
    train(**arguments)
    said = capsys.readouterr()
    assert not said.err
    return said.out, {name: arguments[name].read_bytes() for name in OUTPUTS}


def on(disk, arguments, *names):
    return arguments | {name: disk.folder / "out" / arguments[name].name for name in names}


@pytest.mark.slow
def test_a_disk_that_is_full_at_a_checkpoint(arguments, undisturbed, disk, capsys):
    """There is room for the checkpoint before the first step, but not for the next."""
    disk.remount(f"size={3 * WEIGHTS}")
    arguments |= {"checkpoints": disk.folder / "checkpoints"}
    status, said = run(arguments)
    assert status == 1
    assert re.fullmatch(r"error: \S+/checkpoints/\w+-a\.safetensors: cannot be written \(.*No space left.*\)\n", said)
    assert not any(arguments[name].exists() for name in OUTPUTS)
    assert [file.name[-14:] for file in arguments["checkpoints"].iterdir()] == ["-b.safetensors"]
    disk.remount("size=1g")
    assert resumed(arguments, capsys)[1] == undisturbed
    assert not arguments["checkpoints"].exists()


@pytest.mark.slow
@pytest.mark.parametrize(("size", "first"), [(4096, "predictions"), (WEIGHTS // 2, "trained")])
def test_a_disk_that_is_full_at_an_output(arguments, undisturbed, disk, tmp_path, capsys, size, first):
    """The run resumes from the last checkpoint, which is on another disk: no epoch is trained again."""
    arguments = on(disk, arguments, *OUTPUTS, "cost") | {"checkpoints": tmp_path / "checkpoints"}
    disk.remount(f"size={size},nr_inodes={3 if size == 4096 else 100}")
    status, said = run(arguments)
    assert status == 1
    assert re.fullmatch(r"error: \S+\n?.*(No space left on device).*\n", said), said
    assert arguments[first].name in said
    whole = list(arguments[first].parent.iterdir())
    assert first not in [file.stem for file in whole]
    assert not [file for file in whole if file.name.startswith(".")]
    disk.remount("size=1g,nr_inodes=1000")
    said, made = resumed(arguments, capsys)
    assert "resuming from a checkpoint: epoch 3, step 0" in said  # of two epochs
    assert made == undisturbed


@pytest.mark.slow
def test_a_read_only_disk(arguments, undisturbed, disk, capsys):
    arguments = on(disk, arguments, *OUTPUTS, "cost") | {"checkpoints": disk.folder / "checkpoints"}
    disk.remount("size=1g,ro")
    status, said = run(arguments)
    assert status == 1
    assert re.fullmatch(
        r"error: \S+: Read-only file system\. Fix this and rerun; no partial file was left behind.\n", said
    )
    disk.remount("rw")
    assert resumed(arguments, capsys)[1] == undisturbed


@pytest.mark.slow
def test_a_folder_that_may_not_be_written(arguments, undisturbed, tmp_path, capsys):
    """The folder of the checkpoints is writable, so no epoch is trained again."""
    before = without_rights()
    folder = tmp_path / "out"
    folder.mkdir(mode=0o555)
    arguments |= {name: folder / arguments[name].name for name in (*OUTPUTS, "cost")}
    arguments |= {"checkpoints": tmp_path / "checkpoints"}
    status, said = run(arguments, *before)
    assert status == 1
    assert said == (
        f"error: {arguments['predictions']}: Permission denied. Fix this and rerun; no partial file was left behind.\n"
    )
    assert not list(folder.iterdir())
    folder.chmod(0o755)
    assert resumed(arguments, capsys)[1] == undisturbed


@pytest.mark.slow
def test_data_that_may_not_be_read(arguments, tmp_path):
    before = without_rights()
    data = tmp_path / "train.safetensors"
    shutil.copy(arguments["train_data"], data)
    data.chmod(0)
    status, said = run(arguments | {"train_data": data}, *before)
    assert status == 2
    assert re.search(r"Invalid value for '--train-data': path \S+ is not readable\.\n$", said, re.IGNORECASE)
