"""What to do, from the decision, the costs and the validation curves. Test results rank nothing.

A cost is named beside an accuracy only where the two arms' accuracies are told apart or equivalent.
"""

from collections.abc import Sequence

from triptych.analysis.costs import run_seconds
from triptych.report import formatting as words
from triptych.report.sections.cost import memory_term
from triptych.report.sections.decision import (
    chosen_arm,
    decided,
    deciding_split,
    lead,
    may_be_taken,
    not_beyond_guessing,
    of_those,
    price,
)
from triptych.results.experiment import Results
from triptych.results.schema import OF_ARMS


def advice(results: Results) -> list[str]:
    """Which arm to use, what a cheaper one would save, and how long to train."""
    chosen = chosen_arm(results)
    if chosen is None:
        return [
            "Use none of these arms. Check the images and their labels; then try more training images, more epochs or "
            "another learning rate.",
            *_longer(results),
        ]
    words_of = {"only_arm": _only, "better": _best, "equivalent": _cheapest_equivalent, "undecided": _undecided}
    choice = words_of[decided(results)["verdict"]](results, chosen)
    return [choice, *_saving(results, chosen), *_shorter(results, chosen), *_longer(results)]


def _only(results: Results, chosen: str) -> str:
    return f"Only {results.name_of(chosen)} was compared. Add a second arm to learn whether it is worth its cost."


def _best(results: Results, chosen: str) -> str:
    cheapest = all(price(results, chosen) <= price(results, arm) for arm in results.contestants)
    no_match = f"no other arm matches its {results.metric_name}"
    reason = f": {no_match}, and none needs less computed work" if cheapest else f" if you can afford it; {no_match}"
    return f"Use {results.name_of(chosen)}{reason}. One run takes {measured_and_computed(results, chosen)}."


def _cheapest_equivalent(results: Results, chosen: str) -> str:
    """What to do where the decision took the cheapest of equivalent arms."""
    equal = may_be_taken(results)  # of the equivalent arms
    names, name = words.listing(results.names_of(decided(results)["candidates"])), results.name_of(chosen)
    out = not_beyond_guessing(results)
    if len(equal) == 1:
        return f"Use {name}: {names} are equivalent, but {out}. One run takes {measured_and_computed(results, chosen)}."
    if len({price(results, arm) for arm in equal}) == 1:
        return (
            f"Use any of {words.listing(results.names_of(equal))}: they are equivalent and cost the same "
            f"({words.operations(price(results, chosen)[0])} per run, computed).{f' {out}.' if out else ''}"
        )
    fewest = any(price(results, arm)[0] > price(results, chosen)[0] for arm in equal)
    needs = "needs the fewest operations" if fewest else "needs the least memory, with the same operations (computed)"
    text = (
        f"Use {name}: {names} are equivalent, and {name} {needs}{of_those(results)}. One run takes "
        f"{measured_and_computed(results, chosen)}."
    )
    faster = [arm for arm in equal if _seconds(results, arm) < _seconds(results, chosen)]
    if not fewest or not faster:
        return text
    times = words.listing([f"{results.name_of(arm)} took {words.duration(_seconds(results, arm))}" for arm in faster])
    return f"{text} In these runs {times}: measure again before you choose by time."


def _undecided(results: Results, chosen: str) -> str:
    """What to do while no verdict separates the most accurate arm from others: no cost is named."""
    decision = decided(results)
    leader, candidates = results.contestants[0], decision["candidates"]
    pairs = {pair["arm_b"]: pair for pair in decision["pairs"] if pair["arm_a"] == leader}
    rivals = [arm for arm in candidates if arm != leader and pairs[arm]["verdict"] == "undecided"]
    more = _what_may_decide(results, rivals)
    if any(pairs[arm]["scope"] != OF_ARMS for arm in rivals):
        more = "a verdict needs at least three seeds of each arm"
    text = (
        f"Whether {results.name_of(leader)} is better than {words.listing(results.names_of(rivals), 'or')} is "
        f"undecided: {more}. "
    )
    name = results.name_of(chosen)
    if len({price(results, arm) for arm in candidates}) == 1:
        return f"{text}Their computed work is equal, so cost does not decide either. Until then use {name}."
    if decision["prefer"] == "cheap":
        return f"{text}Until then use {name}, the cheapest{of_those(results) or ' of them'} (prefer: cheap)."
    if chosen == leader:
        return f"{text}Until then use {name}, with the highest {results.metric_name} in these runs."
    cheaper = "cheaper" if price(results, chosen) < price(results, leader) else "first in the configuration"
    return f"{text}Until then use {name}: it is equivalent to {results.name_of(leader)} and {cheaper}."


def _what_may_decide(results: Results, rivals: Sequence[str]) -> str:
    """Whether more seeds, more images or neither alone may decide between the leader and arms with three seeds."""
    needed = [decided(results)["settling"].get(arm) or {} for arm in rivals]
    more = {"about": "more seeds", "images": f"more {deciding_split(results)} images"}
    ways = [name for key, name in more.items() if any(one.get(key) is not None for one in needed)]
    if not ways:
        return "neither more seeds nor more images alone would decide it, if the difference stays as it is"
    return f"{' or '.join(ways)} may decide"


def _seconds(results: Results, arm: str) -> float:
    """The measured wall time of a run with its cached features, mean over seeds."""
    return float(run_seconds(results.of("cost", arm)).mean())


def measured_and_computed(results: Results, arm: str) -> str:
    """The cost of one run: time and memory as measured on this computer, then operations and memory as computed."""
    operations, memory = price(results, arm)
    return (
        f"{measured_cost(results, arm)} (measured); "
        f"{words.operations(operations)} and {words.size(memory)} of tensors (computed)"
    )


def measured_cost(results: Results, arm: str) -> str:
    """The cost of one run in words, as measured on this computer: time and memory."""
    memory = words.size(results.mean("cost", arm, "peak_memory_bytes"))
    return f"{words.duration(_seconds(results, arm))} and {memory} of {memory_term(results, [arm])}"


def measured_less(results: Results, arm: str, other: str) -> bool:
    """Whether an arm took less time than another and no more memory, as measured."""
    memory, others = (results.mean("cost", name, "peak_memory_bytes") for name in (arm, other))
    return bool(_seconds(results, arm) < _seconds(results, other) and memory <= others)


def _saving(results: Results, chosen: str) -> list[str]:
    """What an arm saves over the chosen one, if that was measured, and what it loses.

    Only arms that beat guessing and whose accuracy is less than or equivalent to that of the chosen one.
    """
    savings = results.tables["cost_savings"]
    savings = savings[savings["than"] == chosen]
    known = {arm: lead(results, chosen, arm) for arm in savings["arm"]}
    savings = savings[
        [
            results.ranking[arm]["beats_guessing"]
            and (known[arm][3] == "equivalent" or (known[arm][3] == "better" and known[arm][0] > 0))
            for arm in savings["arm"]
        ]
    ]
    if savings.empty:
        return []
    row = min((own for _, own in savings.iterrows()), key=lambda own: price(results, own["arm"]))
    frugal = row["arm"]
    measured, computed, short_of = [], [], []
    if row["saves_time"]:
        short_of.append("time")
        measured.append(f"{words.share(row['time_share'], 0)} of the time")
        computed.append(f"{words.share(row['computed_time_share'], 0)} of the operations")
    if row["saves_memory"]:
        short_of.append("memory")
        measured.append(f"{words.share(row['memory_share'], 0)} of the {memory_term(results, [frugal, chosen])}")
        computed.append(f"{words.share(row['computed_memory_share'], 0)} of the tensor memory")
    behind, low, high, verdict = known[frugal]
    loss = "It is equivalent."
    if verdict == "better":
        interval = f"{words.interval(results.confidence_of_differences)} {words.between(low, high)}"
        loss = f"Its {results.metric_on(decided(results)['images'])} is {words.points(behind)} lower ({interval})."
    return [
        f"Short of {words.listing(short_of, 'or')}? {results.name_of(frugal)} took {words.listing(measured)} of "
        f"{results.name_of(chosen)} (measured; computed: {words.listing(computed)}). {loss}"
    ]


def _shorter(results: Results, chosen: str) -> list[str]:
    """Whether the validation curve of the chosen arm supports fewer epochs."""
    own = results.of("training_length", chosen)
    return [
        f"Fewer epochs may do for {results.name_of(chosen)}: from epoch {row['steady_epoch']:.0f} of "
        f"{row['epochs']:.0f} on every run stays within {words.plural(results.margin, 'point')} of its last validation "
        "accuracy."
        for _, row in own[own["shorter"] == 1].iterrows()
    ]


def _longer(results: Results) -> list[str]:
    """Which arms' validation curves support more epochs."""
    table = results.tables["training_length"]
    return [
        f"More epochs may help {results.name_of(row['arm'])}: validation accuracy rose by "
        f"{words.points(row['late_gain'])} in the last {words.plural(row['late_epochs'], 'epoch')}, by "
        f"{words.number(row['last_gain'])} in the last {_epochs(row['last_epochs'])} (means over "
        f"{words.plural(row['n'], 'seed')})."
        for _, row in table[table["longer"] == 1].iterrows()
        if row["arm"] not in results.controls
    ]


def _epochs(count: float) -> str:
    return "one" if count == 1 else f"{count:.0f}"
