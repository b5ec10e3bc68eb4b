"""The advice follows from the decision and computed cost; test results and measured times rank nothing."""

import pytest

from tests.report.conftest import TWO, against, plain
from triptych.report.sections.advice import advice


def test_a_single_arm_asks_for_a_second(results):
    assert "Add a second arm" in advice(results(arms=TWO[:1]))[0]


def test_of_equivalent_arms_the_one_with_fewest_operations_is_advised_whatever_the_times(results):
    arms = [
        {"name": "finetune", "last": 96.0, "seconds": 10},
        {"name": "scratch", "last": 95.8, "seconds": 40, "train": "head"},
    ]
    text = plain(advice(results(arms=arms, comparisons=against("equivalent", 0.2, -0.4, 0.8)))[0])
    assert text.startswith("Use scratch: finetune and scratch are equivalent, and scratch needs the fewest operations")
    # 37,016,576 MACs x 300 images x 10 epochs, one forward pass each
    assert "111 GMAC" in text and "measured: 20 s of training" in text


@pytest.mark.parametrize("verdict", ["equivalent", "undecided"])
def test_arms_of_the_same_arithmetic_are_never_ranked_by_time(results, verdict):
    arms = [{"name": "finetune", "last": 96.0, "seconds": 40}, {"name": "scratch", "last": 95.8, "seconds": 10}]
    said = plain(" ".join(advice(results(arms=arms, comparisons=against(verdict, 0.2, -0.4, 0.8)))))
    assert "333 GMAC" in said  # three forward passes
    assert not any(word in said for word in ("cheapest", "fewest", "least", "Short of", "quick", "measured"))


def test_between_equal_operations_the_memory_decides(results):
    arms = [{"name": "finetune", "last": 96.0}, {"name": "scratch", "last": 95.8}]
    costs = {"finetune": {"peak_bytes": 3e8}, "scratch": {"peak_bytes": 1e8}}
    text = advice(results(arms=arms, comparisons=against("equivalent", 0.2, -0.4, 0.8), costs=costs))[0]
    assert text.startswith("Use scratch") and "needs the least memory, with the same operations" in text


def test_an_undecided_pair_asks_for_more_evidence(results):
    text = plain(advice(results(arms=TWO, comparisons=against("undecided")))[0])
    assert text == (
        "Whether net2 · finetune is better than scratch is undecided: more seeds or more validation images may decide. "
        "Cost does not decide either: each takes 333 GMAC per run (computed). Until then use net2 · finetune."
    )


@pytest.mark.parametrize(("low", "high"), [(2.0, 15.0), (-20.0, 15.0)])
def test_what_is_undecided_has_no_price(results, low, high):
    arms = [{"name": "finetune", "first": 91, "last": 92.0}, {"name": "last_layer", "train": "head", "last": 84.0}]
    rows = [("finetune", "last_layer", 8.0, low, high, 0.059, "undecided")]
    choice, saving, *_ = map(plain, advice(results(arms=arms, comparisons=rows)))
    assert choice.endswith("may decide. Until then use finetune, the most accurate in these runs.")
    assert saving.endswith("of the operations of finetune (computed), but whether it is less accurate is undecided.")
    assert "points" not in choice + saving
    cheap = plain(advice(results(arms=arms, comparisons=rows, prefer="cheap"))[0])
    assert "Until then use last_layer, which needs the fewest operations: 111 GMAC" in cheap and "points" not in cheap


def test_of_undecided_arms_the_best_is_advised_if_none_costs_less(results):
    arms = [{"name": "last_layer", "train": "head", "last": 92.0}, {"name": "finetune", "last": 91.0}]
    found = results(arms=arms, comparisons=[("last_layer", "finetune", 1.0, -1.0, 3.0, 0.3, "undecided")])
    assert "use last_layer: it is ahead in these runs, and no other costs less." in advice(found)[0]


def test_the_price_of_saving_memory_is_named(results):
    found = results()
    (pair,) = (pair for pair in found.decision["pairs"] if (pair["arm_a"], pair["arm_b"]) == ("finetune", "last_layer"))
    said = plain(" ".join(advice(found)))
    assert said.startswith("Use net2 · finetune if you can afford it; no other arm matches its accuracy.")
    assert "333 GMAC and 185 MiB (computed; measured: 10 s of training, 582 MiB of process memory)" in said
    assert "Short of memory or time? net3 · last_layer needs 26 % of the memory and 33 % of the operations" in said
    interval = f"{pair['low']:.1f} to {pair['high']:.1f}"
    assert f"with 22.0 points less validation accuracy (95 % CI {interval})." in said


def test_memory_on_a_gpu_is_not_that_of_the_process(results):
    found = results()
    found.tables["cost"]["device"] = "cuda"
    assert "582 MiB of memory on the GPU" in plain(advice(found)[0])


def test_arms_that_still_improve_are_named_in_the_configurations_order(results):
    arms = [{"name": "flat", "first": 94.9, "last": 95.0}, {"name": "steep", "first": 20.0, "last": 80.0}]
    found = results(arms=arms)
    said = plain(" ".join(advice(found)))
    assert "Still improving: steep (10.9 points in the last 3 epochs)" in said
    last = advice(results())[-1]
    assert last.index("scratch") < last.index("last_layer")


def test_an_arm_that_fits_its_images_needs_no_larger_learning_rate(results):
    arms = [{"name": "finetune", "first": 60, "last": 97}, {"name": "scratch", "first": 10, "last": 91}]
    found = results(arms=arms)
    runs = found.tables["runs"]
    runs.loc[runs["arm"] == "scratch", "fit_accuracy"] = 99.5
    runs.loc[runs["arm"] == "finetune", "fit_accuracy"] = 98.0
    fitted, unfinished = advice(found)[-2:]
    assert fitted.startswith("scratch still improves") and "learning rate" not in fitted
    assert unfinished.startswith("Still improving: finetune") and "learning rate" in unfinished


def test_fewer_epochs_are_advised_if_the_curve_is_level(results):
    arms = [{"name": "finetune", "first": 94.9, "last": 95.0}]
    found = results(arms=arms)
    assert found.one("convergence", "finetune")["steady_epoch"] == 1
    said = plain(" ".join(advice(found)))
    assert "Train finetune for fewer epochs: from epoch 1 of 10 on it stays within 1 point" in said
