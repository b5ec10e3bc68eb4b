"""The command `triptych`: what it lists, what it answers to slips, and that it does not wait for torch."""

import ast
import importlib
import re
import resource
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from triptych.__main__ import COMMANDS
from triptych.console.__main__ import LINES, OF_PACKAGE, OWN, main
from triptych.storage.code_digest import PACKAGE_FOLDER, _imports_of
from triptych.version import __version__


def test_each_command_has_one_line(capsys):
    assert main(["--help"]) == 0
    said = capsys.readouterr().out
    listed = dict(re.findall(r"^  ([a-z]+) +(\S.*)$", said.partition("Commands:")[2], re.M))
    assert listed == LINES
    assert main([]) == 2
    assert capsys.readouterr().err == said


@pytest.mark.parametrize("name", LINES)
def test_each_command_explains_its_arguments(name, capsys):
    assert main([name, "--help"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"Usage: triptych {name} ")


@pytest.mark.parametrize("name", LINES)
def test_arguments_and_options_of_each_command_have_a_help(name, capsys):
    main([name, "--help"])
    said = capsys.readouterr().out
    assert not re.search(r"Args:|Raises:|`", said)
    arguments, _, options = said.partition("Arguments:")[2].partition("Options:")
    assert not re.search(r"^  \S+ <\S+> *(\[required\])?$(?!\n {10})", arguments + options, re.M)
    for option, meaning in re.findall(r"^  (-.*?)  +(\S(?:.|\n {10,})*)$", options, re.M):
        assert meaning[0].isupper() and meaning.rstrip().endswith((".", "]")), option


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (["chek"], "No such command 'chek'. Did you mean 'check'?"),
        (["result"], "No such command 'result'. Did you mean 'results'?"),
        (["check"], "Missing argument 'CONFIG|FOLDER'."),
        (["check", "--decoed", "x"], "No such option: --decoed (Possible options: --decode)"),
        (["estimate", "--cores", "0"], "Invalid value for '--cores': Input should be greater than or equal to 1"),
    ],
)
def test_a_wrong_call_names_the_nearest(call, said, capsys):
    assert main(call) == 2
    printed = capsys.readouterr()
    assert printed.err.splitlines()[-1] == f"Error: {said}"
    assert printed.out == ""


def test_the_version_is_the_package_s(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"triptych {__version__}\n"


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"]])
def test_help_waits_for_neither_torch_nor_snakemake(arguments):
    code = (
        "import sys; from triptych.console.__main__ import main; status = main(sys.argv[1:]);"
        "assert not {'torch', 'snakemake', 'matplotlib', 'pandas'} & set(sys.modules); sys.exit(status)"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, stdout=subprocess.DEVNULL, timeout=60)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1.5  # about 0.4 s when it is quiet


def test_it_is_the_module_of_a_person_and_the_script_of_the_package():
    done = subprocess.run(
        [sys.executable, "-m", "triptych.console", "--version"], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == f"triptych {__version__}\n"
    assert 'triptych = "triptych.console.__main__:main"' in (ROOT / "pyproject.toml").read_text()


def test_the_commands_of_the_package_keep_their_names():
    assert set(LINES) == set(OWN) | (set(OF_PACKAGE) & set(COMMANDS))
    for name in OWN:
        assert getattr(importlib.import_module(f"triptych.console.{name}"), name).__doc__


def modules_outside():
    for path in sorted(PACKAGE_FOLDER.rglob("*.py")):
        parts = path.relative_to(PACKAGE_FOLDER).with_suffix("").parts
        if parts[0] != "console":
            yield ".".join(("triptych", *parts)).removesuffix(".__init__")


def test_nothing_imports_the_console():
    """It is the top floor; else a change of it would run trainings again."""
    modules = list(modules_outside())
    assert len(modules) > 100
    assert not [name for name in modules if any(f"{one}.".startswith("triptych.console.") for one in _imports_of(name))]


def test_the_console_alone_starts_snakemake():
    for path in sorted(PACKAGE_FOLDER.rglob("*.py")):
        calls = [node for node in ast.walk(ast.parse(path.read_bytes())) if isinstance(node, ast.List)]
        starts = any(
            isinstance(word, ast.Constant) and word.value == "snakemake" for call in calls for word in call.elts
        )
        assert not starts or path.parent.name == "console", path
