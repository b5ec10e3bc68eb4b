"""What a cluster refuses: SLURM's own message comes through, and below it what to change where."""

import shlex
from contextlib import ExitStack

import pytest

from tests.slurm.conftest import outputs, trained
from tests.workflow.conftest import snakemake
from tests.workflow.test_profiles import COMMANDS

CONFIG = "results/tiny/config.yaml"
REFUSED = {
    "no partition": (
        (None, []),
        "No partition specified or system default partition",
        "set `slurm_partition` under `default-resources` in profiles/slurm/profile.yaml",
    ),
    "no such partition": (("nowhere", []), "Invalid partition name specified", "correct `slurm_partition`"),
    "no account": (
        ("billed", []),
        "Invalid account or account/partition combination specified",
        "set `slurm_account` under `default-resources` in profiles/slurm/profile.yaml",
    ),
    "no GPU": (
        ("none", ["--set-resources", "write_configuration:gpu=1"]),
        "Requested node configuration is not available",
        "submit the rule to a partition with GPUs (`slurm_partition` under `set-resources`",
    ),
    "no such GPU": (
        ("one", ["--set-resources", "write_configuration:gpu_model=a100"]),
        "Requested node configuration is not available",
        "GPUs (`gpu`, `gpu_model`)",
    ),
    "too long": (
        ("one", ["--set-resources", "write_configuration:runtime=2d"]),
        "Requested time limit is invalid",
        "lower `runtime` (minutes) under `set-resources` in profiles/slurm/profile.yaml",
    ),
}


@pytest.fixture(scope="module")
def refused(submit, tmp_path_factory):
    """By what is wrong, a driver and its folder. All are started at once, and not waited for."""
    with ExitStack() as stack:
        drivers = {}
        for what, ((partition, options), _, _) in REFUSED.items():
            folder = tmp_path_factory.mktemp("refused")
            driver = submit(CONFIG, *options, "--retries", "0", directory=folder, partition=partition)
            drivers[what] = stack.enter_context(driver), folder
        yield drivers


@pytest.mark.parametrize("what", REFUSED)
def test_a_refusal_says_what_to_change(refused, what):
    _, slurm, advice = REFUSED[what]
    driver, folder = refused[what]
    code, said = driver.wait(240), driver.log.read_text()
    assert code == 1, said
    assert slurm in said
    lines = [line for line in said.splitlines() if line.startswith("cluster: ")]
    assert len(lines) == 1
    assert advice in lines[0]
    assert "Traceback" not in said
    assert not (folder / CONFIG).exists()


@pytest.mark.long
def test_with_an_account_the_job_runs(cluster, run_there, tmp_path):
    resources = ["--set-resources", "write_configuration:slurm_account=mine"]
    run_there(CONFIG, *resources, directory=tmp_path, partition="billed")
    assert cluster.jobs()[-1]["Account"] == "mine"


@pytest.mark.long
def test_a_site_without_the_plugin_submits_with_its_own_command(cluster, configuration, before_training, undisturbed):
    """With the one of docs/cluster.md."""
    folder = before_training()
    (command,) = [line for line in COMMANDS if "cluster-generic" in line]
    _, *arguments = shlex.split(command.replace("--partition=gpu", "--partition=one"))
    snakemake(
        *(trained("finetune"), CONFIG, "--configfile", configuration, *arguments),
        directory=folder,
        environment=cluster.environment,
        timeout=600,
    )
    jobs = {job["TimeLimit"]: job for job in cluster.jobs()[-2:]}
    assert (jobs["12:00:00"]["JobState"], jobs["12:00:00"]["JOB_GRES"]) == ("COMPLETED", "gpu:pretended:1")
    assert (jobs["00:05:00"]["JobState"], jobs["00:05:00"]["JOB_GRES"]) == ("COMPLETED", "(null)")
    assert outputs(folder, "finetune") == outputs(undisturbed.result(), "finetune")
