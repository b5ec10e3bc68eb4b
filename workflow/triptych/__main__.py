"""`python -m triptych COMMAND`: one command per rule.

The command `prepare-dataset` is the function `prepare_dataset()` of `triptych/data/prepare_dataset.py`. Its options are
the keyword-only parameters of the function, its arguments the others. Only the module of the command is imported, so
that a plot does not wait for torch.
"""

import functools
import gc
import importlib
import inspect
import os
import re
import sys
from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Annotated, Any, get_type_hints

import typer

from triptych.figures.catalogue import COMMANDS as FIGURE_COMMANDS
from triptych.storage.errors import InputError
from triptych.storage.files import STORAGE_ERRORS
from triptych.version import __version__
from triptych.wings import COMMANDS as WING_COMMANDS

COMMANDS = {
    "check": "triptych.configuration",
    "write_configuration": "triptych.report",
    "download_dataset": "triptych.data",
    "check_data": "triptych.data",
    "find_duplicates": "triptych.data",
    "prepare_dataset": "triptych.data",
    "assign_folds": "triptych.data",
    "prepare_letters": "triptych.data",
    "download_weights": "triptych.models",
    "convert_weights": "triptych.models",
    "describe_model": "triptych.models",
    "compare_architectures": "triptych.models",
    "initialise_model": "triptych.models",
    "pretrain_weights": "triptych.training",
    "extract_features": "triptych.training",
    "train": "triptych.training",
    "extract_weight_delta": "triptych.analysis",
    "collect_validation": "triptych.analysis",
    "decide": "triptych.analysis",
    "collect_results": "triptych.analysis",
    "collect_predictions": "triptych.analysis",
    "open_test": "triptych.evaluation",
    "copy_model": "triptych.evaluation",
    "copy_member": "triptych.evaluation",
    "write_model": "triptych.evaluation",
    **FIGURE_COMMANDS,
    **WING_COMMANDS,
    "report": "triptych.report",
    "report_data": "triptych.report",
    "write_manifest": "triptych.report",
    "verify": "triptych.report",
    "clean": "triptych.data",
    "predict": "triptych.evaluation",
    "evaluate": "triptych.evaluation",
    "export": "triptych.evaluation",
    "document_configuration": "triptych.configuration",
    "document_architectures": "triptych.models",
}
"""The sub-package of each command."""


SECTION = re.compile(r"^(?:Args|Raises|Returns):$", re.M)
"""Where the sections of a docstring begin that `--help` leaves out; an argument's own line shows its text."""
ARGUMENT = re.compile(r"(?:^    |; )(\w+(?:, \w+)*): ((?:[^\n;]|;(?! \w+: )|\n {8})*)", re.M)
"""An argument, or several, and what a docstring says of it."""


def help_of(function: Callable[..., None]) -> tuple[str, dict[str, str]]:
    """Return the text of a docstring above its sections, and what it says of each argument."""
    docstring = (inspect.getdoc(function) or "").replace("`", "")
    text, *_ = SECTION.split(docstring, maxsplit=1)
    _, _, arguments = docstring.partition("\nArgs:\n")
    said = {
        name: " ".join(words.split())
        for names, words in ARGUMENT.findall(SECTION.split(arguments, maxsplit=1)[0])
        for name in names.split(", ")
    }
    return text.strip(), {name: words[0].upper() + words[1:].rstrip(".") + "." for name, words in said.items()}


def option(name: str, hint: Any, text: str | None) -> Any:
    """Return the typer option of a parameter; JSON if its type has `from_json`."""
    if not hasattr(hint, "from_json"):
        return typer.Option(show_default=False, help=text)

    def parsed(value: Any) -> Any:
        return hint.from_json(value, f"--{name.replace('_', '-')}") if isinstance(value, str) else value

    return typer.Option(show_default=False, parser=parsed, metavar="JSON", help=hint.in_words())


def with_options(function: Callable[..., None]) -> Callable[..., None]:
    """Annotate a function so that typer makes an option of each keyword-only parameter."""
    hints = get_type_hints(function)
    text, arguments = help_of(function)

    @functools.wraps(function)
    def command(**values: Any) -> None:
        function(**values)

    command.__doc__ = text
    signature = inspect.signature(function)
    command.__signature__ = signature.replace(  # type: ignore[attr-defined]  # read by inspect.signature
        parameters=[
            parameter.replace(
                annotation=Annotated[
                    hints[name],
                    option(name, hints[name], arguments.get(name))
                    if parameter.kind is inspect.Parameter.KEYWORD_ONLY
                    else typer.Argument(show_default=False, help=arguments.get(name)),
                ]
            )
            for name, parameter in signature.parameters.items()
        ]
    )
    return command


def application(name: str) -> typer.Typer:
    """Return an application that can run the command `name`; it lists and suggests the others by name."""
    commands = empty_application("Each command has --help.")
    for command, package in COMMANDS.items():
        command_name = command.replace("_", "-")
        if command_name == name:
            module = imported(f"{package}.{command}")
            commands.command(name=command_name)(with_options(getattr(module, command)))
        else:
            commands.command(name=command_name)(lambda: None)
    return commands


def imported(name: str) -> ModuleType:
    """Import a module without garbage collection.

    What modules make stays until the process ends. To look for garbage in it is a quarter of the time that torch takes
    from its import to the end of the process.
    """
    gc.disable()
    try:
        return importlib.import_module(name)
    finally:
        gc.freeze()
        gc.enable()


def empty_application(text: str) -> typer.Typer:
    """Return an application without commands, with `--help`, which says the text, and `--version`."""
    commands = typer.Typer(
        help=text,
        add_completion=False,
        context_settings={"help_option_names": ["--help", "-h"]},
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )

    @commands.callback()
    def options(
        version: Annotated[bool, typer.Option("--version", help="Print the version.", callback=print_version)] = False,
    ) -> None:
        pass

    return commands


def print_version(wanted: bool) -> None:
    """Print the version and exit, if it is wanted."""
    if wanted:
        print(f"triptych {__version__}")
        raise typer.Exit


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return the exit status: 0, 1 for an `InputError`, 2 for a wrong call."""
    arguments = sys.argv[1:] if arguments is None else arguments
    command = next((argument for argument in arguments if not argument.startswith("-")), "")
    return call(partial(application, command), arguments, "python -m triptych")


def call(application: Callable[[], typer.Typer], arguments: list[str], name: str) -> int:
    """Make an application, which is called `name`, and run it; return the exit status as `main` does."""
    # Read when torch loads OpenMP, whose threads spin while they wait. With the default spin count of 300,000, jobs
    # that share cores block each other (with three other jobs on two cores: 12 images/s, against 77 without spinning).
    # Without spinning, a single job loses a quarter of its speed. A short spin is a compromise.
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    # Characters that the terminal's encoding lacks must not stop a command.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        application()(arguments, prog_name=name)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        if error.errno not in STORAGE_ERRORS and not isinstance(
            error, (PermissionError, FileExistsError, NotADirectoryError)
        ):
            raise
        where = f"{error.filename}: " if error.filename else ""
        print(f"error: {where}{error.strerror}. Fix this and rerun; no partial file was left behind.", file=sys.stderr)
        return 1
    except SystemExit as error:
        return int(error.code or 0)
    finally:
        # which torch's compiler imports, and which warns of everything that is left at the end of the process
        if "triton" in sys.modules:
            gc.unfreeze()
    return 0


if __name__ == "__main__":
    sys.exit(main())
