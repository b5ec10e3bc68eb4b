"""How precisely this many images will measure an accuracy, before any is measured."""

import math

from scipy import stats

from triptych.analysis.intervals import wilson_interval
from triptych.report import formatting as words
from triptych.report.blocks import Block, Column, Paragraph, Section, Table
from triptych.report.checked_data import CheckedData

CONFIDENCE = 0.95
POWER = 0.8
ACCURACIES = (80, 95)
"""Percent, at which the widths of intervals are shown."""
DISAGREEMENT = 0.1
"""The share of images that exactly one of two networks has right, as it is assumed."""
FEW_IMAGES = 100
FEW_OF_A_CLASS = 20
"""Test images below which the report warns."""


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
    test, smallest = data.count("test"), fewest(data, "test")
    found = []
    if test < FEW_IMAGES:
        low, high = interval(test, ACCURACIES[0])
        found.append(
            f"{words.plural(test, 'test image')}: a test accuracy near {ACCURACIES[0]} % will have a "
            f"{words.interval(CONFIDENCE)} from {words.between(low, high, 0)} %. Two "
            f"networks must differ by about {words.count(visible_difference(test))} points to be told apart."
        )
    if smallest < FEW_OF_A_CLASS:
        low, high = interval(smallest, ACCURACIES[0])
        found.append(
            f"The smallest class has {words.plural(smallest, 'test image')}: a recall near {ACCURACIES[0]} % will have "
            f"a {words.interval(CONFIDENCE)} from {words.between(low, high, 0)} %."
        )
    return found


def fewest(data: CheckedData, split: str) -> int:
    """The images of the class that has the fewest in a split."""
    return min(data.counts[name, split] for name in data.classes)


def interval(images: int, accuracy: float) -> tuple[float, float]:
    """Wilson's interval in percent, if the accuracy on this many images is the nearest possible one to `accuracy`."""
    low, high = wilson_interval(round(images * accuracy / 100), images, CONFIDENCE)
    return 100 * low, 100 * high


def visible_difference(images: int, disagreement: float = DISAGREEMENT) -> float:
    """The difference of two networks' accuracies, in points, that a test of paired answers sees with POWER.

    The difference d has the variance (q - d²) / images, q being the share of images that one network alone has right:
    `disagreement`, or d where that is more.
    """
    needed = (stats.norm.ppf(1 - (1 - CONFIDENCE) / 2) + stats.norm.ppf(POWER)) ** 2
    at_disagreement = math.sqrt(needed * disagreement / (images + needed))
    return 100 * (at_disagreement if at_disagreement <= disagreement else needed / (images + needed))


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
