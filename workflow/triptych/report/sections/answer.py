"""The first screen: the answer, the summary, the main curve, and what to do.

A verdict (`tables/comparisons.csv`) is `better`, `equivalent` or `undecided`. A difference that may be chance is not
called an order, and arms are called equivalent only if the whole interval lies within the margin.
"""

from collections.abc import Iterable
from itertools import pairwise

from triptych.report import formatting as words
from triptych.report.blocks import ARM, Block, Bullets, Column, Paragraph, Section, Table, arm_cell, figure, over_seeds
from triptych.report.sections.advice import advice
from triptych.results.experiment import Results


def blocks(results: Results) -> list[Block]:
    found: list[Block] = []
    if results.missing is not None:
        found += [Paragraph(missing_runs(results), "partial"), missing_table(results)]
    return [
        *found,
        Paragraph(headline(results), "answer"),
        Paragraph(" ".join(filter(None, [others_in_short(results), about_seeds(results), about_controls(results)]))),
        summary(results),
        figure("test_accuracy", curve(results)),
        Bullets(advice(results), "What to do"),
    ]


SECTION = Section("answer", "", blocks)


def headline(results: Results) -> str:
    """The answer in one sentence."""
    best, *others = results.contestants
    name, reached = results.name_of(best), f"{_accuracy(results, best)} test accuracy"
    if not others:
        interval = words.between(*results.accuracy_interval(best))
        return f"{name} reaches {reached} ({words.interval(results.confidence)} {interval}). No other arm was trained."
    verdicts = {other: results.verdict(best, other) for other in others}
    beaten = [other for other in others if verdicts[other] == "better"]
    if beaten == others:
        row = results.comparison(best, others[0])
        lead = f"{words.points(row['difference'])} more than {results.name_of(others[0])}"
        interval = f"{words.interval(results.confidence)} {words.between(row['low'], row['high'])}"
        if len(others) == 1:
            return f"{name} is better: {reached}, {lead} ({interval})."
        return f"{name} is the best of {len(others) + 1} arms: {reached}, {lead}, the next best ({interval})."
    clauses = []
    for verdict in ("equivalent", "undecided"):
        rivals = [other for other in others if verdicts[other] == verdict]
        if not rivals:
            continue
        named = words.listing(
            [f"{results.name_of(rival)} ({_accuracy(results, rival)})" for rival in rivals],
            "and" if verdict == "equivalent" else "or",
        )
        if verdict == "equivalent":
            verb = "is" if len(rivals) == 1 else "are"
            clauses.append(f"{named} {verb} equivalent to it, within {words.plural(results.margin, 'point')}")
        else:
            clauses.append(f"whether it is better than {named} is undecided")
    if beaten:
        clauses.append(f"it is better than {words.listing(results.names_of(beaten))}")
    return f"No single winner: {name} reaches {reached}; {'; '.join(clauses)}."


def others_in_short(results: Results) -> str:
    """How the arms that the best one beats compare, each with the next; empty for fewer than two."""
    best, *others = results.contestants
    beaten = [other for other in others if results.verdict(best, other) == "better"]
    clauses = []
    for first, second in pairwise(beaten):
        names = results.names_of([first, second])
        clauses.append(
            {
                "better": f"{names[0]} is better than {names[1]}",
                "equivalent": f"{names[0]} and {names[1]} are equivalent",
                "undecided": f"{names[0]} or {names[1]} is undecided",
            }[results.verdict(first, second)]
        )
    return f"Behind it, {words.listing(clauses)}." if clauses else ""


def about_seeds(results: Results) -> str:
    """What the intervals of the accuracies cover."""
    interval, images = words.interval(results.confidence), f"{words.count(results.images('test'))} test images"
    over_images = f"The {interval} is over the test images only (Wilson): another seed may change more."
    if len(results.numbers_of_runs) > 1:
        return (
            f"Not every arm has the same number of runs. Means over the runs that exist, on {images}; each {interval} "
            "(Student’s t) is over seeds, or over the test images for a single run (Wilson)."
        )
    if results.numbers_of_runs == [1] and len(results.seeds) > 1:
        return f"Every arm was trained once, but with different seeds, and tested on {images}. {over_images}"
    if len(results.seeds) == 1:
        return f"Every arm was trained once (seed {results.seeds[0]}) and tested on {images}. {over_images}"
    text = (
        f"Means over {results.numbers_of_runs[0]} seeds ({words.listing(results.seeds)}) on {images}; each {interval} "
        "(confidence interval, Student’s t) is over seeds."
    )
    ends = [end for arm in results.arms["arm"] for end in results.accuracy_interval(arm)]
    if min(ends) < 0 or max(ends) > 100:
        text += f" With so few seeds it can exceed 0 to 100{words.NO_BREAK}%."
    return text


def curve(results: Results) -> str:
    """What the lines of the main curve are."""
    text = "Test accuracy after each epoch; epoch 0 is before training."
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
    validated = bool(results.tables["summary"]["validation_accuracy_mean"].notna().any())
    validation = Column("validation", f"Validation accuracy after the {kept} epoch (%). Used for model selection.")
    features = " +: cached features, computed once for all seeds." if results.caches_features else ""
    columns = [
        ARM,
        Column(
            "test accuracy",
            f"Test accuracy after the {kept} epoch (%). Below: {words.interval(results.confidence)} "
            f"{_covers(results)}.",
        ),
        *([validation] if validated else []),
        Column(
            "time",
            "Wall time of one run, measured. Includes evaluation, excludes imports and waiting for a GPU or a lock. "
            f"Other jobs may have shared the cores.{features}",
        ),
        Column("memory", "Peak memory, measured: of the process on a CPU, of torch’s allocations on a GPU."),
        Column("trainable", "Trainable parameters, of all parameters of the network."),
    ]
    rows = []
    for arm in results.arms["arm"]:
        trainable, total = (results.mean("runs", arm, f"{kind}_parameters") for kind in ("trainable", "total"))
        rows.append(
            [
                arm_cell(results, arm),
                (_accuracy(results, arm), words.between(*results.accuracy_interval(arm))),
                *([words.percent(results.summary(arm, "validation_accuracy_mean"))] if validated else []),
                _time(results, arm),
                words.size(results.mean("cost", arm, "peak_memory_bytes")),
                (words.count(trainable), f"of {words.count(total)}"),
            ]
        )
    title = f"Accuracy and cost{over_seeds(results, 'means')}"
    return Table(title, columns, rows, "tables/summary.csv", stacks=True)


def _time(results: Results, arm: str) -> str | tuple[str, str]:
    """The time of a run, and below it that of its cached features if it has such."""
    run, features = (words.duration(results.mean("cost", arm, f"{part}seconds")) for part in ("", "features_"))
    return (run, f"+ {features}") if results.arms["features"][arm] == "cached" else run


def _covers(results: Results) -> str:
    """What the intervals of the summary are over."""
    fewest, most = results.numbers_of_runs[0], results.numbers_of_runs[-1]
    if most == 1:
        return "over the test images (Wilson); with one seed there is none over seeds"
    if fewest == most:
        return f"over {most} seeds"
    return "over the arm’s seeds" + (", of a single run over the test images (Wilson)" if fewest == 1 else "")


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
