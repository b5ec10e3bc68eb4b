"""`triptych run`: the same as Snakemake with the cores and GPUs of this machine."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from tests import warm
from tests.conftest import ROOT
from tests.console.conftest import configuration
from triptych.console import run
from triptych.console.__main__ import main
from triptych.console.machine import cores
from triptych.console.target import as_value, read_target
from triptych.storage.errors import InputError

CALL = [sys.executable, "-m", "triptych.console"]


def options(here, path, arguments=()):
    return run.options(read_target(path), list(arguments))


def test_a_configuration_is_given_with_what_this_machine_has(here, capsys):
    path = configuration(here)
    assert options(here, path) == [
        "--configfile", str(path), "--resources", "gpu=0", "--cores", str(cores()), "--snakefile",
        str(ROOT / "Snakefile"),
    ]  # fmt: skip
    assert capsys.readouterr().out.startswith(f"this machine: {cores()} core")
    assert cores() == len(os.sched_getaffinity(0))


def test_a_folder_is_given_as_images_and_nothing_as_nothing(here, photos):
    assert options(here, photos)[:2] == ["--config", "images=photos"]
    assert options(here, None)[0] == "--resources"


def test_an_arm_that_needs_a_gpu_is_refused_where_there_is_none(here, monkeypatch):
    monkeypatch.setattr(run, "gpus", lambda devices: 0)
    path = configuration(here, training={"device": "cuda"})
    with pytest.raises(InputError, match=r"training\.device: cuda, and torch finds no GPU on this machine; give auto"):
        options(here, path)
    assert "--cores" in options(here, path, ["-n"])  # a dry run is possible anywhere


@pytest.mark.parametrize("arguments", [["--profile", "profiles/slurm"], ["--executor=slurm"], ["-e", "slurm"]])
def test_on_a_cluster_this_machine_does_not_count(here, arguments):
    path = configuration(here)
    assert options(here, path, arguments) == ["--configfile", str(path), "--snakefile", str(ROOT / "Snakefile")]


@pytest.mark.parametrize(
    "name", ["photos", "my photos/", "2024", "1e4", "true", "a: b", "[x]", "null", "grün", "a/2024"]
)
def test_snakemake_reads_the_name_of_a_folder_as_it_is(name):
    from snakemake.cli import parse_config

    assert parse_config([f"images={as_value(name)}"]) == {"images": name}


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (["nothere.yaml"], "nothere.yaml: there is no such file; the nearest is there.yaml."),
        (["photos", "--config", "seeds=1"], "--config seeds=1: with a folder of images there is no other key; "),
        (["there.yaml", "--configfile", "x"], "--configfile: there.yaml is the configuration; give one of the two."),
        (
            ["results/a"],
            "results/a: this is the folder of an experiment; give a configuration, as results/a/config.yaml",
        ),
    ],
)
def test_bad_input_is_one_message_and_nothing_is_started(here, photos, call, said, capfd):
    configuration(here, "there")
    Path("results/a/runs").mkdir(parents=True)
    Path("results/a/config.yaml").touch()
    assert main(["run", *call]) == 1
    printed = capfd.readouterr()
    assert printed.err.startswith(f"error: {said}")
    assert "Building DAG" not in printed.err
    assert not (here / ".snakemake").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["--epochs", "3"],
            "--epochs: snakemake, which is given all that follows the configuration, knows no such option",
        ),
        (
            ["--cores"],
            "argument --cores/-c: expected one argument (an option of snakemake; the list: snakemake --help)",
        ),
    ],
)
def test_what_snakemake_does_not_know_is_one_message(arguments, said, here, capsys):
    configuration(here)
    assert main(["run", "tiny.yaml", *arguments]) == 1
    printed = capsys.readouterr()
    assert printed.err.startswith(f"error: {said}") and printed.err.count("\n") == 1
    assert printed.out == ""


def test_without_the_checkout_it_says_how_to_clone_it(here, monkeypatch, capsys):
    monkeypatch.setattr("triptych.console.target.CHECKOUT", here)
    assert main(["run"]) == 1
    assert "git clone ADDRESS triptych && pip install" in capsys.readouterr().err


def test_snakemake_s_arguments_reach_it_and_its_status_comes_back(here):
    configuration(here)
    run_it = [warm.program(), *CALL[1:], "run", "tiny.yaml"]
    dry = subprocess.run([*run_it, "-n"], capture_output=True, text=True, timeout=120, check=False)
    assert dry.returncode == 0 and "This was a dry-run" in dry.stdout + dry.stderr
    assert "tiny.yaml: no mistakes" in dry.stdout
    assert not (here / "results").exists()
    wrong = subprocess.run([*run_it, "no_such_target"], capture_output=True, text=True, timeout=120, check=False)
    assert wrong.returncode == 1 and "no_such_target" in wrong.stdout + wrong.stderr


@pytest.mark.slow
def test_a_signal_reaches_snakemake_what_is_left_runs_afterwards_and_each_run_ends_with_the_answer(here):
    """Only processes show who gets a signal; the one that gets it begins cold."""
    configuration(here)
    child = subprocess.Popen([*CALL, "run", "tiny.yaml"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    folder = here / ".snakemake" / "metadata"
    until = time.monotonic() + 300
    while time.monotonic() < until and not (folder.is_dir() and any(folder.iterdir())):
        time.sleep(0.1)
    child.send_signal(signal.SIGTERM)
    assert child.wait(300) != 0  # Snakemake lets jobs that run end
    assert not (here / "results/tiny/report.html").exists()

    def done(*words):
        call = [warm.program(), *CALL[1:], *words]
        return subprocess.run(call, capture_output=True, text=True, timeout=3000, check=False)

    runs = [done("run", "tiny.yaml") for _ in range(2)]
    assert [run.returncode for run in runs] == [0, 0], runs[0].stderr + runs[1].stderr
    assert json.loads((here / "results/tiny/manifest.json").read_text())["files"]
    results = done("results")
    listed = results.stdout
    assert results.returncode == 0
    assert listed.count("results/tiny/report.html") == 1
    assert all(run.stdout.endswith(listed) for run in runs)
    assert yaml.safe_load((here / "results/tiny/config.yaml").read_text())["experiments"].keys() == {"tiny"}
    verified = done("verify", "results/tiny")
    assert verified.returncode == 0 and "all" in verified.stdout
    finished = done("estimate", "tiny.yaml")
    assert finished.returncode == 0 and finished.stdout.endswith("nothing is left to run: triptych results\n")
