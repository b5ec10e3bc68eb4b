"""Run the workflow on this machine."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from triptych.configuration.image_files import ImageFiles
from triptych.console.check import check_target
from triptych.console.machine import cores, devices_of, gpus
from triptych.console.results import print_answer
from triptych.console.target import Target, read_target, with_snakefile
from triptych.storage.errors import InputError
from triptych.workflow.terminal import AROUND

DRY_RUN = {"-n", "--dry-run", "--dryrun"}
ELSEWHERE = ("--profile", "--executor", "-e", "--cluster-generic-submit-cmd")
"""With these options of Snakemake the jobs run on other machines, whose cores and GPUs are not known here."""
FOLDER = ("-d", "--directory")
RUNS_NOTHING = DRY_RUN | {
    "--unlock",
    "--lint",
    "--dag",
    "--rulegraph",
    "--filegraph",
    "--summary",
    "--list-rules",
    "-l",
}

LIMITS = ("--cores", "-c", "--jobs", "-j")
"""Snakemake's options for how much runs at once."""


def run(
    context: typer.Context,
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="CONFIG|FOLDER",
            help="A configuration, a folder of images or a CSV file that names them; by default the default "
            "experiment.",
            show_default=False,
        ),
    ] = None,
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ARGUMENTS",
            help="All that follows is given to snakemake, as -n for a dry run or --cores 2.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Check the configuration and the files, then run the workflow, and give the answer.

    All cores and GPUs of this machine are used, unless --cores, --resources, or a --profile says otherwise. It is
    the same as snakemake with the Snakefile of the repository. What is finished is not run again; a run that was
    stopped resumes.
    """
    path, others = Path(target) if target else None, arguments or []
    if target and target.startswith("-"):  # the first of Snakemake's
        path, others = None, [target, *others]
    if {"-h", "--help"} & set(others):
        print(context.get_help())
        return
    if others:
        _check_arguments(others)
    asked = read_target(path)
    if value_of(FOLDER, others):
        _check_paths(asked)
    check_target(asked)
    status = snakemake(asked, others)
    if status:
        raise typer.Exit(status)
    if not runs_nothing(others):
        base = Path(value_of(FOLDER, others) or ".")
        for folder in asked.folders.values():
            print_answer(base / folder)


def _check_paths(target: Target) -> None:
    """Check that no path depends on the folder where the workflow runs, if that is another one than this.

    Raises:
        InputError: images have a relative path.
    """
    for name, experiment in target.configuration.experiments.items():
        if isinstance(experiment.dataset, ImageFiles) and not Path(experiment.dataset.path).is_absolute():
            raise InputError(
                f"--directory: the path of the images of {name}, {experiment.dataset.path}, is relative to that "
                "folder. Start triptych there, or give an absolute path."
            )


def _check_arguments(arguments: list[str]) -> None:
    """Check that Snakemake knows its arguments, since it prints a hundred lines about one that it does not know.

    Raises:
        InputError: an option is unknown, or lacks its value.
    """
    from snakemake.cli import get_argument_parser  # a second, which a call without arguments does without

    def refuse(message: str) -> NoReturn:
        raise InputError(f"{message} (an option of snakemake; the list: snakemake --help).")

    parser = get_argument_parser()
    parser.error = refuse
    unknown = parser.parse_known_args(arguments)[1]
    if unknown:
        raise InputError(
            f"{' '.join(unknown)}: snakemake, which is given all that follows the configuration, knows no such option. "
            "What is trained, and how, is written in the configuration: docs/configuration.md."
        )


def snakemake(target: Target, arguments: list[str]) -> int:
    """Run Snakemake, and return its exit status. Signals reach it, and it is waited for."""
    call = [sys.executable, "-m", "snakemake", *options(target, arguments), *arguments]
    environment = {**os.environ, AROUND: "1"}
    child = subprocess.Popen(call, env=environment)
    previous = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT,)}
    previous[signal.SIGTERM] = signal.signal(signal.SIGTERM, lambda number, _: child.send_signal(number))
    try:
        return child.wait()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def options(target: Target, arguments: list[str]) -> list[str]:
    """Return the options of Snakemake for a target on this machine. What follows them has priority."""
    named = target.options()
    if "--configfile" in named and value_of(("--configfile", "--configfiles"), arguments):
        raise InputError(f"--configfile: {target.path} is the configuration; give one of the two.")
    if "--config" in named and (own := value_of(("--config", "-C"), arguments)):
        raise InputError(
            f"--config {own}: with a folder of images there is no other key; write a configuration: triptych new "
            f"{target.path}."
        )
    if not any(value_of((option,), arguments) for option in ELSEWHERE):
        devices = devices_of(target.settings)
        found = gpus(devices)
        if "cuda" in devices and not found and not runs_nothing(arguments):
            raise InputError(
                "training.device: cuda, and torch finds no GPU on this machine; give auto (a GPU if there is one), or "
                "cpu."
            )
        named["--resources"] = [f"gpu={found * target.configuration.jobs_per_gpu}"]
        if not value_of(LIMITS, arguments):
            named["--cores"] = [str(cores())]
        say_machine(cores(), found)
    return with_snakefile(named)


def say_machine(count: int, found: int) -> None:
    """Print what was found."""
    gpu = "no GPU" if not found else "1 GPU" if found == 1 else f"{found} GPUs"
    print(f"this machine: {count} core{'s' * (count > 1)}, {gpu}", flush=True)


def runs_nothing(arguments: list[str]) -> bool:
    """Whether Snakemake runs no job with these arguments, such as `-n` or `-np`."""
    return bool(RUNS_NOTHING & set(arguments)) or any(re.fullmatch("-[pqkF]*n[npqkF]*", one) for one in arguments)


def value_of(names: tuple[str, ...], arguments: list[str]) -> str | None:
    """Return the value of the last of these options, as `--name VALUE`, `--name=VALUE` or `-n4`; None without it."""
    found = None
    for position, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name in names:
            found = value if equals else next(iter(arguments[position + 1 :]), "")
        elif re.fullmatch(r"-[a-z]\d+", argument) and argument[:2] in names:
            found = argument[2:]
    return found
