"""The words of a partial report: it lacks runs, and says which."""

import json
import shutil

import pandas
import pytest

from triptych.report.report import report
from triptych.report.results import NEED_NO_RUN, read_results


def without(folder, missing):
    """Take runs out of the tables and move what is made of runs to where a partial report has it; returns that."""
    partial = folder / "partial"
    for name in ("tables", "figures"):
        shutil.move(folder / name, partial / name)
    for name in NEED_NO_RUN:
        if (partial / name).exists():
            (folder / name).parent.mkdir(exist_ok=True)
            shutil.move(partial / name, folder / name)
    for name in ("runs", "history", "cost", "per_class", "weight_delta", "kernel_change"):
        path = partial / "tables" / f"{name}.csv"
        table = pandas.read_csv(path)
        gone = [seed in missing.get(arm, []) for arm, seed in zip(table["arm"], table["seed"], strict=True)]
        table[[not one for one in gone]].to_csv(path, index=False)
    path = partial / "tables" / "summary.csv"
    summary = pandas.read_csv(path)
    summary["n"] -= [len(missing.get(arm, [])) for arm in summary["arm"]]
    summary.to_csv(path, index=False)
    options = {"experiment_folder": folder, "missing": json.dumps(missing)}
    report(experiment="digits", **options, output=partial / "report.html")
    return (partial / "report.html").read_text().replace("\u00a0", " ")


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ({"scratch": [1], "finetune": []}, "1 of 9 runs is missing (scratch with seed 1), and every number"),
        ({"scratch": [1, 2], "finetune": [0]}, "3 of 9 runs are missing (scratch with seeds 1 and 2 and finetune"),
        ({"scratch": []}, "a partial report that lacks nothing: all 9 runs are there"),
    ],
)
def test_it_says_at_its_top_which_runs_are_missing(experiment, missing, said):
    page = without(experiment(), missing)
    assert said in page
    assert page.index(said) < page.index('<p class="answer">')
    for name in ("architectures", "largest_batch"):
        assert page.count(f'href="../tables/{name}.csv"') == 2
    assert 'href="tables/summary.csv"' in page and 'href="../config.yaml"' in page
    ragged = any(missing.values())
    assert ("Not every arm has the same number of runs" in page) == ragged
    assert ("Every arm was trained 3 times" in page) != ragged


def test_arms_with_one_run_each_of_different_seeds(experiment):
    page = without(experiment(), {"scratch": [1, 2], "finetune": [0, 2], "last_layer": [0, 1]})
    assert "Every arm was trained once, but not all with the same seed" in page
    assert "One seed: no interval over seeds can be given" in page


def test_the_whole_report_has_no_such_part(experiment):
    folder = experiment()
    report(experiment="digits", experiment_folder=folder, output=folder / "report.html")
    assert 'class="partial"' not in (folder / "report.html").read_text()
    assert read_results(folder).missing is None
