"""The decision is shown with its reasons, and with every opening of the test images."""

import re
from dataclasses import replace

import pytest

from tests.report.conftest import TWO, against, plain
from triptych.report.sections import answer, comparisons, decision
from triptych.report.sections.advice import advice
from triptych.report.sections.headline import headline
from triptych.storage.errors import InputError

HEAD = {"name": "last_layer", "train": "head", "last": 95.5}


def of_head(verdict):
    return [("finetune", "last_layer", 0.3, -0.2, 0.8, 0.3, verdict)]


def cells(found, title):
    table = decision.table(found)
    place = [column.title for column in table.columns].index(title)
    return [row[place] for row in table.rows]


def test_every_arm_is_ranked_with_its_interval_and_its_distance_from_the_leader(results):
    found = results()
    assert [cell.title for cell in cells(found, "arm")] == found.names_of(found.contestants)
    leader = found.decision["ranking"][0]
    accuracy, interval = cells(found, "accuracy")[0]
    assert (plain(accuracy), interval) == ("97.3 %", f"{leader['low']:.1f} to {leader['high']:.1f}")
    assert cells(found, "behind")[0] == "–" and cells(found, "behind")[1][0] == "6.0"
    assert cells(found, "verdict") == ["leader", "worse", "worse"]
    (meaning,) = [column.meaning for column in decision.table(found).columns if column.title == "verdict"]
    assert "worse: the leader is better (in the linked table: better)." in meaning
    assert [plain(cell) for cell in cells(found, "operations")] == ["426 GMAC", "426 GMAC", "204 GMAC"]
    assert cells(found, "choice") == ["chosen", "dropped", "dropped"]
    assert "guessing" not in [column.title for column in decision.table(found).columns]


def test_an_ensemble_is_said_to_be_in_the_folder_of_the_model(results):
    found = results()
    together = replace(found, configuration=found.configuration | {"ensemble": True})
    assert "The run to take is that with seed" in decision.chosen_run(found)
    assert decision.chosen_run(together).endswith(
        "model/ has the ensemble of all networks of this arm; its README.md says how accurate they are together."
    )


def test_an_arm_that_may_be_taken_as_well_is_a_candidate(results):
    found = results(arms=[TWO[0], HEAD], comparisons=of_head("equivalent"))
    assert cells(found, "choice") == ["candidate", "chosen"]


def test_where_none_beats_guessing_its_probability_is_shown(results):
    found = results(arms=[{"name": "a", "first": 10, "last": 10.6}])
    (p,) = cells(found, "guessing")
    assert plain(p).startswith("p = 0.")
    assert cells(found, "choice") == ["–"]
    assert plain(decision.reasons(found)[0]).startswith(
        "No arm is shown to beat guessing (10.0 %, the most frequent class)"
    )


@pytest.mark.parametrize(
    ("verdict", "prefer", "said"),
    [
        ("better", "accurate", ["finetune is better than every other arm (largest p = 0.3)."]),
        (
            "equivalent",
            "accurate",
            [
                "Equivalent to finetune, within 1 point: last_layer.",
                "last_layer is the cheapest of these: 204 GMAC and 47.2 MiB, computed (finetune: 426 GMAC and "
                "185 MiB).",
            ],
        ),
        (
            "undecided",
            "accurate",
            [
                "Undecided: whether finetune is better than last_layer.",
                "finetune is chosen until that is decided (setting prefer: accurate).",
            ],
        ),
        (
            "undecided",
            "cheap",
            [
                "Undecided: whether finetune is better than last_layer.",
                "last_layer, the cheapest of them, is chosen until that is decided (setting prefer: cheap).",
            ],
        ),
    ],
)
def test_every_reason_has_a_sentence(results, verdict, prefer, said):
    arms = [{"name": "finetune", "last": 96.0}, HEAD]
    found = results(arms=arms, comparisons=of_head(verdict), prefer=prefer)
    assert [plain(sentence) for sentence in decision.reasons(found)] == said


def without_guessing(found, chosen, reason):
    """Results where the cheaper of two arms, `last_layer`, is not shown to beat guessing, and so cannot be taken."""
    ranking = [{**entry, "beats_guessing": entry["arm"] != "last_layer"} for entry in found.decision["ranking"]]
    cost = {key: next(entry[key] for entry in ranking if entry["arm"] == chosen) for key in ("macs", "peak_bytes")}
    reasons = [
        one for one in found.decision["reasons"] if one["code"] not in ("cheapest_equivalent", "preferred_cheap")
    ]
    reasons.append({"code": reason, "arm": chosen, **cost, **{f"leader_{key}": value for key, value in cost.items()}})
    decided = {**found.decision, "ranking": ranking, "chosen": {"arm": chosen, "seed": 0}, "reasons": reasons}
    return replace(found, decision=decided)


def test_a_cheaper_arm_that_is_not_shown_to_beat_guessing_is_neither_taken_nor_forgotten(results):
    arms = [{"name": "finetune", "last": 96.0}, HEAD]
    found = without_guessing(
        results(arms=arms, comparisons=of_head("equivalent")), "finetune", reason="cheapest_equivalent"
    )
    head = plain(headline(found))
    assert (
        head.endswith("finetune is chosen: last_layer is not shown to beat guessing.") and "cost the same" not in head
    )
    said = plain(decision.reasons(found)[-1])
    assert said.startswith("finetune comes first: of the equivalent arms that are shown to beat guessing none is")
    assert "last_layer is not shown to beat guessing" in advice(found)[0] and "memory, with" not in advice(found)[0]
    table = decision.table(found)
    assert [row[-1] for row in table.rows] == ["chosen", "not shown"]
    assert "may be taken as well" not in table.columns[-1].meaning and "not shown: " in table.columns[-1].meaning

    found = without_guessing(
        results(arms=arms, comparisons=of_head("undecided"), prefer="cheap"), "finetune", reason="preferred_cheap"
    )
    cheapest = "the cheapest of those that are shown to beat guessing"
    assert all(cheapest in text for text in (headline(found), decision.reasons(found)[-1], advice(found)[0]))


def test_pairs_without_a_p_value_of_networks_are_drawn(results):
    """As of three runs of one arm and one of the other, in a partial report."""
    found = results(arms=TWO, comparisons=against("undecided"))
    pairs = [{**pair, "scope": "networks", "networks_p": None} for pair in found.decision["pairs"]]
    found = replace(found, decision={**found.decision, "pairs": pairs})
    table = comparisons.table(found, decision.pairs(found), "title")
    assert [row[3] for row in table.rows] == ["–"]
    assert decision.pairs(replace(found, decision={**found.decision, "pairs": []})).empty


@pytest.mark.parametrize(
    ("metric", "groups", "folded", "words"),
    [
        ("accuracy", None, False, "McNemar’s exact test"),
        ("accuracy", 7, False, "from the interval"),
        ("accuracy", None, True, "from the interval"),
        ("balanced_accuracy", None, False, "McNemar’s exact test if all classes have equally many images, else"),
        ("balanced_accuracy", 7, False, "from the interval"),
    ],
)
def test_what_compares_two_networks_is_named(results, metric, groups, folded, words):
    found = results(arms=TWO, comparisons=against("undecided"))
    found.configuration["comparison"]["metric"] = metric
    if folded:
        found.configuration["dataset"]["folds"] = 5
    found = replace(found, decision={**found.decision, "groups": groups})
    assert decision.comparison_of_networks(found).startswith(words)


def test_more_reasons(results):
    assert decision.reasons(results(arms=TWO[:1])) == ["net2 · finetune is the only arm that can be chosen."]
    same = decision.reasons(results(arms=TWO, comparisons=against("equivalent", 0.3, -0.2, 0.8, 0.3)))
    assert "net2 · finetune comes first: of the equivalent arms none is cheaper" in same[1]
    arms = [{"name": "a", "last": 96.0}, {"name": "b", "last": 95.0}, {"name": "c", "last": 80.0}]
    pairs = {"ab": "undecided", "ac": "better", "bc": "better"}
    found = results(arms=arms, comparisons=[(*pair, 0.5, 0.1, 0.9, 0.1, verdict) for pair, verdict in pairs.items()])
    assert decision.reasons(found)[0] == "a is better than c."
    unknown = replace(found, decision={**found.decision, "reasons": [{"code": "weather"}]})
    with pytest.raises(InputError, match=r"decision\.json: unknown reason 'weather'"):
        decision.reasons(unknown)


def test_openings_are_counted_and_their_decisions_named(results):
    found = results()
    digest = found.decision["digest"]
    (said,) = decision.openings(found)
    assert plain(said) == (
        f"Recorded openings of the test images: one for each of 9 runs, after decision {digest[:8]} (the first digits "
        "of its digest in decision.json)."
    )
    assert decision.opened_otherwise(found) == []
    opened = {**found.opened, "openings": 12, "decisions": ["0" * 64, digest]}
    (said,) = decision.openings(replace(found, opened=opened))
    assert plain(said).startswith(
        f"Recorded openings of the test images: 12 for 9 runs, after decisions 00000000 and {digest[:8]} ("
    )
    assert plain(said).endswith(f"The present one is {digest[:8]}.")
    assert decision.openings(results(test="every_epoch")) == []
    others = {"openings": 12, "removed": [["gone", 0, 2], ["gone", 1, 1]], "trainings": 4}
    (said,) = decision.openings(replace(found, opened=found.opened | others))
    assert plain(said) == (
        "Recorded openings of the test images: one for each of 9 runs, and 3 for runs that are no longer in the "
        f"configuration (gone), after decision {digest[:8]} (the first digits of its digest in decision.json). "
        "4 trainings evaluated them after every epoch (test: every_epoch)."
    )


def test_runs_that_were_opened_under_another_decision_are_named(results):
    found = results()
    runs = [[arm, seed, "0" * 64 if arm == "scratch" and seed else own] for arm, seed, own in found.opened["runs"]]
    assert decision.opened_otherwise(replace(found, opened={**found.opened, "runs": runs})) == [
        "Tested after another decision than the present one: net1 · scratch, seeds 1 and 2 (00000000)."
    ]


def test_the_rules_say_on_which_images(results):
    assert (
        plain(decision.rules(results())[0]) == "200 validation images decide, by accuracy (setting metric: accuracy)."
    )
    keeps = results(arms=[{**TWO[0], "training": {"keep": "best"}}, TWO[1]])
    assert "validation images (half of them; the other half selects epochs) decide" in plain(decision.rules(keeps)[0])
    assert decision.rules(results())[4].endswith("the undecided arms remain candidates (setting prefer: accurate).")


def meaning(found, title):
    return next(column.meaning for column in decision.table(found).columns if column.title == title)


def test_the_choices_and_verdicts_that_are_shown_are_explained(results):
    found = results()
    assert "chosen: " in meaning(found, "choice") and "dropped: " in meaning(found, "choice")
    assert "candidate" not in meaning(found, "choice") and meaning(found, "verdict").startswith("Of the comparison")
    assert "McNemar" not in meaning(found, "verdict")
    one = results(arms=[TWO[0], HEAD], comparisons=of_head("equivalent"))
    assert "candidate: " in meaning(one, "choice") and "dropped" not in meaning(one, "choice")


@pytest.mark.parametrize(
    ("seeds", "verdicts", "why"),
    [
        ((0,), ["leader", "networks differ", "networks differ"], "One run of an arm is too few."),
        ((0, 1), ["leader", "undecided", "undecided"], "Two seeds are too few."),
    ],
)
def test_fewer_than_three_seeds_drop_no_arm(results, seeds, verdicts, why):
    found = results(seeds=seeds)
    assert cells(found, "verdict") == verdicts
    assert cells(found, "choice") == ["chosen", "candidate", "candidate"]
    assert decision.reasons(found)[0].endswith(why)


def test_settling_names_arms_that_need_the_same_together(results):
    found = results(seeds=(0, 1))
    needed = {"about": 4, "safe": 9, "images": 2.0}

    def said(**other):
        settling = {arm: {**needed, **other} for arm in ("scratch", "last_layer")}
        (text,) = decision.settling(replace(found, decision={**found.decision, "settling": settling}))
        return plain(text).removeprefix("net2 · finetune against net1 · scratch or net3 · last_layer: ")

    stays = "would settle it, if the difference stays as it is"
    assert said() == f"4 to 9 seeds of each arm {stays}."
    assert said(safe=4) == f"about 4 seeds of each arm {stays}."
    assert said(safe=None) == f"4 or more seeds of each arm {stays}."
    assert said(about=None, safe=None) == "neither more seeds nor more images alone would settle this difference."


def test_more_images_alone_may_settle_where_there_are_seeds_enough(results):
    found = results(arms=[TWO[0], HEAD], comparisons=of_head("undecided"))
    settling = {"last_layer": {"about": None, "safe": None, "images": 2.5}}
    (text,) = decision.settling(replace(found, decision={**found.decision, "settling": settling}))
    assert plain(text).endswith(
        ": about 2.5 times as many validation images would settle it, if the difference stays as it is; more seeds "
        "alone would not."
    )
    alone = {"last_layer": {"about": 3, "safe": 3, "images": 1.0}}  # the correction for the number of pairs leaves it
    assert decision.settling(replace(found, decision={**found.decision, "settling": alone})) == []


@pytest.mark.parametrize(
    ("needed", "look", "said", "advised"),
    [
        ({"about": 9, "safe": 12, "images": 1.0}, 1, None, "more seeds or more validation images may decide"),
        (
            {"about": 9, "safe": 12, "images": 1.0},
            2,
            "9 to 12 seeds of each arm or the same number of other validation images would settle it",
            "more seeds or more validation images may decide",
        ),
        (
            {"about": None, "safe": None, "images": 1.02},
            1,
            "slightly more validation images",
            "more validation images may",
        ),
        (
            {"about": 9, "safe": 12, "images": None},
            1,
            "more images alone would not",
            "undecided: more seeds may decide",
        ),
        ({"about": None, "safe": None, "images": None}, 1, "neither more seeds", "neither more seeds nor more images"),
    ],
)
def test_what_would_settle_it_and_the_advice_agree(results, needed, look, said, advised):
    found = results(arms=[TWO[0], HEAD], comparisons=of_head("undecided"))
    found = replace(found, decision={**found.decision, "settling": {"last_layer": needed}, "look": look})
    sentences = [plain(text) for text in decision.settling(found)]
    assert len(sentences) == (said is not None) and all(said in text for text in sentences)
    assert advised in plain(advice(found)[0])


def test_the_cheapest_is_that_of_the_equivalent_arms_and_the_leader_need_not_beat_guessing(results):
    """`last_layer` is equivalent and taken; of those undecided one is cheaper, another cheaper and like guessing."""
    undecided = [(first, name) for name in ("near", "odd") for first in ("finetune", "last_layer")]
    pairs = [
        ("finetune", "last_layer", 0.3, -0.2, 0.8, 0.3, "equivalent"),
        *((*pair, 1.0, -0.2, 2.2, 0.3, "undecided") for pair in [*undecided, ("near", "odd")]),
    ]
    arms = [TWO[0], HEAD, {"name": "near", "last": 95.0}, {"name": "odd", "last": 94.9}]
    cheaper = {name: {"macs": 1.0, "peak_bytes": 1.0} for name in ("near", "odd")}
    found = results(arms=arms, comparisons=pairs, costs=cheaper)
    ranking = [{**entry, "beats_guessing": entry["arm"] != "odd"} for entry in found.decision["ranking"]]
    found = replace(found, decision={**found.decision, "ranking": ranking})
    (said,) = (text for text in map(plain, decision.reasons(found)) if "cheapest" in text)
    assert decision.chosen_arm(found) == "last_layer" and said.startswith("last_layer is the cheapest of these: ")
    leader = [{**entry, "beats_guessing": False} for entry in ranking]
    lonely = {**found.decision, "ranking": leader, "chosen": {"arm": "finetune", "seed": 0}}
    assert decision.of_those(replace(found, decision=lonely)) == (
        " of the leader and the arms that are shown to beat guessing"
    )


def test_a_later_look_is_named_and_every_difference_has_its_confidence(results):
    """On the page of a second decision: 95 % of single arms, 97.5 % of differences, and 2.5 % of tests."""
    first = results()
    second = replace(first, decision={**first.decision, "look": 2})
    assert decision.looked(first) == []
    assert [plain(text) for text in decision.looked(second)] == [
        "This is look 2: the same images have decided with other seeds before. Each look is another chance of a false "
        "verdict, so arms are compared at 2.5 %."
    ]
    table, pairs = decision.table(second), comparisons.table(second, comparisons.compared(second), "Pairs")
    meanings = {column.title: plain(column.meaning) for column in (*table.columns, *pairs.columns)}
    assert "95 % CI" in meanings["accuracy"] and "97.5 % CI" in meanings["behind"]
    assert meanings["interval"].startswith("97.5 % CI of the difference") and "at most 2.5 %" in meanings["verdict"]
    assert "at most 2.5 %, Holm" in plain(decision.rules(second)[1])
    for said in (headline, answer.what_it_answers, advice):
        before, after = (
            plain(" ".join([text] if isinstance(text, str) else text)) for text in map(said, (first, second))
        )
        assert "(95 % CI" in before and after == before.replace("(95 % CI", "(97.5 % CI"), said
    for said in (answer.about_seeds, answer.tested):
        assert said(second) == said(first) and "95 % CI" in plain(said(first))
    assert "95 % CI, of a difference 97.5 % CI: confidence interval." in plain(answer.glossary(second)[1])
    # the same ends at a higher confidence are of a smaller standard error
    flattery = [float(plain(decision.flattered(found)[0]).split("most ")[1].split()[0]) for found in (first, second)]
    assert flattery[1] < flattery[0]
    third = replace(first, decision={**first.decision, "look": 3})
    assert "98.333 % CI" in plain(headline(third)) and "at 1.7 %." in plain(decision.looked(third)[0])


def test_networks_differ_at_the_level_of_the_look(results):
    found = results(arms=TWO, seeds=(0,))
    pair = {**found.decision["pairs"][0], "networks_p": 0.04}
    assert decision.networks_differ(found, pair)
    assert not decision.networks_differ(replace(found, decision={**found.decision, "look": 2}), pair)


def test_the_leader_of_several_arms_is_flattered_and_an_only_arm_is_not(results):
    (said,) = decision.flattered(results())
    flattered = "net2 · finetune is flattered by being the highest of 3: on average by at most "
    assert re.fullmatch(rf"{flattered}\d\.\d points on these images\.", plain(said))
    assert decision.flattered(results(arms=TWO[:1])) == []
