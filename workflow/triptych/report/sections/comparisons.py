"""Which differences between arms are real."""

import numpy
import pandas

from triptych.report import formatting as words
from triptych.report.blocks import Block, Bullets, Column, Details, Paragraph, Range, Section, Table, declared
from triptych.report.sections.decision import decided, deciding_images
from triptych.report.sections.decision import pairs as pairs_of_decision
from triptych.results import schema
from triptych.results.experiment import Results

MOST_PAIRS = 15
"""If there are more pairs than these, those without the best arm are folded."""


def blocks(results: Results) -> list[Block]:
    pairs, best = compared(results), results.contestants[0]
    of_best = (pairs["arm_a"] == best) | (pairs["arm_b"] == best)
    shown = pairs if len(pairs) <= MOST_PAIRS else pairs[of_best]
    others = pairs.drop(shown.index)
    found: list[Block] = [
        Paragraph(
            f"{_origin(results)} Each pair is compared image by image (paired bootstrap). Arms are equivalent if the "
            f"whole interval lies within {words.plural(results.margin, 'point')}."
        ),
        table(results, shown, "Pairs of arms"),
    ]
    reasons = [undecided(results, row) for _, row in shown.iterrows() if row["verdict"] == "undecided"]
    if reasons:
        found.append(Bullets(reasons))
    if len(others):
        found.append(Details(f"{len(others)} other pairs", [table(results, others, "Other pairs of arms")]))
    return found


SECTION = Section("comparisons", "Which differences are real", blocks, lambda results: len(results.contestants) > 1)


def compared(results: Results) -> pandas.DataFrame:
    """Every pair: compared on the test images, or before these are opened on the images that decide."""
    return results.tables["comparisons"] if results.is_tested else pairs_of_decision(results)


def _split(results: Results) -> str:
    """The split of the images that the pairs are compared on."""
    return "test" if results.is_tested else str(decided(results)["images"])


def _origin(results: Results) -> str:
    """Whether these comparisons decided."""
    if not results.is_tested:
        return "Provisional, on the images that decide."
    if decided(results)["images"] == "test":
        return "On the test images, on which the arm was chosen."
    return "On the test images; the arm was chosen on validation images."


def table(results: Results, pairs: pandas.DataFrame, title: str) -> Table:
    """Pairs of arms with their verdicts."""
    margin, every = results.margin, compared(results)
    reach = 1.08 * max(every[["low", "high"]].abs().to_numpy().max(initial=0), margin, 1e-9)
    left = -max(margin, -min(every["low"].min(), 0)) * 1.15 - 0.02 * reach

    def place(value: float) -> float:
        return round(float(numpy.clip(100 * (value - left) / (reach - left), 0, 100)), 2)

    images = f"{_split(results)} images"
    resampled = f"{images} and seeds" if len(results.seeds) > 1 else f"{images} (there is one seed)"
    if results.missing and any(results.missing.values()):
        resampled += "; arms with different seeds are resampled separately"
    columns = [
        Column("arms", "The arm with the higher mean accuracy comes first.", "text"),
        Column("difference", f"Lead of the first arm in points of {_split(results)} accuracy."),
        Column(
            "interval",
            f"{words.interval(results.confidence)} of the difference in points; the paired bootstrap resamples "
            f"{resampled}. Line: interval; dot: difference; stroke: zero; grey band: the margin of "
            f"{words.plural(margin, 'point')}.",
            "range",
        ),
        declared(schema.COMPARISONS, "p_value"),
        declared(schema.COMPARISONS, "verdict", "verdict"),
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
            words.p_value(row["p_value"]).removeprefix(f"={words.NO_BREAK}"),
            row["verdict"],
        ]
        for _, row in pairs.iterrows()
    ]
    return Table(title, columns, rows, "tables/comparisons.csv" if results.is_tested else "decision.json", stacks=True)


def undecided(results: Results, row: pandas.Series) -> str:
    """Why a pair is undecided."""
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
