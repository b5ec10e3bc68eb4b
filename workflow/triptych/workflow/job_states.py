"""What a running workflow is doing: jobs counted, trainings followed by their logs, the time left.

Fed with what Snakemake says about its jobs; knows nothing of Snakemake. Times are seconds of any clock that only rises.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from triptych.results.run_names import run_in_words
from triptych.results.training_log import Progress, last_progress

NETWORKS = ("train", "pretrain_weights")
"""The rules that train a network."""
TRAININGS = (*NETWORKS, "extract_features")
"""The rules whose jobs take minutes to days, and are shown one by one."""

READS_A_SECOND = 8
"""How many logs are read in a second."""


def is_training(rule: str) -> bool:
    """Whether the jobs of a rule are shown one by one."""
    return _is_one_of(TRAININGS, rule)


def trains_a_network(rule: str) -> bool:
    """Whether a rule trains a network."""
    return _is_one_of(NETWORKS, rule)


def _is_one_of(names: Iterable[str], rule: str) -> bool:
    """Whether a rule has one of the names; in a workflow that uses this one as a module, with a prefix."""
    return any(rule == name or rule.endswith(f"_{name}") for name in names)


@dataclass(frozen=True)
class Job:
    """A job that Snakemake has started or, on a cluster, submitted.

    Attributes:
        title: its rule and what distinguishes it from other jobs of the rule, such as `train finetune seed 1`.
        logs: the files that its command writes what it prints to.
        written_before: the time of the last change of its first log before it started (ns); what is in there is old.
        resources: what it asks for, in words, for messages.
    """

    rule: str
    title: str
    started: float
    logs: tuple[Path, ...] = ()
    written_before: int | None = None
    resources: str = ""

    @property
    def name(self) -> str:
        """The title for lines about trainings: without the rule, but for features, which no arm names."""
        return self.title if self.rule.endswith("extract_features") else self.title.removeprefix(f"{self.rule} ")

    @property
    def has_begun(self) -> bool:
        """Whether its command has begun to write its log; on a cluster it may wait before."""
        return bool(self.logs) and changed_at(self.logs[0]) != self.written_before

    def progress(self) -> Progress | None:
        """How far its command is; None as long as its log says nothing about it."""
        return last_progress(self.logs[0]) if self.has_begun else None


def changed_at(path: Path) -> int | None:
    """Return when a file was last changed, in nanoseconds; None if there is no file."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None


def title_of(rule: str, wildcards: Mapping[str, str], experiments: int = 1) -> str:
    """Return how messages name a job: its rule and its wildcards."""
    words = [rule]
    for key, value in wildcards.items():
        if key == "experiment" and experiments < 2:
            continue
        words.append(run_in_words(value) if key == "run" else value)
    return " ".join(filter(None, words))


@dataclass
class JobStates:
    """The jobs of one call of Snakemake.

    Attributes:
        started: when it began.
        jobs: the number of jobs of each rule that this call runs, finished ones included.
        total, done: the number of all jobs, and of finished ones.
        running: the jobs that were started and have not ended, by Snakemake's number.
    """

    started: float
    jobs: Counter[str] = field(default_factory=Counter)
    total: int = 0
    done: int = 0
    failed: int = 0
    running: dict[int, Job] = field(default_factory=dict)
    _finished: Counter[str] = field(default_factory=Counter)
    _seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    _at_once: Counter[bool] = field(default_factory=Counter)
    _progress: dict[int, Progress | None] = field(default_factory=dict)
    _looked: float = -math.inf

    def plan(self, counts: Mapping[str, int]) -> None:
        """Take over how many jobs of each rule there are."""
        self.jobs = Counter({rule: count for rule, count in counts.items() if rule != "total"})
        self.total = sum(self.jobs.values())

    def start(self, number: int, job: Job) -> None:
        """Note that a job has started."""
        self.running[number] = job
        self._at_once[False] = max(self._at_once[False], self.others().total())

    def finish(self, number: int, now: float) -> Job | None:
        """Note that a job has finished; return it, or None if its start was not seen."""
        job = self.running.pop(number, None)
        self.done += 1
        if job is not None:
            self._finished[job.rule] += 1
            self._seconds[job.rule].append(now - job.started)
        return job

    def fail(self, number: int) -> Job | None:
        """Note that a job has failed; return it, or None if its start was not seen."""
        self.failed += 1
        return self.running.pop(number, None)

    def count(self, done: int, total: int) -> None:
        """Take over Snakemake's own count; jobs that the decision adds are known only after it."""
        self.done, self.total = done, total

    def trainings(self, now: float) -> list[tuple[Job, Progress | None]]:
        """The running trainings in the order in which they started, and how far they are.

        Their logs are read at most once a second, and more rarely where there are many, as on a cluster's file system.
        """
        found = {number: job for number, job in self.running.items() if is_training(job.rule)}
        if now - self._looked >= max(1.0, len(found) / READS_A_SECOND):
            self._progress, self._looked = {number: job.progress() for number, job in found.items()}, now
        return [(job, self._progress.get(number)) for number, job in found.items()]

    def others(self) -> Counter[str]:
        """The number of running jobs of each other rule."""
        return Counter(job.rule for job in self.running.values() if not is_training(job.rule))

    def seconds_left(self, now: float) -> float | None:
        """Estimate when the last job ends; None as long as nothing is known about a rule that trains.

        The jobs to come take as long as those of their rule that have ended or, for trainings, as the running ones say.
        Short rules that have not run yet take as long as the mean of all short jobs so far. As many jobs run at once as
        the most until now.
        """
        left = {True: 0.0, False: 0.0}
        running: dict[str, list[tuple[float, float]]] = defaultdict(
            list
        )  # (whole, left) of each training whose end is known
        for job, progress in self.trainings(now):
            if progress is not None and progress.seconds_left is not None:
                running[job.rule].append((now - job.started + progress.seconds_left, progress.seconds_left))
        # not those that were started: on a cluster they may wait
        self._at_once[True] = max(self._at_once[True], sum(map(len, running.values())))
        short = [seconds for rule, times in self._seconds.items() if not is_training(rule) for seconds in times]
        for rule, count in self.jobs.items():
            waiting = max(0, count - self._finished[rule] - len(running[rule]))
            known = self._seconds[rule] + [whole for whole, _ in running[rule]]
            is_long = is_training(rule)
            if not known and not is_long:
                known = short or [0.0]
            if waiting and not known:
                return None
            each = sum(known) / len(known) if known else 0.0
            left[is_long] += waiting * each + sum(rest for _, rest in running[rule])
        return sum(seconds / max(1, self._at_once[is_long]) for is_long, seconds in left.items())


def in_words(progress: Progress) -> str:
    """Return the progress of a command in a few words: epoch, step, accuracy, speed, time left."""
    parts = [f"epoch {progress.epoch}/{progress.epochs}"] if progress.is_training else []
    if progress.step is not None:
        parts.append(f"{progress.noun} {progress.step}/{progress.steps}")
    if progress.accuracy is not None:
        parts.append(f"accuracy {progress.accuracy:.1f} %")
    if progress.images_per_second is not None:
        parts.append(f"{progress.images_per_second:,.0f} images/s")
    if progress.seconds_left is not None:
        parts.append(f"{clock(progress.seconds_left)} left")
    return ", ".join(parts)


def clock(seconds: float) -> str:
    """Return a time as `1:02:03` or `2:03`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def about(seconds: float) -> str:
    """Return an estimated time in words: `about a minute`, `about 3 min`, `about 2 h 10 min`."""
    minutes = math.ceil(seconds / 60)
    if minutes <= 1:
        return "about a minute"
    if minutes < 60:
        return f"about {minutes} min"
    hours, minutes = divmod(5 * math.ceil(minutes / 5), 60)
    return f"about {hours} h {minutes} min" if minutes else f"about {hours} h"


def listed(counts: Mapping[str, int], most: int = 4) -> str:
    """Return the names with their numbers, such as `plot_curves, plot_kernels (3)`; the first few of them."""
    names = [f"{name} ({count})" if count > 1 else name for name, count in counts.items()]
    return ", ".join([*names[:most], *(["..."] if len(names) > most else [])])


def failure_of(logs: Iterable[Path], most: int = 30) -> list[str]:
    """Return the lines of a failed command's logs that say why.

    Its own message (from `error: ` on), else the last line of a traceback, else the last lines; at most `most`.
    """
    lines = [line.rstrip() for log in logs for line in _lines(log)]
    lines = [line for line in lines if line]
    starts = [number for number, line in enumerate(lines) if line.startswith("error: ")]
    if starts:
        return lines[starts[-1] :][:most]
    if any(line.startswith("Traceback (most recent call last)") for line in lines):
        return lines[-1:]
    return lines[-5:]


def _lines(log: Path) -> list[str]:
    try:
        return log.read_text(errors="replace").splitlines()
    except OSError:
        return []
