"""Two runs of shipped configurations, made small, in another order and in another locale: the same bytes."""

import pytest
import yaml

from tests.conftest import ROOT
from tests.workflow.conftest import TINY, jobs_of, snakemake
from tests.workflow.test_rerun import contents

pytestmark = pytest.mark.slow


def write_small(name, folder):
    """config/NAME.yaml with few and small images, without a download and without controls."""
    raw = yaml.safe_load((ROOT / "config" / f"{name}.yaml").read_text())
    experiment = raw["experiments"][name]
    experiment["dataset"] = {key: TINY["dataset"][key] for key in TINY["dataset"].keys() & experiment["dataset"].keys()}
    experiment["dataset"]["source"] = "digits"
    experiment["model"]["input_size"] = 32
    experiment["weights"] = TINY["weights"]
    experiment["training"] |= {"epochs": 2, "num_threads": 1, "device": "cpu"}
    experiment["arms"] = {arm: value for arm, value in experiment["arms"].items() if value.get("role") != "control"}
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump(raw, sort_keys=False))
    return path


def trained(output):
    """The arms in the order in which their trainings began."""
    return [job["wildcards"] for job in jobs_of(output) if job["rule"] == "train"]


def test_another_order_of_jobs_gives_the_same_bytes(tmp_path_factory):
    first, second = tmp_path_factory.mktemp("first"), tmp_path_factory.mktemp("second")
    place = "results/lecture45-small"
    targets = [f"{place}/tables/{table}.csv" for table in ("claims", "faults", "full_run", "per_class")]
    call = ["--cores", "2", "--configfile", write_small("lecture45-small", first)]
    usual = trained(snakemake(*targets, *call, directory=first).stdout)
    arm = dict(part.split("=") for part in usual[-1].split(", "))["arm"]
    order = ["--scheduler", "greedy", "--prioritize", f"{place}/runs/{arm}/seed0/trained.safetensors"]
    other = trained(snakemake(*targets, *call, *order, directory=second).stdout)
    assert sorted(other) == sorted(usual)
    assert other != usual
    assert contents(second / place) == contents(first / place)


def test_a_locale_with_a_decimal_comma_gives_the_same_bytes(tmp_path_factory, decimal_comma):
    first, second = tmp_path_factory.mktemp("first"), tmp_path_factory.mktemp("second")
    place = "results/corrected-small"
    targets = [f"{place}/figures/{figure}.svg" for figure in ("train_loss", "memory", "confusion_scratch", "samples")]
    call = [*targets, "--cores", "2", "--configfile", write_small("corrected-small", first)]
    snakemake(*call, directory=first)
    snakemake(*call, directory=second, environment=decimal_comma)
    assert contents(second / place) == contents(first / place)
