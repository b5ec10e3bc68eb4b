"""The profiles: what each may hold, and the examples in the cluster's."""

import re
import shlex

import pytest
import yaml

from tests.conftest import ROOT
from tests.test_names import RULES
from tests.workflow.conftest import jobs_of, snakemake

DEFAULT = yaml.safe_load((ROOT / "profiles" / "default" / "profile.yaml").read_text())
SLURM = ROOT / "profiles" / "slurm" / "profile.yaml"

BLOCKS = re.findall(r"^```console\n(.*?)^```$", (ROOT / "docs" / "cluster.md").read_text(), flags=re.M | re.S)
COMMANDS = [line for line in "".join(BLOCKS).replace("\\\n", "").splitlines() if line.startswith("snakemake --")]


def test_the_default_profile_sets_nothing_that_a_site_sets():
    """It would win over the site's own."""
    assert not DEFAULT.keys() & yaml.safe_load(SLURM.read_text()).keys()
    site = {"cores", "jobs", "executor", "resources", "default-resources", "set-resources", "retries", "latency-wait"}
    assert not DEFAULT.keys() & site


def test_all_rules_that_draw_from_tables_are_grouped_and_no_other():
    figures = {rule for rule in RULES if rule.startswith("plot_")}
    assert yaml.safe_load(SLURM.read_text())["groups"].keys() == figures - {"plot_samples", "plot_letters"}


def test_every_entry_is_explained():
    blocks = SLURM.read_text().split("\n\n")
    assert all(block.startswith("# ") for block in blocks)


def test_the_examples_work_when_the_marks_are_removed(tmp_path, tiny):
    folder = tmp_path / "site"
    folder.mkdir()
    filled = re.sub(r"^# (  .*|[a-z-]+:)$", r"\1", SLURM.read_text(), flags=re.M)
    (folder / "profile.yaml").write_text(filled)
    jobs = jobs_of(snakemake("--dry-run", "--configfile", tiny, "--profile", folder, directory=tmp_path).stdout)
    expected = {
        "train": {"gpu": "1", "slurm_partition": "gpu", "gpu_model": "a100", "runtime": "240"},
        "pretrain_weights": {"gpu": "1", "slurm_partition": "gpu", "runtime": "60"},
        "report": {"slurm_partition": "cpu"},
    }
    for rule, resources in expected.items():
        (job, *_) = [job for job in jobs if job["rule"] == rule]
        found = dict(entry.split("=", 1) for entry in job["resources"].split(", "))
        assert found | resources | {"slurm_account": "my_project"} == found


@pytest.mark.parametrize("command", [line for line in COMMANDS if "--unlock" not in line])
def test_the_commands_of_the_page_on_clusters_give_a_graph(tmp_path, command):
    there = re.sub(r"(?<= )(?=(profiles|config)/)", f"{ROOT}/", command)
    arguments = shlex.split(there, comments=True)[1:]
    assert "all" in {job["rule"] for job in jobs_of(snakemake(*arguments, "--dry-run", directory=tmp_path).stdout)}


def test_there_are_such_commands():
    assert len(COMMANDS) >= 5
