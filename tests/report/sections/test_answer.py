"""The answer follows from the verdicts, and says no more."""

import json
import shutil

import pandas
import pytest

from tests.report.conftest import TWO, against, plain
from triptych.report.files import NEED_NO_RUN
from triptych.report.report import report
from triptych.report.sections import answer
from triptych.report.sections.advice import advice
from triptych.results.experiment import read_results


def test_the_best_of_three_arms_is_named_with_its_lead_and_the_interval(results):
    found = results()
    lead = found.tables["comparisons"].query("arm_a == 'finetune' and arm_b == 'scratch'").iloc[0]
    assert plain(answer.headline(found)) == (
        "net2 · finetune is the best of 3 arms: 97.0 % test accuracy, 6.0 points more than net1 · scratch, the next "
        f"best (95 % CI {lead['low']:.1f} to {lead['high']:.1f})."
    )
    assert 4 < lead["low"] < 5.5 and 6.5 < lead["high"] < 8


def test_two_arms_of_which_one_is_better(results):
    headline = plain(answer.headline(results(arms=TWO, comparisons=against("better", 0.5, 0.1, 0.9, 0.01))))
    assert headline.startswith("net2 · finetune is better: ")
    assert headline.endswith("0.5 points more than scratch (95 % CI 0.1 to 0.9).")


def test_equivalent_arms_have_no_winner(results):
    found = results(arms=TWO, comparisons=against("equivalent", 0.3, -0.2, 0.8, 0.3))
    headline = plain(answer.headline(found))
    assert headline.startswith("No single winner: ")
    assert "is equivalent to it, within 1 point" in headline
    assert "better" not in headline and "best" not in headline


def test_an_undecided_lead_is_no_order(results):
    headline = plain(answer.headline(results(arms=TWO, comparisons=against("undecided"))))
    assert headline.startswith("No single winner: ")
    assert "whether it is better than scratch (95." in headline and "is undecided" in headline


def test_a_mixture_of_verdicts_says_each(results):
    arms = [{"name": name, "last": last} for name, last in (("a", 96.0), ("b", 95.9), ("c", 95.0), ("d", 80.0))]
    pairs = {"ab": "equivalent", "ac": "undecided", "ad": "better", "bc": "undecided", "bd": "better", "cd": "better"}
    comparisons = [(*pair, 0.5, 0.1, 0.9, 0.1, verdict) for pair, verdict in pairs.items()]
    headline = plain(answer.headline(results(arms=arms, comparisons=comparisons)))
    assert "b (95." in headline and "is equivalent to it" in headline
    assert "whether it is better than c (" in headline
    assert headline.endswith("it is better than d.")


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        ("better", "net1 · scratch is better than net3 · last_layer"),
        ("equivalent", "net1 · scratch and net3 · last_layer are equivalent"),
        ("undecided", "net1 · scratch or net3 · last_layer is undecided"),
    ],
)
def test_the_others_are_compared_by_their_own_verdict(results, verdict, expected):
    first = [("finetune", other, 6, 4, 8, 0.001, "better") for other in ("scratch", "last_layer")]
    found = results(comparisons=[*first, ("scratch", "last_layer", 0.6, -0.4, 1.6, 0.2, verdict)])
    assert answer.others_in_short(found) == f"Behind it, {expected}."


def test_one_arm_is_compared_with_nothing(results):
    found = results(arms=TWO[:1], comparisons=[])
    assert answer.headline(found).endswith("No other arm was trained.")
    assert answer.others_in_short(found) == ""


def test_a_tie_keeps_the_order_of_the_configuration(results):
    arms = [{"name": "scratch", "last": 95.0}, {"name": "finetune", "last": 95.0}]
    tie = [("scratch", "finetune", 0.0, -0.4, 0.4, 1.0, "equivalent")]
    found = results(arms=arms, seeds=(0,), comparisons=tie)
    assert found.contestants == ["scratch", "finetune"]
    assert "finetune (95.0 %) is equivalent to it" in plain(answer.headline(found))


def test_one_seed_has_an_interval_over_images_and_says_so(results):
    found = results(seeds=(7,))
    low, high = found.accuracy_interval("finetune")
    assert (low, high) == (pytest.approx(95.75, abs=0.01), pytest.approx(97.89, abs=0.01))  # Wilson, 970 of 1,000
    said = answer.about_seeds(found)
    assert "trained once (seed 7)" in said and "over the test images only" in said
    table = answer.summary(found)
    assert "with one seed there is none over seeds" in table.columns[1].meaning
    assert "seed" not in table.title + answer.curve(found)


def test_several_seeds_have_an_interval_over_seeds(results):
    text = plain(answer.about_seeds(results()))
    assert "3 seeds (0, 1 and 2) on 1,000 test images" in text and "is over seeds" in text and "exceed" not in text
    assert answer.summary(results()).title == "Accuracy and cost, means over seeds"
    assert "Thick lines: means over seeds" in answer.curve(results())


def test_the_time_of_cached_features_is_beside_that_of_the_run(results):
    found = results(arms=[TWO[0], {"name": "frozen", "train": "head", "batchnorm": "frozen", "weights": "pretrained"}])
    assert found.arms["features"]["frozen"] == "cached"
    found.tables["cost"].loc[found.tables["cost"]["arm"] == "frozen", "features_seconds"] = 97.0
    (one, other) = [row[-3] for row in answer.summary(found).rows]
    assert isinstance(one, str) and plain(other[1]) == "+ 1 min 37 s"
    assert "+: cached features, computed once for all seeds" in _meaning_of_time(found)
    assert "cached features" not in _meaning_of_time(results())


def _meaning_of_time(found):
    return next(column.meaning for column in answer.summary(found).columns if column.title == "time")


def test_an_interval_beyond_the_possible_is_explained(results):
    found = results(arms=[{"name": "finetune", "last": 99.6}])
    assert found.accuracy_interval("finetune")[1] > 100
    assert "can exceed 0 to 100" in answer.about_seeds(found)


def test_controls_are_not_compared(results):
    arms = [{"name": "frozen", "role": "control", "last": 99.0, "train": "head", "batchnorm": "frozen"}, *TWO]
    found = results(arms=arms, comparisons=against("better", 0.5, 0.1, 0.9, 0.01))
    assert "frozen" not in answer.headline(found) + "".join(advice(found))
    assert answer.about_controls(found) == "frozen is a control: trained, but not compared."
    assert [row[0].control for row in answer.summary(found).rows] == [True, False, False]  # the configuration's order


def test_validation_is_shown_if_there_are_validation_images(results):
    found = results(arms=TWO)
    columns = [column.title for column in answer.summary(found).columns]
    assert columns == ["arm", "test accuracy", "validation", "time", "memory", "trainable"]
    expected = found.tables["runs"].query("arm == 'scratch'")["validation_accuracy"].mean()
    assert plain(answer.summary(found).rows[1][2]) == f"{expected:.1f} %"
    without = answer.summary(results(arms=TWO, images=(300, 0)))
    assert "validation" not in [column.title for column in without.columns]


# Partial reports


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
    return plain((partial / "report.html").read_text())


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ({"scratch": [1], "finetune": []}, "1 of 9 runs is missing (scratch with seed 1). All numbers"),
        ({"scratch": [1, 2], "finetune": [0]}, "3 of 9 runs are missing (scratch with seeds 1 and 2 and finetune"),
        ({"scratch": []}, "This partial report lacks no run: all 9 exist"),
    ],
)
def test_a_partial_report_says_at_its_top_which_runs_are_missing(experiment, missing, said):
    page = without(experiment(), missing)
    assert said in page
    assert page.index(said) < page.index('<p class="answer">')
    assert "manifest.json" not in page
    ragged = any(missing.values())
    assert ("Not every arm has the same number of runs" in page) == ragged
    assert ("Means over 3 seeds" in page) != ragged


def test_arms_with_one_run_each_of_different_seeds(experiment):
    page = without(experiment(), {"scratch": [1, 2], "finetune": [0, 2], "last_layer": [0, 1]})
    assert "Every arm was trained once, but with different seeds" in page
    assert "One seed: no interval over seeds" in page


def test_the_whole_report_has_no_such_part(experiment):
    folder = experiment()
    report(experiment="digits", experiment_folder=folder, output=folder / "report.html")
    assert 'class="partial"' not in (folder / "report.html").read_text()
    assert read_results(folder).missing is None
