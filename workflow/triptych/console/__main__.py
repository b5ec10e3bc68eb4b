"""`triptych COMMAND` and, the same, `python -m triptych.console COMMAND`: the commands that a person runs.

Only the module of the command is imported, so that `--help` waits for nothing. The commands of the rules are those of
`python -m triptych`; some of these are for people, too, and are here under the same name.
"""

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import typer

from triptych.__main__ import COMMANDS as PACKAGE_COMMANDS
from triptych.__main__ import call, empty_application, imported, with_options

OWN = {
    "new": "Write a commented configuration for a folder of images.",
    "check": "Check a configuration and the images that it names.",
    "estimate": "Time some steps, and say how long it takes; memory and disk.",
    "run": "Check, run the workflow on this machine, and give the answer.",
    "results": "Give the answer of an experiment, and where everything is.",
}
"""The commands of this package, each with its line."""

OF_PACKAGE = {
    "predict": "Classify images with the model of an experiment.",
    "evaluate": "Test the model of an experiment on other labelled images.",
    "export": "Write the model of an experiment as ONNX.",
    "clean": "Delete the cache of decoded images.",
    "verify": "Compare the files of an experiment with its manifest.",
}
"""Commands of `python -m triptych` that are for people, each with its line."""

LINES = OWN | OF_PACKAGE
"""The line of each command."""

RAW = {"allow_interspersed_args": False, "ignore_unknown_options": True}
"""How `run` takes arguments: what it does not know is Snakemake's."""


def application(name: str) -> typer.Typer:
    """Return an application that can run the command `name`; it lists and suggests the others by name."""
    commands = empty_application(
        "Train an image classifier several ways, and say with evidence which way to take. Each command has --help."
    )
    for command, line in LINES.items():
        settings = RAW if command == "run" else None
        function = _function(command) if command == name else lambda: None
        commands.command(name=command, short_help=line, context_settings=settings)(function)
    return commands


def _function(command: str) -> Callable[..., Any]:
    """Return the function of a command, as typer takes it."""
    if command in OWN:
        function: Callable[..., Any] = getattr(imported(f"triptych.console.{command}"), command)
        return function
    return with_options(getattr(imported(f"{PACKAGE_COMMANDS[command]}.{command}"), command))


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return the exit status: 0, 1 for an `InputError`, 2 for a wrong call, or Snakemake's."""
    arguments = sys.argv[1:] if arguments is None else arguments
    name = next((argument for argument in arguments if not argument.startswith("-")), "")
    return call(partial(application, name), arguments, "triptych")


if __name__ == "__main__":
    sys.exit(main())
