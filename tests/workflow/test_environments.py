"""What `--sdm apptainer` runs. A script stands in for apptainer: it notes how it is called, and runs the command."""

import os
import re

import pytest

from tests.workflow.conftest import rules_of, snakemake

APPTAINER = """#!/bin/sh
if [ "$1" = --version ]; then echo apptainer version 1.4.0; exit; fi
echo "$@" | head -n 1 >> calls.txt
for command; do :; done
exec bash -c "$command"
"""
TARGET = "results/tiny/config.yaml"


@pytest.fixture
def with_apptainer(tmp_path):
    """An environment in which the stand-in is found."""
    program = tmp_path / "bin" / "apptainer"
    program.parent.mkdir()
    program.write_text(APPTAINER)
    program.chmod(0o755)
    return {"PATH": os.pathsep.join([str(program.parent), os.environ["PATH"]])}


@pytest.mark.slow
def test_with_apptainer_commands_run_in_the_image_of_the_folder(tmp_path, tiny, with_apptainer):
    call = [TARGET, "--configfile", tiny, "--cores", "1", "--sdm", "apptainer", "--apptainer-args=--nv"]
    snakemake(*call, directory=tmp_path, environment=with_apptainer, timeout=120)
    (line,) = (tmp_path / "calls.txt").read_text().splitlines()
    assert re.match(rf"exec --home {re.escape(str(tmp_path))} --nv .* ?triptych\.sif bash -c ", line)
    assert (tmp_path / TARGET).is_file()


@pytest.mark.slow
def test_without_it_no_image_is_used_and_nothing_asks_for_one(tmp_path, tiny, with_apptainer):
    call = [TARGET, "--configfile", tiny]
    snakemake(*call, "--cores", "1", directory=tmp_path, environment=with_apptainer, timeout=120)
    assert not (tmp_path / "calls.txt").exists()
    assert not rules_of(snakemake(*call, "--dry-run", directory=tmp_path, timeout=120).stdout)
