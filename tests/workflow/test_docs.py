"""The README and the pages of docs/: what each command's mark says is done with it, and the site is built."""

import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests import warm
from tests.conftest import ROOT
from tests.test_project_files import snakemake_options
from triptych.__main__ import COMMANDS, main

DOCS = ROOT / "docs"
PAGES = {path.stem: path.read_text() for path in [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]}
BLOCK = re.compile(r"^(?:<!-- ([^\n]*) -->\n)?( *)```(console|bash)\n(.*?)^ *```$", re.M | re.S)
FILE = re.compile(r"^( *)```yaml\n *# (\w+\.yaml)\n(.*?)^ *```$", re.M | re.S)
MARK = re.compile(r"(runs|dry run|not run here \(.+\))")
MOST_WORDS = 900


@dataclass(frozen=True)
class Command:
    """A command of a page, and what its mark says."""

    page: str
    text: str
    mark: str


def commands_of(page) -> list[Command]:
    """The commands of a page in their order. A mark above a block is that of all its commands."""
    found = []
    for above, _, _, block in BLOCK.findall(PAGES[page]):
        for line in re.sub(r"\\\n\s*|(?<=&&)\n\s*", " ", block).splitlines():
            text, _, mark = (line, "", above) if above else line.rpartition("  # ")
            found.append(Command(page, text.strip(), mark))
    return found


COMMANDS_OF_PAGES = {page: commands_of(page) for page in PAGES}
ALL = [command for commands in COMMANDS_OF_PAGES.values() for command in commands]


def files_of(page) -> dict[str, str]:
    """The configuration files that a page shows whole, by their names."""
    files = {}
    for indentation, name, text in FILE.findall(PAGES[page]):
        files[name] = re.sub(f"^{indentation}", "", text, flags=re.M)
    return files


def run(text, folder, timeout=900) -> str:
    """What a command says in a copy of the checkout, by the Python of the tests; it must succeed.

    Snakemake is a process of its own; the package's commands may begin warm.
    """
    path = f"{Path(warm.program()).parent}:{Path(sys.executable).parent}:/usr/bin:/bin"
    environment = {"PATH": path, "PYTHONPATH": str(folder / "workflow"), "HOME": str(folder)}
    call = ["bash", "-euo", "pipefail", "-c", text]
    done = subprocess.run(
        call, cwd=folder, env=environment, capture_output=True, text=True, timeout=timeout, check=False
    )
    assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


# Quick


def test_the_readme_is_short():
    assert len(PAGES["README"].split()) <= MOST_WORDS


def test_there_are_commands_of_each_kind_and_each_says_which_it_is():
    assert len(ALL) > 30
    wrong = [command for command in ALL if not MARK.fullmatch(command.mark)]
    assert not wrong
    assert {command.mark.partition(" (")[0] for command in ALL} == {"runs", "dry run", "not run here"}
    for text in PAGES.values():  # none is left out
        assert len(re.findall(r"^ *```(?:console|bash)$", text, flags=re.M)) == len(BLOCK.findall(text))


def test_commands_name_options_and_commands_that_there_are():
    options = snakemake_options()
    for command in ALL:
        for name in re.findall(r"python -m triptych ([a-z-]+)", command.text):
            assert name.replace("-", "_") in COMMANDS, command
    text = " ".join(command.text for command in ALL if command.text.startswith("snakemake "))
    plugins = {option for option in options if option.startswith("--cluster-generic")}
    given = set(re.findall(r"(?<=\s)--[a-z-]+", text)) - plugins
    assert given and given <= options | {"--parsable", "--partition", "--gpus", "--cpus-per-task", "--mem", "--time"}


@pytest.mark.parametrize("page", [page for page in PAGES if FILE.search(PAGES[page])])
def test_configurations_that_are_shown_are_right(page, tmp_path, capsys):
    for name, text in files_of(page).items():
        (tmp_path / name).write_text(text)
        assert main(["check", str(tmp_path / name)]) == 0
        said = capsys.readouterr().out.removeprefix(f"{tmp_path}/")
        if page == "tutorial" and name == "few.yaml":
            assert f"prints\n\n```\n{said}```" in PAGES[page]


def test_the_mistake_of_the_tutorial_is_answered_as_it_says(tmp_path, capsys):
    path = tmp_path / "few.yaml"
    path.write_text(files_of("tutorial")["few.yaml"].replace("seeds: [0, 1, 2]", "seeds: 2"))
    assert main(["check", str(path)]) == 1
    assert f"```\n{capsys.readouterr().err}```" in PAGES["tutorial"]


def test_links_lead_to_files_and_pages_are_listed_once():
    for page, text in PAGES.items():
        folder = ROOT if page == "README" else DOCS
        links = re.findall(r"\]\(([^)#]+)[^)]*\)", text)
        missing = [link for link in links if "://" not in link and not (folder / link).exists()]
        assert not missing, page
    listed = re.search(r"```{toctree}\n:hidden:\n\n(.*?)```", PAGES["index"], flags=re.S)[1].split()
    assert sorted(listed) == sorted(path.stem for path in DOCS.glob("*.md") if path.stem != "index")
    assert re.findall(r"\]\(([\w-]+)\.md\)", PAGES["index"]) == listed


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path):
    call = [
        sys.executable,
        "-m",
        "sphinx",
        "-W",
        "--keep-going",
        "-q",
        "-d",
        tmp_path / "trees",
        DOCS,
        tmp_path / "site",
    ]
    done = subprocess.run(call, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    for path in DOCS.glob("*.md"):
        assert (tmp_path / "site" / f"{path.stem}.html").is_file()
    keys = (tmp_path / "site" / "configuration.html").read_text()
    assert "learning_rate" in keys  # the tables of config/README.md


# Slow


@pytest.fixture(scope="module")
def tutorial(checkout):
    """A copy of the checkout in which the whole tutorial was done, and what each of its commands said."""
    for name, text in files_of("tutorial").items():
        (checkout / name).write_text(text)
    said = {}
    for command in COMMANDS_OF_PAGES["tutorial"]:
        assert not command.mark.startswith("not")
        said[command.text] = run(command.text, checkout)
    return checkout, said


@pytest.mark.slow
def test_the_tutorial_does_what_it_says(tutorial):
    folder, said = tutorial
    results = folder / "results" / "few"
    assert (results / "report.html").is_file() and (results / "figures" / "validation_accuracy.svg").is_file()
    changed = said["snakemake --cores 2 --configfile more.yaml -n"]
    assert re.search(r"^train +3$", changed, flags=re.M)
    assert not re.search(r"^(pretrain_weights|prepare_dataset) ", changed, flags=re.M)
    assert "Nothing to be done" in said[next(text for text in said if "validation_accuracy.svg" in text)]
    assert "python -m triptych train" in said["snakemake --cores 2 --configfile more.yaml -n -p"]
    settings = yaml.safe_load((results / "config.yaml").read_text())["experiments"]["few"]
    assert list(settings["arms"]) == ["scratch", "finetune"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [command for command in ALL if command.page != "tutorial" and not command.mark.startswith("not")],
    ids=lambda command: f"{command.page}: {' '.join(command.text.split())[:70]}",
)
def test_commands_of_the_other_pages(tutorial, command):
    """In the folder of the finished tutorial; a dry run of `snakemake` is one whether its command says so or not."""
    folder, _ = tutorial
    for name, text in files_of(command.page).items():
        (folder / name).write_text(text)
    text = command.text.strip()
    if command.mark == "dry run":
        assert shlex.split(text)[0] == "snakemake"
        text = text.replace("snakemake", "snakemake -n", 1)
    said = run(text, folder)
    if command.mark == "dry run":
        assert "This was a dry-run" in said or "Nothing to be done" in said
