"""What to do, from verdicts, computed operations and computed memory. Measured times rank nothing."""

import pandas

from triptych.report import formatting as words
from triptych.results.experiment import Results

FITTED = 99
"""The accuracy on the training images (%) above which an arm fits them."""


def advice(results: Results) -> list[str]:
    """Which arm to use, what a cheaper one would save, and how long to train."""
    price = {arm: _price(results, arm) for arm in results.contestants}
    chosen, text = _choice(results, price)
    return [text, *_saving(results, chosen, price), *_length(results, chosen)]


def _price(results: Results, arm: str) -> tuple[float, float]:
    """Computed operations and computed memory of training an arm."""
    cost = results.one("computed_cost", arm)
    return float(cost["macs"]), float(cost["training_bytes"])


def _choice(results: Results, price: dict[str, tuple[float, float]]) -> tuple[str, str]:
    """The arm to use, and why."""
    best, *others = results.contestants
    equal = [best, *[other for other in others if results.verdict(best, other) == "equivalent"]]
    unsure = [other for other in others if results.verdict(best, other) == "undecided"]
    if not others:
        text = f"Only {results.name_of(best)} was trained. Add a second arm to learn whether it is worth its cost."
        return best, text
    if len(equal) > 1:
        chosen = min(equal, key=price.__getitem__)
        if len({price[arm] for arm in equal}) == 1:
            text = (
                f"Use any of {words.listing(results.names_of(equal))}: they are equivalent and cost the same "
                f"({words.operations(price[chosen][0])} per run, computed)."
            )
        else:
            name = results.name_of(chosen)
            text = (
                f"Use {name}: {words.listing(results.names_of(equal))} are equivalent, and {name} "
                f"{_cheapest(results, chosen, equal, price)}."
            )
        if unsure:
            text += f" Whether {words.listing(results.names_of(unsure), 'or')} does as well is undecided."
        return chosen, text
    if unsure:
        return best, _undecided(results, [best, *unsure], price)
    return best, (
        f"Use {results.name_of(best)} if you can afford it; no other arm matches its accuracy. One run takes "
        f"{computed_and_measured(results, best)}."
    )


def _undecided(results: Results, arms: list[str], price: dict[str, tuple[float, float]]) -> str:
    """What to do while no verdict separates the best arm from others."""
    best = arms[0]
    text = f"{words.listing(results.names_of(arms))} are undecided: more seeds or more test images may decide. "
    cheapest = min(arms, key=price.__getitem__)
    name = results.name_of(best)
    if len({price[arm] for arm in arms}) == 1:
        return f"{text}Cost does not decide either: each takes {words.operations(price[best][0])} per run (computed)."
    if price[best] == price[cheapest]:
        return f"{text}Until then use {name}: it is ahead in these runs, and no other costs less."
    row = results.comparison(best, cheapest)
    worse = row["high"] if row["arm_a"] == best else -row["low"]
    return (
        f"{text}Until then {name} is the safe choice. {results.name_of(cheapest)} "
        f"{_cheapest(results, cheapest, arms, price)}; it may be as good, or worse by up to {words.points(worse)} "
        f"(here {words.points(row['difference'])})."
    )


def _cheapest(results: Results, chosen: str, among: list[str], price: dict[str, tuple[float, float]]) -> str:
    """That an arm is the cheapest of some whose computed costs differ."""
    fewest = any(price[arm][0] > price[chosen][0] for arm in among)
    needs = "needs the fewest operations" if fewest else "needs the least memory, with the same operations"
    return f"{needs}: {computed_and_measured(results, chosen)}"


def computed_and_measured(results: Results, arm: str) -> str:
    """The cost of one run: operations and memory as computed, time and memory as measured."""
    operations, memory = _price(results, arm)
    seconds = results.mean("cost", arm, "training_seconds") + results.mean("cost", arm, "features_seconds")
    measured = words.size(results.mean("cost", arm, "peak_memory_bytes"))
    devices = set(results.of("cost", arm)["device"])
    of = "process memory" if devices == {"cpu"} else "peak memory" if "cpu" in devices else "memory on the GPU"
    return (
        f"{words.operations(operations)} and {words.size(memory)} (computed; measured: {words.duration(seconds)} of "
        f"training, {measured} of {of})"
    )


def _saving(results: Results, chosen: str, price: dict[str, tuple[float, float]]) -> list[str]:
    """What the arm with the least memory saves over the chosen one."""
    frugal = min(price, key=lambda arm: (price[arm][1], price[arm][0]))
    (amount, memory), (most_work, most_memory) = price[frugal], price[chosen]
    short_of = ["memory"] * (memory < most_memory) + ["time"] * (amount < most_work)
    if not short_of:
        return []
    behind = results.summary(chosen, "test_accuracy_mean") - results.summary(frugal, "test_accuracy_mean")
    loss = f"{words.points(behind)} less accuracy" if behind > 0 else "no loss of accuracy in these runs"
    return [
        f"Short of {words.listing(short_of, 'or')}? {results.name_of(frugal)} needs "
        f"{words.share(memory / most_memory, 0)} of the memory and {words.share(amount / most_work, 0)} of the "
        f"operations of {results.name_of(chosen)} (computed), with {loss}."
    ]


def _length(results: Results, chosen: str) -> list[str]:
    """Whether the chosen arm needs fewer epochs, and which arms would profit from more."""
    items = []
    table = results.tables["convergence"].set_index("arm")
    own, last = table.loc[chosen], results.of("runs", chosen)["kept_epoch"].min()
    if 0 < own["steady_epoch"] < last and not own["rising"]:
        items.append(
            f"Train {results.name_of(chosen)} for fewer epochs: from epoch {own['steady_epoch']:.0f} of {last:.0f} on "
            f"it stays within {words.plural(results.margin, 'point')} of its final accuracy."
        )
    rising = [arm for arm in results.arms["arm"] if table["rising"][arm] and arm not in results.controls]
    fitted = [arm for arm in rising if results.mean("runs", arm, "fit_accuracy") > FITTED]
    items += [
        f"{results.name_of(arm)} still improves ({_gain(table.loc[arm])}) although it fits its training images: train "
        "it longer."
        for arm in fitted
    ]
    unfinished = [f"{results.name_of(arm)} ({_gain(table.loc[arm])})" for arm in rising if arm not in fitted]
    if unfinished:
        items.append(
            f"Still improving: {words.listing(unfinished)}. Try more epochs or a higher learning rate before you rule "
            f"{'it' if len(unfinished) == 1 else 'them'} out."
        )
    return items


def _gain(row: pandas.Series) -> str:
    span = "epoch" if row["late_epochs"] == 1 else words.plural(row["late_epochs"], "epoch")
    return f"{words.points(row['late_gain'])} in the last {span}"
