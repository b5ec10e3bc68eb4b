"""What to do, from the decision and computed costs. Test results and measured times rank nothing."""

import pandas

from triptych.report import formatting as words
from triptych.report.sections.decision import chosen_arm, decided, lead, price
from triptych.results.experiment import Results

FITTED = 99
"""The accuracy on the training images (%) above which an arm fits them."""


def advice(results: Results) -> list[str]:
    """Which arm to use, what a cheaper one would save, and how long to train."""
    chosen = chosen_arm(results)
    if chosen is None:
        return [
            "Use none of these arms. Check the images and their labels; then try more training images, more epochs or "
            "another learning rate.",
            *_unfinished(results),
        ]
    words_of = {"only_arm": _only, "better": _best, "equivalent": _cheapest_equivalent, "undecided": _undecided}
    choice = words_of[decided(results)["verdict"]](results, chosen)
    return [choice, *_saving(results, chosen), *_shorter(results, chosen), *_unfinished(results)]


def _only(results: Results, chosen: str) -> str:
    return f"Only {results.name_of(chosen)} was compared. Add a second arm to learn whether it is worth its cost."


def _best(results: Results, chosen: str) -> str:
    return (
        f"Use {results.name_of(chosen)} if you can afford it; no other arm matches its accuracy. One run takes "
        f"{computed_and_measured(results, chosen)}."
    )


def _cheapest_equivalent(results: Results, chosen: str) -> str:
    """What to do where the decision took the cheapest of equivalent arms."""
    equal = decided(results)["candidates"]
    names, name = words.listing(results.names_of(equal)), results.name_of(chosen)
    if len({price(results, arm) for arm in equal}) == 1:
        return (
            f"Use any of {names}: they are equivalent and cost the same "
            f"({words.operations(price(results, chosen)[0])} per run, computed)."
        )
    return f"Use {name}: {names} are equivalent, and {name} {_cheapest(results, chosen, equal)}."


def _undecided(results: Results, chosen: str) -> str:
    """What to do while no verdict separates the most accurate arm from others: the price of these is not named."""
    decision = decided(results)
    leader, candidates = results.contestants[0], decision["candidates"]
    rivals = [arm for arm in candidates if arm != leader and lead(results, leader, arm)[3] == "undecided"]
    text = (
        f"Whether {results.name_of(leader)} is better than {words.listing(results.names_of(rivals), 'or')} is "
        f"undecided: more seeds or more {decision['images']} images may decide. "
    )
    name = results.name_of(chosen)
    if len({price(results, arm) for arm in candidates}) == 1:
        return (
            f"{text}Cost does not decide either: each takes {words.operations(price(results, chosen)[0])} per run "
            f"(computed). Until then use {name}."
        )
    if chosen == leader and all(price(results, chosen) <= price(results, arm) for arm in candidates):
        return f"{text}Until then use {name}: it is ahead in these runs, and no other costs less."
    if decision["prefer"] == "cheap":
        return f"{text}Until then use {name}, which {_cheapest(results, chosen, candidates)}."
    if chosen == leader:
        return f"{text}Until then use {name}, the most accurate in these runs."
    return f"{text}Until then use {name}: it is equivalent to {results.name_of(leader)} and costs less."


def _cheapest(results: Results, chosen: str, among: list[str]) -> str:
    """That an arm is the cheapest of some whose computed costs differ."""
    fewest = any(price(results, arm)[0] > price(results, chosen)[0] for arm in among)
    needs = "needs the fewest operations" if fewest else "needs the least memory, with the same operations"
    return f"{needs}: {computed_and_measured(results, chosen)}"


def computed_and_measured(results: Results, arm: str) -> str:
    """The cost of one run: operations and memory as computed, time and memory as measured."""
    operations, memory = price(results, arm)
    seconds = results.mean("cost", arm, "training_seconds") + results.mean("cost", arm, "features_seconds")
    measured = words.size(results.mean("cost", arm, "peak_memory_bytes"))
    devices = set(results.of("cost", arm)["device"])
    of = "process memory" if devices == {"cpu"} else "peak memory" if "cpu" in devices else "memory on the GPU"
    return (
        f"{words.operations(operations)} and {words.size(memory)} (computed; measured: {words.duration(seconds)} of "
        f"training, {measured} of {of})"
    )


def _saving(results: Results, chosen: str) -> list[str]:
    """What the arm with the least memory saves over the chosen one, of those that beat guessing."""
    able = [arm for arm, entry in results.ranking.items() if entry["beats_guessing"]]
    frugal = min(able, key=lambda arm: price(results, arm)[::-1])
    (amount, memory), (most_work, most_memory) = price(results, frugal), price(results, chosen)
    short_of = ["memory"] * (memory < most_memory) + ["time"] * (amount < most_work)
    if not short_of:
        return []
    behind, low, high, verdict = lead(results, chosen, frugal)
    loss = {
        "better": f"with {words.points(behind)} less {decided(results)['images']} accuracy "
        f"({words.interval(results.confidence)} {words.between(low, high)})",
        "equivalent": "and is equivalent",
        "undecided": "but whether it is less accurate is undecided",
    }[verdict]
    return [
        f"Short of {words.listing(short_of, 'or')}? {results.name_of(frugal)} needs "
        f"{words.share(memory / most_memory, 0)} of the memory and {words.share(amount / most_work, 0)} of the "
        f"operations of {results.name_of(chosen)} (computed), {loss}."
    ]


def _shorter(results: Results, chosen: str) -> list[str]:
    """Whether the chosen arm needs fewer epochs."""
    own, last = results.one("convergence", chosen), results.of("runs", chosen)["kept_epoch"].min()
    if not 0 < own["steady_epoch"] < last or own["rising"]:
        return []
    return [
        f"Train {results.name_of(chosen)} for fewer epochs: from epoch {own['steady_epoch']:.0f} of {last:.0f} on "
        f"it stays within {words.plural(results.margin, 'point')} of its final accuracy."
    ]


def _unfinished(results: Results) -> list[str]:
    """Which arms would profit from more epochs."""
    table = results.tables["convergence"].set_index("arm")
    rising = [arm for arm in results.arms["arm"] if table["rising"][arm] and arm not in results.controls]
    fitted = [arm for arm in rising if results.mean("runs", arm, "fit_accuracy") > FITTED]
    items = [
        f"{results.name_of(arm)} still improves ({_gain(table.loc[arm])}) although it fits its training images: train "
        "it longer."
        for arm in fitted
    ]
    unfinished = [f"{results.name_of(arm)} ({_gain(table.loc[arm])})" for arm in rising if arm not in fitted]
    if unfinished:
        items.append(f"Still improving: {words.listing(unfinished)}. Try more epochs or a higher learning rate.")
    return items


def _gain(row: pandas.Series) -> str:
    span = "epoch" if row["late_epochs"] == 1 else words.plural(row["late_epochs"], "epoch")
    return f"{words.points(row['late_gain'])} in the last {span}"
