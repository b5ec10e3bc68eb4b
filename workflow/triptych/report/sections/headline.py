"""The headline: the answer in one or two sentences, by the verdict of the decision."""

from triptych.report import formatting as words
from triptych.report.sections import leaks
from triptych.report.sections.advice import measured_cost, measured_less
from triptych.report.sections.decision import (
    chosen_arm,
    cost,
    decided,
    deciding_images,
    lead,
    may_be_taken,
    networks_differ,
    not_beyond_guessing,
    of_those,
    pair_of,
    price,
    scope_of_leader,
)
from triptych.results.experiment import Results
from triptych.results.schema import NO_TEST, OF_ARMS, OF_TWO_SEEDS


def headline(results: Results) -> str:
    """The answer in one or two sentences; in a partial report it is provisional.

    Where many images have a counterpart in another split nothing is recommended.
    """
    answers = {
        "only_arm": _only_arm,
        "better": _better,
        "equivalent": _equivalent,
        "undecided": _undecided,
        "not_better_than_guessing": _not_better_than_guessing,
    }
    text = leaks.refusal(results) or answers[decided(results)["verdict"]](results)
    if results.mode == NO_TEST:
        text += " No untouched images: all of them were used to choose, so no test accuracy is known."
    return f"Provisional: {text}" if results.is_provisional else text


def _reached(results: Results, arm: str) -> str:
    """The metric of an arm on the images that decide."""
    return words.percent(results.decided_by(arm)[0])


def _only_arm(results: Results) -> str:
    (arm,) = results.contestants
    _, low, high = results.decided_by(arm)
    return (
        f"{results.name_of(arm)} reaches {_reached(results, arm)} {results.metric_name} on {deciding_images(results)} "
        f"({words.interval(results.confidence)} {words.between(low, high)}). There is no other arm to choose from."
    )


def _better(results: Results) -> str:
    best, *others = results.contestants
    difference, low, high, _ = lead(results, best, others[0])
    ahead = f"{words.points(difference)} more than {results.name_of(others[0])}"
    reached = f"{_reached(results, best)} {results.metric_name} on {deciding_images(results)}"
    interval = f"{words.interval(results.confidence_of_differences)} {words.between(low, high)}"
    name = results.name_of(best)
    if len(others) == 1:
        return f"{name} is better: {reached}, {ahead} ({interval})."
    return f"{name} is the best of {len(others) + 1} arms: {reached}, {ahead}, the next best ({interval})."


def _equivalent(results: Results) -> str:
    chosen, equal = chosen_arm(results) or "", decided(results)["candidates"]
    named = words.listing([f"{results.name_of(arm)} ({_reached(results, arm)})" for arm in equal])
    text = (
        f"{named} are equivalent, within {words.plural(results.margin, 'point')} of {results.metric_name} on "
        f"{deciding_images(results)}."
    )
    dearest, name = max(equal, key=lambda arm: price(results, arm)), results.name_of(chosen)
    out = not_beyond_guessing(results)
    if len({price(results, arm) for arm in equal}) == 1:
        if len(may_be_taken(results)) == 1:
            return f"{text} They cost the same; {name} is chosen: {out}."
        return f"{text} They cost the same; {name} comes first in the configuration{f'; {out}' if out else ''}."
    if price(results, dearest) == price(results, chosen):
        return f"{text} {name} is chosen: {out}."
    text = f"{text} {name} is the cheapest{of_those(results)}:"
    computed = f"{cost(results, chosen)} per run, against {cost(results, dearest)} for {results.name_of(dearest)}"
    if not measured_less(results, chosen, dearest):
        return f"{text} {computed} (computed)."
    measured = f"{measured_cost(results, chosen)}, against {measured_cost(results, dearest)}"
    return f"{text} {measured} (measured); {computed} (computed)."


def _undecided(results: Results) -> str:
    chosen, leader = chosen_arm(results) or "", results.contestants[0]
    if scope_of_leader(results) != OF_ARMS:
        return _no_verdict(results)
    verdicts = {arm: lead(results, leader, arm)[3] for arm in decided(results)["candidates"] if arm != leader}
    rivals = [f"{results.name_of(arm)} ({_reached(results, arm)})" for arm in verdicts if verdicts[arm] == "undecided"]
    text = (
        f"Undecided: {results.name_of(leader)} reaches {_reached(results, leader)} {results.metric_name} on "
        f"{deciding_images(results)}; whether it is better than {words.listing(rivals, 'or')} is open."
    )
    if decided(results)["prefer"] == "cheap":
        return f"{text} Until then {results.name_of(chosen)} is chosen, the cheapest{of_those(results) or ' of them'}."
    if chosen == leader:
        return f"{text} Until then it is chosen, as the arm with the highest {results.metric_name}."
    why = "cheaper" if price(results, chosen) < price(results, leader) else "first in the configuration"
    return f"{text} Until then {results.name_of(chosen)} is chosen: equivalent to it, and {why}."


def _no_verdict(results: Results) -> str:
    """The answer where an arm has fewer than three seeds."""
    leader, *others = results.contestants
    difference, low, high, _ = lead(results, leader, others[0])
    interval = f"{words.interval(results.confidence_of_differences)} {words.between(low, high)}"
    reached = f"{_reached(results, leader)} {results.metric_name} on {deciding_images(results)}"
    names = results.name_of(leader), results.name_of(others[0])
    ahead = f"{names[0]} is ahead with {reached}, {words.points(difference)} more than {names[1]} ({interval})."
    if difference == 0:
        ahead = f"{' and '.join(names)} both reach {reached} (difference: {interval})."
    if scope_of_leader(results) == OF_TWO_SEEDS:
        return f"No verdict: two seeds of an arm are too few. {ahead}"
    pair = pair_of(results, leader, others[0])
    differ = " These two networks differ, but another seed may change this." if networks_differ(results, pair) else ""
    return f"No verdict: with one run of an arm, another seed may change the order. {ahead}{differ}"


def _not_better_than_guessing(results: Results) -> str:
    decision, best = decided(results), results.contestants[0]
    arms = "No arm" if len(results.contestants) > 1 else results.name_of(best)
    verb = "is" if len(results.contestants) > 1 else "is not"
    guess = f"is right for {words.percent(decision['chance'])} of {deciding_images(results)}"
    if results.metric == "balanced_accuracy":
        guess = f"has {words.percent(decision['chance'])} balanced accuracy on {deciding_images(results)}"
    return (
        f"{arms} {verb} shown to be better than guessing, so none is chosen. Naming the most frequent class {guess}; "
        f"{results.name_of(best)} reaches {_reached(results, best)}."
    )
