"""Two runs of a shipped configuration, made small, in another order and in another locale: the same bytes."""

import pytest
import yaml

from tests.conftest import ROOT
from tests.workflow.conftest import TINY, jobs_of, snakemake, snakemakes_log
from tests.workflow.test_rerun import contents

pytestmark = pytest.mark.slow

RESULTS = "results/corrected-small"
TARGETS = [
    *(f"{RESULTS}/figures/{figure}.svg" for figure in ("train_loss", "memory", "confusion_scratch", "samples")),
    f"{RESULTS}/tables/per_class.csv",
]


def write_small(folder):
    """config/corrected-small.yaml with few and small images, and without a download."""
    raw = yaml.safe_load((ROOT / "config" / "corrected-small.yaml").read_text())
    experiment = raw["experiments"]["corrected-small"]
    experiment["dataset"] = TINY["dataset"]
    experiment["model"]["input_size"] = 32
    experiment["weights"] = TINY["weights"]
    experiment["training"] |= {"epochs": 2, "num_threads": 1, "device": "cpu"}
    experiment["seeds"] = [0]
    del experiment["arms"]["finetune"]  # the others have all kinds of jobs, and two that can swap
    raw["keep_weights"] = "trained"  # else a target that is asked for first would be kept
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump(raw, sort_keys=False))
    return path


def trained(output):
    """The arms in the order in which their trainings began."""
    return [job["wildcards"] for job in jobs_of(output) if job["rule"] == "train"]


def test_another_order_of_jobs_and_a_decimal_comma_give_the_same_bytes(tmp_path_factory, decimal_comma):
    first, second = tmp_path_factory.mktemp("first"), tmp_path_factory.mktemp("second")
    call = [*TARGETS, "--cores", "2", "--configfile", write_small(first)]
    snakemake(*call, directory=first)
    usual = trained(snakemakes_log(first))
    arm = dict(part.split("=") for part in usual[-1].split(", "))["arm"]
    order = ["--scheduler", "greedy", "--prioritize", f"{RESULTS}/runs/{arm}/seed0/trained.safetensors"]
    snakemake(*call, *order, directory=second, environment=decimal_comma)
    other = trained(snakemakes_log(second))
    assert sorted(other) == sorted(usual)
    assert other != usual
    assert contents(second / RESULTS) == contents(first / RESULTS)
