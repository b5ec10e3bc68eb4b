"""A real Snakemake on results that cannot be written: one message, and the same call continues once it is fixed."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT, without_rights

pytestmark = pytest.mark.slow

TARGET = "results/tiny/data/sizes.csv"
DATA = ("train.safetensors", "validation.safetensors", "test.safetensors", "index.csv", "sizes.csv")


@pytest.fixture(scope="module")
def expected(tmp_path_factory, configuration):
    """The bytes of the data where nothing is in the way."""
    folder = tmp_path_factory.mktemp("expected")
    return make(folder, configuration)


@pytest.fixture(scope="module")
def configuration(tmp_path_factory):
    path = tmp_path_factory.mktemp("configuration") / "tiny.yaml"
    path.write_text(
        "experiments: {tiny: {dataset: {source: digits, train_per_class: 6, test_per_class: 10}, "
        "weights: {source: none}, arms: {scratch: {weights: random, train: all}}}}"
    )
    return path


def call(folder, configuration, *before):
    """The exit status of a Snakemake that makes the data, and what it says."""
    command = [*before, sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile", "--directory", folder]
    command += [TARGET, "--cores", "1", "--configfile", configuration]
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
    return done.returncode, done.stdout


def make(folder, configuration, *before):
    """The bytes of the data."""
    status, said = call(folder, configuration, *before)
    assert status == 0, said
    return {name: (folder / "results" / "tiny" / "data" / name).read_bytes() for name in DATA}


def refused(folder, configuration, *before):
    """What a call says that fails; nothing half-written may be left."""
    status, said = call(folder, configuration, *before)
    assert status == 1
    assert "Traceback" not in said
    data = folder / "results" / "tiny" / "data"
    assert not data.is_dir() or not list(data.iterdir())
    return said


def log(folder):
    """The lines of the command itself; Snakemake shows them when they come, and at the end."""
    return (folder / "logs" / "prepare_dataset" / "tiny.log").read_text().splitlines()


def test_a_full_disk(tmp_path, configuration, expected, disk):
    disk.remount("size=8k")
    said = refused(tmp_path, configuration)
    message = "error: results/tiny/data/train.safetensors: cannot be written ("
    assert message in said and "No space left on device" in said
    assert sum(line.startswith("error: ") for line in log(tmp_path)) == 1
    disk.remount("size=10m")
    assert make(tmp_path, configuration) == expected


def test_a_read_only_disk(tmp_path, configuration, expected, disk):
    disk.remount("size=10m,ro")
    said = refused(tmp_path, configuration)
    assert "Failed to create output directory results/tiny/data." in said
    assert said.count("Read-only file system: 'results/tiny'") == 1
    disk.remount("rw")
    assert make(tmp_path, configuration) == expected


def test_a_folder_that_may_not_be_written(tmp_path, configuration, expected):
    before = without_rights()
    data = tmp_path / "results" / "tiny" / "data"
    data.mkdir(parents=True)
    data.chmod(0o555)
    said = refused(tmp_path, configuration, *before)
    assert "error: results/tiny/data/train.safetensors: Permission denied. Fix this and rerun" in said
    assert sum(line.startswith("error: ") for line in log(tmp_path)) == 1
    if data.is_dir():  # Snakemake removes an empty folder
        data.chmod(0o755)
    assert make(tmp_path, configuration, *before) == expected
