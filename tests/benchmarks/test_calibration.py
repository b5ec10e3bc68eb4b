"""The simulated runs are what they are said to be, and the tables follow from the counts."""

import itertools

import numpy
import pandas
import pytest

from benchmarks import calibration
from benchmarks.calibration import LEAD, TIE, Cell
from triptych.analysis.comparisons import compare_arms


@pytest.fixture
def generator():
    return numpy.random.default_rng(4)


def share_of(parts):
    """The share of all values of some arrays that are true."""
    parts = list(parts)
    return sum(int(part.sum()) for part in parts) / sum(part.size for part in parts)


@pytest.mark.parametrize(("accuracies", "first", "other"), [(TIE, 0.9, 0.9), (LEAD, 0.925, 0.875)])
def test_runs_have_their_accuracies_and_differ_as_often_as_said(generator, accuracies, first, other):
    simulated = list(calibration.simulate(generator, Cell(2, 2, 0.0, 500), 400, accuracies))
    assert sum(len(arms[0]) for arms in simulated) == 400
    assert share_of(arms[0] for arms in simulated) == pytest.approx(first, abs=0.005)
    assert share_of(arms[1] for arms in simulated) == pytest.approx(other, abs=0.005)
    if accuracies == TIE:
        assert share_of(arms[0][:, 0] != arms[1][:, 0] for arms in simulated) == pytest.approx(0.1, abs=0.004)
        assert share_of(arms[0][:, 0] != arms[0][:, 1] for arms in simulated) == pytest.approx(0.075, abs=0.004)


def test_seeds_move_an_arm_by_their_deviation(generator):
    runs = numpy.concatenate([arms[0] for arms in calibration.simulate(generator, Cell(2, 3, 3.5, 4000), 200, TIE)])
    accuracies = 100 * runs.mean(axis=-1)
    # images of 0.3 % and seeds of 3.5 %
    assert accuracies.std(axis=1, ddof=1).mean() / 0.8862 == pytest.approx(3.5, rel=0.1)  # c4 of three values
    assert accuracies.mean() == pytest.approx(100 * calibration.mean_accuracy(0.9, 3.5), abs=0.5)
    assert calibration.mean_accuracy(0.9, 3.5) == pytest.approx(0.9, abs=1e-4)
    assert calibration.mean_accuracy(0.9, 0) == 0.9


def plain_bootstrap(difference, draws, generator):
    """The means of images and seeds that are drawn one by one."""
    seeds, images = difference.shape
    means = []
    for _ in range(draws):
        drawn = difference[generator.integers(seeds, size=seeds)][:, generator.integers(images, size=images)]
        means.append(drawn.mean())
    return numpy.array(means)


def test_the_bootstrap_is_a_plain_one(generator):
    first, second = next(calibration.simulate(generator, Cell(2, 3, 1.7, 300), 3, LEAD))
    difference = first.astype(int) - second
    mean, low, high, p_value = calibration.bootstrap(difference, 4000, generator)
    for run in range(3):
        drawn = plain_bootstrap(difference[run], 4000, generator)
        width = high[run] - low[run]
        assert mean[run] == pytest.approx(difference[run].mean())
        assert [low[run], high[run]] == pytest.approx(numpy.quantile(drawn, [0.025, 0.975]), abs=0.06 * width)
        sides = 2 * min((drawn <= 0).mean(), (drawn >= 0).mean())
        assert p_value[run] == pytest.approx(sides, abs=0.03)


@pytest.mark.parametrize("accuracies", [TIE, LEAD])
@pytest.mark.parametrize("arms", [2, 4])
def test_counts_are_those_of_the_packages_table(generator, arms, accuracies):
    """Holm's correction and that of the leader are counted for all runs at once; the table does it for one."""
    cell = Cell(arms, 3, 1.0, 400)
    (runs,) = calibration.simulate(generator, cell, 15, accuracies)
    leaders = numpy.stack([arm.mean(axis=(1, 2)) for arm in runs], axis=-1).argmax(axis=-1)
    counted = calibration.counted(calibration.compared_after(runs), cell, leaders, 0.0)
    for run in range(15):
        table = compare_arms({str(arm): own[run] for arm, own in enumerate(runs)}, margin=1.0, confidence=0.95)
        better = table[table["verdict"] == "better"]
        assert counted["any_better"][run] == (len(better) > 0)
        assert counted["any_apart"][run] == (table["p_value"] <= 0.05).any()
        assert counted["found_better"][run] == ((better["arm_a"] == "0").sum() == arms - 1)
        ends = table.loc[0, ["low", "high"]]
        assert counted["width"][run] == pytest.approx(ends["high"] - ends["low"])


def test_too_few_seeds_get_no_verdict(generator):
    (runs,) = calibration.simulate(generator, Cell(2, 2, 0.0, 1000), 20, (0.99, 0.6))
    counted = calibration.counted(calibration.compared_after(runs), Cell(2, 2, 0.0, 1000), numpy.zeros(20, int), 0.39)
    assert counted["found_apart"].all() and not counted["found_better"].any()


def test_the_tables_and_their_targets(tmp_path, monkeypatch):
    monkeypatch.setattr(
        calibration, "GRID", [Cell(2, seeds, 1.0, images) for seeds in (1, 3) for images in (100, 1000)]
    )
    calibration.main(["--output", str(tmp_path / "mine"), "--runs", "20", "--draws", "100"])
    table = pandas.read_csv(tmp_path / "mine.csv")
    assert table["method"].tolist() == ["before", "after"] * 4
    text = (tmp_path / "mine.md").read_text()
    after = table[table["method"] == "after"].set_index(["seeds", "images"])
    false = " / ".join(f"{after.loc[(3, images), 'false_better']:.1f}" for images in (100, 1000))
    few = " / ".join(f"({after.loc[(1, images), 'false_p']:.1f})" for images in (100, 1000))
    assert f" | {false} | " in text and f" | {few} | " in text
    assert "| no `better` with fewer than three seeds | 0.00 | yes |" in text
    found = after.loc[(3, 1000), "found_better"]
    assert f"at least 85 % | {found:.2f} | {'yes' if found >= 85 else 'no'} |" in text


def test_targets_name_what_misses_them():
    numbers = {"false_better": 1.0, "coverage_tie": 95.0, "coverage_lead": 95.0, "found_better": 0.0}
    rows = [
        {"arms": 2, "seeds": seeds, "deviation": 1.0, "images": images, "method": method, **numbers}
        for seeds, images, method in itertools.product((1, 3), (100, 1000), ("before", "after"))
    ]
    rows[-1] |= {"false_better": 7.0, "found_better": 84.0}
    rows[0] |= {"false_better": 99.0}  # a verdict of the bootstrap misses no target
    lines = list(calibration.targets(pandas.DataFrame(rows)))
    assert lines[0].endswith("| 1.00 to 7.00 | no: 7.00 with 2 arms, 3 seeds of sd 1, 1,000 images |")
    assert lines[1].endswith("| 95.00 to 95.00 | yes |")
    assert lines[3].endswith("| 84.00 | no |")


def test_the_committed_table_is_of_this_grid_and_meets_the_targets():
    table = pandas.read_csv(calibration.ROOT / "benchmarks" / "calibration.csv")
    cells = table[["arms", "seeds", "deviation", "images"]].drop_duplicates().itertuples(index=False)
    assert [Cell(*cell) for cell in cells] == calibration.GRID
    assert set(table["runs"]) == {2000}
    assert all(line.endswith("| yes |") for line in calibration.targets(table))
