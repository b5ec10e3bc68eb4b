"""Real Snakemake runs of the checkout's own Snakefile, in folders of their own."""

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
import yaml
from filelock import FileLock

from tests import warm
from tests.conftest import ROOT

TINY = {
    "dataset": {"source": "digits", "train_per_class": 6, "validation_per_class": 2, "test_per_class": 10},
    "model": {"architecture": "resnet18", "input_size": 32},
    "weights": {"source": "letters", "train_images": 260, "validation_images": 52, "epochs": 1},
    "training": {"epochs": 1, "num_threads": 2},
    "seeds": [0, 1],
    "arms": {
        "scratch": {"label": "net1", "weights": "random", "train": "all"},
        "finetune": {"label": "net2", "weights": "pretrained", "train": "all"},
        "last_layer": {"label": "net3", "weights": "pretrained", "train": "head"},
    },
}
"""An experiment of the same shape as the default one that trains in seconds."""

QUESTION = (
    """$(touch pwned) `touch pwned`; touch pwned && touch pwned | touch pwned > pwned ' " \\ """
    """{params.code} {input} {{x}} %s $a_b$ <script>alert(1)</script> </title> &amp; -- 🤷 é ${IFS} !x ~ *"""
)
LABELS = {
    "scratch": """$(touch pwned)`touch pwned`;touch pwned #'"<b>x</b>""",
    "last_layer": """' ; touch pwned ; ' $x_1$ {wildcards.arm} & é🤷 _\\n""",
}
WHOLE = {
    **TINY,
    "question": QUESTION,
    "test": "every_epoch",  # as the claims need it
    "training": {"epochs": 1, "num_threads": 1, "device": "cpu"},
    "claims": "lecture45",
    "reference_models": [{"architecture": "resnet34", "input_size": 32}],
    "arms": {
        **{name: {**arm, "label": LABELS.get(name, arm["label"])} for name, arm in TINY["arms"].items()},
        "frozen": {
            "weights": "pretrained",
            "train": "head",
            "batchnorm": "frozen",
            "training": {"learning_rate": 1e-2},
        },
    },
}
"""An experiment on digits with claims, which has nearly every rule, and with malicious text."""

COMMENTS = {".py": "\n# changed\n", ".jinja": "\n{# changed #}\n", ".css": "\n/* changed */\n"}
"""What changes a file of the package and not what it does, by its suffix."""


MADE = (
    *("train", "validation", "test", "index", "sizes", "left-out", "leaks"),
    *("weights", "history", "trained", "predictions", "cost"),
)
"""The options of the commands up to `train` that name outputs of their rules: what a stand-in of a command makes."""


def tiers(slow: Iterable, long: Iterable) -> list:
    """The parameters of a test: some for the slow tier, and more of the same kinds for the long one."""
    marked = [(pytest.mark.slow, slow), (pytest.mark.long, long)]
    return [
        pytest.param(*(one if isinstance(one, tuple) else (one,)), marks=mark) for mark, ones in marked for one in ones
    ]


def replace_commands(checkout: Path, stand_in: str) -> Path:
    """Put a program in place of the package's commands; it finds `MADE` as `made`. Return the checkout."""
    (checkout / "workflow" / "triptych" / "__main__.py").write_text(f"made = {MADE!r}\n{stand_in}")
    return checkout


def snakemake(
    *arguments,
    directory: Path,
    checkout: Path = ROOT,
    check: bool = True,
    timeout: float = 900,
    environment: dict[str, str] | None = None,
    cold: bool = False,
) -> subprocess.CompletedProcess:
    """Run `snakemake ARGUMENTS` on a checkout's Snakefile in a folder; stdout and stderr come together, as text.

    `environment`: variables that are different. `cold`: as a user's, each process imports what it needs (tests/warm).
    """
    call = [
        sys.executable if cold else warm.program(),
        "-m",
        "snakemake",
        "--snakefile",
        checkout / "Snakefile",
        "--directory",
        directory,
    ]
    result = subprocess.run(
        [*call, *arguments],
        cwd=directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=timeout,
        check=False,
        env={**(os.environ if cold else warm.environment()), **(environment or {})},
    )
    if check and result.returncode:
        raise AssertionError(f"snakemake exited with {result.returncode}:\n{result.stdout}")
    return result


def snakemakes_log(folder: Path) -> str:
    """What the newest call in a folder that was no dry run has written to Snakemake's own log."""
    return max((folder / ".snakemake" / "log").iterdir()).read_text()


def without_log(command: str) -> str:
    """The command of a job with all that it prints on its stdout, as for a user who calls it by hand."""
    return re.sub(r">\S+ 2>&1$", "2>&1", command)


def jobs_of(dry_run: str) -> list[dict[str, str]]:
    """The jobs that a dry run or Snakemake's log lists: the rule's name and the lines below it by key."""
    jobs = []
    for block in re.split(r"^\[.*\]$", dry_run, flags=re.M):
        match = re.search(r"^(?:local)?(?:rule|checkpoint) (\w+):$", block, flags=re.M)
        if match:
            lines = dict(re.findall(r"^    (\w+): (.*)$", block, flags=re.M))
            jobs.append({"rule": match[1], **lines})
    return jobs


def resources_of(job: dict[str, str]) -> dict[str, str]:
    """What a job of `jobs_of` asks for, by name."""
    return dict(part.split("=", 1) for part in job.get("resources", "").split(", ") if part)


def rules_of(dry_run: str) -> Counter:
    """How many jobs of each rule a dry run lists, but for `all`."""
    return Counter(job["rule"] for job in jobs_of(dry_run) if job["rule"] != "all")


def untracked(*arguments, directory: Path, **options) -> set[str]:
    """The files in a folder that no rule of the targets declares.

    But for benchmarks, which Snakemake does not count, and records of openings and decisions, which it would delete.
    """
    listed = snakemake("--list-untracked", *arguments, directory=directory, **options).stdout.splitlines()
    files = {line for line in listed if (directory / line).is_file()}
    benchmarks = {file for file in files if file.startswith("logs/benchmarks/")}
    assert benchmarks  # else the list is not what it is taken for
    return {file for file in files - benchmarks if not file.startswith(("logs/openings/", "logs/decisions/"))}


@pytest.fixture(scope="session")
def decimal_comma(tmp_path_factory) -> dict[str, str]:
    """The environment of a locale whose numbers have a comma, made here, since few machines have one."""
    if not shutil.which("localedef"):
        pytest.skip("there is no localedef here")
    folder = tmp_path_factory.mktemp("locales")
    made = subprocess.run(
        ["localedef", "-i", "de_DE", "-f", "UTF-8", folder / "de_DE.UTF-8"], capture_output=True, text=True, timeout=60
    )
    if made.returncode:
        pytest.skip(f"no locale can be made here: {made.stderr.strip()}")
    environment = {"LOCPATH": str(folder), "LC_ALL": "de_DE.UTF-8", "LANG": "de_DE.UTF-8"}
    code = "import locale; locale.setlocale(locale.LC_ALL, ''); print(locale.localeconv()['decimal_point'])"
    point = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert point.stdout == ",\n", point.stderr
    return environment


def write_configuration(folder: Path, experiment: dict, name: str = "tiny", keep_weights: str = "trained") -> Path:
    """Write `folder/NAME.yaml` with one experiment of that name, and return its path."""
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump({"keep_weights": keep_weights, "experiments": {name: experiment}}, sort_keys=False))
    return path


@pytest.fixture(scope="session")
def whole(tmp_path_factory) -> Path:
    """The folder in which WHOLE has run to its end, as the experiment `tiny`; made once for all workers, read only.

    In a folder that held nothing before: it holds Snakemake's files, `logs` and `results`. The configuration is in
    `whole.parent / "tiny.yaml"`.
    """
    base = tmp_path_factory.getbasetemp()
    place = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "whole"
    folder, done = place / "run", place / "done"
    with FileLock(f"{place}.lock"):
        if not done.exists():
            shutil.rmtree(place, ignore_errors=True)
            folder.mkdir(parents=True)
            snakemake("--cores", "4", "--configfile", write_configuration(place, WHOLE), directory=folder)
            done.touch()
    return folder


@pytest.fixture(scope="module")
def finished(whole, tmp_path_factory) -> Iterator[Path]:
    """A copy of `whole` that a module's tests may change, with its configuration `tiny.yaml` in it."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    shutil.copytree(whole, folder)
    shutil.copy(whole.parent / "tiny.yaml", folder)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def tiny(tmp_path) -> Path:
    """A configuration file with the experiment `tiny`."""
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump({"experiments": {"tiny": TINY}}, sort_keys=False))
    return path


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Path:
    """A copy of the checkout whose files a test may change."""
    copy = tmp_path_factory.mktemp("checkout") / "triptych"
    copy.mkdir()
    for name in ("Snakefile", "workflow", "config", "envs", "profiles"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy / name)
    return copy
