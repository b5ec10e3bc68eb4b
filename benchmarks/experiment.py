"""Measure what limits the time of an experiment: the critical path of its jobs, and the start-up of its processes.

    python benchmarks/experiment.py --output benchmarks/experiment-mine

Each repeat runs the default configuration (or `--configfile`) with Snakemake in an empty folder. The critical path is
the chain of dependent jobs with the largest total time: a lower bound for any number of cores. The start-up of a job
(Python, imports) is measured by `--help` of its command, right after the run.
"""

import argparse
import base64
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pandas
import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "workflow")]

from triptych.storage.files import write_table, write_text
from triptych.training.device import device_name


@dataclass(frozen=True)
class Job:
    """A job of a finished run: its rule, its seconds, and the numbers of the jobs it depends on."""

    rule: str
    seconds: float
    after: frozenset[int]


def finished_jobs(folder: Path) -> list[Job]:
    """Return the jobs of a run in `folder`, from Snakemake's metadata of its outputs."""
    records = {}
    metadata = folder / ".snakemake" / "metadata"
    for path in (path for path in metadata.rglob("*") if path.is_file()):
        # a long name is split into folders, each marked with an @
        name = "".join(part.removeprefix("@") for part in path.relative_to(metadata).parts)
        records[base64.urlsafe_b64decode(name).decode()] = json.loads(path.read_text())
    hashes = sorted({record["job_hash"] for record in records.values()})
    number = {output: hashes.index(record["job_hash"]) for output, record in records.items()}
    jobs = {}
    for record in records.values():
        after = frozenset(number[file] for file in record["input"] or () if file in number)
        job = Job(record["rule"], record["endtime"] - record["starttime"], after)
        jobs[hashes.index(record["job_hash"])] = job
    return [jobs[key] for key in sorted(jobs)]


def longest_chain(jobs: list[Job]) -> list[Job]:
    """Return the critical path: the chain of dependent jobs with the largest total time."""

    @cache
    def before(number: int) -> tuple[float, tuple[int, ...]]:
        job = jobs[number]
        seconds, chain = max((before(other) for other in job.after), default=(0.0, ()))
        return seconds + job.seconds, (*chain, number)

    return [jobs[number] for number in max(map(before, range(len(jobs))))[1]]


def timed(call: list[object], folder: Path) -> tuple[float, float]:
    """Run a command; return its wall seconds, and its CPU seconds including all children."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow")}
    before, clock = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    result = subprocess.run(
        [sys.executable, "-m", *map(str, call)], cwd=folder, env=environment, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    seconds, after = time.perf_counter() - clock, resource.getrusage(resource.RUSAGE_CHILDREN)
    if result.returncode:
        raise SystemExit(f"failed: {' '.join(map(str, call))}\n{result.stderr}")
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(cores: int, configuration: Path, targets: list[str]) -> dict[str, float]:
    """Measure a run of `targets` (none: all) and the start-up of its commands; seconds, and shares from 0 to 1."""
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        snakemake = ["snakemake", "--snakefile", ROOT / "Snakefile", "--directory", here]
        call = [*snakemake, *targets, "--configfile", configuration, "--cores", cores, "--resources", "gpu=1"]
        wall, cpu = timed(call, here)
        jobs = finished_jobs(here)
        own = timed([*call, "--dry-run"], here)
        starts = {rule: timed(["triptych", rule.replace("_", "-"), "--help"], here) for rule in {j.rule for j in jobs}}
    chain = longest_chain(jobs)
    seconds = sum(job.seconds for job in chain)
    return {
        "wall_seconds": wall,
        "longest_chain_seconds": seconds,
        "wall_over_chain": wall / seconds,
        "start_up_of_wall": (own[0] + sum(starts[job.rule][0] for job in chain)) / wall,
        "cpu_seconds": cpu,
        "start_up_of_cpu": (own[1] + sum(starts[job.rule][1] for job in jobs)) / cpu,
        "jobs": len(jobs),
    }


SAID = {
    "wall_seconds": "the experiment, s",
    "longest_chain_seconds": "its longest chain of jobs, s",
    "wall_over_chain": "the ratio of the two",
    "start_up_of_wall": "start-up of Snakemake and of the jobs of that chain, of the first line",
    "cpu_seconds": "CPU time in all, s",
    "start_up_of_cpu": "start-up of Snakemake and of all jobs, of the line before",
    "jobs": "jobs",
}
WANTED = {"wall_over_chain": "1.3", "start_up_of_wall": "0.35"}


def markdown(table: pandas.DataFrame, about: dict[str, object]) -> str:
    """Return the medians, the ranges in brackets, and the description of the machine."""
    lines = [f"- {key}: {value}" for key, value in about.items()]
    lines += ["", "| what | median (lowest to highest) | at most |", "|---|---|---|"]
    for column, said in SAID.items():
        digits = 0 if column.endswith("seconds") or column == "jobs" else 2
        low, middle, high = (f"{value:.{digits}f}" for value in table[column].quantile([0, 0.5, 1]))
        lines.append(f"| {said} | **{middle}** ({low} to {high}) | {WANTED.get(column, '')} |")
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="where to write .csv and .md, without the ending")
    parser.add_argument("--cores", type=int, default=4, help="of Snakemake, as in the README")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--configfile", type=Path, default=ROOT / "config" / "config.yaml", help="what is run")
    parser.add_argument("--targets", nargs="+", default=[], help="files to make, instead of the whole experiment")
    options = parser.parse_args(arguments)
    rows = []
    for repeat in range(options.repeats):
        rows.append(measure(options.cores, options.configfile.resolve(), options.targets))
        print(repeat + 1, {name: round(value, 2) for name, value in rows[-1].items()}, flush=True)
    table = pandas.DataFrame(rows)
    about = {
        "device": device_name(torch.device("cpu")),
        "cores there": os.cpu_count(),
        "configuration": options.configfile.name,
        "--cores": options.cores,
        "runs": options.repeats,
        "versions": f"torch {torch.__version__}, Python {platform.python_version()}",
    }
    write_table(options.output.with_suffix(".csv"), table.round(3))
    write_text(options.output.with_suffix(".md"), markdown(table, about))
    print(options.output.with_suffix(".md").read_text())


if __name__ == "__main__":
    main()
