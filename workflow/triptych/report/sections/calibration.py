"""Whether the probabilities of the chosen run mean what they say."""

import numpy
import pandas

from triptych.report import formatting as words
from triptych.report.blocks import Block, Column, Details, Paragraph, Range, Section, Table, declared
from triptych.results.experiment import Results
from triptych.results.schema import CALIBRATION, RELIABILITY

REACH = 1.05
"""By how much the scale of the intervals exceeds the longest one."""


def blocks(results: Results) -> list[Block]:
    table = results.tables[CALIBRATION.name]
    return [Paragraph(sentence(results, table)), *folded(results, table)]


SECTION = Section("calibration", "Calibration", blocks, lambda results: len(results.tables[CALIBRATION.name]) > 0)


def sentence(results: Results, table: pandas.DataFrame) -> str:
    """The calibration error of the chosen run, before and after the temperature."""
    plain, *calibrated = (row for _, row in table.iterrows())
    said = (
        f"Expected calibration error of the chosen run on {words.count(plain['images'])} test images, "
        "corrected for chance: "
        f"{words.percent(plain['corrected'])} ({words.interval(results.confidence)} "
        f"{words.between(plain['low'], plain['high'])})"
    )
    # an ensemble has a temperature of its own
    temperature = "a temperature" if results.configuration.get("ensemble") else "the model’s temperature"
    for row in calibrated:
        said += f"; with {temperature}, {words.percent(row['corrected'])} ({words.between(row['low'], row['high'])})"
    return f"{said}."


def explanation(table: pandas.DataFrame) -> str:
    """What the error is, and how it is corrected."""
    plain, *calibrated = (row for _, row in table.iterrows())
    fitted = (
        f"The temperature {calibrated[0]['temperature']:g} was fitted on validation images."
        if calibrated
        else "There is no temperature: too few validation images, or no mistake among them."
    )
    return (
        "Mean distance of probability and accuracy (ECE). The mean probability is "
        f"{words.percent(plain['probability'])}, the accuracy {words.percent(plain['accuracy'])}. Few images show an "
        f"error by chance, so it is corrected. {fitted}"
    )


def folded(results: Results, table: pandas.DataFrame) -> list[Block]:
    """The errors, and the accuracy by probability."""
    names = ("probabilities", "temperature", "bins", "error", "by_chance", "corrected")
    interval = f"{words.interval(results.confidence)} of the true error, over images."
    columns = [declared(CALIBRATION, name, "text" if name == "probabilities" else "number") for name in names]
    rows = [
        [
            row["probabilities"],
            f"{row['temperature']:g}",
            words.count(row["bins"]),
            *(words.number(row[name]) for name in ("error", "by_chance", "corrected")),
            words.between(row["low"], row["high"]),
        ]
        for _, row in table.iterrows()
    ]
    errors = Table(
        "Expected calibration error (%)", [*columns, Column("interval", interval)], rows, CALIBRATION.file, stacks=True
    )
    bins = results.tables[RELIABILITY.name]
    kinds = [bins[bins["probabilities"] == kind] for kind in dict.fromkeys(bins["probabilities"])]
    reach = REACH * max(float(numpy.abs(bins[end] - bins["probability"]).max()) for end in ("low", "high", "accuracy"))
    return [
        Details("Calibration errors", [Paragraph(explanation(table)), errors]),
        *(Details(f"Reliability, {_kind(own)} probabilities", [reliability(results, own, reach)]) for own in kinds),
    ]


def _kind(bins: pandas.DataFrame) -> str:
    return str(bins["probabilities"].iloc[0])


def reliability(results: Results, bins: pandas.DataFrame, reach: float) -> Table:
    """Accuracy minus probability of each bin, drawn with its interval.

    Args:
        reach: the largest distance that is drawn, in points.
    """

    def place(value: float) -> float:
        return round(float(numpy.clip(50 + 50 * value / reach, 0, 100)), 2)

    columns = [
        declared(RELIABILITY, "probability"),
        declared(RELIABILITY, "images"),
        declared(RELIABILITY, "accuracy"),
        Column(
            "accuracy minus probability",
            f"In points, with Wilson’s {words.interval(results.confidence)}. Right of the stroke (zero) the network is "
            "less sure than it could be, left of it too sure.",
            "range",
        ),
    ]
    rows = []
    for _, row in bins.iterrows():
        low, middle, high = (row[name] - row["probability"] for name in ("low", "accuracy", "high"))
        drawn = Range(words.between(low, high), *map(place, (low, middle, high)), *map(place, (0, 0, 0)))
        cells = (words.number(row["probability"]), words.count(row["images"]), words.number(row["accuracy"]))
        rows.append([*cells, drawn])
    return Table(f"Reliability of the {_kind(bins)} probabilities (%)", columns, rows, RELIABILITY.file, stacks=True)
