"""GPU slots: who asks for one, and how many run at once."""

import pytest
import yaml

from tests.workflow.conftest import TINY, jobs_of, replace_commands, resources_of, snakemake, tiers

# Stands in for the package's commands: notes when it ran and makes the files that the rule declares. The graph, the
# scheduler and the Snakefile are the real ones.
STAND_IN = """
import pathlib, sys, time
start = time.time()
if sys.argv[1] in ("train", "pretrain-weights"):
    time.sleep(1.5)
for option, value in zip(sys.argv[1:], sys.argv[2:]):
    if option.removeprefix("--") in made and "/" in value:
        pathlib.Path(value).touch()
with open("times.txt", "a") as file:
    file.write(f"{sys.argv[1]} {start} {time.time()}\\n")
"""

# A cluster of one machine: starts the job script and does not wait for it.
SUBMIT = "sh -c 'nohup \"$0\" > /dev/null 2>&1 & echo $!'"


def test_only_what_computes_on_a_gpu_asks_for_one(tmp_path, tiny):
    jobs = jobs_of(snakemake("--dry-run", "--configfile", tiny, directory=tmp_path).stdout)
    asking = {job["rule"] for job in jobs if "gpu" in resources_of(job)}
    assert asking == {"pretrain_weights", "train", "open_test"}
    assert all(resources_of(job)["gpu"] == "1" for job in jobs if job["rule"] in asking)
    for job in jobs:
        if job["rule"] != "all":
            assert "mem_mb=" in job["resources"]
            assert "runtime=" in job["resources"]
            assert "log" in job
            assert "benchmark" in job


def test_features_are_extracted_on_the_gpu_once_for_all_seeds(tmp_path):
    arm = {"weights": "pretrained", "train": "head", "batchnorm": "frozen"}
    experiment = {**TINY, "arms": {"slow": {**arm, "training": {"learning_rate": 1e-5}}, "fast": arm}}
    configuration = tmp_path / "frozen.yaml"
    configuration.write_text(yaml.safe_dump({"experiments": {"tiny": experiment}}, sort_keys=False))
    jobs = jobs_of(snakemake("--dry-run", "--configfile", configuration, directory=tmp_path).stdout)
    (features,) = [job for job in jobs if job["rule"] == "extract_features"]
    assert resources_of(features)["gpu"] == "1"
    trainings = [job["input"] for job in jobs if job["rule"] == "train"]
    assert len(trainings) == 4
    assert all(features["output"] in needed for needed in trainings)  # both arms and both seeds share them


def test_a_training_on_the_cpu_asks_for_no_gpu(tmp_path):
    configuration = tmp_path / "cpu.yaml"
    arms = {**TINY["arms"], "finetune": {**TINY["arms"]["finetune"], "training": {"device": "cpu"}}}
    configuration.write_text(yaml.safe_dump({"experiments": {"tiny": {**TINY, "arms": arms}}}))
    jobs = jobs_of(snakemake("--dry-run", "--configfile", configuration, directory=tmp_path).stdout)
    slots = {
        job["wildcards"].partition("arm=")[2].partition(",")[0]: resources_of(job).get("gpu") == "1"
        for job in jobs
        if job["rule"] == "train"
    }
    assert slots == {"scratch": True, "finetune": False, "last_layer": True}


def test_minutes_between_checkpoints_are_not_rounded(tmp_path):
    configuration = tmp_path / "often.yaml"
    training = {**TINY["training"], "checkpoint_minutes": 0.5}
    configuration.write_text(yaml.safe_dump({"experiments": {"tiny": {**TINY, "training": training}}}))
    said = snakemake("--dry-run", "--printshellcmds", "--configfile", configuration, directory=tmp_path).stdout
    executions = [line for line in said.splitlines() if line.lstrip().startswith("--execution ")]
    assert said.count("--runtime ") == 1 + 3 * 2  # pretrain_weights, train
    assert len(executions) == 1 + 3 * 2 + 3 * 2  # and open_test
    assert all('"checkpoint_minutes": 0.5,' in line for line in executions)


@pytest.fixture(scope="module")
def stand_in(checkout):
    return replace_commands(checkout, STAND_IN)


@pytest.mark.parametrize(
    ("arguments", "at_once"),
    tiers(
        slow=[
            (["--cores", "8", "--resources", "mem_mb=100000"], 1),
            (["--cores", "8", "--resources", "gpu=2"], 2),
            (["--cores", "8", "--resources", "gpu=0"], 3),
            (["--cores", "8", "--workflow-profile", "none"], 1),
            (["--executor", "cluster-generic", "--cluster-generic-submit-cmd", SUBMIT, "--jobs", "8"], 3),
        ],
        # last run: 2026-11-28, passed
        long=[(["--cores", "8"], 1), (["--cores", "8", "--resources", "gpu=1"], 1)],
    ),
    ids=["mem_mb", "gpu=2", "gpu=0", "no profile", "cluster", "none", "gpu=1"],
)
def test_how_many_gpu_jobs_run_at_once(tmp_path, stand_in, arguments, at_once):
    """One at a time on this machine unless the user says otherwise; on a cluster, as many as there are."""
    configuration = tmp_path / "config.yaml"
    scratch = {**TINY, "seeds": [0, 1, 2], "arms": {"scratch": TINY["arms"]["scratch"]}}
    configuration.write_text(yaml.safe_dump({"experiments": {"tiny": scratch}}))
    targets = [f"results/tiny/runs/scratch/seed{seed}/trained.safetensors" for seed in range(3)]
    snakemake(*targets, "--configfile", configuration, *arguments, directory=tmp_path, checkout=stand_in, timeout=120)
    lines = [line.split() for line in (tmp_path / "times.txt").read_text().splitlines()]
    spans = [(float(start), float(end)) for command, start, end in lines if command == "train"]
    assert len(spans) == 3
    together = max(sum(start <= moment < end for start, end in spans) for moment, _ in spans)
    assert together == at_once
