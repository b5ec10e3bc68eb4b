"""The first screen: the answer, the summary, the main curve, and what to do.

The answer is worded from the decision alone (`decision.json`), and then what the chosen arm reaches on the test images.
A difference that may be chance is not called an order.
"""

import math
from collections.abc import Iterable

from triptych.report import formatting as words
from triptych.report.blocks import ARM, Block, Bullets, Column, Paragraph, Section, Table, arm_cell, figure, over_seeds
from triptych.report.sections.advice import advice
from triptych.report.sections.curves import moving_averages
from triptych.report.sections.decision import (
    chosen_arm,
    cost,
    decided,
    deciding_images,
    lead,
    opened_otherwise,
    price,
)
from triptych.results.experiment import Results
from triptych.results.schema import EVERY_EPOCH, UNOPENED


def blocks(results: Results) -> list[Block]:
    found: list[Block] = []
    if results.missing is not None:
        found += [Paragraph(missing_runs(results), "partial"), missing_table(results)]
    return [
        *found,
        Paragraph(headline(results), "answer"),
        *(Paragraph(text, "partial") for text in opened_otherwise(results)),
        Paragraph(" ".join(filter(None, [tested(results), about_seeds(results), about_controls(results)]))),
        summary(results),
        figure(results.curve_column("accuracy"), curve(results)),
        Bullets(advice(results), "What to do"),
    ]


SECTION = Section("answer", "", blocks)


def headline(results: Results) -> str:
    """The answer in one or two sentences; in a partial report it is provisional."""
    answers = {
        "only_arm": _only_arm,
        "better": _better,
        "equivalent": _equivalent,
        "undecided": _undecided,
        "not_better_than_guessing": _not_better_than_guessing,
    }
    text = answers[decided(results)["verdict"]](results)
    return f"Provisional: {text}" if results.mode == UNOPENED else text


def _reached(results: Results, arm: str) -> str:
    """The accuracy of an arm on the images that decide."""
    return words.percent(results.ranking[arm]["accuracy"])


def _only_arm(results: Results) -> str:
    (arm,) = results.contestants
    low, high = (results.ranking[arm][end] for end in ("low", "high"))
    return (
        f"{results.name_of(arm)} reaches {_reached(results, arm)} accuracy on {deciding_images(results)} "
        f"({words.interval(results.confidence)} {words.between(low, high)}). There is no other arm to choose from."
    )


def _better(results: Results) -> str:
    best, *others = results.contestants
    difference, low, high, _ = lead(results, best, others[0])
    ahead = f"{words.points(difference)} more than {results.name_of(others[0])}"
    reached = f"{_reached(results, best)} accuracy on {deciding_images(results)}"
    interval = f"{words.interval(results.confidence)} {words.between(low, high)}"
    name = results.name_of(best)
    if len(others) == 1:
        return f"{name} is better: {reached}, {ahead} ({interval})."
    return f"{name} is the best of {len(others) + 1} arms: {reached}, {ahead}, the next best ({interval})."


def _equivalent(results: Results) -> str:
    chosen, equal = chosen_arm(results) or "", decided(results)["candidates"]
    named = words.listing([f"{results.name_of(arm)} ({_reached(results, arm)})" for arm in equal])
    text = (
        f"{named} are equivalent, within {words.plural(results.margin, 'point')} of accuracy on "
        f"{deciding_images(results)}."
    )
    dearest = max(equal, key=lambda arm: price(results, arm))
    if price(results, dearest) == price(results, chosen):
        return f"{text} They cost the same; {results.name_of(chosen)} comes first in the configuration."
    return (
        f"{text} {results.name_of(chosen)} is the cheapest: {cost(results, chosen)} per run, against "
        f"{cost(results, dearest)} for {results.name_of(dearest)} (computed)."
    )


def _undecided(results: Results) -> str:
    chosen, leader = chosen_arm(results) or "", results.contestants[0]
    verdicts = {arm: lead(results, leader, arm)[3] for arm in decided(results)["candidates"] if arm != leader}
    rivals = [f"{results.name_of(arm)} ({_reached(results, arm)})" for arm in verdicts if verdicts[arm] == "undecided"]
    text = (
        f"Undecided: {results.name_of(leader)} reaches {_reached(results, leader)} accuracy on "
        f"{deciding_images(results)}; whether it is better than {words.listing(rivals, 'or')} is open."
    )
    if decided(results)["prefer"] == "cheap":
        return f"{text} Until then {results.name_of(chosen)} is chosen, the cheapest of them."
    if chosen == leader:
        return f"{text} Until then it is chosen, as the most accurate."
    return f"{text} Until then {results.name_of(chosen)} is chosen: equivalent to it, and the cheapest."


def _not_better_than_guessing(results: Results) -> str:
    decision, best = decided(results), results.contestants[0]
    arms = "No arm" if len(results.contestants) > 1 else results.name_of(best)
    verb = "is" if len(results.contestants) > 1 else "is not"
    return (
        f"{arms} {verb} better than guessing beyond doubt, so none is chosen. Naming the most frequent class is right "
        f"for {words.percent(decision['chance'])} of {deciding_images(results)}; {results.name_of(best)} reaches "
        f"{_reached(results, best)}."
    )


def tested(results: Results) -> str:
    """What the chosen arm reaches on the test images, and what it was chosen on."""
    arm, images, count = chosen_arm(results), deciding_images(results), words.count(results.images("test"))
    if results.mode == UNOPENED:
        lacks = any((results.missing or {}).values())
        return f"The test images have not been opened.{' The missing runs may change this ranking.' * lacks}"
    if results.mode == EVERY_EPOCH and decided(results)["images"] == "test":
        optimistic = "" if arm is None else ", so its accuracy on them is optimistic"
        return (
            f"The {count} test images were evaluated after every epoch. There are no validation images: the choice is "
            f"made on the test images{optimistic}."
        )
    start = f"This is judged on {images}" if arm is None else f"{results.name_of(arm)} was chosen on {images}"
    if results.mode == EVERY_EPOCH:
        text = f"The {count} test images were evaluated after every epoch. {start}."
    else:
        text = f"{start}; the {count} test images were opened afterwards."
    if arm is None:
        return text
    interval = f"{words.interval(results.confidence)} {words.between(*results.accuracy_interval(arm))}"
    return (
        f"{text} Its test accuracy is {_accuracy(results, arm)} ({interval}), "
        f"{_dropped(results.summary(arm, 'drop_mean'))} on the validation images."
    )


def _dropped(points: float) -> str:
    """A drop from validation to test accuracy."""
    if round(points, 1) == 0:
        return "as"
    return f"{words.points(abs(points))} {'less' if points > 0 else 'more'} than"


def about_seeds(results: Results) -> str:
    """What the intervals of the accuracies cover."""
    interval = words.interval(results.confidence)
    images = words.plural(results.images("test"), "test image") if results.is_tested else deciding_images(results)
    over_images = f"The {interval} is over the {_split(results)} images only (Wilson): another seed may change more."
    if len(results.numbers_of_runs) > 1:
        return (
            f"Not every arm has the same number of runs. Means over the runs that exist, on {images}; each {interval} "
            f"(Student’s t) is over seeds, or over the {_split(results)} images for a single run (Wilson)."
        )
    if results.numbers_of_runs == [1] and len(results.seeds) > 1:
        return f"Every arm was trained once, but with different seeds, and evaluated on {images}. {over_images}"
    if len(results.seeds) == 1:
        return f"Every arm was trained once (seed {results.seeds[0]}) and evaluated on {images}. {over_images}"
    text = (
        f"Means over {results.numbers_of_runs[0]} seeds ({words.listing(results.seeds)}) on {images}; each {interval} "
        "(confidence interval, Student’s t) is over seeds."
    )
    ends = [end for arm in results.arms["arm"] for end in _interval(results, arm)]
    if min(ends) < 0 or max(ends) > 100:
        text += f" With so few seeds it can exceed 0 to 100{words.NO_BREAK}%."
    return text


def _split(results: Results) -> str:
    """The split that the accuracies of the summary with their intervals are of."""
    return "test" if results.is_tested else "validation"


def _interval(results: Results, arm: str) -> tuple[float, float]:
    """The interval of an arm's accuracy on these images; NaN for a control that was not tested."""
    if results.is_tested:
        return results.accuracy_interval(arm)
    entry = results.ranking.get(arm, {"low": math.nan, "high": math.nan})
    return entry["low"], entry["high"]


def curve(results: Results) -> str:
    """What the lines of the main curve are."""
    text = f"{results.curve_split.capitalize()} accuracy after each epoch; epoch 0 is before training."
    text += moving_averages(results, "accuracy")
    if results.numbers_of_runs[-1] == 1:
        return text
    return f"{text} Thick lines: means over seeds. Thin lines or bands: single seeds or their range."


def about_controls(results: Results) -> str:
    """Which arms are controls; empty if none is."""
    if not results.controls:
        return ""
    verb = "is a control" if len(results.controls) == 1 else "are controls"
    return f"{words.listing(results.names_of(results.controls))} {verb}: trained, but not compared."


def summary(results: Results) -> Table:
    """Accuracy and cost of every arm."""
    kept = "last" if results.keeps_last(results.arms["arm"]) else "kept"
    validated = bool(results.tables["runs"]["validation_accuracy"].notna().any())
    interval = f" Below: {words.interval(results.confidence)} {_covers(results)}."
    features = " +: cached features, computed once for all seeds." if results.caches_features else ""
    guessing = "Guessing: the most frequent class."
    columns = {
        "arm": ARM,
        "validation": Column(
            "validation",
            f"Validation accuracy after the {kept} epoch (%). Used to choose the arm. {guessing}"
            + ("" if results.is_tested else interval),
        ),
        "test": Column("test accuracy", f"Test accuracy after the {kept} epoch (%). {guessing}{interval}"),
        "drop": Column("drop", "Validation accuracy minus test accuracy, in points."),
        "time": Column(
            "time",
            "Wall time of one run, measured. Includes evaluation, excludes imports and waiting for a GPU or a lock. "
            f"Other jobs may have shared the cores.{features}",
        ),
        "memory": Column("memory", "Peak memory, measured: of the process on a CPU, of torch’s allocations on a GPU."),
        "trainable": Column("trainable", "Trainable parameters, of all parameters of the network."),
    }
    absent = set()
    if not validated:
        absent |= {"validation", "drop"}
    if not results.is_tested:
        absent |= {"test", "drop"}
    rows = []
    for arm in results.arms["arm"]:
        trainable, total = (results.mean("runs", arm, f"{kind}_parameters") for kind in ("trainable", "total"))
        cells = {
            "arm": arm_cell(results, arm),
            **_accuracies(results, arm),
            "time": _time(results, arm),
            "memory": words.size(results.mean("cost", arm, "peak_memory_bytes")),
            "trainable": (words.count(trainable), f"of {words.count(total)}"),
        }
        rows.append([cell for name, cell in cells.items() if name not in absent])
    shown = [column for name, column in columns.items() if name not in absent]
    title = f"Accuracy and cost{over_seeds(results, 'means')}"
    chance = {"arm": "guessing"} | {split: words.percent(results.chance(split)) for split in ("validation", "test")}
    guesses = [chance.get(name, words.NOTHING) for name in columns if name not in absent]
    file = f"tables/{'summary' if results.is_tested else 'runs'}.csv"
    return Table(title, shown, rows, file, stacks=True, total=guesses)


def _accuracies(results: Results, arm: str) -> dict[str, str | tuple[str, str]]:
    """The cells of the summary with an arm's validation accuracy, its test accuracy, and the drop between them."""
    interval = words.between(*_interval(results, arm))
    validation = words.percent(results.mean("runs", arm, "validation_accuracy"))
    if not results.is_tested:
        return {"validation": (validation, interval)}
    return {
        "validation": validation,
        "test": (_accuracy(results, arm), interval),
        "drop": words.number(results.summary(arm, "drop_mean")),
    }


def _time(results: Results, arm: str) -> str | tuple[str, str]:
    """The time of a run, and below it that of its cached features if it has such."""
    run, features = (words.duration(results.mean("cost", arm, f"{part}seconds")) for part in ("", "features_"))
    return (run, f"+ {features}") if results.arms["features"][arm] == "cached" else run


def _covers(results: Results) -> str:
    """What the intervals of the summary are over."""
    fewest, most = results.numbers_of_runs[0], results.numbers_of_runs[-1]
    if most == 1:
        return f"over the {_split(results)} images (Wilson); with one seed there is none over seeds"
    if fewest == most:
        return f"over {most} seeds"
    single = f", of a single run over the {_split(results)} images (Wilson)" if fewest == 1 else ""
    return f"over the arm’s seeds{single}"


def missing_runs(results: Results) -> str:
    """That the report is partial, and which runs it lacks."""
    lacks = {arm: seeds for arm, seeds in (results.missing or {}).items() if seeds}
    there = len(results.tables["runs"])
    number = sum(len(seeds) for seeds in lacks.values())
    if not lacks:
        return f"This partial report lacks no run: all {there} exist, so the whole report can be made."
    named = [f"{arm} with {'seed' if len(seeds) == 1 else 'seeds'} {_listed(seeds)}" for arm, seeds in lacks.items()]
    return (
        f"This report is partial: {number} of {words.plural(there + number, 'run')} {'is' if number == 1 else 'are'} "
        f"missing ({words.listing(named)}). All numbers and comparisons are of the {there} that "
        f"{'exists' if there == 1 else 'exist'}."
    )


def missing_table(results: Results) -> Table:
    """The runs of each arm: missing, and existing."""
    runs = results.tables["runs"]
    columns = [
        Column("arm", "Name of the arm in the configuration.", "text"),
        Column("missing", "Seeds whose runs failed or were never made.", "text"),
        Column("there", "Seeds whose runs this report uses.", "text"),
    ]
    rows = [
        [arm, _listed(seeds), _listed(runs.loc[runs["arm"] == arm, "seed"])]
        for arm, seeds in (results.missing or {}).items()
    ]
    return Table("Runs of this experiment", columns, rows)


def _listed(seeds: Iterable[int | str]) -> str:
    return words.listing([str(seed) for seed in seeds] or ["none"])


def _accuracy(results: Results, arm: str) -> str:
    return words.percent(results.summary(arm, "test_accuracy_mean"))
