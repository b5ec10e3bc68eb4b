"""The answer of an experiment, and the paths of what is there."""

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from triptych.console.target import is_begun, is_experiment, read_target
from triptych.storage.errors import InputError

CONTENT = {
    "report.html": "the report",
    "partial/report.html": "the report of the runs that are there",
    "data/report.html": "the data report",
    "model": "the chosen model",
    "tables": "every table, as CSV",
    "figures": "every figure, as SVG and PNG",
    "decision.json": "the decision and its reasons",
    "config.yaml": "the configuration in effect",
    "manifest.json": "a checksum of every file",
}
"""What a finished experiment has, in the order in which it is listed."""


def results(
    target: Annotated[
        Path | None,
        typer.Argument(
            metavar="[CONFIG|FOLDER|EXPERIMENT]",
            help="A configuration, a folder of images, or the folder of an experiment as results/digits; by default "
            "all experiments in results/.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Give the answer of each experiment, and the paths of what is there. Nothing is run."""
    folders = list(_folders(target))
    if not any(map(is_begun, folders)):
        names = ", ".join(map(str, folders)) or "results"
        call = shlex.join(["triptych", "run", str(target or "CONFIG")])
        raise InputError(f"{names}: there are no results yet; run the experiment: {call}")
    for folder in folders:
        print_answer(folder)


def _folders(target: Path | None) -> Iterator[Path]:
    """Yield the folders of the experiments that are asked for; they may be missing."""
    if target is None:
        yield from filter(is_begun, sorted(Path("results").glob("*")))
    elif is_experiment(target):
        yield target
    else:
        yield from read_target(target).folders.values()


def print_answer(folder: Path) -> None:
    """Print the answer of an experiment if it is finished, and what there is in its folder."""
    from triptych.report.last_words import last_words  # pandas, which `triptych run --help` does without

    if not is_begun(folder):
        print(f"{folder}: no results yet", flush=True)
        return
    has_report = any((folder / part / "report.html").is_file() for part in ("", "partial"))
    lines = last_words(folder) if has_report else [f"{folder}: not finished ({_runs(folder)})"]
    said = "\n".join(lines)
    there = {path: what for name, what in CONTENT.items() if (path := folder / name).exists()}
    width = max((len(str(path)) for path in there), default=0)
    for path, what in there.items():
        if str(path) not in said:
            said += f"\n  {path!s:{width}}  {what}"
    print(said, flush=True)


def _runs(folder: Path) -> str:
    """Return how many runs have a history, in words."""
    count = len(list(folder.glob("runs/*/*/history.csv")))
    return f"{count} run{'s' * (count != 1)} trained"
