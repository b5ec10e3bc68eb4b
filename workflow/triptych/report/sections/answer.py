"""The first screen: the answer, the summary, the main curve, and what to do.

The answer is worded from the decision alone (`decision.json`), and then what the chosen arm reaches on the test images.
A difference that may be chance is not called an order.
"""

import itertools
import math
from collections.abc import Iterable

from triptych.analysis.pretraining import pretraining_macs
from triptych.report import formatting as words
from triptych.report.blocks import (
    ARM,
    Block,
    Bullets,
    Column,
    Details,
    Paragraph,
    Section,
    Table,
    arm_cell,
    figure,
    over_seeds,
)
from triptych.report.sections import leaks
from triptych.report.sections.advice import advice
from triptych.report.sections.curves import moving_averages, unfinished
from triptych.report.sections.decision import (
    chosen_arm,
    chosen_run,
    decided,
    deciding_images,
    lead,
    opened_otherwise,
    pair_of,
    settling,
)
from triptych.report.sections.headline import headline
from triptych.results.arm_styles import MOST_SEED_LINES
from triptych.results.experiment import Results
from triptych.results.schema import EVERY_EPOCH, NO_TEST, OF_ARMS, UNOPENED

FACTORS = (("weights", "pretrained", "random"), ("train", "head", "all"), ("batchnorm", "frozen", "train"))
"""Settings of which the report says whether they pay: the column of `tables/arms.csv`, the value that is tried, and
the other one."""

CHANGES = {"accuracy": "change_mean", "balanced_accuracy": "balanced_change_mean"}
"""The column of `tables/summary.csv` with the change of a metric from validation to test images."""

ANSWERS = {
    "weights": {
        "more": ("Pretrained weights pay", ": {tried} gains {size} over {other}"),
        "less": ("Pretrained weights do not pay", ": {tried} loses {size} to {other}"),
        "equivalent": ("Pretrained weights change nothing beyond the margin", ": {tried} and {other} are equivalent"),
        "undecided": ("Whether pretrained weights pay is undecided", " ({tried} or {other})"),
    },
    "train": {
        "more": ("Training the last layer alone is enough", ": {tried} gains {size} over {other}"),
        "less": ("Training the last layer alone is not enough", ": {tried} loses {size} to {other}"),
        "equivalent": ("Training the last layer alone is enough", ": {tried} and {other} are equivalent"),
        "undecided": ("Whether training the last layer alone is enough is undecided", " ({tried} or {other})"),
    },
    "batchnorm": {
        "more": ("Freezing BatchNorm pays", ": {tried} gains {size} over {other}"),
        "less": ("Freezing BatchNorm does not pay", ": {tried} loses {size} to {other}"),
        "equivalent": ("Freezing BatchNorm changes nothing beyond the margin", ": {tried} and {other} are equivalent"),
        "undecided": ("Whether freezing BatchNorm pays is undecided", " ({tried} or {other})"),
    },
}
"""What the comparison of two arms that differ in one of FACTORS alone says on it: the claim, and its evidence."""


def blocks(results: Results) -> list[Block]:
    found: list[Block] = []
    if results.missing is not None:
        found += [Paragraph(missing_runs(results), "partial"), missing_table(results)]
    refused = bool(leaks.refusing(results))
    notes = [*([] if refused else what_would_change_it(results)), *unfinished(results), *before_training(results)]
    answered = [] if refused else [*what_it_answers(results), *worst_class(results)]
    told = (metric, tested, *([] if refused else [chosen_run]), about_seeds, about_controls)
    return [
        *found,
        Paragraph(" ".join([headline(results), *answered, *leaks.named(results)]), "answer"),
        *(Paragraph(text, "partial") for text in opened_otherwise(results)),
        Paragraph(" ".join(filter(None, [part(results) for part in told]))),
        summary(results),
        figure(results.curve_column("accuracy"), curve(results)),
        Bullets(leaks.advice(results) if refused else advice(results), "What to do"),
        *([Bullets(notes, "What could change, and what is left out")] if notes else []),
        Details("Words on this page", [Bullets(glossary(results))]),
    ]


SECTION = Section("answer", "", blocks)


def worst_class(results: Results) -> list[str]:
    """The class that the chosen arm recalls worst, if its interval lies below half the mean of all recalls."""
    arm = chosen_arm(results)
    if arm is None or not results.is_tested:
        return []
    recall = results.of("recall", arm).dropna(subset="recall")
    mean = float(recall["recall"].mean())
    below = recall[recall["high"] < mean / 2]
    if below.empty:
        return []
    worst = below.iloc[int(below["recall"].to_numpy().argmin())]
    others = len(below) - 1
    more = f" and that of {words.plural(others, 'other class', 'other classes')}" if others else ""
    verb = "are" if others else "is"
    return [
        f"{results.name_of(arm)} fails on {worst['class']}: its recall of {words.percent(worst['recall'])} "
        f"({words.interval(results.confidence)} {words.between(worst['low'], worst['high'])}, "
        f"{words.plural(worst['images'], 'test image')}){more} {verb} less than half the mean of all classes "
        f"({words.percent(mean)}). Recall: the share of a class’s images that are predicted as it."
    ]


def metric(results: Results) -> str:
    """Which metric decides; empty where it is accuracy, and all classes have about as many images."""
    balanced = "balanced accuracy, the mean of the recalls of all classes"
    if results.metric == "balanced_accuracy":
        return f"The metric that decides is {balanced}."
    if len(results.metrics(_split(results))) == 1:
        return ""
    return (
        f"The metric that decides is accuracy. Classes differ in size, so {balanced}, is shown as well; "
        "comparison.metric: balanced_accuracy makes it decide."
    )


def what_it_answers(results: Results) -> list[str]:
    """What the decision says on pretrained weights, on training the last layer alone, and on frozen BatchNorm.

    A sentence each, where one pair of arms alone differs in that and in no other setting, and has a verdict.
    """
    if decided(results)["chosen"] is None:
        return []
    sentences = []
    for column, tried, other in FACTORS:
        pairs = _pairs_that_differ_in(results, column, tried, other)
        if len(pairs) == 1:
            sentences += _on_factor(results, column, *pairs[0])
    return sentences


def _pairs_that_differ_in(results: Results, column: str, tried: str, other: str) -> list[tuple[str, str]]:
    """The pairs of arms of which the first has one value of a column and the second another, and all else is equal."""
    ignored = ["arm", "label", "role", "features", "cache_features"]
    settings = results.arms.loc[results.contestants].drop(columns=ignored)
    if column == "weights":  # pixels may be normalised as the weights need it
        settings = settings.drop(columns="normalisation")
    rows = {arm: {key: str(value) for key, value in row.items()} for arm, row in settings.iterrows()}
    return [
        (str(first), str(second))
        for first, second in itertools.permutations(rows, 2)
        if (rows[first][column], rows[second][column]) == (tried, other)
        and rows[first] | {column: other} == rows[second]
    ]


def _on_factor(results: Results, column: str, tried: str, other: str) -> list[str]:
    """What the comparison of two arms says on the one setting in which they differ; nothing without a verdict."""
    pair = pair_of(results, tried, other)
    difference, low, high, verdict = lead(results, tried, other)
    if pair["scope"] != OF_ARMS:
        return []
    if difference < 0:
        difference, low, high = -difference, -high, -low
        kind = "less"
    else:
        kind = "more"
    claim, evidence = ANSWERS[column][kind if verdict == "better" else verdict]
    if {tried, other} == set(results.contestants[:2]) and verdict == decided(results)["verdict"]:
        return [f"{claim}."]  # the headline has the evidence
    size = (
        f"{words.points(difference)} ({words.interval(results.confidence_of_differences)} {words.between(low, high)})"
    )
    return [f"{claim}{evidence.format(tried=results.name_of(tried), other=results.name_of(other), size=size)}."]


def what_would_change_it(results: Results) -> list[str]:
    """What would change the answer, and by how much: what settles it, or the nearer end of its interval."""
    verdict, leader = decided(results)["verdict"], results.contestants[0]
    interval = words.interval(results.confidence_of_differences)
    if verdict == "better":
        second = results.contestants[1]
        _, low, _, _ = lead(results, leader, second)
        return [
            f"The {interval} of the lead over {results.name_of(second)} begins at {words.points(low)}. Another "
            "recipe, split or pretraining may change the order."
        ]
    if verdict == "equivalent":
        ends = {arm: max(map(abs, lead(results, leader, arm)[1:3])) for arm in decided(results)["candidates"][1:]}
        furthest = max(ends, key=lambda arm: ends[arm])
        return [
            f"The {interval} of the difference between {results.name_of(leader)} and {results.name_of(furthest)} "
            f"reaches {words.points(ends[furthest])}."
        ]
    return settling(results) if verdict == "undecided" else []


def before_training(results: Results) -> list[str]:
    """What the costs of the arms leave out: how their pretrained weights came about."""
    arms = results.arms[results.arms["weights"] == "pretrained"]
    if arms.empty or chosen_arm(results) is None:
        return []
    settings = results.configuration["weights"]
    if settings["source"] != "letters":
        return ["Costs leave out the training of the pretrained weights."]
    macs = [pretraining_macs(results, architecture) for architecture in dict.fromkeys(arms["architecture"])]
    computed = "" if None in macs else f", {words.operations(sum(filter(None, macs)))} of training (computed)"
    return [
        f"Costs leave out pretraining: {words.plural(settings['train_images'], 'letter')}, "
        f"{words.plural(settings['epochs'], 'epoch')}{computed}."
    ]


def glossary(results: Results) -> list[str]:
    """The words that this page uses in a meaning of its own."""
    interval = words.interval(results.confidence)
    if results.look > 1:
        interval += f", of a difference {words.interval(results.confidence_of_differences)}"
    return [
        "Arm: a way to train. Run: an arm trained with one seed, the start of all its random numbers. Control: an arm "
        "that is trained, but not compared.",
        f"{interval}: confidence interval. Point: percentage point of {results.metric_name}. Differences are "
        "rounded once, so they may deviate by 0.1 from those of rounded numbers.",
        f"Leader: the arm with the highest mean {results.metric_name}. Candidate: an arm that the leader is not better "
        "than.",
        "p: probability of a difference at least as large if there were none. Holm’s correction raises it for the "
        "number of comparisons.",
        "MAC: multiply-accumulate, the unit of computed work; k, M, G, T: 10³, 10⁶, 10⁹, 10¹² of them. KiB, MiB, GiB: "
        "2¹⁰, 2²⁰, 2³⁰ bytes.",
        "Head: the last layer. Eval mode: BatchNorm uses its running statistics (averages over past batches), not "
        "those of the batch.",
        "Nat: the unit of the cross-entropy loss.",
        *(
            [
                "Fold: a part of the images that one training leaves out. Out-of-fold: of an image as the network "
                "predicts it that did not train on it."
            ]
            if results.folds
            else []
        ),
    ]


def tested(results: Results) -> str:
    """What the chosen arm reaches on the test images, and what it was chosen on."""
    arm, images, count = chosen_arm(results), deciding_images(results), words.count(results.images("test"))
    if results.mode == NO_TEST:
        named = "" if arm is None else f" {results.name_of(arm)} was chosen on {images}, so its accuracy is optimistic."
        return f"There are no test images (test: 0).{named}"
    if results.mode == UNOPENED:
        lacks = any((results.missing or {}).values())
        return f"The test images have not been opened.{' The missing runs may change this ranking.' * lacks}"
    if results.mode == EVERY_EPOCH and decided(results)["images"] == "test":
        optimistic = (
            "" if arm is None else f", so the {results.metric_name} of {results.name_of(arm)} on them is optimistic"
        )
        return (
            f"The {count} test images were evaluated after every epoch. There are no validation images: the choice is "
            f"made on the test images{optimistic}."
        )
    start = f"This is judged on {images}" if arm is None else f"{results.name_of(arm)} was chosen on {images}"
    if results.mode == EVERY_EPOCH:
        text = f"The {count} test images were evaluated after every epoch. {start}."
    else:
        text = f"{start}; the {count} test images were read only afterwards."
    if arm is None:
        return text
    first, *others = (
        f"{_value(results, arm, name)} ({words.interval(results.confidence)} "
        f"{words.between(*results.metric_interval(arm, name))})"
        for name in results.metrics("test")
    )
    changed = _changed(results.summary(arm, CHANGES[results.metric]))
    text += f" Its {results.metric_on('test')} is {first}, {changed} on the {_before(results)} images"
    for name, value in zip(results.metrics("test")[1:], others, strict=True):
        text += f"; its {results.metric_on('test', name)} is {value}"
    return f"{text}."


def _changed(points: float) -> str:
    """A change from validation to test accuracy."""
    if round(points, 1) == 0:
        return "as"
    return f"{words.points(abs(points))} {'more' if points > 0 else 'less'} than"


def about_seeds(results: Results) -> str:
    """How often every arm was trained, and what the intervals of the accuracies allow for."""
    images = words.plural(results.images("test"), "test image") if results.is_tested else deciding_images(results)
    interval = f"{words.interval(results.confidence)} (confidence interval)"
    allows = f"Each {interval} of an arm or a difference allows for other images of the same kind"
    if len(results.numbers_of_runs) > 1:
        return (
            f"Not every arm (a way to train) has the same number of runs. Means over the runs that exist, on {images}. "
            f"{allows} and, for an arm with several runs, for other seeds."
        )
    seeds = f"seed{'s' * (len(results.seeds) > 1)} {words.listing(results.seeds)}"
    runs = results.numbers_of_runs[0]
    if runs < len(results.seeds):
        seeds = f"with {words.count(runs) if runs > 1 else 'one'} of the {seeds}"
    if results.folds is not None:
        others = " and other seeds" if runs > 1 else ", not for another seed"
        return f"{_about_folds(results, seeds, runs)} {allows}{others}."
    if runs == 1:
        return f"Every arm (a way to train) was trained once ({seeds}). {allows}, not for another seed."
    often = f"Every arm (a way to train) was trained {runs} times ({seeds}); accuracies are means."
    return f"{often} {allows} and other seeds."


def _about_folds(results: Results, seeds: str, runs: int) -> str:
    """How often every arm was trained with folds, and what is predicted."""
    repeats = results.networks // (results.folds or 1)
    dealt = f"{words.count(results.images('train'))} images in {results.folds} folds"
    again = f", dealt {repeats} times" if repeats > 1 else ""
    return (
        f"Every arm (a way to train) was trained {results.networks * runs} times ({seeds}; {dealt}{again}): each "
        "network is trained without one fold, and predicts its images. Accuracies are means."
    )


def _split(results: Results) -> str:
    """The split that the accuracies of the summary with their intervals are of."""
    return "test" if results.is_tested else "validation"


def interval_of(results: Results, arm: str) -> tuple[float, float]:
    """The interval of an arm's metric in the summary; NaN for a control that was not tested."""
    if results.is_tested:
        return results.metric_interval(arm, results.metric)
    return results.decided_by(arm)[1:] if arm in results.ranking else (math.nan, math.nan)


def _words_of_split(results: Results) -> str:
    """The same in words."""
    return "test" if results.is_tested else _before(results)


def _before(results: Results) -> str:
    """What the images are called that arms are judged on before the test images."""
    return "out-of-fold" if results.folds is not None else "validation"


def curve(results: Results) -> str:
    """What the lines of the main curve are."""
    text = f"{results.curve_split.capitalize()} accuracy after each epoch; epoch 0 is before training."
    if results.folds is not None:
        text += " Validation images are those that a fold holds out; a seed’s curve is the mean over its folds."
    text += moving_averages(results, "accuracy", results.arms["arm"])
    if results.metric == "balanced_accuracy":
        text += " Curves show accuracy; balanced accuracy, which decides, is that of the kept epoch alone."
    if results.numbers_of_runs[-1] == 1:
        return text
    fewest, most = results.numbers_of_runs[0], results.numbers_of_runs[-1]
    lines = ["thin lines: single seeds"] * (fewest <= MOST_SEED_LINES) + ["bands: their range"] * (
        most > MOST_SEED_LINES
    )
    return f"{text} Thick lines: means over seeds; {words.listing(lines, 'or')}."


def about_controls(results: Results) -> str:
    """Which arms are controls; empty if none is."""
    if not results.controls:
        return ""
    verb = "is a control" if len(results.controls) == 1 else "are controls"
    return f"{words.listing(results.names_of(results.controls))} {verb}: trained, but not compared."


def summary(results: Results) -> Table:
    """The metrics and the cost of every arm."""
    kept = "last" if results.keeps_last(results.arms["arm"]) else "kept"
    validated = bool(results.tables["runs"]["validation_accuracy"].notna().any())
    interval = f" Below: {words.interval(results.confidence)} {_covers(results)}."
    features = " +: cached features, computed once for all seeds." if results.caches_features else ""
    shown_metrics = results.metrics(_split(results))
    other = shown_metrics[1] if len(shown_metrics) > 1 else ""
    name, short = results.metric_name, "" if results.metric == "accuracy" else "balanced "
    guessing = "Guessing: the most frequent class."
    columns = {
        "arm": ARM,
        "validation": Column(
            f"{short}{_before(results)}",
            f"{_before(results).capitalize()} {name} after the {kept} epoch (%). Used to choose the arm. {guessing}"
            + ("" if results.is_tested else interval),
        ),
        "test": Column(
            results.metric_on("test"),
            f"{results.metric_on('test').capitalize()} after the {kept} epoch (%). {guessing}{interval}",
        ),
        "change": Column("change", f"Test {name} minus {_before(results)} {name}, in points."),
        "other": Column(
            (results.metric_on("test", other) if results.is_tested else other.replace("_", " ")) if other else "",
            f"{other.replace('_', ' ').capitalize()} on the same {_words_of_split(results)} images (%); it does not "
            "decide."
            + (" The mean of the recalls of all classes." if other == "balanced_accuracy" else "")
            + (interval if results.is_tested else ""),
        ),
        "time": Column(
            "time",
            "Wall time of one run, measured. Includes evaluation until the decision, excludes imports and waiting for "
            f"a GPU or a job. Other jobs may have shared the cores.{features}",
        ),
        "memory": Column(
            "memory",
            "Measured peak. On a CPU of the whole process with its libraries, on a GPU of torch’s allocations.",
        ),
        "trainable": Column("trainable", "Trainable parameters, of all parameters of the network."),
    }
    absent = set() if other else {"other"}
    if not validated:
        absent |= {"validation", "change"}
    if not results.is_tested:
        absent |= {"test", "change"}
    rows = []
    for arm in results.arms["arm"]:
        trainable, total = (results.mean("runs", arm, f"{kind}_parameters") for kind in ("trainable", "total"))
        cells = {
            "arm": arm_cell(results, arm),
            **_metrics(results, arm, other),
            "time": _time(results, arm),
            "memory": words.size(results.mean("cost", arm, "peak_memory_bytes")),
            "trainable": (words.count(trainable), f"of {words.count(total)}"),
        }
        rows.append([cells[column] for column in columns if column not in absent])
    shown = [column for column_name, column in columns.items() if column_name not in absent]
    title = f"{name.capitalize()} and cost{over_seeds(results, 'means')}"
    chance = {"arm": "guessing"}
    chance |= {split: words.percent(results.guessing(split, results.metric)) for split in ("validation", "test")}
    chance |= {"other": words.percent(results.guessing(_split(results), other))} if other else {}
    guesses = [chance.get(column, words.NOTHING) for column in columns if column not in absent]
    file = f"tables/{'summary' if results.is_tested else 'runs'}.csv"
    return Table(title, shown, rows, file, stacks=True, total=guesses)


def _metrics(results: Results, arm: str, other: str) -> dict[str, str | tuple[str, str]]:
    """The cells of the summary with an arm's metric on validation and test images, and the change between them.

    Args:
        other: the metric that does not decide; empty where it is not shown.
    """
    interval = words.between(*interval_of(results, arm))
    reached = results.mean("runs", arm, f"validation_{results.metric}")
    if results.folds is not None and arm in results.ranking:
        reached = results.decided_by(arm)[0]  # of all images together, not the mean of the folds' balanced accuracies
    validation = words.percent(reached)
    cells: dict[str, str | tuple[str, str]] = {"validation": validation}
    if not results.is_tested:
        cells["validation"] = (validation, interval)
        if other:
            cells["other"] = words.percent(results.mean("runs", arm, f"validation_{other}"))
        return cells
    cells["test"] = (_value(results, arm, results.metric), interval)
    cells["change"] = words.signed(results.summary(arm, CHANGES[results.metric]))
    if other:
        cells["other"] = (_value(results, arm, other), words.between(*results.metric_interval(arm, other)))
    return cells


def _time(results: Results, arm: str) -> str | tuple[str, str]:
    """The time of a run, and below it that of its cached features if it has such."""
    run, features = (words.duration(results.mean("cost", arm, f"{part}seconds")) for part in ("", "features_"))
    return (run, f"+ {features}") if results.arms["features"][arm] == "cached" else run


def _covers(results: Results) -> str:
    """What the intervals of the summary allow for."""
    fewest, most = results.numbers_of_runs[0], results.numbers_of_runs[-1]
    images = f"for other {_words_of_split(results)} images"
    if most == 1:
        return f"{images}, not for another seed"
    return f"{images} and other seeds" + (" where there are several" if fewest == 1 else "")


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


def _value(results: Results, arm: str, metric: str) -> str:
    """The mean of an arm's metric on test images."""
    return words.percent(results.summary(arm, f"test_{metric}_mean"))
