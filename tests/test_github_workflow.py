"""The workflow for GitHub Actions names what is there, and its commands for the graphs do what they say.

What only GitHub can do (runners, actions, artefacts) is not tested here.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests import warm
from tests.conftest import ROOT
from tests.workflow.graphs import CONFIGURATIONS, golden

FILE = ROOT / ".github" / "workflows" / "ci.yml"
WORKFLOW = yaml.safe_load(FILE.read_text())
STEPS = {
    f"{job}: {step.get('name') or step['uses']}": step
    for job, settings in WORKFLOW["jobs"].items()
    for step in settings["steps"]
}
COMMANDS = {name: step["run"] for name, step in STEPS.items() if "run" in step}
ACTIONS = {"actions/checkout@v4", "actions/setup-python@v5", "actions/upload-artifact@v4"}


def test_it_runs_for_every_push_and_may_only_read():
    assert set(WORKFLOW[True]) == {"push", "pull_request", "workflow_dispatch"}  # YAML 1.1 reads `on` as true
    assert WORKFLOW["permissions"] == {"contents": "read"}
    for job in WORKFLOW["jobs"].values():
        assert job["runs-on"] == "ubuntu-latest"
        assert job["timeout-minutes"] <= 90


def test_actions_are_known_ones_and_python_is_that_of_the_environments():
    assert {step["uses"] for step in STEPS.values() if "uses" in step} == ACTIONS
    python = yaml.safe_load((ROOT / "envs" / "torch.yaml").read_text())["dependencies"][0]
    versions = {step["with"]["python-version"] for step in STEPS.values() if "setup-python" in step.get("uses", "")}
    assert {f"python={version}" for version in versions} == {python}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_script_is_bash_and_every_file_that_it_names_is_there(name):
    script = COMMANDS[name]
    assert subprocess.run(["bash", "-n"], input=script, text=True, timeout=20, check=False).returncode == 0
    written = set(re.findall(r"> ([\w/.-]+)", script))
    for path in set(re.findall(r"(?<![\w/.])(?:envs|tests|\.ci)/[\w./-]+", script)) - written:
        assert (ROOT / path).exists(), path


def test_what_it_installs_and_runs_is_what_the_readme_says():
    readme = (ROOT / "README.md").read_text()
    for command in ("pip install -r envs/requirements-dev.txt", "pip install --no-deps --no-build-isolation -e ."):
        assert command in COMMANDS["tests: Install"]
        assert command in readme
    assert "snakemake --cores 4 --resources gpu=1\n" in COMMANDS["tests: The default experiment"]
    assert "snakemake --cores 4 --resources gpu=1\n" in readme
    pages = [readme, *((ROOT / name).read_text() for name in ("CONTRIBUTING.md", "docs/tutorial.md"))]
    for command in ("pytest -n 2", "ruff check .", "ruff format", "snakefmt", "python -m triptych verify"):
        assert any(command in script for script in COMMANDS.values())
        assert any(command in page for page in pages)
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o100


def test_installing_all_but_torch_takes_out_torch_alone(tmp_path):
    script = COMMANDS["graphs: Install all but torch, which no graph needs"]
    shutil.copytree(ROOT / "envs", tmp_path / "envs")
    script = script.replace("pip install -r", "cat").replace("rm ", "cat ")
    kept = subprocess.run(["bash", "-e"], input=script, cwd=tmp_path, capture_output=True, text=True, timeout=20)
    assert kept.returncode == 0, kept.stderr
    files = (ROOT / "envs").glob("requirements*.txt")
    lines = {line for path in files for line in path.read_text().splitlines() if not line.startswith("-r ")}
    left_out = lines - set((tmp_path / "requirements-form.txt").read_text().splitlines())
    assert {line.partition("==")[0] for line in left_out} == {"torch", "torchvision"}


@pytest.mark.slow
def test_the_commands_for_the_graphs_run_as_they_are(tmp_path):
    """The graphs that are drawn have the rules of the known ones, and what each comes after."""
    copy = tmp_path / "fork"
    made = {".git", ".venv", ".snakemake", "results", "resources", "logs"}  # at the root: the package has results/, too
    shutil.copytree(ROOT, copy, ignore=lambda folder, names: made & set(names) if folder == str(ROOT) else ())
    begins_warm = tmp_path / "bin" / "snakemake"
    begins_warm.parent.mkdir()
    begins_warm.write_text(f'#!/bin/sh\nexec {warm.program()} -m snakemake "$@"\n')
    begins_warm.chmod(0o755)
    for name in ("graphs: Form", "graphs: Lint and graph of every shipped configuration"):
        call = ["bash", "-e", "-o", "pipefail", "-c", COMMANDS[name]]
        path = f"{begins_warm.parent}:{Path(sys.executable).parent}:/usr/bin:/bin"
        environment = {"PATH": path, "HOME": str(tmp_path)}
        result = subprocess.run(call, cwd=copy, env=environment, capture_output=True, text=True, timeout=600)
        assert result.returncode == 0, result.stdout + result.stderr
    assert {path.stem for path in (copy / "graphs").glob("*.dot")} == {path.stem for path in CONFIGURATIONS}
    for path in CONFIGURATIONS:
        text = golden(path).read_text().replace("the decision", "decide")
        known = re.findall(r"^(\w+): \d+ jobs?, after (.*)$", text, flags=re.M)
        drawn = (copy / "graphs" / f"{path.stem}.dot").read_text()
        names = dict(re.findall(r'^\s*(\d+)\[label = "(\w+)"', drawn, flags=re.M))
        edges = {(names[first], names[then]) for first, then in re.findall(r"^\s*(\d+) -> (\d+)", drawn, flags=re.M)}
        assert set(names.values()) == {rule for rule, _ in known}
        assert edges == {(first, rule) for rule, needed in known for first in needed.split(", ") if first != "nothing"}
