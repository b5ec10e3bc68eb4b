"""Every command as Snakemake prints it, run without Snakemake: by itself, and where no more can be written."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import WITHOUT_RULE, limited
from tests.workflow.conftest import TINY, jobs_of, snakemake
from tests.workflow.test_rerun import write_configuration
from tests.workflow.test_rerun_modules import EXPERIMENT
from triptych.__main__ import COMMANDS
from triptych.report.write_manifest import MEASURED

pytestmark = pytest.mark.slow

OF_DOWNLOADS = {"download_dataset", "download_weights", "convert_weights"}
"""Commands that the experiment does not have, since it needs no network."""


def run(command, folder, limit=None):
    """Run a shell command in a folder in which no file may become larger than `limit` bytes."""
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=folder,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
        preexec_fn=limited(limit),
    )


def results_in(folder) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in (folder / "results").rglob("*") if path.is_file()}


def files_of(job, kind):
    return job[kind].split(", ") if job.get(kind) else []


@pytest.fixture(scope="module")
def by_hand(tmp_path_factory):
    """A new folder in which each printed command has run, and the files that each has made."""
    folder = tmp_path_factory.mktemp("by_hand")
    write_configuration(folder, {**EXPERIMENT, "seeds": [0], "training": {**TINY["training"], "device": "cpu"}})
    text = snakemake("--configfile", "tiny.yaml", "--dry-run", "--printshellcmds", directory=folder).stdout
    commands = [block.partition("\nJob stats")[0] for block in text.split("Shell command: ")[1:]]
    commands = [command.split("\n[")[0].strip() for command in commands]
    waiting = [job for job in zip(jobs_of(text), commands, strict=True) if job[0]["rule"] != "all"]
    made = {}
    # A dry run does not list jobs in the order of execution.
    while waiting:
        job, command = next(
            job for job in waiting if all((folder / file).exists() for file in files_of(job[0], "input"))
        )
        waiting.remove((job, command))
        for file in files_of(job, "output") + files_of(job, "log"):
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
        before = results_in(folder)
        done = run(command, folder)
        assert done.returncode == 0, done.stdout
        made[command] = results_in(folder) - before
        assert made[command] == set(files_of(job, "output"))
    return folder, made


def name_of(command):
    return re.match(r"python -m triptych (\S+)", command)[1].replace("-", "_")


def test_every_command_can_be_run_by_hand_as_it_is_printed(by_hand):
    folder, made = by_hand
    assert {name_of(command) for command in made} == COMMANDS.keys() - WITHOUT_RULE - OF_DOWNLOADS
    assert (folder / "results/tiny/report.html").is_file()
    assert (folder / "results/tiny/manifest.json").is_file()


@pytest.mark.parametrize("share", [0, 0.5], ids=["from the first bytes", "in the middle"])
@pytest.mark.parametrize("name", sorted(COMMANDS.keys() - WITHOUT_RULE - OF_DOWNLOADS))
def test_where_no_more_can_be_written_it_is_one_message_and_no_half_file(by_hand, tmp_path, name, share):
    """A limit on the size of files, as of half the largest output, stands in for a full disk."""
    folder, made = by_hand
    command, files = next((command, files) for command, files in made.items() if name_of(command) == name)
    # Python tries whether a folder is one for temporary files with four bytes.
    limit = max(4, int(share * max((folder / file).stat().st_size for file in files)))
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).rename(tmp_path / file)
    before = results_in(folder)
    try:
        done = run(command.partition("2>&1 | tee")[0] + "2>&1", folder, limit)
        left = {file: (folder / file).read_bytes() for file in results_in(folder) - before}
    finally:
        for file in results_in(folder) - before:
            (folder / file).unlink()
        for file in files:
            (tmp_path / file).rename(folder / file)
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stdout
    (message,) = [line for line in done.stdout.splitlines() if line.startswith("error:")]
    assert "File too large" in message
    named = re.match(r"error: ([^:]+): ", message)[1]
    assert named in files or Path(named).parent.name.endswith("checkpoints")
    for file, content in left.items():  # those that were small enough are whole
        assert file in files
        assert MEASURED.fullmatch(file.removeprefix("results/tiny/")) or content == (folder / file).read_bytes()
