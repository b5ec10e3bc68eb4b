"""Used as a module of another workflow, with a configuration and a prefix of its own."""

import re
import subprocess
import sys

import pytest
import yaml

from tests.conftest import ROOT
from tests.workflow.conftest import TINY, rules_of, snakemake, snakemakes_log, tiers

# The names of wildcards are also ours: our constraints may not reach the other workflow.
SNAKEFILE = """
configfile: "mine.yaml"


rule all:
    input:
        "seed7/best of last_layer.txt",


module triptych:
    snakefile:
        "{root}/Snakefile"
    config:
        config["triptych"]
    prefix:
        "nets"


use rule * from triptych as triptych_*


rule best:
    input:
        "nets/results/tiny/tables/summary.csv",
        "nets/results/tiny/manifest.json",
    output:
        "seed{{seed}}/{{file}} of {{arm}}.txt",
    shell:
        "cp {{input[0]:q}} {{output:q}}"
"""
SECOND = """

module another:
    snakefile:
        "{root}/Snakefile"
    config:
        config["another"]
    prefix:
        "more"


use rule * from another as another_*
"""
# As snakedeploy and the workflow catalog use it, but for the name of the host's repository.
HOSTED = """github("triptych/triptych", path="workflow/Snakefile", tag="v1")"""
ARM = {"weights": "pretrained", "train": "head", "batchnorm": "frozen"}
EXPERIMENT = {**TINY, "seeds": [0], "arms": {"last_layer": ARM}}


@pytest.fixture
def another_workflow(tmp_path):
    """A folder with a workflow of somebody else's that uses this one."""
    folder = tmp_path / "their project"
    folder.mkdir()
    (folder / "Snakefile").write_text(SNAKEFILE.format(root=ROOT))
    configuration = {"triptych": {"experiments": {"tiny": EXPERIMENT}}, "theirs": {"arms": 3}}
    (folder / "mine.yaml").write_text(yaml.safe_dump(configuration, sort_keys=False))
    return folder


@pytest.mark.slow
def test_another_workflow_runs_it_and_goes_on_with_its_tables(another_workflow):
    snakemake("--cores", "4", directory=another_workflow, checkout=another_workflow)
    best = another_workflow / "seed7" / "best of last_layer.txt"
    assert best.read_text() == (another_workflow / "nets/results/tiny/tables/summary.csv").read_text()
    assert (another_workflow / "nets/logs/train/tiny/last_layer/seed0.log").is_file()
    assert {path.name for path in another_workflow.iterdir()} == {
        ".snakemake",
        "Snakefile",
        "mine.yaml",
        "nets",
        "seed7",
    }
    verify = [sys.executable, "-m", "triptych", "verify", "nets/results/tiny"]
    result = subprocess.run(verify, cwd=another_workflow, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stdout + result.stderr

    again = snakemake("--dry-run", directory=another_workflow, checkout=another_workflow).stdout
    assert "Nothing to be done" in again
    change = "triptych={experiments: {tiny: {training: {learning_rate: 0.01}}}}"
    changed = snakemake("--dry-run", "--config", change, directory=another_workflow, checkout=another_workflow).stdout
    assert {"triptych_train", "triptych_report", "best"} <= set(rules_of(changed))
    assert "triptych_extract_features" not in rules_of(changed)


def test_their_target_stays_the_default_and_their_jobs_their_own(another_workflow):
    rules = rules_of(snakemake("--dry-run", directory=another_workflow, checkout=another_workflow).stdout)
    assert rules["best"] == 1
    assert set(rules) - {"best"} == {name for name in rules if name.startswith("triptych_")}
    assert rules["triptych_train"] == rules["triptych_extract_features"] == 1
    assert "triptych_all" not in rules
    whole = snakemake("--dry-run", "triptych_all", directory=another_workflow, checkout=another_workflow).stdout
    assert rules_of(whole)["triptych_report"] == 1


@pytest.mark.slow
def test_it_is_a_module_by_its_address_on_a_host(another_workflow, checkout, tmp_path):
    """With the package installed; the clone is there already, in Snakemake's cache."""
    snakefile = another_workflow / "Snakefile"
    snakefile.write_text(snakefile.read_text().replace(f'"{ROOT}/Snakefile"', HOSTED))
    clone = tmp_path / "snakemake/snakemake/source-cache/snakemake-git-cache/github.com/triptych/triptych"
    git = ["git", "-c", "user.name=test", "-c", "user.email=test@localhost", "-C", checkout]
    for call in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "all"], ["tag", "v1"]):
        subprocess.run([*git, *call], check=True, timeout=60)
    subprocess.run(["git", "clone", "-q", "--bare", checkout, clone], check=True, timeout=60)
    options = {"directory": another_workflow, "checkout": another_workflow}
    environment = {"XDG_CACHE_HOME": str(tmp_path)}
    rules = rules_of(snakemake("--dry-run", **options, environment=environment).stdout)
    assert rules["best"] == rules["triptych_train"] == 1
    assert set(rules) - {"best"} == {name for name in rules if name.startswith("triptych_")}
    target = "nets/results/tiny/config.yaml"
    snakemake(target, "--cores", "1", **options, environment=environment)
    assert (another_workflow / target).is_file()


def test_two_modules_each_have_their_own_configuration(another_workflow):
    snakefile, configuration = another_workflow / "Snakefile", another_workflow / "mine.yaml"
    snakefile.write_text(snakefile.read_text() + SECOND.format(root=ROOT))
    settings = yaml.safe_load(configuration.read_text())
    settings["another"] = {"experiments": {"other": {**TINY, "weights": {}, "arms": {"scratch": {}, "also": {}}}}}
    configuration.write_text(yaml.safe_dump(settings, sort_keys=False))
    targets = ["all", "another_all"]
    rules = rules_of(snakemake("--dry-run", *targets, directory=another_workflow, checkout=another_workflow).stdout)
    assert (rules["triptych_train"], rules["another_train"]) == (1, 4)
    assert rules["another_pretrain_weights"] == 0


def test_a_mistake_in_its_part_of_the_configuration_is_one_message(another_workflow):
    change = "triptych={experiments: {tiny: {training: {epochs: none}}}}"
    call = ["--dry-run", "--config", change]
    result = snakemake(*call, directory=another_workflow, checkout=another_workflow, check=False)
    assert result.returncode == 1
    assert "configuration: experiments.tiny.training.epochs: 'none' is not allowed" in result.stdout
    assert "Traceback" not in result.stdout


@pytest.mark.parametrize(
    ("places", "arguments", "limit"),
    tiers(
        slow=[((1, 3), [], 3), ((3, 1), [], 3), ((1, 3), ["--resources", "gpu=2"], 2)],
        long=[((1, 1), [], 1)],  # last run: 2026-11-28, passed
    ),
)
def test_of_two_modules_the_larger_number_of_jobs_on_a_gpu_holds(another_workflow, places, arguments, limit):
    with (another_workflow / "Snakefile").open("a") as file:
        file.write(SECOND.format(root=ROOT))
    experiments = {"experiments": {"tiny": EXPERIMENT}}
    modules = dict(zip(("triptych", "another"), places, strict=True))
    configuration = {name: {**experiments, "jobs_per_gpu": number} for name, number in modules.items()}
    (another_workflow / "mine.yaml").write_text(yaml.safe_dump(configuration, sort_keys=False))
    call = ["nets/results/tiny/config.yaml", "--cores", "1", *arguments]
    snakemake(*call, directory=another_workflow, checkout=another_workflow, timeout=120)
    said = snakemakes_log(another_workflow)
    assert re.search(rf"Provided resources: .*\bgpu\W+{limit}\b", said), said
