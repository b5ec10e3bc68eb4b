"""What a running workflow shows: live lines on a terminal, else a line a minute; a failed command's own message.

`Terminal` is a handler of Python's logging. It takes the place of Snakemake's handler for the terminal and reads the
attributes of Snakemake's records, so nothing of Snakemake is imported. Snakemake's log file, .snakemake/log/, keeps
everything that Snakemake says. What Snakemake says before the first job, and what is unknown here, passes unchanged.

A logger plugin (`snakemake --logger`) would have to be named in a profile, which fails where the package is not
installed, and it would be used for dry runs as well.
"""

import logging
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from triptych.results.training_log import Progress
from triptych.storage.errors import InputError
from triptych.workflow.job_states import (
    Job,
    JobStates,
    about,
    changed_at,
    clock,
    failure_of,
    in_words,
    is_training,
    listed,
    title_of,
    trains_a_network,
)

SECONDS_BETWEEN_LINES = 60.0
"""Between two lines about all running jobs, where there is no terminal."""

SECONDS_BETWEEN_LOOKS = 0.5
"""Between two looks at the logs of running trainings."""

MOST_TRAININGS = 8
"""How many running trainings are shown, each in a line or a part of one."""

AROUND = "TRIPTYCH_CONSOLE"
"""A variable of the environment: if it is set, `print_last_words` prints nothing."""

NOISE = re.compile(
    r"Workflow has started!|Assuming unrestricted shared|Building DAG|Using shell|Provided |Rules claiming more|"
    r"Conda environments: ignored|Singularity containers: ignored|Group jobs: inactive|"
    r"Select jobs to execute|Execute \d+ |"
    r"DAG of jobs will be updated|Updating checkpoint dependencies|Removing temporary output|Touching output file|"
    r"Processed \d+ potential jobs|Elapsed time|Job \d+ has been submitted|Shutting down|Exiting because a job|"
    r"Waiting for more resources|Waiting at most \d+ seconds"
)
"""How messages begin that are only in Snakemake's log file."""

SILENT = {"resources_info", "shellcmd", "job_started", "debug_dag", "rulegraph", "workflow_started"}
"""Kinds of Snakemake's records that are only in its log file."""

STOPPED = "At least one job did not complete successfully"
INTERRUPTED = "Terminating processes on user request"
LOG_FILE = re.compile(r"Complete log\(s\): (.*)")
AGAIN = re.compile(r".*Trying to restart job (\d+)")


def encodable(text: str, stream: TextIO) -> str:
    """Return a text with escapes for characters that the encoding of a stream lacks, such as ASCII's."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def event_of(record: logging.LogRecord) -> str | None:
    """Return the kind of a record of Snakemake, such as `job_info`; None for a plain message."""
    event = getattr(record, "event", None)
    return None if event is None else str(event)


class Terminal(logging.Handler):
    """Show what a workflow does.

    Args:
        usual: Snakemake's handler, for what passes unchanged; it is closed with this one.
        stream: where to write.
        experiments: the number of experiments; the titles of jobs name theirs only if there are several.
        now: a clock that only rises, in seconds.
        time_of_day: the time of a line, such as `12:34:56`.
    """

    def __init__(
        self,
        usual: logging.Handler,
        stream: TextIO,
        experiments: int = 1,
        now: Callable[[], float] = time.monotonic,
        time_of_day: Callable[[], str] = lambda: time.strftime("%H:%M:%S"),
    ):
        super().__init__(usual.level)
        self.name = "TriptychTerminal"
        self.usual, self.stream, self.experiments = usual, stream, experiments
        self.now, self.time_of_day = now, time_of_day
        self.states: JobStates | None = None
        self.held: list[logging.LogRecord] = []
        """Noise before the first job: shown only if another message comes or no job does."""
        self.log_file = ""
        self.interrupted = False
        self.failed: dict[int, Job] = {}
        self.state_lock = threading.RLock()
        """Guards `states`. Never held while something is written, which may wait for the live lines."""
        self.live: Any = None
        self.over = threading.Event()
        self.ticker: threading.Thread | None = None

    # What Snakemake says.

    def emit(self, record: logging.LogRecord) -> None:
        try:
            event = event_of(record)
            if self.states is None and event != "run_info":
                self.before_the_first_job(record, event)
            else:
                getattr(self, f"on_{event or 'message'}", self.on_other)(record)
        except BrokenPipeError:
            raise
        except Exception:
            self.handleError(record)

    def before_the_first_job(self, record: logging.LogRecord, event: str | None) -> None:
        noise = event in SILENT or (event is None and NOISE.match(str(record.msg)))
        self.held.append(record)
        if not noise or record.levelno > logging.INFO:
            self.show_held()

    def show_held(self) -> None:
        """Show what was held back."""
        held, self.held = self.held, []
        for record in held:
            self.usual.handle(record)

    def on_run_info(self, record: Any) -> None:
        if self.states is not None:
            return
        self.held = []
        self.states = JobStates(self.now())
        self.states.plan(record.stats)
        trainings = sum(count for rule, count in self.states.jobs.items() if trains_a_network(rule))
        text = f"start: {jobs(self.states.total)}"
        self.say(text + (f", {trainings} of them train networks" if trainings else ""))
        self.start()

    def on_job_info(self, record: Any) -> None:
        wildcards = {key: str(value) for key, value in dict(record.wildcards or {}).items()}
        logs = tuple(map(Path, record.log or ()))
        asked = dict(record.resources.items()) if record.resources else {}
        shown = [f"{key}={value}" for key, value in asked.items() if not key.startswith("_") and key != "tmpdir"]
        job = Job(
            record.rule_name,
            title_of(record.rule_name, wildcards, self.experiments),
            self.now(),
            logs,
            changed_at(logs[0]) if logs else None,
            ", ".join(shown),
        )
        with self.state_lock:
            self.known_states.start(record.jobid, job)

    def on_job_finished(self, record: Any) -> None:
        with self.state_lock:
            job = self.known_states.finish(record.job_id, self.now())
        if job is not None and is_training(job.rule):
            progress = job.progress()
            accuracy = f", accuracy {progress.accuracy:.1f} %" if progress and progress.accuracy is not None else ""
            self.say(f"{job.title}: done in {clock(self.now() - job.started)}{accuracy}")

    def on_progress(self, record: Any) -> None:
        # Even if all are done, it may not be the end: a checkpoint adds jobs afterwards.
        with self.state_lock:
            self.known_states.count(record.done, record.total)

    def on_job_error(self, record: Any) -> None:
        if self.interrupted:  # every running job ends like this
            return
        with self.state_lock:
            job = self.known_states.fail(record.jobid)
        if job:
            self.failed[record.jobid] = job
        title, logs = job.title if job else record.rule_name, [Path(log) for log in record.log or ()]
        said = failure_of(logs)
        if not said and not record.rule_msg:
            said = ["no message: the command may have been killed, for example because memory was exhausted."]
        lines = [*([str(record.rule_msg)] if record.rule_msg else []), *said]
        if record.rule_msg and job and job.resources:  # a cluster may have refused them
            lines.append(f"resources: {job.resources}")
        lines += [f"log: {log}" for log in logs if log.exists()]
        self.say(
            "\n".join([f"{title} failed:", *(f"    {line}" for text in lines for line in text.splitlines())]), "red"
        )

    def on_error(self, record: Any) -> None:
        text = record.getMessage()
        if STOPPED in text:
            self.stop()
            states = self.known_states
            failed = f"{jobs(states.failed)} failed, " if states.failed else ""
            self.say(
                f"stopped: {failed}{states.done} of {jobs(states.total)} done in {clock(self.now() - states.started)}. "
                f"The same command goes on from here. Snakemake's log: {self.log_file}",
                "red",
            )
        elif "CalledProcessError" not in text:  # the failed command of a job, of which on_job_error tells more
            self.passed(record)

    def on_message(self, record: logging.LogRecord) -> None:
        text = record.getMessage() if record.msg is not None else ""
        file, again = LOG_FILE.match(text), AGAIN.match(text)
        if file:  # when it is over, after the hooks
            self.log_file = file[1]
            if self.known_states.done == self.known_states.total:
                self.end()
        elif again:
            job = self.failed.get(int(again[1]))
            self.say(f"{job.title if job else text.strip()} is tried again")
        elif not NOISE.match(text):
            self.interrupted = self.interrupted or text.startswith(INTERRUPTED)
            self.passed(record)

    def on_other(self, record: logging.LogRecord) -> None:
        if event_of(record) not in SILENT:
            self.passed(record)

    @property
    def known_states(self) -> JobStates:
        assert self.states is not None  # emit() sees to it
        return self.states

    # What is shown.

    def say(self, text: str, colour: str = "") -> None:
        """Write lines that stay, the first of them with the time of day."""
        self.write(f"{self.time_of_day()} {text}", colour)

    def passed(self, record: logging.LogRecord) -> None:
        """Write what Snakemake says as it says it, above the live lines."""
        if self.live is None:
            self.usual.handle(record)
        elif self.usual.filter(record):
            self.write(self.usual.format(record), "yellow" if record.levelno >= logging.WARNING else "")

    def write(self, text: str, colour: str = "") -> None:
        if self.live is None:
            self.stream.write(f"{encodable(text, self.stream)}\n")
            self.stream.flush()
        else:
            from rich.text import Text

            self.live.console.print(
                Text(encodable(text, self.stream), colour), soft_wrap=True
            )  # `style=` would colour the live lines too

    def start(self) -> None:
        """Begin with the live lines, or with the lines of every minute."""
        if is_terminal(self.stream):
            with suppress(ImportError):
                self.live = live_lines(self.stream, self.lines)
                self.live.start()
                return
        self.ticker = threading.Thread(target=self.tick, daemon=True)
        self.ticker.start()

    def end(self) -> None:
        """Say that everything is done: at the hook `onsuccess`, or without hooks at the last message of Snakemake."""
        if self.states is None or self.over.is_set():
            return
        self.stop()
        self.say(f"end: {jobs(self.states.done)} in {clock(self.now() - self.states.started)}")

    def stop(self) -> None:
        """End the live lines; whatever comes later is written as it is."""
        self.over.set()
        live, self.live = self.live, None
        if live is not None:
            live.stop()

    def tick(self) -> None:
        """Write a line every minute, until it is over."""
        while not self.over.wait(SECONDS_BETWEEN_LINES):
            self.say(self.minute_line())

    def counted(self) -> str:
        """Return how many jobs are done, and the time left."""
        states = self.known_states
        left = states.seconds_left(self.now())
        time_left = "" if not left else f", {about(left)} left"
        failed = f", {states.failed} failed" if states.failed else ""
        return f"{states.done} of {jobs(states.total)} done{failed}{time_left}"

    def running(self) -> tuple[str, list[str], str]:
        """Return how many jobs are done, how far the running trainings are, and the other running jobs."""
        with self.state_lock:
            trainings = [training_in_words(*found) for found in self.known_states.trainings(self.now())]
            others = listed(self.known_states.others())
            counted = self.counted()
        more = len(trainings) - MOST_TRAININGS
        return counted, trainings[:MOST_TRAININGS] + [f"{more} more trainings"] * (more > 0), others

    def minute_line(self) -> str:
        """Return one line about all that is running."""
        counted, trainings, others = self.running()
        return "; ".join(filter(None, [counted, *trainings, others]))

    def lines(self) -> list[str]:
        """Return the live lines: one a running training, and one about the whole."""
        counted, trainings, others = self.running()
        spent = clock(self.now() - self.known_states.started)
        return [*trainings, " | ".join(filter(None, [f"{spent} {counted}", others]))]

    def close(self) -> None:
        self.show_held()
        self.stop()
        self.usual.close()
        super().close()


def jobs(number: int) -> str:
    """Return a number of jobs in words."""
    return f"{number} job" if number == 1 else f"{number} jobs"


def training_in_words(job: Job, progress: Progress | None) -> str:
    """Return how far a running training is."""
    return f"{job.name}: {in_words(progress) if progress else 'starting' if job.has_begun else 'waiting'}"


def is_terminal(stream: TextIO) -> bool:
    """Whether lines can be drawn anew there."""
    isatty = getattr(stream, "isatty", None)
    return bool(isatty and isatty()) and os.environ.get("TERM", "dumb") != "dumb"


def live_lines(stream: TextIO, lines: Callable[[], list[str]]) -> Any:
    """Return lines at the bottom of a terminal that are drawn anew; not started.

    Raises:
        ImportError: rich is not installed.
    """
    from rich.console import Console, Group
    from rich.live import Live
    from rich.text import Text

    def drawn() -> Group:
        return Group(*(Text(line, no_wrap=True, overflow="ellipsis") for line in lines()))

    console = Console(file=stream, force_terminal=True)
    rate = 1 / SECONDS_BETWEEN_LOOKS
    return Live(console=console, get_renderable=drawn, transient=True, refresh_per_second=rate)


def use_terminal(workflow: Any, logger: logging.Logger, experiments: int) -> Terminal | None:
    """Put `Terminal` in the place of Snakemake's handler for the terminal, for the jobs of this call.

    Not in the jobs of a cluster, nor where Snakemake is asked for something else: a dry run, --quiet, --printshellcmds,
    --verbose, or a logger plugin for the terminal. Reads internals of Snakemake 9; where they are not as expected,
    nothing is changed.

    Args:
        workflow: Snakemake's.
        logger: Snakemake's.
        experiments: as in `Terminal`.

    Returns:
        The handler, also if another Snakefile of this call has put it there; None if nothing was changed.
    """
    found = [handler for handler in logger.handlers if isinstance(handler, Terminal)]
    if found:
        found[0].experiments += experiments
        return found[0]
    settings = getattr(workflow, "output_settings", None)
    asked = ("dryrun", "quiet", "printshellcmds", "verbose", "debug_dag")
    if settings is None or any(getattr(settings, name, None) for name in asked) or not workflow.is_main_process:
        return None
    usual = next((handler for handler in logger.handlers if handler.name == "DefaultStreamHandler"), None)
    if usual is None or not hasattr(usual, "stream"):
        return None
    terminal = Terminal(usual, usual.stream, experiments)
    logger.removeHandler(usual)
    logger.addHandler(terminal)
    return terminal


def print_last_words(reports: Iterable[tuple[Path, str]]) -> None:
    """Print the answer and the paths of each experiment of which this call has written the report.

    Args:
        reports: the folders of the experiments, each with the part of its report as `last_words` takes it.

    Not where the command `triptych` started Snakemake (AROUND), since it prints them itself, always.
    """
    if os.environ.get(AROUND):
        return
    from triptych.report.last_words import last_words  # with pandas and the sections of the report, at the end alone

    for folder, part in reports:
        try:
            lines = last_words(folder, part)
        except InputError as error:
            lines = [str(error)]
        print("", *(encodable(line, sys.stdout) for line in lines), sep="\n", flush=True)
