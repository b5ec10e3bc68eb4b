"""Every command as Snakemake prints it, run without Snakemake: by itself, and where no more can be written."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import warm
from tests.conftest import WITHOUT_RULE, limited
from tests.workflow.conftest import jobs_of, snakemake, tiers, without_log
from triptych.__main__ import COMMANDS
from triptych.report.write_manifest import MEASURED

slow = pytest.mark.slow

NOT_PRINTED = {
    *("download_dataset", "download_weights", "convert_weights"),  # it needs no network
    *("open_test", "initialise_model"),  # of other settings
    *("copy_model", "copy_member", "write_model"),  # known only after the decision
    *("check_data", "find_duplicates", "assign_folds", "report_data"),  # of image files: in test_image_files.py
}
"""Commands that a dry run of the experiment does not have."""

PRINTED = COMMANDS.keys() - WITHOUT_RULE - NOT_PRINTED
LIKE_OTHERS = {name for name in PRINTED if name.startswith("plot_")} - {"plot_cost", "plot_kernels", "plot_samples"}
"""Commands that read tables and save a figure as others do."""
RECORDS = ("logs/openings/", "logs/decisions/")
"""Folders of records, which no rule has among its files."""
AT_THE_FIRST_BYTE = {"prepare_dataset", "train", "collect_validation", "plot_samples", "report"}
"""Of the others, those that in the slow tier find the disk full at once, too; all of them do in the long tier."""


def run(command, folder, limit=None):
    """Run a shell command in a folder in which no file may become larger than `limit` bytes; it may begin warm."""
    environment = warm.environment()  # under a limit it begins cold all the same
    folders = [Path(program).parent for program in (warm.program(), sys.executable)]
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=folder,
        env={**environment, "PATH": os.pathsep.join([*map(str, folders), environment["PATH"]])},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
        preexec_fn=limited(limit),
    )


def results_in(folder) -> set[str]:
    """The files of the results, without the checkpoints that a command goes on from when it is called again."""
    files = {path.relative_to(folder) for path in (folder / "results").rglob("*") if path.is_file()}
    return {file.as_posix() for file in files if not file.parent.name.endswith("checkpoints")}


@pytest.fixture(scope="module")
def printed(finished):
    """The command of one job of each rule, as Snakemake prints it, and the files that the job makes."""
    call = ["--configfile", "tiny.yaml", "--dry-run", "--forceall", "--printshellcmds"]
    text = snakemake(*call, directory=finished).stdout
    commands = [block.partition("\nJob stats")[0] for block in text.split("Shell command: ")[1:]]
    commands = [re.split(r"\n\[|\nDAG of jobs", command)[0].strip() for command in commands]
    jobs = [(job, command) for job, command in zip(jobs_of(text), commands, strict=True) if job["rule"] != "all"]
    jobs.sort(key=lambda pair: pair[0]["output"])  # Snakemake's order differs from call to call
    return {job["rule"]: (command, job["output"].split(", ")) for job, command in jobs}


@slow
def test_every_command_is_printed(printed):
    assert set(printed) == PRINTED
    for rule, (command, _) in printed.items():
        assert command.startswith(f"python -m triptych {rule.replace('_', '-')} ")


@pytest.mark.parametrize(
    ("name", "full"),
    tiers(
        slow=[(name, (0, 0.5) if name in AT_THE_FIRST_BYTE else (0.5,)) for name in sorted(PRINTED - LIKE_OTHERS)],
        # last run: 2026-11-28, passed
        long=[(name, (0, 0.5) if name in LIKE_OTHERS else (0,)) for name in sorted(PRINTED - AT_THE_FIRST_BYTE)],
    ),
)
def test_by_hand_it_makes_the_same_and_on_a_full_disk_it_is_one_message(finished, printed, tmp_path, name, full):
    """A file size limit simulates a full disk: at the first bytes, and in the middle of the largest file."""
    command, files = printed[name]
    expected = {file: (finished / file).read_bytes() for file in files}
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (finished / file).rename(tmp_path / file)
    before = results_in(finished)
    try:
        for share in full:
            # Python tries whether a folder is one for temporary files with four bytes.
            limit = max(4, int(share * max(len(content) for content in expected.values())))
            done = run(without_log(command), finished, limit)
            check_message(done, files)
            check_whole(finished, results_in(finished) - before, expected)
            for file in results_in(finished) - before:
                (finished / file).unlink()
        done = run(command, finished)
        assert done.returncode == 0, done.stdout
        assert results_in(finished) - before == set(files)
        check_whole(finished, files, expected)
    finally:
        for file in files:
            (tmp_path / file).rename(finished / file)


def check_message(done, files):
    """What a command says that cannot write one of its files."""
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stdout
    (message,) = [line for line in done.stdout.splitlines() if line.startswith("error:")]
    assert "File too large" in message
    named = re.match(r"error: ([^:]+): ", message)[1]
    # a training also writes checkpoints and, where it evaluates test images, that it does; a decision is recorded
    assert named in files or Path(named).parent.name.endswith("checkpoints") or named.startswith(RECORDS)


def check_whole(folder, files, expected):
    """These files are the expected ones, byte for byte where nothing is measured."""
    for file in files:
        assert file in expected
        measured = MEASURED.fullmatch(file.removeprefix("results/tiny/"))
        assert measured or (folder / file).read_bytes() == expected[file], file
