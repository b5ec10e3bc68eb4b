"""What the code looks like, and whether the shipped configurations fit together."""

import ast
import re
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.workflow.conftest import rules_of, snakemake
from tests.workflow.graphs import CONFIGURATIONS
from triptych.__main__ import COMMANDS

MOST_ARGUMENTS = 10
"""Of a function; ruff's `max-args` says it as well. The paths of a command do not count, which ruff cannot tell."""
MARK = re.compile(r"noqa: .*\bPLR0913\b")


def test_all_configurations_together_make_one_graph(tmp_path):
    """Letters and torchvision's weights go to the same place, each by its own rule; downloads are shared."""
    rules = rules_of(snakemake("--dry-run", "--configfile", *CONFIGURATIONS, directory=tmp_path).stdout)
    assert {rule: rules[rule] for rule in ("download_dataset", "download_weights", "pretrain_weights")} == {
        "download_dataset": 1,
        "download_weights": 1,
        "pretrain_weights": 1,
    }
    assert rules["convert_weights"] >= 2


@pytest.mark.slow
def test_the_two_entry_points_are_one_workflow(tmp_path, tiny):
    """What one has made is the other's, too."""
    root, workflow = (
        ["--snakefile", ROOT / name, "--configfile", tiny] for name in ("Snakefile", "workflow/Snakefile")
    )
    snakemake("results/tiny/config.yaml", "--cores", "1", *root, directory=tmp_path)
    jobs = rules_of(snakemake("--dry-run", *root, directory=tmp_path).stdout)
    assert jobs["report"] == 1 and not jobs["write_configuration"]
    same = rules_of(snakemake("--dry-run", *workflow, directory=tmp_path).stdout)
    assert same == jobs + Counter({"everything": 1})
    assert "good condition" in snakemake("--lint", *workflow, directory=tmp_path).stdout


@pytest.mark.parametrize(
    "call",
    [["snakefmt", "--check", "."], ["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"]],
    ids=" ".join,
)
def test_form(call):
    program = Path(sys.executable).parent / call[0]
    environment = {"PATH": f"{program.parent}:/usr/bin:/bin"}  # snakefmt calls shfmt, which is in the same folder
    result = subprocess.run(
        [program, *call[1:]], cwd=ROOT, capture_output=True, text=True, check=False, env=environment
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_what_a_command_prints_is_in_its_log_alone():
    """The terminal shows jobs, and the message of one that fails: triptych/workflow/terminal.py."""
    for path in sorted((ROOT / "workflow" / "rules").glob("*.smk")):
        text = path.read_text()
        calls = re.findall(r"python -m triptych .*?(?=\"\"\"|\Z)", text, flags=re.S)
        others = [call for call in calls if not re.search(r" \\\n +>\{log(\.log)?:q\} 2>&1\n +$", call)]
        assert not others, f"{path}: {others}"


def marked_functions(path: Path) -> list[ast.FunctionDef]:
    """The functions of a file that ruff does not count the arguments of, since their line says so."""
    lines = path.read_text().splitlines()
    functions = [node for node in ast.walk(ast.parse("\n".join(lines))) if isinstance(node, ast.FunctionDef)]
    found = [function for function in functions if MARK.search(lines[function.lineno - 1])]
    assert len(found) == len([line for line in lines if MARK.search(line)]), f"{path}: a mark at no function"
    return found


def test_only_commands_have_more_arguments_and_only_paths():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
    assert settings["pylint"]["max-args"] == MOST_ARGUMENTS
    assert "PLR0913" not in str(settings["per-file-ignores"])
    files = [path for folder in ("workflow", "tests", "benchmarks") for path in sorted((ROOT / folder).rglob("*.py"))]
    marked = {path: marked_functions(path) for path in files}
    too_many = []
    for path, function in [(path, function) for path, functions in marked.items() for function in functions]:
        name = function.name
        module = ROOT.joinpath("workflow", *COMMANDS.get(name, "no command").split("."), f"{name}.py")
        assert path == module, f"{path}: {name} is no command; give it one typed object instead of many arguments"
        arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
        others = [one.arg for one in arguments if not re.search(r"\bPath\b", ast.unparse(one.annotation))]
        if len(others) > MOST_ARGUMENTS:
            too_many.append(name)
    assert not too_many
