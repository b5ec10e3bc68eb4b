"""The pairs of arms: their differences, and what follows from them."""

from collections.abc import Set

import numpy
import pandas

from triptych.report import formatting as words
from triptych.report.blocks import Block, Bullets, Column, Details, Paragraph, Range, Section, Table
from triptych.report.sections.decision import (
    comparison_of_networks,
    decided,
    deciding_images,
    deciding_split,
    verdict_in_words,
)
from triptych.report.sections.decision import pairs as pairs_of_decision
from triptych.results import schema
from triptych.results.experiment import Results
from triptych.results.schema import OF_ARMS, OF_NETWORKS, OF_TWO_SEEDS

MOST_PAIRS = 15
"""If there are more pairs than these, those without the best arm are folded."""


def blocks(results: Results) -> list[Block]:
    pairs, best = compared(results), results.contestants[0]
    of_best = (pairs["arm_a"] == best) | (pairs["arm_b"] == best)
    shown = pairs if len(pairs) <= MOST_PAIRS else pairs[of_best]
    others = pairs.drop(shown.index)
    found: list[Block] = [
        Paragraph(f"{_origin(results)} {scope(results)}"),
        table(results, shown, "Pairs of arms"),
    ]
    open_ = shown[(shown["verdict"] == "undecided") & (shown["scope"] == OF_ARMS)]
    reasons = [undecided(results, row) for _, row in open_.iterrows()]
    if reasons:
        found.append(Bullets(reasons))
    if len(others):
        found.append(Details(f"{len(others)} other pairs", [table(results, others, "Other pairs of arms")]))
    return found


SECTION = Section("comparisons", "Differences between arms", blocks, lambda results: len(results.contestants) > 1)


def scope(results: Results) -> str:
    """What the comparisons are about: arms, or the networks that were trained."""
    scopes = set(compared(results)["scope"])
    sentences = []
    if OF_ARMS in scopes:
        sentences.append("Verdicts are about arms: intervals and p-values allow for other images and other seeds.")
    if OF_TWO_SEEDS in scopes:
        sentences.append("Two seeds of an arm are too few for a verdict on arms: the interval is shown alone.")
    if OF_NETWORKS in scopes:
        sentences.append(
            "With one run of an arm there is no verdict on arms. The p-values of such pairs are about these two "
            "networks alone: another seed may change the result."
        )
    return " ".join(sentences)


def compared(results: Results) -> pandas.DataFrame:
    """Every pair: compared on the test images, or before these are opened on the images that decide."""
    return results.tables["comparisons"] if results.is_tested else pairs_of_decision(results)


def _split(results: Results) -> str:
    """The split of the images that the pairs are compared on."""
    return "test" if results.is_tested else deciding_split(results)


def _origin(results: Results) -> str:
    """Whether these comparisons decided."""
    if not results.is_tested:
        return "Provisional, on the images that decide." if results.is_provisional else "On the images that decide."
    if decided(results)["images"] == "test":
        return "On the test images, on which the arm was chosen."
    return f"On the test images; the arm was chosen on {deciding_split(results)} images."


def table(results: Results, pairs: pandas.DataFrame, title: str) -> Table:
    """Pairs of arms with their verdicts."""
    margin, every = results.margin, compared(results)
    reach = 1.08 * max(every[["low", "high"]].abs().to_numpy().max(initial=0), margin, 1e-9)
    left = -max(margin, -min(every["low"].min(), 0)) * 1.15 - 0.02 * reach

    def place(value: float) -> float:
        return round(float(numpy.clip(100 * (value - left) / (reach - left), 0, 100)), 2)

    scopes = set(every["scope"])
    images = f"other {_split(results)} images"
    covered = {
        True: f"{images} and other seeds",
        False: f"{images}, not other seeds",
        None: f"{images}, and other seeds where both arms have several",
    }[None if OF_NETWORKS in scopes and len(scopes) > 1 else OF_NETWORKS not in scopes]
    columns = [
        Column("arms", f"The arm with the higher mean {results.metric_name} comes first.", "text"),
        Column("difference", f"Lead of the first arm in points of {results.metric_on(_split(results))}."),
        Column(
            "interval",
            f"{words.interval(results.confidence_of_differences)} of the difference in points; it allows for "
            f"{covered}. Line: interval; dot: difference; stroke: zero; grey band: the margin of "
            f"{words.plural(margin, 'point')}, within which arms are equivalent. All lines share one scale, from "
            f"{words.number(left)} to {words.number(reach)} points.",
            "range",
        ),
        Column("p", " ".join(_meanings_of_p(results, scopes))),
        Column("verdict", " ".join(_meanings_of_verdict(results, scopes)), "verdict"),
    ]
    rows = [
        [
            " vs ".join(results.names_of([row["arm_a"], row["arm_b"]])),
            words.number(row["difference"]),
            Range(
                words.between(row["low"], row["high"]),
                *(place(row[column]) for column in ("low", "difference", "high")),
                *(place(value) for value in (0, -margin, margin)),
            ),
            words.p_value(_p_value(row)).removeprefix(f"={words.NO_BREAK}"),
            verdict_in_words(results, {str(name): value for name, value in row.items()}),
        ]
        for _, row in pairs.iterrows()
    ]
    return Table(title, columns, rows, "tables/comparisons.csv" if results.is_tested else "decision.json", stacks=True)


def _p_value(row: pandas.Series) -> float:
    """The p-value of what a pair is about: of two networks where an arm has a single run, else of the two arms."""
    return float(row["networks_p"] if row["scope"] == OF_NETWORKS else row["p_value"])


def _meanings_of_p(results: Results, scopes: Set[str]) -> list[str]:
    """What the p-values are, by what the pairs are about."""
    found = []
    if scopes - {OF_NETWORKS}:
        found.append(schema.COMPARISONS["p_value"].meaning)
    if OF_NETWORKS in scopes:
        how = comparison_of_networks(results)
        found.append(f"With one run of both arms: the same for these two networks alone ({how}, Holm’s correction).")
    return found


def _meanings_of_verdict(results: Results, scopes: Set[str]) -> list[str]:
    """What the verdicts mean that pairs of these scopes may have."""
    level, margin = words.level(results.level), words.plural(results.margin, "point")
    found = []
    if OF_ARMS in scopes:
        found.append(
            f"better: p is at most {level}. equivalent: the whole interval is within {margin}, and there are enough "
            "images to show it. undecided: neither. All arms see the same images, so a difference may be clear "
            "although the intervals of the two arms overlap."
        )
    if OF_TWO_SEEDS in scopes:
        found.append("Two seeds: always undecided.")
    if OF_NETWORKS in scopes:
        found.append(f"One run of an arm: networks differ if p is at most {level}, else undecided.")
    return found


def undecided(results: Results, row: pandas.Series) -> str:
    """Why a pair is undecided although both arms have seeds enough."""
    interval = words.between(row["low"], row["high"])
    margin = words.plural(results.margin, "point")
    if -results.margin < row["low"] and row["high"] < results.margin:
        images = words.plural(results.images("test"), "test image") if results.is_tested else deciding_images(results)
        why = f"{images} are too few to prove equivalence within {margin}"
    elif row["low"] <= 0 <= row["high"]:
        why = f"the interval ({interval}) includes zero and differences beyond {margin}"
    else:
        number = words.plural(len(compared(results)), "pair")
        why = f"with {number} compared, p {words.p_value(row['p_value'])} is not enough evidence"
    return f"Undecided, {' vs '.join(results.names_of([row['arm_a'], row['arm_b']]))}: {why}."
