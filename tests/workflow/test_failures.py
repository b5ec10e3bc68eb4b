"""A run that fails, a report without it, and a second call in the same folder."""

import re
import shutil
import subprocess
import sys
import time

import pandas
import pytest

from tests.workflow.conftest import (
    TINY,
    WHOLE,
    jobs_of,
    replace_commands,
    rules_of,
    snakemake,
    untracked,
    write_configuration,
)

pytestmark = pytest.mark.slow

# Stands in for the commands of the package: makes the files that the rule declares, fails where `fault` says so, and
# waits as long as there is a file `hold`. The graph, the scheduler and the Snakefile are the real ones.
STAND_IN = """
import pathlib, sys, time
fault = pathlib.Path("fault")
if sys.argv[1] == "train":
    while pathlib.Path("hold").exists():
        time.sleep(0.1)
    if fault.is_file() and fault.read_text() in " ".join(sys.argv):
        sys.exit("error: this one fails")
for option, value in zip(sys.argv[1:], sys.argv[2:]):
    if option.removeprefix("--") in made and "/" in value:
        pathlib.Path(value).touch()
"""


@pytest.fixture(scope="module")
def stand_in(checkout):
    return replace_commands(checkout, STAND_IN)


@pytest.fixture
def call(tmp_path):
    """The arguments of a call that trains every arm with two seeds, and its targets by arm and seed."""
    configuration = write_configuration(tmp_path, {**TINY, "training": {"num_threads": 1, "device": "cpu"}})
    targets = {
        (arm, seed): f"results/tiny/runs/{arm}/seed{seed}/trained.safetensors"
        for arm in TINY["arms"]
        for seed in (0, 1)
    }
    return [*targets.values(), "--configfile", str(configuration)], targets


def test_with_keep_going_a_failed_run_blocks_no_other(tmp_path, stand_in, call):
    arguments, targets = call
    (tmp_path / "fault").write_text("runs/finetune/seed1/trained")
    options = ["--cores", "2", "--keep-going"]
    result = snakemake(*arguments, *options, directory=tmp_path, checkout=stand_in, check=False)
    assert result.returncode != 0
    shown = "train finetune seed 1 failed:\n    error: this one fails\n    log: logs/train/tiny/finetune/seed1.log\n"
    assert result.stdout.count(shown) == result.stdout.count("this one fails") == 1
    assert re.search(
        r" stopped: 1 job failed, \d+ of \d+ jobs done in .*Snakemake's log: /.*\.snakemake/log/", result.stdout
    )
    for frame in ("CalledProcessError", "shell:", "python -m triptych", "Exiting because"):
        assert frame not in result.stdout
    made = {run for run, target in targets.items() if (tmp_path / target).is_file()}
    assert made == targets.keys() - {("finetune", 1)}
    (tmp_path / "fault").unlink()
    again = jobs_of(snakemake(*arguments, "--dry-run", directory=tmp_path, checkout=stand_in).stdout)
    assert [job["wildcards"] for job in again if job["rule"] == "train"] == ["experiment=tiny, arm=finetune, run=seed1"]
    snakemake(*arguments, "--cores", "1", directory=tmp_path, checkout=stand_in)
    assert all((tmp_path / target).is_file() for target in targets.values())


def test_a_second_call_in_the_same_folder_is_refused_while_the_first_goes_on(tmp_path, stand_in, call):
    arguments, targets = call
    (tmp_path / "hold").touch()
    first = subprocess.Popen(
        [sys.executable, "-m", "snakemake", "--snakefile", stand_in / "Snakefile", *arguments, "--cores", "1"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    locks = tmp_path / ".snakemake" / "locks"
    end = time.monotonic() + 60
    while not (locks.is_dir() and any(locks.iterdir())):
        assert time.monotonic() < end
        time.sleep(0.02)
    second = snakemake(*arguments, "--cores", "1", directory=tmp_path, checkout=stand_in, check=False)
    assert second.returncode != 0
    assert "Directory cannot be locked" in second.stdout
    (tmp_path / "hold").unlink()
    assert first.wait(120) == 0
    assert all((tmp_path / target).is_file() for target in targets.values())


WILD = {"weights": "random", "train": "head", "training": {"batch_size": 59}, "model": {"architecture": "resnet34"}}
"""An arm that fails: one of 60 images is left for the last batch, and BatchNorm needs two."""


def test_a_partial_report_of_the_runs_that_are_there_and_then_the_whole_one(finished, tmp_path):
    arms = {"scratch": WHOLE["arms"]["scratch"], "frozen": WHOLE["arms"]["frozen"], "wild": WILD}
    experiment = {**WHOLE, "claims": "none", "arms": arms}
    folder, partial = finished / "results" / "tiny", "results/tiny/partial/report.html"
    # only the runs of two arms are left
    for path in ("tables", "figures", "runs/finetune", "runs/last_layer"):
        shutil.rmtree(folder / path)
    shutil.rmtree(finished / "logs")
    for path in ("report.html", "manifest.json"):
        (folder / path).unlink()

    def call(*arguments, directory=finished, check=True):
        options = ["--cores", "2", "--configfile", write_configuration(directory, experiment)]
        return snakemake(*arguments, *options, directory=directory, check=check, timeout=300)

    nothing = call(partial, directory=tmp_path, check=False)
    assert nothing.returncode == 1
    assert nothing.stdout.count("tiny: no finished run for a partial report") == 1
    assert "Traceback" not in nothing.stdout
    assert not (tmp_path / "results").exists()

    failed = call("--keep-going", check=False)
    assert failed.returncode == 1
    assert "leaves one of 60 images for the last batch" in failed.stdout
    assert not (folder / "report.html").exists()

    # one run more that is missing, and one that is trained but for what comes after training
    shutil.rmtree(folder / "runs" / "frozen" / "seed1")
    (folder / "runs" / "scratch" / "seed1" / "weight_delta.csv").unlink()
    dry = rules_of(call(partial, "--dry-run").stdout)
    assert not dry["train"]
    assert dry["extract_weight_delta"] == dry["collect_results"] == dry["report"] == 1
    call(partial)
    page = (finished / partial).read_text().replace("\u00a0", " ")
    assert "3 of 6 runs are missing (frozen with seed 1 and wild with seeds 0 and 1)" in page
    made = pandas.read_csv(folder / "partial" / "tables" / "runs.csv")
    assert list(zip(made["arm"], made["seed"], strict=True)) == [("scratch", 0), ("scratch", 1), ("frozen", 0)]
    compared = pandas.read_csv(folder / "partial" / "tables" / "comparisons.csv")
    assert [set(pair) for pair in zip(compared["arm_a"], compared["arm_b"], strict=True)] == [{"scratch", "frozen"}]
    assert {"config.yaml", "sizes.csv", "runs.csv"} <= set(re.findall(r'download="([^"]+)"', page))
    assert all((folder / "partial" / link).is_file() for link in re.findall(r'href="([^"#:]+)"', page))
    # of the missing arm too
    networks = pandas.read_csv(folder / "tables" / "architectures.csv")
    assert set(networks.loc[networks["role"] == "arm", "architecture"]) == {"resnet18", "resnet34"}
    assert not (folder / "partial" / "tables" / "architectures.csv").exists()
    assert not rules_of(call(partial, "--dry-run").stdout)
    assert not (folder / "report.html").exists() and not (folder / "tables" / "runs.csv").exists()

    arms["wild"] = {**WILD, "training": {"batch_size": 20}}
    again = [job["wildcards"] for job in jobs_of(call("--dry-run").stdout) if job["rule"] == "train"]
    runs = ("frozen, run=seed1", "wild, run=seed0", "wild, run=seed1")
    assert sorted(again) == [f"experiment=tiny, arm={run}" for run in runs]
    call()
    assert untracked("all", partial, "--configfile", "tiny.yaml", directory=finished) == {"tiny.yaml"}
    assert 'class="partial"' not in (folder / "report.html").read_text()
    assert len(pandas.read_csv(folder / "tables" / "runs.csv")) == 6
    assert not rules_of(call("--dry-run").stdout)
    subprocess.run([sys.executable, "-m", "triptych", "verify", folder], check=True, timeout=60)
