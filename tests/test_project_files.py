"""The files about the project (citation, changelog, contributing, hooks, catalog) say what is there."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT
from triptych.__main__ import COMMANDS
from triptych.version import __version__

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
CHANGELOG = (ROOT / "CHANGELOG.md").read_text()


def read_yaml(name):
    return yaml.safe_load((ROOT / name).read_text())


def snakemake_options():
    """The options that the installed Snakemake documents."""
    call = [sys.executable, "-m", "snakemake", "--help"]
    text = subprocess.run(call, capture_output=True, text=True, timeout=60, check=True).stdout
    return set(re.findall(r"--[\w-]+", text))


def test_the_version_is_in_one_place():
    assert PROJECT["project"]["dynamic"] == ["version"]
    assert PROJECT["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "triptych.version.__version__"}
    assert "version" not in read_yaml("CITATION.cff")


def test_the_changelog_begins_with_the_present_version_and_descends():
    entries = re.findall(r"^## \[(\d+)\.(\d+)\.(\d+)\] - (\d{4}-\d\d-\d\d|unreleased)$", CHANGELOG, re.M)
    versions = [tuple(map(int, entry[:3])) for entry in entries]
    assert len(versions) == CHANGELOG.count("\n## ")
    assert ".".join(map(str, versions[0])) == __version__
    assert versions == sorted(set(versions), reverse=True)
    assert "unreleased" not in [date for *_, date in entries[1:]]
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert set(re.findall(r"^### (.*)$", CHANGELOG, re.M)) <= kinds


def test_the_citation_agrees_with_the_licence_and_the_package():
    citation = read_yaml("CITATION.cff")
    assert citation["cff-version"] == "1.2.0"
    assert citation.keys() >= {"message", "title", "authors"}  # what the format requires
    assert citation["license"] == PROJECT["project"]["license"]
    assert (ROOT / "LICENSE").read_text().startswith(f"{citation['license']} License")


def test_each_hook_is_a_program_of_the_environment_and_has_files_to_check():
    (repository,) = read_yaml(".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"
    hooks = {hook["id"]: hook for hook in repository["hooks"]}
    assert list(hooks) == ["ruff-check", "ruff-format", "snakefmt", "mypy"]
    for hook in hooks.values():
        assert hook["language"] == "system"
        program, *arguments = hook["entry"].split()
        known = subprocess.run(
            [Path(sys.executable).parent / program, *arguments, "--help"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert known.returncode == 0, known.stderr
    paths = [path.relative_to(ROOT).as_posix() for path in (ROOT / "workflow").rglob("*") if path.is_file()]
    chosen = {path for path in ["Snakefile", *paths] if re.search(hooks["snakefmt"]["files"], path)}
    rules = {f"workflow/rules/{path.name}" for path in (ROOT / "workflow" / "rules").iterdir()}
    assert chosen == {"Snakefile", "workflow/Snakefile", *rules}


def test_the_catalog_finds_what_its_standardised_usage_requires():
    """As its scripts look: https://github.com/snakemake/snakemake-workflow-catalog, docs/about/adding_workflows.md."""
    readme = (ROOT / "README.md").read_text().lower()
    assert "snakemake" in readme and "workflow" in readme
    for name in ("workflow/Snakefile", "config/README.md", "config/config.yaml"):
        assert (ROOT / name).is_file()
    assert list((ROOT / "workflow" / "rules").glob("*.smk"))
    usage = read_yaml(".snakemake-workflow-catalog.yml")["usage"]
    assert usage.keys() == {"mandatory-flags", "software-stack-deployment", "report"}
    assert usage["software-stack-deployment"].keys() == {"conda", "apptainer", "apptainer+conda"}
    assert all(isinstance(value, bool) for value in (*usage["software-stack-deployment"].values(), usage["report"]))
    flags = set(re.findall(r"--[\w-]+", usage["mandatory-flags"]["flags"]))
    assert flags | {"--report"} <= snakemake_options()
    for path in re.findall(r"envs/[\w.-]+", usage["mandatory-flags"]["desc"]):
        assert (ROOT / path).is_file()


def test_contributing_names_what_is_there():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    blocks = re.findall(r"^```\w+\n(.*?)^```$", text, re.M | re.S)
    inline = re.findall(r"`([^`]+)`", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S))
    code = [" ".join(part.split()) for part in inline] + "".join(blocks).splitlines()
    tracked = "tests|workflow|envs|config|docs"
    paths = {path for part in code for path in re.findall(rf"(?:{tracked})/[\w./-]*\w", part)}
    assert len(paths) >= 10
    assert not [path for path in sorted(paths) if not (ROOT / path).exists()]
    commands = {name for part in code for name in re.findall(r"python -m triptych ([a-z-]+)", part)}
    assert commands and commands <= {name.replace("_", "-") for name in COMMANDS}
    markers = {marker.partition(":")[0] for marker in PROJECT["tool"]["pytest"]["ini_options"]["markers"]}
    assert {name for part in code for name in re.findall(r"-m (\w+)$", part)} - {"tests"} <= markers
    for program in ("ruff", "snakefmt", "mypy", "pytest"):
        assert shutil.which(program, path=Path(sys.executable).parent)


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_lead_to_files(name):
    links = re.findall(r"\]\(([^)]+)\)", (ROOT / name).read_text())
    assert links
    assert not [link for link in links if "://" not in link and not (ROOT / link).exists()]
