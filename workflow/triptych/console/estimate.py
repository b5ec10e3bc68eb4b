"""Estimate how long an experiment takes on this machine, and its memory and disk, from some steps of each arm."""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import psutil
import typer

from triptych.console.check import check_target
from triptych.console.machine import cores as cores_here
from triptych.console.machine import devices_of
from triptych.console.machine import gpus as gpus_here
from triptych.console.plan import AROUND, START_UP, WITHOUT_PROCESS, Plan
from triptych.console.schedule import Job, Needs, duration, read_jobs
from triptych.console.target import Target, read_target, with_snakefile
from triptych.console.timing import decoding, largest_batch, start_up, timed
from triptych.storage.errors import InputError

UNCERTAIN = 0.25
"""The share by which the time may be wrong: what `benchmarks/estimate.py` aims at."""
GIGA = 10**9
BUSY = 25
"""Percent of the processors from which on other programs are named, since times then hold only while they run."""


@dataclass(frozen=True)
class Estimate:
    """What is left of a target.

    Attributes:
        seconds: from the start to the last file; without downloads.
        plans: of its experiments, with their arms timed.
        jobs: how many.
    """

    seconds: float
    plans: list[Plan]
    jobs: int

    @property
    def memory(self) -> int:
        """Bytes, at most at once."""
        return max(plan.memory() for plan in self.plans)

    @property
    def disk(self) -> int:
        """Bytes, at most at once."""
        return sum(plan.disk() for plan in self.plans)


def estimate(
    target: Annotated[
        Path | None,
        typer.Argument(
            metavar="CONFIG|FOLDER",
            help="A configuration, a folder of images or a CSV file that names them; by default the default "
            "experiment.",
            show_default=False,
        ),
    ] = None,
    cores: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="NUMBER", help="Cores to use, 1 or more.  [default: all of this machine]", show_default=False
        ),
    ] = None,
) -> None:
    """Time 20 steps of each arm, and say how long the experiment takes on this machine, and its memory and disk.

    What is finished takes no time; downloads are not counted. Nothing but temporary files is written.
    """
    asked = read_target(target)
    others = psutil.cpu_percent(interval=0.5)
    if others > BUSY:
        print(f"note: other programs use {others:.0f} % of this machine's processors; times are with them", flush=True)
    found = estimated(asked, cores or cores_here())
    print("\n".join([*table(found), *misfits(found)]), flush=True)


def estimated(target: Target, cores: int) -> Estimate:
    """Check a target, and return the estimate of what is left to run of it, with so many cores.

    Raises:
        InputError: as `check_target`, or the workflow cannot be planned; the message is Snakemake's.
    """
    files = check_target(target)
    gpus = gpus_here(devices_of(target.settings)) * target.configuration.jobs_per_gpu
    clock = time.perf_counter()
    jobs = read_jobs(planned(target, cores, gpus))
    planning = time.perf_counter() - clock
    left = [job for job in jobs.values() if not job.is_done and job.rule not in WITHOUT_PROCESS]
    plans = {name: Plan.of(target, name, files.get(name), cores, gpus) for name in target.configuration.experiments}
    for plan in plans.values():
        plan.left(left)
        measure(plan)
    scale = start_up() / START_UP if left else 1.0

    def needs(job: Job) -> Needs:
        plan = plans.get(job.wildcards.get("experiment", ""))
        return plan.needs(job, scale) if plan and job.rule not in WITHOUT_PROCESS else Needs(0)

    seconds = duration(jobs, needs, cores, gpus) + planning + AROUND * scale if left else 0.0
    return Estimate(seconds, list(plans.values()), len(left))


def planned(target: Target, cores: int, gpus: int) -> str:
    """Return the graph of jobs, as `snakemake --dag` prints it."""
    options = target.options() | {"--resources": [f"gpu={gpus}"], "--cores": [str(cores)]}
    call = [sys.executable, "-m", "snakemake", *with_snakefile(options), "--dag"]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError(f"the workflow cannot be planned:\n{done.stderr.strip()}")
    return done.stdout


def measure(plan: Plan) -> None:
    """Time what is left of an experiment; equal arms once."""
    known: dict[str, str] = {}
    for arm in plan.runs:
        request = plan.request(arm)
        same = known.setdefault(repr(sorted(request.items())), arm)
        if same == arm:
            print(f"{plan.name}: timing {arm}", flush=True)
        plan.arms[arm] = plan.arms[same] if same != arm else timed(request, plan.side_by_side(arm))
    for network in plan.networks:
        print(f"{plan.name}: timing the pretraining of {network}", flush=True)
        plan.pretrainings[network] = timed(plan.pretraining(network), 1)
    if plan.checks and plan.files:
        plan.decoding = decoding(plan.files, plan.settings["dataset"])


def table(found: Estimate) -> list[str]:
    """Return the lines of the answer."""
    if not found.jobs:
        return ["nothing is left to run: triptych results"]
    lines = []
    for plan in found.plans:
        if not plan.runs:
            continue
        width = max(map(len, [*plan.arms, "arm"]))
        lines.append(f"{plan.name} ({plan.images.train:,} training images)")
        lines.append(f"  {'arm':{width}}  runs  a run      all        memory   disk     images/s")
        for arm, timing in plan.arms.items():
            runs = plan.runs[arm]
            if timing.problem:
                lines.append(f"  {arm:{width}}  {runs:4}  {timing.problem}")
                continue
            together = spoken(runs * timing.seconds + timing.value("extraction_seconds"))
            lines.append(
                f"  {arm:{width}}  {runs:4}  {spoken(timing.seconds):9}  {together:9}  "
                f"{gigabytes(timing.value('memory_bytes')):7}  {gigabytes(plan.disk_of(arm)):7}  "
                f"{timing.value('images_per_second'):,.0f}"
            )
    low, high = found.seconds * (1 - UNCERTAIN), found.seconds * (1 + UNCERTAIN)
    where = found.plans[0]
    device = f"{where.cores} cores" + (f", {where.gpus} jobs on GPUs" if where.gpus else "")
    lines.append(
        f"all {found.jobs} jobs on {device}: about {spoken(found.seconds)} ({spoken(low)} to {spoken(high)}), without "
        f"downloads; memory {gigabytes(found.memory)}, disk {gigabytes(found.disk)}, at most at once"
    )
    return lines


def misfits(found: Estimate) -> Iterator[str]:
    """Yield a line for what does not fit, and what would."""
    free = free_disk()
    if found.disk > free:
        yield (
            f"does not fit: the disk has {gigabytes(free)} free and {gigabytes(found.disk)} are needed; free some, or "
            "run in a folder of another disk"
        )
    memory = available()
    for plan in found.plans:
        for arm, timing in plan.arms.items():
            here = int(timing.value("device_memory_bytes")) if plan.on_gpu(arm) else memory
            if timing.problem and not here:
                yield f"does not fit: {plan.name}, {arm}: {timing.problem}"
            elif timing.problem or plan.memory_of(arm) > here > 0:
                yield f"does not fit: {plan.name}, {arm}: {_what_would(plan, arm, here)}"


def free_disk() -> int:
    """Return the free bytes of the disk where the workflow would run."""
    return shutil.disk_usage(Path.cwd()).free


def available() -> int:
    """Return the bytes of memory that are free, or can be made so."""
    return int(psutil.virtual_memory().available)


def _what_would(plan: Plan, arm: str, memory: int) -> str:
    """Return what does not fit of an arm, and what would."""
    timing, together = plan.arms[arm], plan.side_by_side(arm)
    what = timing.problem or (
        f"{together} at once take {gigabytes(plan.memory_of(arm))}, and {gigabytes(memory)} are free"
    )
    if timing.problem and "memory" not in timing.problem:
        return what
    if not timing.problem and together > 1 and timing.value("memory_bytes") <= memory:
        fits = max(1, int(memory // timing.value("memory_bytes")))
        threads = plan.settings["arms"][arm]["training"]["num_threads"]
        return f"{what}; fewer at once would: --cores {fits * threads}"
    batch = largest_batch(plan.request(arm), int(0.8 * memory / together))
    if not batch:
        return f"{what}; a smaller input_size or network would"
    present = plan.settings["arms"][arm]["training"]["batch_size"]
    return f"{what}; training.batch_size: {min(batch, present // 2)} would" if present > 1 else what


def spoken(seconds: float) -> str:
    """Return a time with about two digits."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 100 else f"{minutes / 60:.1f} h"


def gigabytes(count: float) -> str:
    """Return bytes in GB."""
    return f"{count / GIGA:.1f} GB"
