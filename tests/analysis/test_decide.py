"""Which arm is chosen, by each rule and in general."""

import json
import os
import subprocess
import sys
from dataclasses import asdict

import numpy
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.analysis.conftest import only
from triptych.analysis.comparisons import difference_of
from triptych.analysis.decide import Competitor, Deciding, choose, decide, decision_of, read_correct
from triptych.analysis.intervals import accuracy_interval, p_of_guessing
from triptych.analysis.settling import what_settles
from triptych.analysis.variance_parts import Sampling
from triptych.results.decision import read_decision
from triptych.results.schema import METRICS, VERDICTS
from triptych.storage.errors import InputError
from triptych.storage.tensors import load_metadata, load_tensors, save_tensors

SETTINGS = {"equivalence_margin": 1.0, "confidence": 0.95, "prefer": "accurate", "metric": "accuracy"}
LABELS = numpy.arange(800) % 4
CHANCE = 0.25


def competitor(arm, right, cost=1.0, seeds=(0, 1, 2), peak=1.0, start=0):
    """An arm whose runs have images from `start` on right: as many as `right` says, for each seed or for all."""
    numbers = right if isinstance(right, list) else [right] * len(seeds)
    images = numpy.arange(len(LABELS))
    correct = numpy.stack([(images >= start) & (images < start + number) for number in numbers])
    return Competitor(arm, list(seeds), correct, cost, peak)


def decided(*competitors, labels=LABELS, **changes):
    return decision_of(competitors, Deciding("validation", labels, 4), SETTINGS | changes)


def codes(decision):
    return [reason["code"] for reason in decision["reasons"]]


# Rule by rule


def test_a_cheap_arm_that_is_not_better_than_guessing_is_not_chosen():
    labels = numpy.arange(20) % 4
    images = numpy.arange(20)[None]
    arms = [
        Competitor("good", [0], images < 12, macs=9.0, peak_bytes=1.0),
        Competitor("guess", [0], (images >= 10) & (images < 17), macs=1.0, peak_bytes=1.0),
    ]
    decision = decided(*arms, labels=labels, prefer="cheap")
    assert [entry["beats_guessing"] for entry in decision["ranking"]] == [True, False]
    assert decision["pairs"][0]["verdict"] == "undecided"
    assert decision["chosen"] == {"arm": "good", "seed": 0}


def test_an_arm_that_is_better_than_all_is_chosen():
    decision = decided(competitor("poor", 400), competitor("good", 700, cost=9.0), competitor("mean", 500))
    assert decision["verdict"] == "better"
    assert decision["candidates"] == ["good"] and decision["chosen"] == {"arm": "good", "seed": 0}
    assert [entry["arm"] for entry in decision["ranking"]] == ["good", "mean", "poor"]
    assert codes(decision) == ["dropped", "dropped", "best"]
    dropped = decision["reasons"][0]
    assert (dropped["arm"], dropped["by"], dropped["difference"]) == ("mean", "good", 25.0)
    assert dropped["low"] < 25 < dropped["high"]
    assert decision["reasons"][-1]["p_value"] == max(p["p_value"] for p in decision["pairs"] if p["arm_a"] == "good")


def test_of_equivalent_arms_the_cheapest_is_chosen():
    arms = [competitor("a", 602, 3.0), competitor("b", 601, 2.0, peak=8.0), competitor("c", 600, 2.0, peak=7.0)]
    decision = decided(*arms)
    assert decision["verdict"] == "equivalent"
    assert decision["candidates"] == ["a", "b", "c"] and decision["chosen"]["arm"] == "c"
    assert codes(decision) == ["equivalent", "equivalent", "cheapest_equivalent"]
    reason = {"code": "cheapest_equivalent", "arm": "c", "macs": 2.0, "leader_macs": 3.0}
    assert decision["reasons"][-1] == reason | {"peak_bytes": 7.0, "leader_peak_bytes": 1.0}


def test_of_equals_the_first_of_the_configuration_is_chosen():
    assert decided(competitor("z", 600), competitor("a", 601))["chosen"]["arm"] == "z"


def test_an_undecided_arm_is_neither_dropped_nor_equivalent():
    arms = competitor("leader", 600, 5.0), competitor("cheap", 595, 1.0, start=10), competitor("same", 599, 3.0)
    decision = decided(*arms)
    assert decision["verdict"] == "undecided"
    assert decision["candidates"] == ["leader", "same", "cheap"] and decision["chosen"]["arm"] == "same"
    assert codes(decision) == ["equivalent", "undecided", "cheapest_equivalent", "preferred_accurate"]
    assert decision["reasons"][1]["arms"] == ["cheap"]
    cheap = decided(*arms, prefer="cheap")
    assert (cheap["verdict"], cheap["chosen"]["arm"]) == ("undecided", "cheap")
    assert codes(cheap) == ["equivalent", "undecided", "preferred_cheap"]
    assert (cheap["reasons"][-1]["macs"], cheap["reasons"][-1]["leader_macs"]) == (1.0, 5.0)


def test_a_cheap_arm_that_is_worse_is_not_preferred():
    arms = competitor("leader", 600, 5.0), competitor("near", 595, 4.0, start=10), competitor("cheap", 400, 1.0)
    assert decided(*arms, prefer="cheap")["chosen"]["arm"] == "near"


def test_what_would_settle_an_undecided_pair_is_kept():
    random = numpy.random.default_rng(5)
    shares = {"first": (0.80, 0.86, 0.83), "second": (0.78, 0.84, 0.81), "third": (0.3, 0.31, 0.29)}
    arms = [
        Competitor(arm, [0, 1, 2], random.random((3, 800)) < numpy.array(own)[:, None], macs=1.0, peak_bytes=1.0)
        for arm, own in shares.items()
    ]
    decision = decided(*arms)
    verdicts = {pair["arm_b"]: pair["verdict"] for pair in decision["pairs"] if pair["arm_a"] == "first"}
    assert verdicts == {"second": "undecided", "third": "better"}
    assert list(decision["settling"]) == ["second"]  # what is decided needs nothing
    found = decision["settling"]["second"]
    difference = difference_of(arms[0].correct, arms[1].correct)
    expected = what_settles(difference, SETTINGS["equivalence_margin"], 0.95, look=2)
    assert found == {"about": expected.about, "safe": expected.safe, "images": expected.images}
    assert found["about"] > 3


def test_a_later_look_divides_the_level():
    """Of comparisons, of the test of guessing, and of what more seeds would settle; not of an arm's own interval."""
    deciding = Deciding("validation", LABELS, 4)
    arms = [competitor("a", [225, 228, 231]), competitor("b", [222, 222, 224], start=30)]
    first, second = (decision_of(arms, deciding, SETTINGS, look) for look in (1, 2))
    assert "look" not in first and second["look"] == 2
    assert first == decision_of(arms, deciding, SETTINGS)
    halved = decision_of(arms, deciding, SETTINGS | {"confidence": 0.975})
    assert second["pairs"] == [
        pair | {key: pytest.approx(pair[key]) for key in ("low", "high")} for pair in halved["pairs"]
    ]
    assert second["pairs"][0]["low"] < first["pairs"][0]["low"]
    ranked, again = (content["ranking"][0] for content in (first, second))
    assert ranked["beats_guessing"] and again | {"beats_guessing": True} == ranked
    assert 0.025 < ranked["p_guessing"] < 0.05 and not again["beats_guessing"]
    difference = difference_of(arms[0].correct, arms[1].correct)
    for content, look in ((first, 2), (second, 3)):
        expected = what_settles(difference, 1.0, 0.95, look)
        assert content["settling"] == {"b": asdict(expected)}


def test_with_a_single_run_nothing_says_what_would_settle_it():
    decision = decided(competitor("a", 700, seeds=(0,)), competitor("b", 500, seeds=(0,)))
    assert decision["settling"] == {"b": None}


def test_the_only_arm_is_taken_if_it_beats_guessing():
    decision = decided(competitor("alone", [500, 510, 510], seeds=(3, 4, 5)))
    assert (decision["verdict"], codes(decision)) == ("only_arm", ["only_arm"])
    assert decision["chosen"] == {"arm": "alone", "seed": 4}  # the best run, of equals the first
    assert decision["pairs"] == []


def test_nothing_is_chosen_if_nothing_beats_guessing():
    decision = decided(competitor("a", 205), competitor("b", 199))
    assert decision["verdict"] == "not_better_than_guessing"
    assert decision["candidates"] == [] and decision["chosen"] is None
    assert codes(decision) == ["no_arm_beats_guessing"] and decision["reasons"][0]["chance"] == 25.0
    assert decision["reasons"][0]["p_value"] == decision["ranking"][0]["p_guessing"] > 0.05


def test_guessing_is_the_most_frequent_class():
    labels = numpy.array([0] * 600 + [1] * 200)
    decision = decided(competitor("a", 600), competitor("b", 500), labels=labels)
    assert decision["chance"] == 75.0 and decision["verdict"] == "not_better_than_guessing"


# The numbers


def test_each_arm_has_the_interval_and_the_p_value_of_its_runs():
    arms = competitor("a", [230, 260, 240]), competitor("b", 400, seeds=(0,))
    for entry, one in zip(decided(*arms)["ranking"], reversed(arms), strict=True):
        assert (entry["low"], entry["high"]) == accuracy_interval(one.correct, 0.95)
    alone = decided(arms[0])["ranking"][0]
    assert alone["p_guessing"] == p_of_guessing(arms[0].correct, CHANCE)


def test_guesses_are_corrected_for_the_number_of_arms():
    arms = competitor("a", 230), competitor("b", 226), competitor("c", 210)
    plain = [p_of_guessing(one.correct, CHANCE) for one in arms]
    corrected = [entry["p_guessing"] for entry in decided(*arms)["ranking"]]
    assert corrected == pytest.approx([3 * plain[0], max(3 * plain[0], 2 * plain[1]), max(3 * plain[0], plain[2])])


@pytest.mark.parametrize(("seeds", "scope"), [((0,), "networks"), ((0, 1), "two seeds")])
def test_with_fewer_than_three_seeds_nothing_is_dropped(seeds, scope):
    arms = competitor("good", 700, 2.0, seeds), competitor("poor", 300, 1.0, seeds), competitor("same", 700, 1.5, seeds)
    decision = decided(*arms)
    assert {pair["scope"] for pair in decision["pairs"]} == {scope}
    assert all(pair["p_value"] < 1e-6 for pair in decision["pairs"] if pair["arm_b"] == "poor")
    assert (decision["verdict"], decision["candidates"]) == ("undecided", ["good", "same", "poor"])
    assert decision["chosen"]["arm"] == "good" and codes(decision) == ["undecided", "preferred_accurate"]
    single = [pair["networks_p"] for pair in decision["pairs"]]
    assert single == ([None] * 3 if len(seeds) == 2 else pytest.approx([0, 1, 0], abs=1e-6))
    json.dumps(decision, allow_nan=False)


# By balanced accuracy


RARE = numpy.repeat([0, 1], [300, 30])
"""The class of each image: few are of the second one."""


def of_rare(metric, **right):
    """The decision between arms of which each run has so many images of each class right, by arm."""
    deciding = Deciding("validation", RARE, 2, metric)
    rows = numpy.r_[numpy.arange(300), numpy.arange(30)]
    arms = [
        Competitor(
            arm,
            [0, 1, 2],
            numpy.stack([rows < numpy.where(RARE == 0, frequent, rare) for frequent, rare in own]),
            float(cost),
            1.0,
            deciding.sampling,
        )
        for cost, (arm, own) in enumerate(right.items())
    ]
    return decision_of(arms, deciding, SETTINGS)


SEES_IT = {"blind": [(300, 0), (298, 1), (299, 0)], "sees": [(260, 29), (262, 28), (258, 29)]}


def test_the_metric_decides():
    """One arm names the frequent class, which is accurate; the other finds the rare one, and is less accurate."""
    accuracy, balanced = (of_rare(metric, **SEES_IT) for metric in ("accuracy", "balanced_accuracy"))
    assert [entry["arm"] for entry in accuracy["ranking"]] == ["blind", "sees"]
    assert "metric" not in accuracy and "balanced_accuracy" not in accuracy["ranking"][0]
    assert accuracy["verdict"] == "not_better_than_guessing"
    assert balanced["metric"] == "balanced_accuracy" and balanced["chance"] == 50.0
    assert (balanced["verdict"], balanced["chosen"]) == ("better", {"arm": "sees", "seed": 0})
    leader, other = balanced["ranking"]
    assert leader["balanced_accuracy"] == pytest.approx(100 * (780 / 900 + 86 / 90) / 2)
    assert leader["balanced_low"] < leader["balanced_accuracy"] < leader["balanced_high"]
    assert leader["beats_guessing"] and not other["beats_guessing"]
    (pair,) = balanced["pairs"]
    assert (pair["arm_a"], accuracy["pairs"][0]["arm_a"]) == ("sees", "blind")
    assert pair["difference"] == pytest.approx(leader["balanced_accuracy"] - other["balanced_accuracy"])


def test_the_best_run_is_that_of_the_metric():
    right = {"alone": [(290, 20), (270, 29), (300, 10)]}
    assert of_rare("balanced_accuracy", **right)["chosen"]["seed"] == 1
    easier = {"alone": [(300, 28), (290, 30), (300, 27)]}  # guessing is 90.9 % accurate
    assert of_rare("accuracy", **easier)["chosen"]["seed"] == 0
    assert of_rare("balanced_accuracy", **easier)["chosen"]["seed"] == 1


def test_where_classes_are_alike_the_metrics_decide_alike():
    arms = competitor("a", [600, 640, 620]), competitor("b", [500, 560, 570], start=10)
    found = [decision_of(arms, Deciding("validation", LABELS, 4, metric), SETTINGS) for metric in METRICS]
    assert found[1].pop("metric") == "balanced_accuracy"
    assert found[0]["pairs"] == found[1]["pairs"] and found[0]["chance"] == found[1]["chance"]
    for plain, balanced in zip(found[0]["ranking"], found[1]["ranking"], strict=True):
        ends = tuple(balanced[key] for key in ("balanced_accuracy", "balanced_low", "balanced_high"))
        assert ends == pytest.approx((plain["accuracy"], plain["low"], plain["high"]))


# By out-of-fold predictions


def of_folds(folder, runs, correct, **metadata):
    """Write a file of `collect_validation` with folds."""
    path = folder / "validation.safetensors"
    tensors = {"correct": numpy.asarray(correct, numpy.uint8), "labels": numpy.arange(len(correct[0])) % 2}
    known = {"runs": runs, "classes": ["x", "y"], "images": "out_of_fold", "folds": 5}
    save_tensors(path, tensors, known | metadata)
    return path


def test_rows_are_read_seed_by_seed(tmp_path):
    """The rows may be in any order; a repeat that a seed lacks is left out of all."""
    runs = [["a", 7, 1], ["b", 0, 0], ["a", 3, 0], ["a", 7, 0], ["a", 3, 1], ["b", 0, 1], ["b", 0, 2]]
    correct = numpy.eye(7, 10)
    deciding, by_arm = read_correct(of_folds(tmp_path, runs, correct))
    assert (deciding.split, deciding.folds, deciding.repeats) == ("out_of_fold", 5, 2)
    assert (by_arm["a"][0], by_arm["a"][1].argmax(axis=1).tolist()) == ([7, 3], [3, 0, 2, 4])
    assert (by_arm["b"][0], by_arm["b"][1].argmax(axis=1).tolist()) == ([0], [1, 5])
    assert (deciding.sampling.folds, deciding.sampling.rows_per_seed) == (5, 2)


def test_seeds_without_a_repeat_in_common(tmp_path):
    path = of_folds(tmp_path, [["a", 0, 0], ["a", 1, 1]], numpy.ones((2, 10)))
    with pytest.raises(InputError, match="expected a repeat of the folds that every seed has, found none"):
        read_correct(path)


@pytest.mark.parametrize("metric", METRICS)
def test_a_decision_by_out_of_fold_predictions(metric):
    deciding = Deciding("out_of_fold", numpy.repeat([0, 1], [190, 140]), 2, metric, folds=5, repeats=2)
    generator = numpy.random.default_rng(3)
    shares = {"good": (0.98, 0.97, 0.95, 0.95, 0.99, 0.98), "poor": (0.95, 0.96, 0.93, 0.94, 0.92, 0.93)}
    arms = [
        Competitor(arm, [0, 1, 2], generator.random((6, 330)) < numpy.array(own)[:, None], 1.0, 1.0, deciding.sampling)
        for arm, own in shares.items()
    ]
    decision = decision_of(arms, deciding, SETTINGS | {"metric": metric})
    assert (decision["images"], decision["folds"], decision["repeats"]) == ("out_of_fold", 5, 2)
    assert decision["chosen"] == {"arm": "good", "seed": arms[0].best_seed, "fold": 0}
    assert {pair["scope"] for pair in decision["pairs"]} == {"arms"}
    assert [entry["seeds"] for entry in decision["ranking"]] == [[0, 1, 2]] * 2
    plain = Sampling(folds=5, rows_per_seed=2)
    assert (decision["ranking"][0]["low"], decision["ranking"][0]["high"]) == accuracy_interval(
        arms[0].correct, 0.95, plain
    )
    json.dumps(decision, allow_nan=False)


def test_the_best_seed_is_that_of_all_its_repeats():
    rows = [80, 60, 70, 72, 50, 85]
    correct = numpy.arange(100) < numpy.array(rows)[:, None]
    one = Competitor("a", [4, 5, 6], correct, 1.0, 1.0, Sampling(folds=5, rows_per_seed=2))
    assert one.best_seed == 5


# In general: arms whose images differ by chance, as clear or as unclear as it comes

SHARES = st.sampled_from([0.25, 0.3, 0.5, 0.7, 0.72, 0.9])
ARMS = st.lists(st.tuples(SHARES, st.sampled_from([1.0, 2.0, 3.0])), min_size=1, max_size=4)
GENERAL = settings(max_examples=60, deadline=None)


def made(arms, seeds=3, seed=0, images=400):
    generator = numpy.random.default_rng(seed)
    hard = generator.random(images)  # what is hard for one arm is hard for all
    return [
        Competitor(
            f"arm{position}",
            list(range(seeds)),
            (hard + generator.normal(0, 0.05, (seeds, images))) < share,
            cost,
            cost,
        )
        for position, (share, cost) in enumerate(arms)
    ]


def arrays(competitors, prefer="accurate"):
    labels = numpy.arange(competitors[0].correct.shape[1]) % 4
    return decision_of(competitors, Deciding("validation", labels, 4), SETTINGS | {"prefer": prefer})


@GENERAL
@given(ARMS, st.sampled_from(["accurate", "cheap"]), st.integers(0, 3))
def test_a_choice_is_never_worse_than_the_leader(arms, prefer, seed):
    competitors = made(arms, seed=seed)
    decision = arrays(competitors, prefer)
    beaten = {pair["arm_b"] for pair in decision["pairs"] if pair["verdict"] == "better"}
    leader = decision["ranking"][0]
    assert leader["accuracy"] == max(entry["accuracy"] for entry in decision["ranking"])
    if any(entry["beats_guessing"] for entry in decision["ranking"]):
        chosen = decision["chosen"]["arm"]
        dropped = {
            pair["arm_b"]
            for pair in decision["pairs"]
            if pair["verdict"] == "better" and pair["arm_a"] == leader["arm"]
        }
        assert chosen in decision["candidates"]
        assert set(decision["candidates"]) == {one.arm for one in competitors} - dropped
        assert dropped <= beaten
    else:
        assert decision["chosen"] is None and decision["candidates"] == []


@GENERAL
@given(st.lists(st.sampled_from([0.24, 0.25]), min_size=1, max_size=4), st.integers(0, 5))
def test_guesses_are_chosen_rarely_and_only_where_they_beat_guessing(shares, seed):
    decision = arrays(made([(share, 1.0) for share in shares], seed=seed))
    assert (decision["chosen"] is None) == (not any(entry["beats_guessing"] for entry in decision["ranking"]))
    assert (decision["verdict"] == "not_better_than_guessing") == (decision["chosen"] is None)


def is_clear(decision):
    """Whether no number is near a border of a verdict, and no two arms have the same accuracy."""
    accuracies = [entry["accuracy"] for entry in decision["ranking"]]
    return len(set(accuracies)) == len(accuracies) and all(
        (pair["p_value"] < 0.03 or pair["p_value"] > 0.1)
        and (max(abs(pair["low"]), abs(pair["high"])) < 0.7 or max(abs(pair["low"]), abs(pair["high"])) > 1.5)
        for pair in decision["pairs"]
    )


@GENERAL
@given(ARMS, st.permutations(range(4)), st.sampled_from(["accurate", "cheap"]), st.integers(0, 3))
def test_the_order_of_arms_seeds_and_images_does_not_matter(arms, order, prefer, seed):
    competitors = made(arms, seed=seed)
    costs = [(one.macs, one.peak_bytes) for one in competitors]
    assume(len(set(costs)) == len(costs))
    before = arrays(competitors, prefer)
    assume(is_clear(before))
    images = numpy.random.default_rng(seed).permutation(competitors[0].correct.shape[1])
    turned = [
        Competitor(one.arm, one.seeds[::-1], one.correct[::-1][:, images], one.macs, one.peak_bytes)
        for one in (competitors[place] for place in order if place < len(competitors))
    ]
    after = arrays(turned, prefer)
    assert after["verdict"] == before["verdict"] and after["candidates"] == before["candidates"]
    assert (after["chosen"] and after["chosen"]["arm"]) == (before["chosen"] and before["chosen"]["arm"])


@GENERAL
@given(st.permutations([1.0, 2.0, 3.0]), st.sampled_from(["accurate", "cheap"]), st.sampled_from([300, 500]))
def test_of_equal_arms_the_cheapest_is_chosen(costs, prefer, number):
    arms = [competitor(f"arm{place}", number, cost) for place, cost in enumerate(costs)]
    decision = decided(*arms, prefer=prefer)
    assert decision["verdict"] == "equivalent"
    assert decision["chosen"]["arm"] == f"arm{costs.index(1.0)}"


@GENERAL
@given(st.lists(st.sampled_from(VERDICTS), min_size=1, max_size=5), st.sampled_from(["accurate", "cheap"]))
def test_the_verdict_follows_from_those_of_the_leader(verdicts, prefer):
    arms = [competitor(f"arm{place}", 700 - place, cost=9.0 - place) for place in range(len(verdicts) + 1)]
    pairs = [
        {
            "arm_a": "arm0",
            "arm_b": one.arm,
            "difference": 1.0,
            "low": 0.5,
            "high": 1.5,
            "p_value": 0.01,
            "verdict": kind,
        }
        for one, kind in zip(arms[1:], verdicts, strict=True)
    ]
    choice = choose(arms, pairs, prefer, {one.arm for one in arms})
    left = [one.arm for one, kind in zip(arms[1:], verdicts, strict=True) if kind != "better"]
    assert choice["candidates"] == ["arm0", *left]
    equivalent = [one.arm for one, kind in zip(arms[1:], verdicts, strict=True) if kind == "equivalent"]
    if "undecided" in verdicts:
        assert choice["verdict"] == "undecided"
        # each arm is cheaper than the one before
        assert choice["chosen"]["arm"] == (left if prefer == "cheap" else ["arm0", *equivalent])[-1]
    else:
        assert choice["verdict"] == ("equivalent" if equivalent else "better")
        assert choice["chosen"]["arm"] == ["arm0", *equivalent][-1]


# The command


@pytest.mark.slow
def test_two_processes_write_the_same_bytes(decided_folder):
    outputs = []
    for name in ("first", "second"):
        files = {"decision": decided_folder / f"{name}.json", "table": decided_folder / f"{name}.csv"}
        call = [sys.executable, "-W", "error", "-m", "triptych", "decide"]
        for option, value in (command_options(decided_folder) | files).items():
            call += [f"--{option.replace('_', '-')}", str(value)]
        threads = {"OPENBLAS_NUM_THREADS": str(len(name) - 4), "PYTHONHASHSEED": str(len(name))}
        run = subprocess.run(call, env={**os.environ, **threads}, capture_output=True, text=True)
        assert (run.returncode, run.stderr) == (0, "")
        assert "30 validation images, 2 arms" in run.stdout
        outputs.append([path.read_bytes() for path in files.values()])
    assert outputs[0] == outputs[1]
    read_decision(decided_folder / "first.json")


@pytest.fixture
def decided_folder(opened):
    return opened.folder


def command_options(folder, **changes):
    """The options of the command for an experiment's folder."""
    return {
        "correct": folder / "validation.safetensors",
        "arms_table": folder / "tables" / "arms.csv",
        "computed_cost": folder / "tables" / "computed_cost.csv",
        "comparison": json.dumps(SETTINGS),
        "decision": folder / "decision.json",
        "table": folder / "tables" / "decision.csv",
        **changes,
    }


def test_the_table_says_what_the_decision_says(opened):
    decision, table = opened.decide(), opened.collect()["decision"]
    assert table["arm"].tolist() == [entry["arm"] for entry in decision["ranking"]] == ["b", "a"]
    leader, other = only(table, rank=1), only(table, rank=2)
    assert (leader["verdict"], leader["difference"], leader["difference_low"]) == ("leader", "0.0", "")
    (pair,) = decision["pairs"]
    assert (other["verdict"], float(other["difference"])) == (pair["verdict"], pair["difference"])
    assert (leader["scope"], other["scope"]) == ("", pair["scope"]) == ("", "two seeds")
    assert (float(other["difference_low"]), float(other["difference_high"])) == (pair["low"], pair["high"])
    cost = only(opened.collect()["computed_cost"], arm="a")
    assert (other["macs"], other["peak_bytes"]) == (cost["macs"], cost["peak_bytes"])
    assert (leader["candidate"], leader["chosen"]) == ("1", str(int(decision["chosen"]["arm"] == "b")))


def test_looks_are_counted_by_the_record(opened, tmp_path, monkeypatch):
    """The first decision is that without a record; the same seeds are the same look, to the same bytes."""
    monkeypatch.setattr("triptych.analysis.looks.SEEDS_FOR_A_VERDICT", 1)
    path, record = opened.folder / "decision.json", tmp_path / "decisions.jsonl"
    opened.decide()
    without = path.read_bytes()
    opened.decide(record=record)
    assert path.read_bytes() == without
    every, opened.runs = opened.runs, {"a": [0], "b": [0]}
    opened.validate()
    assert opened.decide(record=record)["look"] == 2
    second = path.read_bytes()
    opened.decide(record=record)
    assert path.read_bytes() == second
    opened.runs = every
    opened.validate()
    opened.decide(record=record)
    assert path.read_bytes() == without
    seeds = [json.loads(line)["seeds"] for line in record.read_text().splitlines()]
    assert seeds == [[0, 1], [0], [0], [0, 1]]


def test_controls_are_not_ranked(experiment):
    experiment.validate()
    decision = experiment.decide()
    assert [entry["arm"] for entry in decision["ranking"]] == ["good", "middle", "poor"]
    assert decision["images"] == "test"


def test_arms_that_have_lost_runs(decided_runs_lost):
    assert [(entry["arm"], entry["seeds"]) for entry in decided_runs_lost["ranking"]] == [("b", [1]), ("a", [0, 1])]


@pytest.fixture
def decided_runs_lost(decided):
    decided.runs["b"] = [1]
    decided.validate("partial/")
    return decided.decide("partial/")


def test_an_experiment_of_controls_alone(opened):
    path = opened.folder / "tables" / "arms.csv"
    path.write_text(path.read_text().replace(",arm,", ",control,"))
    with pytest.raises(InputError, match=r"arms\.csv: expected an arm that is no control, found none"):
        opened.decide()


@pytest.mark.parametrize(
    ("name", "message"),
    [("validation.safetensors", "no run of the arm a"), ("tables/computed_cost.csv", "no run of the arm a")],
)
def test_files_that_do_not_fit(opened, name, message):
    path = opened.folder / name
    if name.endswith("csv"):
        path.write_text("".join(line for line in path.read_text().splitlines(True) if not line.startswith("a,")))
    else:
        tensors, metadata = load_tensors(path), load_metadata(path)
        tensors["correct"] = tensors["correct"][2:]
        save_tensors(path, tensors, metadata | {"runs": metadata["runs"][2:]})
    with pytest.raises(InputError, match=f"{name}: {message}"):
        opened.decide()


@pytest.mark.parametrize("key", ["runs", "classes", "images", "correct", "labels"])
def test_a_file_that_lacks_something(opened, key):
    path = opened.folder / "validation.safetensors"
    tensors, metadata = load_tensors(path), load_metadata(path)
    tensors.pop(key, None), metadata.pop(key, None)
    save_tensors(path, tensors, metadata)
    with pytest.raises(InputError, match=rf"validation\.safetensors: no {key}$"):
        opened.decide()


def test_a_file_of_another_shape(opened):
    path = opened.folder / "validation.safetensors"
    tensors, metadata = load_tensors(path), load_metadata(path)
    save_tensors(path, tensors | {"correct": tensors["correct"][:3]}, metadata)
    with pytest.raises(InputError, match=r"expected correct \[4, 30\] \(runs, images\), found \[3, 30\]"):
        opened.decide()


@pytest.mark.parametrize("option", ["correct", "arms_table", "computed_cost"])
def test_a_missing_file_is_named(opened, option):
    path = command_options(opened.folder)[option]
    path.unlink()
    for made in ("decision.json", "tables/decision.csv"):
        (opened.folder / made).unlink()
    with pytest.raises(InputError, match=f"{path.name}: the file is missing"):
        decide(**command_options(opened.folder))
    assert not (opened.folder / "decision.json").exists()


@pytest.mark.slow
def test_it_starts_without_torch():
    code = "import sys, triptych.analysis.decide; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "torchvision", "matplotlib", "sklearn"} & set(modules)
