"""A workflow that is stopped in the middle of a training and started again ends in the same bytes."""

import os
import signal
import subprocess
import sys
import time

import pytest
import yaml

from tests.workflow.conftest import TINY, snakemake

RUN = "results/tiny/runs/scratch/seed0"
OUTPUTS = ("trained.safetensors", "history.csv", "predictions.safetensors")
EXPERIMENT = {
    **TINY,
    "weights": {"source": "none"},
    "training": {"epochs": 8, "num_threads": 1, "checkpoint_minutes": 0.001},
    "seeds": [0],
    "arms": {"scratch": {"weights": "random", "train": "all"}},
}
STOPS = {
    "the driver is killed": (os.kill, signal.SIGKILL),
    "the driver is told to end": (os.kill, signal.SIGTERM),
    "Ctrl-C": (os.killpg, signal.SIGINT),
    "everything is killed": (os.killpg, signal.SIGKILL),
}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, checkout):
    """The bytes of a run that nobody disturbed, and its configuration."""
    folder = tmp_path_factory.mktemp("undisturbed")
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump({"experiments": {"tiny": EXPERIMENT}}))
    call = [f"{RUN}/{name}" for name in OUTPUTS]
    snakemake(*call, "--cores", "1", "--configfile", path, directory=folder, checkout=checkout)
    return path, [(folder / name).read_bytes() for name in call]


@pytest.mark.slow
@pytest.mark.parametrize("stop", STOPS)
def test_a_stopped_workflow_goes_on_to_the_same_bytes(tmp_path, checkout, undisturbed, stop):
    path, expected = undisturbed
    targets = [f"{RUN}/{name}" for name in OUTPUTS]
    call = [*targets, "--cores", "1", "--configfile", path]
    log = tmp_path / "logs" / "train" / "tiny" / "scratch" / "seed0.log"
    driver = subprocess.Popen(
        [sys.executable, "-m", "snakemake", "--snakefile", checkout / "Snakefile", "--directory", tmp_path, *call],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    until = time.monotonic() + 300
    while not (log.is_file() and "epoch 3/8" in log.read_text()):
        assert driver.poll() is None and time.monotonic() < until
        time.sleep(0.05)
    send, number = STOPS[stop]
    send(driver.pid, number)
    driver.wait(120)

    snakemake("--unlock", "--configfile", path, directory=tmp_path, checkout=checkout)
    result = snakemake(*call, directory=tmp_path, checkout=checkout)
    assert [(tmp_path / name).read_bytes() for name in targets] == expected
    if stop == "everything is killed":
        assert "going on from a checkpoint: epoch" in result.stdout
    left = {file.name for file in (tmp_path / RUN).iterdir()}
    assert left == {"initial.safetensors", "cost.json", *OUTPUTS}
