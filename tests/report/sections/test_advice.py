"""The advice follows from the decision, its costs and the validation curves; test results rank nothing."""

from dataclasses import replace

import pytest

from tests.fabricated import LECTURE
from tests.report.conftest import TWO, against, plain
from triptych.report.sections.advice import advice

PRICES = ("Short of", "saves", "costs", "less", "MAC", "MiB", "%", "points", "operations", "memory")


def test_a_single_arm_asks_for_a_second(results):
    assert "Add a second arm" in advice(results(arms=TWO[:1]))[0]


def test_of_equivalent_arms_the_one_with_fewest_operations_is_advised_whatever_the_times(results):
    arms = [
        {"name": "finetune", "last": 96.0, "seconds": 10},
        {"name": "scratch", "last": 95.8, "seconds": 40, "train": "head"},
    ]
    text = plain(advice(results(arms=arms, comparisons=against("equivalent", 0.2, -0.4, 0.8)))[0])
    assert text.startswith("Use scratch: finetune and scratch are equivalent, and scratch needs the fewest operations")
    # 37,016,576 MACs x (300 images x 10 epochs, one forward pass each, and 11 x 200 + 300 in evaluations)
    assert "One run takes 40 s and 582 MiB of process memory (measured); 204 GMAC and" in text
    assert text.endswith("In these runs finetune took 10 s: measure again before you choose by time.")


@pytest.mark.parametrize("verdict", ["equivalent", "undecided"])
def test_arms_of_the_same_arithmetic_are_never_ranked_by_time(results, verdict):
    arms = [{"name": "finetune", "last": 96.0, "seconds": 40}, {"name": "scratch", "last": 95.8, "seconds": 10}]
    said = plain(" ".join(advice(results(arms=arms, comparisons=against(verdict, 0.2, -0.4, 0.8)))))
    assert ("cost the same" if verdict == "equivalent" else "Their computed work is equal") in said
    assert not any(word in said for word in ("cheapest", "fewest", "least", "Short of", "quick", "measured"))


def test_between_equal_operations_the_memory_decides(results):
    arms = [{"name": "finetune", "last": 96.0}, {"name": "scratch", "last": 95.8}]
    costs = {"finetune": {"peak_bytes": 3e8}, "scratch": {"peak_bytes": 1e8}}
    text = advice(results(arms=arms, comparisons=against("equivalent", 0.2, -0.4, 0.8), costs=costs))[0]
    assert text.startswith("Use scratch") and "needs the least memory, with the same operations (computed)" in text


def test_an_undecided_pair_asks_for_more_evidence(results):
    text = plain(advice(results(arms=TWO, comparisons=against("undecided")))[0])
    assert text == (
        "Whether net2 · finetune is better than scratch is undecided: more seeds or more validation images may decide. "
        "Their computed work is equal, so cost does not decide either. Until then use net2 · finetune."
    )


def test_with_too_few_seeds_no_number_of_images_decides(results):
    row = (*against("undecided")[0][:6], float("nan"), "two seeds", "undecided")
    text = advice(results(arms=TWO, comparisons=[row]))[0]
    assert "a verdict needs at least three seeds of each arm" in text and "images" not in text


@pytest.mark.parametrize(
    ("prefer", "end"),
    [
        ("accurate", "Until then use finetune, with the highest accuracy in these runs."),
        ("cheap", "Until then use last_layer, the cheapest of them (prefer: cheap)."),
    ],
)
@pytest.mark.parametrize("low", [2.0, -20.0])
def test_what_is_undecided_has_no_price(results, low, prefer, end):
    """Of two arms the second costs half, and the comparison does not tell them apart."""
    arms = [
        {"name": "finetune", "first": 91, "last": 92.0},
        {"name": "last_layer", "train": "head", "last": 84.0, "seconds": 11},
    ]
    rows = [("finetune", "last_layer", 8.0, low, 15.0, 0.059, "undecided")]
    found = results(arms=arms, comparisons=rows, prefer=prefer)
    assert set(found.tables["cost_savings"]["than"]) == {"finetune"}  # there would be a saving to tell
    assert plain(advice(found)[0]).endswith(end)
    said = plain(" ".join(text for text in advice(found) if not text.startswith("More epochs")))
    assert not any(price in said for price in PRICES), said


def test_where_no_arm_beats_guessing_there_is_no_price(results):
    found = results()
    entries = [{**entry, "beats_guessing": False} for entry in found.decision["ranking"]]
    nothing = {"verdict": "not_better_than_guessing", "chosen": None, "candidates": [], "ranking": entries}
    found = replace(found, decision={**found.decision, **nothing})
    assert len(found.tables["cost_savings"])
    said = plain(" ".join(text for text in advice(found) if not text.startswith("More epochs")))
    assert said.startswith("Use none of these arms.") and not any(price in said for price in PRICES), said


def test_an_arm_that_does_not_beat_guessing_saves_nothing(results):
    found = results()
    entries = [{**entry, "beats_guessing": entry["arm"] != "last_layer"} for entry in found.decision["ranking"]]
    assert "Short of" in " ".join(advice(found))
    found = replace(found, decision={**found.decision, "ranking": entries})
    assert "Short of" not in " ".join(advice(found))


def test_the_price_of_saving_is_named_measured_first(results):
    found = results()
    (pair,) = (pair for pair in found.decision["pairs"] if (pair["arm_a"], pair["arm_b"]) == ("finetune", "last_layer"))
    said = plain(" ".join(advice(found)))
    assert said.startswith("Use net2 · finetune if you can afford it; no other arm matches its accuracy. One run takes")
    assert "20 s and 582 MiB of process memory (measured); 426 GMAC and 185 MiB of tensors (computed)." in said
    saving = (
        "Short of time? net3 · last_layer took 55 % of the time of net2 · finetune (measured; computed: 48 % of the "
        f"operations). Its validation accuracy is 22.0 points lower (95 % CI {pair['low']:.1f} to {pair['high']:.1f})."
    )
    assert saving in said  # the measured memory is the same: none is saved, though 26 % is computed


def test_memory_is_saved_as_it_was_measured(results):
    found = results()
    row = found.tables["cost_savings"]["than"] == "finetune"
    found.tables["cost_savings"].loc[row, ["saves_memory", "memory_share"]] = [1, 0.886]
    said = plain(" ".join(advice(found)))
    assert "Short of time or memory? net3 · last_layer took 55 % of the time and 89 % of the process memory of" in said
    assert "(measured; computed: 48 % of the operations and 26 % of the tensor memory)" in said


def test_the_cheapest_arm_is_not_called_dear(results):
    arms = [{"name": "last_layer", "train": "head", "last": 97.0}, {"name": "finetune", "last": 91.0}]
    said = advice(results(arms=arms))[0]
    assert said.startswith("Use last_layer: no other arm matches its accuracy, and none needs less computed work.")


def test_memory_on_a_gpu_is_not_that_of_the_process(results):
    found = results()
    found.tables["cost"]["device"] = "cuda"
    assert "582 MiB of GPU memory (measured)" in plain(advice(found)[0])


def lengths(found, **changes):
    """The results where the table training_length says this of arms, by arm."""
    table = found.tables["training_length"]
    for arm, values in changes.items():
        for column, value in values.items():
            table.loc[table["arm"] == arm, column] = value
    return found


def test_arms_whose_curves_support_more_epochs_are_named_in_the_configurations_order(results):
    found = results(arms=[*LECTURE, {"name": "control", "role": "control"}])
    gains = {"longer": 1, "late_gain": 12.34, "last_gain": 4.0}
    lengths(found, scratch=gains, finetune={"longer": 0}, last_layer=gains, control=gains)
    own = [plain(text) for text in advice(found) if text.startswith("More epochs")]
    assert own[0] == (
        "More epochs may help net1 · scratch: validation accuracy rose by 12.3 points in the last 3 epochs, by 4.0 in "
        "the last one (means over 3 seeds)."
    )
    assert [text.split(":")[0] for text in own] == [
        f"More epochs may help {name}" for name in ("net1 · scratch", "net3 · last_layer")
    ]


def test_fewer_epochs_are_advised_of_the_chosen_arm_alone(results):
    fewer = {"shorter": 1, "steady_epoch": 4}
    said = plain(" ".join(advice(lengths(results(), finetune=fewer, scratch=fewer))))
    assert said.count("Fewer epochs") == 1
    assert (
        "Fewer epochs may do for net2 · finetune: from epoch 4 of 10 on every run stays within 1 point of its" in said
    )


def test_a_curve_of_test_images_advises_nothing(results):
    """Without validation images no length is advised, however the test accuracy rises."""
    found = results(test="every_epoch", images=(300, 0))
    assert found.curve("scratch", "test_accuracy").iloc[-1] - found.at("scratch", "test_accuracy", 7) > 10
    assert found.tables["training_length"].empty
    assert not any("epochs" in text for text in advice(found))
