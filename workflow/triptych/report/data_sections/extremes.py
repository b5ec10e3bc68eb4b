"""The images at the ends of brightness, contrast and sharpness."""

from triptych.report import formatting as words
from triptych.report.blocks import Block, Paragraph, Section, Thumbnails
from triptych.report.checked_data import CheckedData

EXAMPLES = 6
ENDS = (
    ("Darkest", "brightness", True),
    ("Brightest", "brightness", False),
    ("Lowest contrast", "contrast", True),
    ("Highest contrast", "contrast", False),
    ("Least sharp", "sharpness", True),
    ("Sharpest", "sharpness", False),
)
"""The title of each end, its measure, and whether it is the low end."""


def blocks(data: CheckedData) -> list[Block]:
    found: list[Block] = [
        Paragraph("Every data set has such ends. Look for pictures that are black, blank, blurred or no photographs.")
    ]
    for title, measure, low in ENDS:
        ordered = data.images.sort_values(measure, ascending=low, kind="stable").index[:EXAMPLES]
        notes = [f"{measure} {words.number(value, 0)}" for value in data.images.loc[ordered, measure].tolist()]
        found.append(Thumbnails(title, data.thumbnails(list(ordered), notes)))
    return found


SECTION: Section[CheckedData] = Section(
    "extremes", "Darkest, brightest, sharpest", blocks, lambda data: len(data.images) > 0
)
