"""Many arms and seeds: what comes after the runs really works on them. benchmarks/scale.py says how long it takes."""

import importlib.util

import pandas
import pytest
import yaml

from tests.conftest import ROOT
from tests.workflow.conftest import rules_of, snakemake

SPECIFICATION = importlib.util.spec_from_file_location("scale", ROOT / "benchmarks" / "scale.py")
scale = importlib.util.module_from_spec(SPECIFICATION)
SPECIFICATION.loader.exec_module(scale)

ARMS, SEEDS = 8, 6


@pytest.mark.slow
def test_many_arms_and_seeds_end_in_one_whole_report(tmp_path):
    tree = scale.Tree(tmp_path, ARMS, SEEDS)
    tree.fill()
    assert "extract_weight_delta" not in tree.snakemake("--dry-run", "--quiet")[-1]
    tree.snakemake("--cores", "2")
    assert "Nothing to be done" in tree.snakemake("--dry-run")[-1]

    results = tmp_path / "results" / scale.EXPERIMENT
    assert len(pandas.read_csv(results / "tables" / "runs.csv")) == ARMS * SEEDS
    assert len(pandas.read_csv(results / "tables" / "comparisons.csv")) == ARMS * (ARMS - 1) / 2
    report = (results / "report.html").read_text()
    assert len(report.encode()) < 20e6 * ARMS / 20
    assert report.count('src="data:image/svg+xml,') == len(list((results / "figures").glob("*.svg"))) == 9 + 4 * ARMS
    assert 'class="left-out"' not in report


@pytest.mark.slow
def test_a_thousand_trainings_are_one_graph(tmp_path):
    """How long this takes is measured by the benchmark (at most 15 s are wanted); here, that nothing is left out."""
    configuration = tmp_path / "scale.yaml"
    configuration.write_text(yaml.safe_dump(scale.configuration_of(50, 20, test="after_decision"), sort_keys=False))
    rules = rules_of(snakemake("--dry-run", "--configfile", configuration, directory=tmp_path, timeout=120).stdout)
    assert rules["train"] == rules["extract_weight_delta"] == rules["open_test"] == 1000
    assert rules["plot_arm_curves"] == rules["plot_kernels"] == rules["plot_confusion"] == 50
    assert rules["extract_features"] == rules["collect_results"] == rules["report"] == 1


@pytest.mark.parametrize(("arms", "seeds"), [(1, 1), (20, 20), (50, 20)])
def test_the_made_up_configuration_is_valid(arms, seeds):
    settings = scale.effective(scale.load_configuration(scale.configuration_of(arms, seeds)))
    experiment = settings["experiments"][scale.EXPERIMENT]
    assert (len(experiment["arms"]), len(experiment["seeds"])) == (arms, seeds)


def test_no_more_arms_are_made_up_than_there_are_different_ones():
    with pytest.raises(ValueError, match="arms: expected 1 to 60, found 61"):
        scale.configuration_of(61, 1)
