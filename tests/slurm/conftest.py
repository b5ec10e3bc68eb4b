"""One SLURM for all tests, and local runs whose bytes everything made there must have."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT
from tests.slurm.cluster import Cluster, why_not
from tests.workflow.conftest import TINY, snakemake

PROFILE = ROOT / "profiles" / "slurm"
OUTPUTS = ("trained.safetensors", "history.csv", "predictions.safetensors")
EPOCHS = 12
SEEDS = range(3)
EXPERIMENTS = {
    # the whole graph, with every kind of job that wants a GPU
    "tiny": {
        **TINY,
        "training": {"epochs": 1, "num_threads": 1},
        "seeds": [0],
        "arms": {
            "scratch": {**TINY["arms"]["scratch"], "training": {"num_threads": 2}},
            "last_layer": {**TINY["arms"]["last_layer"], "batchnorm": "frozen"},
        },
    },
    # trainings that take long enough to be disturbed
    "long": {
        **TINY,
        "weights": {"source": "none"},
        "training": {"epochs": EPOCHS, "num_threads": 1, "checkpoint_minutes": 0.001},
        "seeds": list(SEEDS),
        "arms": {
            "scratch": TINY["arms"]["scratch"],
            # one epoch of 30 steps, each with its checkpoint: long enough to be stopped within it
            "one_epoch": {**TINY["arms"]["scratch"], "label": "net2", "training": {"epochs": 1, "batch_size": 2}},
        },
    },
}


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.slurm)
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def cluster():
    reason = why_not()
    if reason:
        pytest.skip(f"no SLURM here: {reason}")
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    folder.chmod(0o755)  # munged wants its socket where all users reach it
    try:
        with Cluster(folder) as running:
            yield running
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def configuration(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("slurm") / "experiments.yaml"
    path.write_text(yaml.safe_dump({"experiments": EXPERIMENTS}, sort_keys=False))
    return path


@pytest.fixture(scope="session")
def local(tmp_path_factory, configuration) -> Path:
    """The folder of undisturbed trainings of `long` on this machine."""
    folder = tmp_path_factory.mktemp("local")
    targets = [*map(trained, SEEDS), trained(0, "one_epoch")]
    snakemake(*targets, "--configfile", configuration, "--cores", "2", directory=folder, timeout=600)
    return folder


def trained(seed: int, arm: str = "scratch") -> str:
    return f"results/long/runs/{arm}/seed{seed}/trained.safetensors"


def outputs(folder: Path, seed: int, arm: str = "scratch") -> dict[str, bytes]:
    """The bytes that a training of `long` makes, but for what it measures."""
    run = (folder / trained(seed, arm)).parent
    return {name: (run / name).read_bytes() for name in OUTPUTS}


@pytest.fixture(scope="session")
def before_training(tmp_path_factory, local) -> Callable[[], Path]:
    """Makes a folder in which nothing but the trainings of `long` is left to do."""

    def make() -> Path:
        folder = tmp_path_factory.mktemp("trainings")
        shutil.copytree(
            local / "results" / "long",
            folder / "results" / "long",
            ignore=lambda folder, names: [name for name in names if name in (*OUTPUTS, "cost.json")],
        )
        return folder

    return make


@pytest.fixture(scope="session")
def submit(cluster, configuration) -> Callable:
    """`submit(*arguments, directory=..., partition=...)`: a driver that is started and not waited for."""
    drivers = []

    @contextmanager
    def started(*arguments: str, directory: Path, partition: str | None, profile: Path = PROFILE, seconds: int = 240):
        call = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile", "--directory", directory]
        options = ["--configfile", configuration, "--profile", profile, "--latency-wait", "20"]
        options += ["--slurm-init-seconds-before-status-checks", "1"]
        if partition:
            options += ["--default-resources", f"slurm_partition={partition}"]
        log = directory / f"driver{len(drivers)}.log"
        with log.open("w") as file:
            driver = subprocess.Popen(
                ["timeout", "-k", "5", str(seconds), *call, *arguments, *options],
                cwd=directory,
                stdout=file,
                stderr=subprocess.STDOUT,
                env={**os.environ, **cluster.environment},
                start_new_session=True,
            )
        driver.log = log
        drivers.append(driver)
        try:
            yield driver
        finally:
            if driver.poll() is None:
                driver.terminate()  # of `timeout`, which passes it on
                driver.wait(30)

    return started


@pytest.fixture(scope="session")
def run_there(submit) -> Callable:
    """`run_there(...)`: like `submit`, but waits; returns what the driver has printed."""

    def run(*arguments: str, check: bool = True, **options) -> str:
        with submit(*arguments, **options) as driver:
            code = driver.wait(600)
        said = driver.log.read_text(errors="replace")
        assert (code == 0) is check, f"snakemake exited with {code}:\n{said}"
        return said

    return run


def log_of(folder: Path, seed: int, arm: str = "scratch") -> str:
    """What a training of `long` has printed so far."""
    log = folder / f"logs/train/long/{arm}/seed{seed}.log"
    return log.read_text() if log.is_file() else ""


def run_name(said: str) -> str:
    """The name that all jobs of a driver have in SLURM."""
    return said.partition("SLURM run ID: ")[2].split("\n")[0].strip()
