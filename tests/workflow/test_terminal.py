"""What a running workflow shows, with records as Snakemake makes them, and on a real terminal."""

import io
import logging
import os
import pty
import re
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from tests.workflow.conftest import TINY, replace_commands, write_configuration
from triptych.results.training_log import Progress, progress_line
from triptych.workflow import terminal as module
from triptych.workflow.terminal import AROUND, Terminal, encodable, print_last_words, use_terminal


class Clock:
    """A clock that the test moves."""

    def __init__(self):
        self.seconds = 0.0

    def __call__(self):
        return self.seconds

    def time_of_day(self):
        return f"T{self.seconds:.0f}"


class Workflow:
    """A logger with the handler, and records as Snakemake makes them."""

    def __init__(self, folder, stream=None):
        self.folder, self.stream, self.clock = folder, stream or io.StringIO(), Clock()
        self.usual = logging.StreamHandler(self.stream)
        self.usual.setFormatter(logging.Formatter("snakemake: %(message)s"))
        self.terminal = Terminal(self.usual, self.stream, 1, self.clock, self.clock.time_of_day)
        self.logger = logging.Logger("of the test")
        self.logger.addHandler(self.terminal)

    def say(self, message, event=None, level=logging.INFO, **attributes):
        self.logger.log(level, message, extra={"event": event, **attributes} if event else None)

    def begin(self, **counts):
        self.say("Job stats:\n...", "run_info", stats={**counts, "total": sum(counts.values())})

    def job(self, number, rule="train", log="", progress=None, **wildcards):
        path = self.folder / f"{number}.log"
        resources = {"_cores": 1, "mem_mb": 8000, "tmpdir": "/tmp"}
        details = {"rule_name": rule, "wildcards": wildcards, "log": [str(path)], "resources": resources}
        self.say("Rule", "job_info", jobid=number, **details)
        if log or progress:
            path.write_text(log or progress_line(progress, ROW if progress.step is None else None) + "\n")

    def error(self, number, rule="train", rule_msg=None):
        log = [str(self.folder / f"{number}.log")]
        self.say("RuleException:\nCalledProcessError in file x", "error", logging.ERROR, exception="RuleException")
        self.say("Error", "job_error", logging.ERROR, jobid=number, rule_name=rule, rule_msg=rule_msg, log=log)

    @property
    def lines(self):
        return self.stream.getvalue().splitlines()


ROW = {
    "train_loss": 1.0,
    "train_accuracy": 50.0,
    "validation_loss": 1.0,
    "validation_accuracy": 62.5,
    "test_loss": None,
}


@pytest.fixture
def workflow(tmp_path):
    found = Workflow(tmp_path)
    yield found
    found.terminal.close()


def test_start_end_and_one_line_for_all_that_runs(workflow):
    for noise in ("Building DAG of jobs...", "Using shell: /bin/bash", "Conda environments: ignored"):
        workflow.say(noise)
    workflow.say("Provided cores: 2", "resources_info")
    workflow.begin(train=2, pretrain_weights=1, report=1)
    workflow.say("Select jobs to execute...")
    workflow.job(1, progress=Progress("x", 1, 2, None, None, None, 900, 60), experiment="e", arm="fine", run="seed0")
    workflow.job(2, experiment="e", arm="fine", run="seed1")
    workflow.job(3, "plot_curves", experiment="e")
    workflow.clock.seconds = 60
    assert workflow.terminal.minute_line() == (
        "0 of 4 jobs done; fine seed 0: epoch 1/2, accuracy 62.5 %, 900 images/s, 1:00 left; fine seed 1: waiting; "
        "plot_curves"
    )
    workflow.clock.seconds = 125
    workflow.say("Finished", "job_finished", job_id=1)
    workflow.say(None, "progress", done=1, total=4)
    workflow.say("SLURM run ID: 12")
    workflow.say("a warning", level=logging.WARNING)
    workflow.say(None, "progress", done=4, total=4)
    assert not any(" end: " in line for line in workflow.lines)  # a checkpoint may add jobs
    workflow.terminal.end()
    workflow.say("Complete log(s): /x/y.log")
    workflow.say("Elapsed time: 1")
    assert workflow.lines == [
        "T0 start: 4 jobs, 3 of them train networks",
        "T125 train fine seed 0: done in 2:05, accuracy 62.5 %",
        "snakemake: SLURM run ID: 12",
        "snakemake: a warning",
        "T125 end: 4 jobs in 2:05",
    ]


def test_the_extraction_of_features_is_followed_like_a_training(workflow):
    workflow.begin(extract_features=2)
    workflow.job(1, "extract_features", progress=Progress("x", 0, 0, 5, 13, None, 900, 60), trunk="resnet18_96_0a")
    workflow.job(2, "extract_features", trunk="resnet18_96_1b")
    workflow.clock.seconds = 60
    assert workflow.terminal.minute_line() == (
        "0 of 2 jobs done, about 3 min left; extract_features resnet18_96_0a: batch 5/13, 900 images/s, 1:00 left; "
        "extract_features resnet18_96_1b: waiting"
    )


def test_a_line_a_minute_of_at_most_eight_trainings(workflow, monkeypatch):
    monkeypatch.setattr(module, "SECONDS_BETWEEN_LINES", 0.02)
    workflow.begin(train=10)
    for number in range(10):
        workflow.job(number, arm="a", run=f"seed{number}")
    until = time.monotonic() + 20
    while len(workflow.lines) < 4:
        assert time.monotonic() < until
        time.sleep(0.01)
    workflow.terminal.stop()
    shown = "; ".join(f"a seed {number}: waiting" for number in range(8))
    assert workflow.lines[-1] == f"T0 0 of 10 jobs done; {shown}; 2 more trainings"


def test_where_no_job_runs_everything_is_as_snakemake_says_it(workflow):
    workflow.say("Building DAG of jobs...")
    workflow.say("Nothing to be done (all requested files are present and up to date).")
    workflow.say("Using shell: /bin/bash")
    workflow.terminal.close()
    assert workflow.lines == [
        "snakemake: Building DAG of jobs...",
        "snakemake: Nothing to be done (all requested files are present and up to date).",
        "snakemake: Using shell: /bin/bash",
    ]


def test_a_failure_shows_the_command_s_message_and_not_snakemake_s_frame(workflow):
    workflow.begin(train=3)
    workflow.job(1, log="reading\nerror: the loss is no longer finite.\n", arm="a", run="seed0")
    workflow.job(2, log=" ", arm="a", run="seed1")
    workflow.error(1)
    workflow.error(2)
    workflow.say("Trying to restart job 2.")
    workflow.job(3, arm="a", run="seed2")
    workflow.error(3, rule_msg="SLURM sbatch failed. The error message was 'sbatch: no'.")
    workflow.say("Exiting because a job execution failed. Look below for error messages", level=logging.ERROR)
    workflow.say("Complete log(s): /x/y.log")
    stopped = "WorkflowError:\nAt least one job did not complete successfully."
    workflow.say(stopped, "error", logging.ERROR, exception="WorkflowError")
    missing = "MissingOutputException: results/x"
    workflow.say(missing, "error", logging.ERROR, exception="MissingOutputException")
    assert workflow.lines == [
        "T0 start: 3 jobs, 3 of them train networks",
        "T0 train a seed 0 failed:",
        "    error: the loss is no longer finite.",
        f"    log: {workflow.folder}/1.log",
        "T0 train a seed 1 failed:",
        "    no message: the command may have been killed, for example because memory was exhausted.",
        f"    log: {workflow.folder}/2.log",
        "T0 train a seed 1 is tried again",
        "T0 train a seed 2 failed:",
        "    SLURM sbatch failed. The error message was 'sbatch: no'.",
        "    resources: mem_mb=8000",
        "T0 stopped: 3 jobs failed, 0 of 3 jobs done in 0:00. The same command goes on from here. "
        "Snakemake's log: /x/y.log",
        f"snakemake: {missing}",
    ]


def test_after_ctrl_c_no_job_has_failed(workflow):
    workflow.begin(train=3)
    workflow.job(1, log="epoch 1\n", arm="a", run="seed0")
    workflow.say("Terminating processes on user request, this might take some time.")
    workflow.error(1)
    workflow.say("WorkflowError:\nAt least one job did not complete successfully.", "error", logging.ERROR)
    assert workflow.lines[1:] == [
        "snakemake: Terminating processes on user request, this might take some time.",
        "T0 stopped: 0 of 3 jobs done in 0:00. The same command goes on from here. Snakemake's log: ",
    ]


def test_it_takes_the_place_of_snakemake_s_handler_once_and_only_where_jobs_run():
    def workflow_with(**asked):
        names = ("dryrun", "quiet", "printshellcmds", "verbose", "debug_dag")
        settings = SimpleNamespace(**dict.fromkeys(names) | asked)
        return SimpleNamespace(output_settings=settings, is_main_process=asked.get("main", True))

    def logger_with(name="DefaultStreamHandler"):
        logger, handler = logging.Logger("test"), logging.StreamHandler(io.StringIO())
        handler.name = name
        logger.addHandler(handler)
        return logger

    for asked in ({"dryrun": True}, {"quiet": {1}}, {"printshellcmds": True}, {"verbose": True}, {"main": False}):
        assert use_terminal(workflow_with(**asked), logger_with(), 1) is None
    assert use_terminal(workflow_with(), logger_with("of a plugin"), 1) is None
    assert use_terminal(SimpleNamespace(), logger_with(), 1) is None
    logger = logger_with()
    terminal = use_terminal(workflow_with(), logger, 1)
    assert logger.handlers == [terminal]
    assert use_terminal(workflow_with(), logger, 1) is terminal and terminal.experiments == 2
    assert logger.handlers == [terminal]


def screens(command, folder, until):
    """What a command has written on a terminal of 30 lines and 100 columns; `until(text)` is called now and then."""
    parent, child = pty.openpty()
    subprocess.run(["stty", "rows", "30", "columns", "100"], stdin=child, check=True)
    environment = {**os.environ, "TERM": "xterm"}
    process = subprocess.Popen(command, cwd=folder, stdin=child, stdout=child, stderr=child, env=environment)
    os.close(child)
    text, end = "", time.monotonic() + 120
    while time.monotonic() < end:
        try:
            read = os.read(parent, 65536)
        except OSError:  # Linux says so at the end
            break
        text += read.decode(errors="replace")
        until(text)
    os.close(parent)
    return text, process.wait(60)


# Stands in for the commands of the package. A training says how far it is, and ends when a file `go` is there.
STAND_IN = """
import pathlib, sys, time
options = dict(zip(sys.argv[1:], sys.argv[2:]))
if sys.argv[1] == "train":
    name = f"{options['--arm']} seed {options['--seed']}"
    print(f"{name} | epoch 1/2 | train 1.0000  50.0 % | validation 1.0000  62.5 % | 900 images/s | 1:00 left")
    print(f"{name} | epoch 2/2 step 3/4 | 900 images/s | 0:30 left", flush=True)
    while not pathlib.Path("go").exists():
        time.sleep(0.05)
for option, value in options.items():
    if option.removeprefix("--") in made and "/" in value:
        pathlib.Path(value).touch()
"""


@pytest.mark.slow
def test_live_lines_on_a_real_terminal(tmp_path, checkout):
    replace_commands(checkout, STAND_IN)
    arms = {"scratch": TINY["arms"]["scratch"]}
    training = {"num_threads": 1, "device": "cpu"}
    experiment = {**TINY, "arms": arms, "training": training, "weights": {"source": "none"}}
    configuration = write_configuration(tmp_path, experiment)
    targets = [f"results/tiny/runs/scratch/seed{seed}/trained.safetensors" for seed in (0, 1)]
    call = [sys.executable, "-m", "snakemake", "--snakefile", checkout / "Snakefile", "--cores", "2"]
    lines = [f"scratch seed {seed}: epoch 2/2, step 3/4, accuracy 62.5 %, 900 images/s, 0:30 left" for seed in (0, 1)]

    def let_them_go(text):
        if all(line in text for line in lines):
            (tmp_path / "go").touch()

    text, status = screens([*call, *targets, "--configfile", configuration], tmp_path, let_them_go)
    assert status == 0, text
    assert all(text.count(line) > 1 for line in lines)  # drawn anew
    assert re.search(r"\d:\d\d 1 of 3 jobs done, about a minute left", text)
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text.replace("\r", ""))
    assert re.search(r"\d\d:\d\d:\d\d train scratch seed 1: done in \d:\d\d, accuracy 62.5 %\n", shown), shown
    assert re.search(r"^\d\d:\d\d:\d\d end: 3 jobs in \d:\d\d$", shown, flags=re.M)
    assert "Select jobs" not in text and "localrule" not in text
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h")  # the cursor is hidden, and comes back


def test_a_character_that_the_terminal_lacks_is_escaped():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    assert encodable("Grün · 5 %", stream) == "Gr\\xfcn \\xb7 5 %"
    assert encodable("Grün", io.StringIO()) == "Grün"


def test_the_last_words_of_an_experiment_that_is_called_partial(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv(AROUND, raising=False)
    print_last_words([(tmp_path / "partial", "")])
    assert capsys.readouterr().out == "\npartial: no report yet.\n"
