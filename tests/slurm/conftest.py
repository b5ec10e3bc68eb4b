"""One SLURM for all tests, and one local run whose bytes everything made there must have."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from tests.conftest import ROOT
from tests.slurm.cluster import Cluster, why_not
from tests.workflow.conftest import TINY, snakemake

PROFILE = ROOT / "profiles" / "slurm"
DRIVER = Path(__file__).parent / "driver.py"
OUTPUTS = ("trained.safetensors", "history.csv", "predictions.safetensors")
EXPERIMENT = {
    **TINY,
    # trainings that take long enough to be disturbed, with a checkpoint after each step
    "training": {"epochs": 6, "num_threads": 1, "checkpoint_minutes": 0.001},
    "seeds": [0],
    "arms": {
        # few and long epochs: it is stopped within the first one
        "scratch": {**TINY["arms"]["scratch"], "training": {"epochs": 2, "batch_size": 5}},
        "finetune": TINY["arms"]["finetune"],
        # from cached features, so that there is every kind of job that wants a GPU
        "last_layer": {
            **TINY["arms"]["last_layer"],
            "batchnorm": "frozen",
            "training": {"epochs": 1, "num_threads": 2},
        },
    },
}
RESUMES = "resuming from a checkpoint: epoch"
TARGETS = ["results/tiny/report.html", "results/tiny/manifest.json"]


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.slurm)
            if not item.get_closest_marker("long"):
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
    content = {"keep_weights": "trained", "experiments": {"tiny": EXPERIMENT}}
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory, configuration) -> Iterator[Future[Path]]:
    """The folder of the same graph on this machine, made while the cluster works; its `result()` waits for it."""
    folder = tmp_path_factory.mktemp("local")

    def run() -> Path:
        snakemake(*TARGETS, "--configfile", configuration, "--cores", "1", directory=folder)
        return folder

    with ThreadPoolExecutor(1) as executor:
        yield executor.submit(run)


def trained(arm: str) -> str:
    return f"results/tiny/runs/{arm}/seed0/trained.safetensors"


def outputs(folder: Path, arm: str) -> dict[str, bytes]:
    """The bytes that a training makes, but for what it measures."""
    run = (folder / trained(arm)).parent
    return {name: (run / name).read_bytes() for name in OUTPUTS}


@pytest.fixture(scope="session")
def before_training(tmp_path_factory, undisturbed) -> Callable[[], Path]:
    """Makes a folder in which nothing but the trainings is left to do."""

    def make() -> Path:
        folder = tmp_path_factory.mktemp("trainings")
        shutil.copytree(
            undisturbed.result() / "results" / "tiny",
            folder / "results" / "tiny",
            ignore=lambda folder, names: [name for name in names if name in (*OUTPUTS, "cost.json")],
        )
        return folder

    return make


@pytest.fixture(scope="session")
def submit(cluster, configuration) -> Callable:
    """`submit(*arguments, directory=..., partition=...)`: a driver that is started and not waited for."""
    drivers = []

    @contextmanager
    def started(*arguments: str, directory: Path, partition: str | None, seconds: int = 600):
        call = [sys.executable, DRIVER, "--snakefile", ROOT / "Snakefile", "--directory", directory]
        options = ["--configfile", configuration, "--profile", PROFILE, "--latency-wait", "20"]
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


@pytest.fixture(scope="session")
def hold(cluster) -> Callable:
    """`hold(driver, folder, arm, attempt=1)`: stop a training's process between two checkpoints, so that it hangs."""

    def held(driver, folder: Path, arm: str, attempt: int = 1) -> Held:
        checkpoints = (folder / trained(arm)).parent / "checkpoints"

        def process() -> Held | None:
            if attempt > 1:
                past_a_step = RESUMES in log_of(folder, arm)
            else:
                past_a_step = len(list(checkpoints.glob("[!.]*.safetensors"))) == 2
            if not past_a_step:  # before SLURM is asked, which takes time from the training
                return None
            jobs = train_jobs(cluster, run_name(driver.log.read_text()), arm)
            found = len(jobs) == attempt and cluster.training(jobs[-1]["JobId"])
            return Held(jobs[-1], *found) if found else None

        training = cluster.wait_until(process, f"attempt {attempt} of {arm} trains", 300)
        os.kill(training.pid, signal.SIGSTOP)
        return training

    return held


class Held(NamedTuple):
    """A training that hangs: SLURM's record of its job, its process id, and its environment."""

    job: dict[str, str]
    pid: int
    environment: dict[str, str]


def train_jobs(cluster: Cluster, name: str, arm: str) -> list[dict[str, str]]:
    """SLURM's records of a driver's jobs that were to make a run, oldest first."""
    jobs = cluster.jobs(name) if name else []
    return [job for job in jobs if job["rule"] == "train" and job["wildcards"] == f"tiny_{arm}_seed0"]


def log_of(folder: Path, arm: str) -> str:
    """What a training has printed so far in its last attempt."""
    log = folder / f"logs/train/tiny/{arm}/seed0.log"
    return log.read_text() if log.is_file() else ""


def printed(job: dict[str, str]) -> str:
    """What SLURM's job has printed, and SLURM about it."""
    return Path(job["StdOut"]).read_text()


def run_name(said: str) -> str:
    """The name that all jobs of a driver have in SLURM; empty while it has none."""
    return said.partition("SLURM run ID: ")[2].split("\n")[0].strip()
