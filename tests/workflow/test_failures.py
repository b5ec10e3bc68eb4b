"""A run that fails, and a second call in the same folder."""

import subprocess
import sys
import time

import pytest
import yaml

from tests.workflow.conftest import TINY, jobs_of, snakemake

pytestmark = pytest.mark.slow

# Stands in for the package's commands: makes the files that the rule declares, and fails where the file `fault` says
# so. The graph, the scheduler and the Snakefile are the real ones.
STAND_IN = """
import pathlib, sys, time
fault = pathlib.Path("fault")
if sys.argv[1] == "train":
    time.sleep(0.5)
    if fault.is_file() and fault.read_text() in " ".join(sys.argv):
        sys.exit("error: this one fails")
names = ("trained", "history", "predictions", "cost", "weights", "history", "initial", "train", "validation", "test",
         "index", "sizes")
for option, value in zip(sys.argv[1:], sys.argv[2:]):
    if option.removeprefix("--") in names and "/" in value:
        pathlib.Path(value).touch()
"""


@pytest.fixture(scope="module")
def stand_in(checkout):
    (checkout / "workflow" / "triptych" / "__main__.py").write_text(STAND_IN)
    return checkout


@pytest.fixture
def call(tmp_path):
    """The arguments of a call that trains every arm with two seeds, and its targets by arm and seed."""
    configuration = tmp_path / "tiny.yaml"
    experiment = {**TINY, "training": {"num_threads": 1, "device": "cpu"}}
    configuration.write_text(yaml.safe_dump({"experiments": {"tiny": experiment}}, sort_keys=False))
    targets = {
        (arm, seed): f"results/tiny/runs/{arm}/seed{seed}/trained.safetensors"
        for arm in TINY["arms"]
        for seed in (0, 1)
    }
    return [*targets.values(), "--configfile", str(configuration)], targets


def test_with_keep_going_a_failed_run_blocks_no_other(tmp_path, stand_in, call):
    arguments, targets = call
    (tmp_path / "fault").write_text("runs/finetune/seed1/trained")
    options = ["--cores", "2", "--keep-going"]
    result = snakemake(*arguments, *options, directory=tmp_path, checkout=stand_in, check=False)
    assert result.returncode != 0
    assert "error: this one fails" in result.stdout
    made = {run for run, target in targets.items() if (tmp_path / target).is_file()}
    assert made == targets.keys() - {("finetune", 1)}
    (tmp_path / "fault").unlink()
    again = jobs_of(snakemake(*arguments, "--dry-run", directory=tmp_path, checkout=stand_in).stdout)
    assert [job["wildcards"] for job in again if job["rule"] == "train"] == ["experiment=tiny, arm=finetune, seed=1"]
    snakemake(*arguments, "--cores", "1", directory=tmp_path, checkout=stand_in)
    assert all((tmp_path / target).is_file() for target in targets.values())


def test_a_second_call_in_the_same_folder_is_refused_while_the_first_goes_on(tmp_path, stand_in, call):
    arguments, targets = call
    first = subprocess.Popen(
        [sys.executable, "-m", "snakemake", "--snakefile", stand_in / "Snakefile", *arguments, "--cores", "1"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    locks = tmp_path / ".snakemake" / "locks"
    end = time.monotonic() + 60
    while not (locks.is_dir() and any(locks.iterdir())):
        assert time.monotonic() < end
        time.sleep(0.02)
    second = snakemake(*arguments, "--cores", "1", directory=tmp_path, checkout=stand_in, check=False)
    assert second.returncode != 0
    assert "Directory cannot be locked" in second.stdout
    assert first.wait(120) == 0
    assert all((tmp_path / target).is_file() for target in targets.values())
