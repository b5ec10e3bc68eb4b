"""How precisely this many images will measure an accuracy, before any is measured."""

from triptych.analysis.expected_precision import (
    CONFIDENCE,
    DISAGREEMENT,
    POWER,
    few_images,
    interval,
    visible_difference,
)
from triptych.report import formatting as words
from triptych.report.blocks import Block, Column, Paragraph, Section, Table
from triptych.report.checked_data import CheckedData

ACCURACIES = (80, 95)
"""Percent, at which the widths of intervals are shown."""


def blocks(data: CheckedData) -> list[Block]:
    return [
        Paragraph(
            "Known before training: the interval that an accuracy will have, and the smallest difference between two "
            "networks that will be seen."
        ),
        table(data),
    ]


SECTION: Section[CheckedData] = Section(
    "precision", "What this many images can show", blocks, lambda data: not data.split_error
)


def notes(data: CheckedData) -> list[str]:
    """Warnings about few test images."""
    if data.split_error or not data.count("test"):  # with folds there may be no test images
        return []
    return few_images(data.count("test"), fewest(data, "test"), offers_folds=not data.settings.get("folds"))


def fewest(data: CheckedData, split: str) -> int:
    """The images of the class that has the fewest in a split."""
    return min(data.counts[name, split] for name in data.classes)


def table(data: CheckedData) -> Table:
    """The intervals that the images of each split allow."""
    columns = [
        Column("images", "", "text"),
        Column("number", "Number of images."),
        *(
            Column(
                f"at {accuracy} %",
                f"{words.interval(CONFIDENCE)} (Wilson) of one network’s accuracy, or recall, near {accuracy} %.",
            )
            for accuracy in ACCURACIES
        ),
        Column(
            "difference seen",
            f"Smallest difference, in points, that is found in {100 * POWER:g} % of experiments, at the "
            f"{100 * (1 - CONFIDENCE):.0f} % level. Assumed: two networks of which one alone is right on "
            f"{100 * DISAGREEMENT:g} % of the images, or on as many as they differ by.",
        ),
    ]
    rows = []
    for split in ("validation", "test"):
        named = (("all", data.count(split)), ("the smallest class", fewest(data, split)))
        rows += [
            [
                (split, which),
                words.count(images),
                *(f"{words.between(*interval(images, accuracy), 0)}{words.NO_BREAK}%" for accuracy in ACCURACIES),
                words.count(visible_difference(images)),
            ]
            for which, images in named
            if images
        ]
    return Table("Precision by the number of images", columns, rows)
