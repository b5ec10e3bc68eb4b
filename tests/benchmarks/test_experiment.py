"""The longest chain is found in what a real Snakemake records; how fast anything is, no test asks."""

import subprocess

import pandas
import pytest

from benchmarks import experiment
from tests import warm

GRAPH = """
rule all:
    input: "end", "aside"
rule first:
    output: "first", "also"
    shell: "sleep 0.6; touch {output}"
rule aside:
    output: "aside"
    shell: "sleep 0.9; touch {output}"
rule last:
    input: "first"
    output: "end"
    shell: "sleep 0.6; touch {output}"
"""


@pytest.mark.slow
def test_the_longest_chain_is_that_of_jobs_that_wait_for_each_other(tmp_path):
    (tmp_path / "Snakefile").write_text(GRAPH)
    call = [warm.program(), "-m", "snakemake", "--cores", "2", "-q", "all"]
    subprocess.run(call, cwd=tmp_path, check=True, env=warm.environment())
    jobs = experiment.finished_jobs(tmp_path)
    assert sorted(job.rule for job in jobs) == ["aside", "first", "last"]
    chain = experiment.longest_chain(jobs)
    assert [job.rule for job in chain] == ["first", "last"]
    assert sum(job.seconds for job in chain) > 1.2


@pytest.mark.slow
def test_a_run_is_measured_and_the_table_says_so(tmp_path):
    (tmp_path / "tiny.yaml").write_text(
        "experiments: {tiny: {dataset: {source: digits, train_per_class: 6, test_per_class: 6}, "
        "model: {input_size: 16}, weights: {source: none}, training: {epochs: 1, device: cpu}, "
        "arms: {scratch: {weights: random, train: all}}}}"
    )
    output = tmp_path / "here"
    call = ["--output", str(output), "--configfile", str(tmp_path / "tiny.yaml"), "--cores", "2", "--repeats", "1"]
    call += ["--targets", "results/tiny/runs/scratch/seed0/weight_delta.csv"]
    experiment.main(call)
    row = pandas.read_csv(f"{output}.csv").iloc[0]
    assert row["longest_chain_seconds"] < row["wall_seconds"]
    assert 0 < row["start_up_of_cpu"] < 1
    assert "longest chain" in output.with_suffix(".md").read_text()
