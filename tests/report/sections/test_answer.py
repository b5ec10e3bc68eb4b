"""The answer is worded from the decision, and says no more."""

import json
import re
from dataclasses import replace

import pytest

from tests.report.conftest import TWO, against, plain
from tests.report.test_report import Page
from triptych.report.report import report
from triptych.report.sections import answer, curves
from triptych.report.sections.advice import advice
from triptych.results import schema
from triptych.results.experiment import read_results


def test_the_best_of_three_arms_is_named_with_its_lead_and_the_interval(results):
    found = results()
    (lead,) = (pair for pair in found.decision["pairs"] if {pair["arm_a"], pair["arm_b"]} == {"finetune", "scratch"})
    assert plain(answer.headline(found)) == (
        "net2 · finetune is the best of 3 arms: 97.3 % accuracy on 200 validation images, 6.0 points more than net1 · "
        f"scratch, the next best (95 % CI {lead['low']:.1f} to {lead['high']:.1f})."
    )
    assert 2 < lead["low"] < 4 and 8 < lead["high"] < 10


def test_two_arms_of_which_one_is_better(results):
    headline = plain(answer.headline(results(arms=TWO, comparisons=against("better", 0.5, 0.1, 0.9, 0.01))))
    assert headline.startswith("net2 · finetune is better: ")
    assert headline.endswith("0.5 points more than scratch (95 % CI 0.1 to 0.9).")


HEAD = {"name": "last_layer", "label": "net3", "train": "head", "last": 95.5}


def of_head(verdict):
    """The row of a comparison of the two arms of `[TWO[0], HEAD]`, the second of which is the cheaper."""
    return [("finetune", "last_layer", 0.3, -0.2, 0.8, 0.3, verdict)]


def test_of_equivalent_arms_the_cheapest_is_the_answer(results):
    headline = plain(answer.headline(results(arms=[TWO[0], HEAD], comparisons=of_head("equivalent"))))
    assert headline.startswith("net2 · finetune (96.3 %) and net3 · last_layer (95.8 %) are equivalent, within 1 point")
    # 37,016,576 MACs x 300 images x 10 epochs, one forward pass each, and three; and those of the evaluations
    assert "net3 · last_layer is the cheapest: 204 GMAC and 47.2 MiB per run, against 426 GMAC" in headline
    assert "better" not in headline and "best" not in headline and "measured" not in headline


def test_of_equivalent_arms_the_measured_cost_comes_first_where_it_agrees(results):
    arms = [{**TWO[0], "seconds": 20}, {**HEAD, "seconds": 11}]
    headline = plain(answer.headline(results(arms=arms, comparisons=of_head("equivalent"))))
    assert (
        "is the cheapest: 11 s and 582 MiB of process memory, against 20 s and 582 MiB of process memory (measured); "
        "204 GMAC and 47.2 MiB per run, against 426 GMAC"
    ) in headline


def test_equivalent_arms_of_the_same_cost(results):
    headline = answer.headline(results(arms=TWO, comparisons=against("equivalent", 0.3, -0.2, 0.8, 0.3)))
    assert headline.endswith("They cost the same; net2 · finetune comes first in the configuration.")


@pytest.mark.parametrize(
    ("prefer", "chosen"),
    [
        ("accurate", "Until then it is chosen, as the arm with the highest accuracy."),
        ("cheap", "Until then net3 · last_layer is chosen, the cheapest of them."),
    ],
)
def test_an_undecided_lead_is_no_order_and_what_is_preferred_is_said(results, prefer, chosen):
    headline = plain(answer.headline(results(arms=[TWO[0], HEAD], comparisons=of_head("undecided"), prefer=prefer)))
    assert headline.startswith("Undecided: net2 · finetune reaches 96.3 % accuracy on 200 validation images; ")
    assert headline.endswith(f"whether it is better than net3 · last_layer (95.8 %) is open. {chosen}")


def test_of_a_mixture_the_equivalent_arm_may_be_chosen(results):
    arms = [{"name": "a", "last": 96.0}, {**HEAD, "name": "b", "last": 95.5}, {"name": "c", "last": 95.0}]
    pairs = {"ab": "equivalent", "ac": "undecided", "bc": "undecided"}
    found = results(arms=arms, comparisons=[(*pair, 0.5, 0.1, 0.9, 0.1, verdict) for pair, verdict in pairs.items()])
    headline = plain(answer.headline(found))
    assert "whether it is better than c (" in headline
    assert headline.endswith("Until then net3 · b is chosen: equivalent to it, and cheaper.")


def test_no_arm_is_chosen_where_none_beats_guessing(results):
    found = results(arms=[{"name": "a", "first": 10, "last": 11.0}, {"name": "b", "first": 10, "last": 10.5}])
    assert plain(answer.headline(found)) == (
        "No arm is shown to be better than guessing, so none is chosen. Naming the most frequent class is right for "
        "10.0 % of 200 validation images; a reaches 11.3 %."
    )
    assert plain(answer.tested(found)) == (
        "This is judged on 200 validation images; the 1,000 test images were read only afterwards."
    )
    assert advice(found)[0].startswith("Use none of these arms.")
    assert answer.what_it_answers(found) + answer.what_would_change_it(found) + answer.before_training(found) == []


def test_one_arm_is_compared_with_nothing(results):
    found = results(arms=TWO[:1])
    low, high = (found.ranking["finetune"][end] for end in ("low", "high"))
    assert plain(answer.headline(found)) == (
        f"net2 · finetune reaches 96.3 % accuracy on 200 validation images (95 % CI {low:.1f} to {high:.1f}). There is "
        "no other arm to choose from."
    )


def test_a_tie_keeps_the_order_of_the_configuration(results):
    arms = [{"name": "scratch", "last": 95.0}, {"name": "finetune", "last": 95.0}]
    tie = [("scratch", "finetune", 0.0, -0.4, 0.4, 1.0, "equivalent")]
    found = results(arms=arms, seeds=(0,), comparisons=tie)
    assert found.contestants == ["scratch", "finetune"]
    assert "scratch comes first in the configuration" in answer.headline(found)


# Tested


@pytest.mark.parametrize(
    ("change", "said", "shown"),
    [(-0.31, "0.3 points less than", "-0.3"), (1.2, "1.2 points more than", "+1.2"), (0.04, "as", "0.0")],
)
def test_the_chosen_arm_is_tested_and_the_change_is_named(results, change, said, shown):
    found = results()
    found.tables["summary"]["change_mean"] = float(change)
    low, high = found.accuracy_interval("finetune")
    assert plain(answer.tested(found)) == (
        "net2 · finetune was chosen on 200 validation images; the 1,000 test images were read only afterwards. Its "
        f"test accuracy is 97.0 % (95 % CI {low:.1f} to {high:.1f}), {said} on the validation images."
    )
    assert [plain(row[3]) for row in answer.summary(found).rows] == [shown] * 3


def test_that_test_images_are_evaluated_every_epoch_is_told_at_once(results):
    said = plain(answer.tested(results(test="every_epoch")))
    assert said.startswith("The 1,000 test images were evaluated after every epoch. net2 · finetune was chosen on 200 ")
    without = answer.tested(results(test="every_epoch", images=(300, 0)))
    assert "made on the test images, so the accuracy of net2 · finetune on them is optimistic" in without


def test_the_answer_uses_no_test_result(results):
    found = results()
    said = answer.headline(found), advice(found)
    for name in ("summary", "comparisons", "test_results"):
        del found.tables[name]
    assert (answer.headline(found), advice(found)) == said


def test_runs_opened_under_another_decision_are_named_on_the_first_screen(results):
    found = results()
    assert not [block for block in answer.blocks(found) if getattr(block, "kind", "") == "partial"]
    first, second, *others = found.opened["runs"]
    assert second[:2] == ["scratch", 1]
    runs = [first, ["scratch", 1, "0" * 64], *others]
    other = replace(found, opened={**found.opened, "runs": runs})
    (note,) = [block for block in answer.blocks(other) if getattr(block, "kind", "") == "partial"]
    assert note.text == "Tested after another decision than the present one: net1 · scratch, seed 1 (00000000)."


def test_one_seed_has_an_interval_over_images_and_says_so(results):
    found = results(seeds=(7,))
    low, high = found.accuracy_interval("finetune")
    assert (low, high) == (pytest.approx(95.75, abs=0.01), pytest.approx(97.89, abs=0.01))  # Wilson, 970 of 1,000
    said = plain(answer.about_seeds(found))
    assert "trained once (seed 7)" in said and said.endswith(
        "allows for other images of the same kind, not for another seed."
    )
    table = answer.summary(found)
    assert table.columns[2].meaning.endswith("for other test images, not for another seed.")
    assert "seed" not in table.title + answer.curve(found)


def test_several_seeds_have_an_interval_over_images_and_seeds(results):
    text = plain(answer.about_seeds(results()))
    assert "Every arm (a way to train) was trained 3 times (seeds 0, 1 and 2)" in text
    assert text.endswith("allows for other images of the same kind and other seeds.")
    table = answer.summary(results())
    assert table.title == "Accuracy and cost, means over seeds"
    assert table.columns[2].meaning.endswith("for other test images and other seeds.")
    assert answer.curve(results()).endswith("Thick lines: means over seeds; thin lines: single seeds.")


def test_more_seeds_than_lines_are_a_band(results):
    many = results(arms=TWO[:1], seeds=tuple(range(11)))
    assert answer.curve(many).endswith("Thick lines: means over seeds; bands: their range.")


# Fewer than three seeds


def test_with_one_seed_networks_are_compared_and_there_is_no_verdict(results):
    found = results(seeds=(0,))
    headline = plain(answer.headline(found))
    assert headline.startswith(
        "No verdict: with one run of an arm, another seed may change the order. net2 · finetune is ahead"
    )
    assert headline.endswith("These two networks differ, but another seed may change this.")
    assert answer.what_it_answers(found) == []
    assert answer.what_would_change_it(found) == ["A verdict on arms needs at least three seeds of each."]
    close = results(arms=TWO, seeds=(0,))
    assert "networks differ" not in answer.headline(close) and "No verdict" in answer.headline(close)


def test_with_two_seeds_there_is_an_interval_and_no_verdict(results):
    found = results(seeds=(0, 1))
    headline = plain(answer.headline(found))
    assert headline.startswith(
        "No verdict: two seeds of an arm are too few. net2 · finetune is ahead with 97.2 % accuracy"
    )
    assert "better" not in headline and "best" not in headline and answer.what_it_answers(found) == []
    (needed,) = answer.what_would_change_it(found)
    assert plain(needed) == (
        "net2 · finetune against net3 · last_layer or net1 · scratch: about 3 seeds of each arm would settle it, if "
        "the difference stays as it is."
    )


def test_of_two_arms_that_are_level_none_is_ahead(results, monkeypatch):
    monkeypatch.setattr("triptych.report.sections.headline.lead", lambda *_: (0.0, -6.8, 6.8, None))
    said = plain(answer.headline(results(arms=TWO, seeds=(0, 1))))
    assert re.match(r"No verdict: two seeds of an arm are too few\. .* and .* both reach \d+\.\d % accuracy on ", said)
    assert said.endswith(" validation images (difference: 95 % CI -6.8 to 6.8).") and "ahead" not in said


@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
def test_no_page_of_fewer_than_three_seeds_has_a_verdict_on_arms(experiment, seeds):
    folder = experiment(seeds=seeds)
    report(experiment="digits", experiment_folder=folder, output=folder / "report.html")
    page = (folder / "report.html").read_text()
    assert 'class="verdict undecided"' in page or 'class="verdict networks"' in page
    for verdict in ("better", "worse", "equivalent"):
        assert f'class="verdict {verdict}"' not in page, verdict
    said = plain(" ".join(Page(page).visible))
    for claim in ("is the best", "is better than every", "are equivalent", "weights pay", "alone is not enough"):
        assert claim not in said, claim
    assert "No verdict" in said


# The title's question, and what would change the answer


def test_a_question_on_one_setting_is_answered_where_two_arms_differ_in_it_alone(results):
    pays, layer = map(plain, answer.what_it_answers(results()))
    assert pays == "Pretrained weights pay."  # the headline has the numbers
    assert layer.startswith(
        "Training the last layer alone is not enough: net3 · last_layer loses 22.0 points (95 % CI "
    )
    assert layer.endswith(" to net2 · finetune.")


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        ("equivalent", "Training the last layer alone is enough."),
        ("undecided", "Whether training the last layer alone is enough is undecided."),
        ("better", "Training the last layer alone is not enough."),
    ],
)
def test_what_the_verdict_says_on_the_last_layer(results, verdict, said):
    assert answer.what_it_answers(results(arms=[TWO[0], HEAD], comparisons=of_head(verdict))) == [said]


def test_arms_that_differ_in_more_than_one_setting_answer_nothing(results):
    other = {**TWO[1], "training": {"learning_rate": 1e-3}}
    assert answer.what_it_answers(results(arms=[TWO[0], other], comparisons=against("better"))) == []


def test_worse_pretrained_weights_do_not_pay(results):
    arms = [{"name": "scratch", "weights": "random", "last": 97.0}, {"name": "finetune", "last": 90.0}]
    assert answer.what_it_answers(results(arms=arms)) == ["Pretrained weights do not pay."]


def test_the_nearer_end_of_the_interval_is_what_may_change(results):
    found = results()
    (text,) = answer.what_would_change_it(found)
    low = next(pair["low"] for pair in found.decision["pairs"] if pair["arm_b"] == "scratch")
    assert plain(text).startswith(f"The 95 % CI of the lead over net1 · scratch begins at {low:.1f} points. Another")
    (text,) = answer.what_would_change_it(results(arms=TWO, comparisons=against("equivalent", 0.3, -0.7, 0.9, 0.3)))
    assert plain(text) == "The 95 % CI of the difference between net2 · finetune and scratch reaches 0.9 points."


def test_what_would_settle_an_undecided_lead(results):
    found = results(arms=TWO)
    needed = found.decision["settling"]["scratch"]
    assert found.decision["verdict"] == "undecided" and needed["about"] > 3 and needed["images"] > 1
    (text,) = answer.what_would_change_it(found)
    assert plain(text).startswith("net2 · finetune against scratch: ") and f"{needed['about']} " in text
    assert f"about {needed['images']:.0f} times as many validation images" in plain(text)


def test_what_pretraining_took_is_named(results):
    found = results()
    # three forward passes of 37,016,576 MACs on 11,000 letters, twice
    assert plain(answer.before_training(found)[0]) == (
        "Costs leave out pretraining: 11,000 letters, 2 epochs, 2.4 TMAC of training (computed)."
    )
    assert answer.before_training(results(arms=TWO[1:])) == []


def test_arms_that_may_not_have_finished_are_named_with_the_answer(results):
    found = results()
    table = found.tables["convergence"].set_index("arm", drop=False)
    assert (table["seeds_lowest_last"] == 3).all() and len(advice(found)) == 4  # two of them are advised more epochs
    said = "net2 · finetune may not have finished: its validation loss is lowest at the last epoch in every seed."
    assert curves.unfinished(found) == [said]
    (notes,) = [block.items for block in answer.blocks(found) if getattr(block, "title", "").startswith("What could")]
    assert said in notes
    found.tables["training_length"]["longer"] = 0.0
    assert curves.unfinished(found)[0].endswith("their validation losses are lowest at the last epoch in every seed.")
    found.tables["convergence"]["seeds_lowest_last"] = [3.0, 2.0, 3.0]
    assert curves.unfinished(found)[0].startswith("net1 · scratch and net3 · last_layer may not")
    assert curves.unfinished(replace(found, configuration={**found.configuration, "test": "every_epoch"})) == []
    found.tables["convergence"]["stopped"] = 1.0
    assert curves.unfinished(found) == []


def test_a_p_value_is_of_differences_at_least_as_large(results):
    assert any("probability of a difference at least as large if there" in one for one in answer.glossary(results()))
    assert schema.COMPARISONS["p_value"].meaning.startswith("Probability of a difference at least as large if")
    assert "at least" in schema.DECISION["p_guessing"].meaning


def test_the_run_to_take_is_named_with_its_own_accuracies(results):
    found = results()
    seed = found.decision["chosen"]["seed"]
    run = found.of("runs", "finetune").query(f"seed == '{seed}'").iloc[0]
    (lead,) = (block.text for block in answer.blocks(found) if getattr(block, "kind", None) == "")
    assert (
        f"The run to take is that with seed {seed}: {run['validation_accuracy']:.1f} % validation accuracy, the "
        f"highest of 3 runs; {run['test_accuracy']:.1f} % test accuracy. Its weights are in model/."
    ) in plain(lead)


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


def test_controls_are_not_compared(results):
    arms = [{"name": "frozen", "role": "control", "last": 99.0, "train": "head", "batchnorm": "frozen"}, *TWO]
    found = results(arms=arms, comparisons=against("better", 0.5, 0.1, 0.9, 0.01))
    assert "frozen" not in answer.headline(found) + "".join(advice(found))
    assert answer.about_controls(found) == "frozen is a control: trained, but not compared."
    assert [row[0].control for row in answer.summary(found).rows] == [True, False, False]  # the configuration's order


def test_validation_is_shown_if_there_are_validation_images(results):
    found = results(arms=TWO)
    columns = [column.title for column in answer.summary(found).columns]
    assert columns == ["arm", "validation", "test accuracy", "change", "time", "memory", "trainable"]
    runs = found.tables["runs"].query("arm == 'scratch'")
    expected = [runs[f"{split}_accuracy"].mean() for split in ("validation", "test")]
    _, validation, test, change, *_ = answer.summary(found).rows[1]
    assert [plain(cell) for cell in (validation, test[0])] == [f"{value:.1f} %" for value in expected]
    assert plain(change) == f"{expected[1] - expected[0]:+.1f}"
    without = answer.summary(results(arms=TWO, images=(300, 0), test="every_epoch"))
    assert not {"validation", "change"} & {column.title for column in without.columns}


def test_the_summary_ends_with_the_chance_level_of_each_split(results):
    table = answer.summary(results())
    assert [plain(cell) for cell in table.total] == ["guessing", "10.0 %", "10.0 %", "–", "–", "–", "–"]
    found = results()
    found.sizes.loc[(found.sizes["split"] == "test") & (found.sizes["class"] == "3"), "images"] = 300.0
    table = answer.summary(found)
    assert [plain(cell) for cell in table.total[:3]] == ["guessing", "10.0 %", "25.0 %"]  # 300 of 1,200
    assert len(table.total) == len(table.columns)


# Partial reports


@pytest.fixture
def partial(find, tmp_path):
    """The function that writes the partial report of an experiment that lacks these runs, and returns its text."""

    def write(missing, **options):
        made = find(**options).copy(tmp_path / "digits")
        for arm, seeds in missing.items():
            made.runs[arm] = [seed for seed in made.runs[arm] if seed not in seeds]
        made.complete("partial/")
        page = made.folder / "partial" / "report.html"
        report(experiment="digits", experiment_folder=made.folder, missing=json.dumps(missing), output=page)
        return plain(page.read_text())

    return write


def test_a_partial_report_is_provisional_and_has_no_test_result(partial):
    page = partial({"scratch": [1], "finetune": []})
    assert page.index("1 of 9 runs is missing (scratch with seed 1). All numbers") < page.index('<p class="answer">')
    said = " ".join(Page(page).text)
    assert "Provisional: No verdict: two seeds of an arm are too few. net2 · finetune is ahead" in said
    assert "The test images have not been opened. The missing runs may change this ranking." in said
    assert "Not every arm (a way to train) has the same number of runs" in said
    assert "test accuracy" not in said.lower() and "misclassified test" not in said and "Recorded openings" not in said
    assert "manifest.json" not in said
    shown = {values["id"] for _, values in Page(page).elements if "id" in values}
    assert "validation_accuracy" in shown and "comparisons" in shown
    assert not {"errors", "cost_accuracy", "test_accuracy"} & shown


def test_a_partial_report_that_lacks_no_run(partial):
    page = partial({"scratch": []})
    assert "This partial report lacks no run: all 9 exist" in page
    assert "The test images have not been opened. The run to take is that with seed" in page
    assert "model/" not in page


def test_a_partial_report_has_test_results_where_these_are_there_every_epoch(partial):
    page = partial({"scratch": [1]}, test="every_epoch")
    assert "The 1,000 test images were evaluated after every epoch." in page and "Provisional" not in page
    assert 'id="test_accuracy"' in page and 'id="errors"' in page


def test_arms_with_one_run_each_of_different_seeds(partial):
    page = partial({"scratch": [1, 2], "finetune": [0, 2], "last_layer": [0, 1]})
    assert "Every arm (a way to train) was trained once (with one of the seeds 0, 1 and 2)" in page
    assert "One seed of an arm: no verdict on arms." in page


def test_the_whole_report_has_no_such_part(experiment):
    folder = experiment()
    report(experiment="digits", experiment_folder=folder, output=folder / "report.html")
    assert 'class="partial"' not in (folder / "report.html").read_text()
    assert read_results(folder).missing is None
