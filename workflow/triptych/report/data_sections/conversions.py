"""Formats and pixel modes, and what was converted."""

from collections import Counter

from triptych.data.decoding import CHANGES
from triptych.report import formatting as words
from triptych.report.blocks import Block, Column, Paragraph, Section, Table, Thumbnails
from triptych.report.checked_data import CheckedData, is_property

EXAMPLES = 6
"""Pictures of each change that is shown."""


def blocks(data: CheckedData) -> list[Block]:
    found: list[Block] = [kinds(data)]
    changes = changed(data)
    if not changes:
        return [*found, Paragraph("No image was converted or turned.")]
    found.append(changes_table(data, changes))
    for code, rows in changes.items():
        if not is_property(len(rows), len(data.images)):
            title = f"{words.capital(in_words(code))} ({words.plural(len(rows), 'image')})"
            found.append(Thumbnails(title, data.thumbnails(rows[:EXAMPLES])))
    return found


SECTION: Section[CheckedData] = Section(
    "conversions", "Formats and conversions", blocks, lambda data: len(data.images) > 0
)


def in_words(code: str) -> str:
    """Describe a code of the column `changes`."""
    return CHANGES.get(code, code.replace("_", " "))


def changed(data: CheckedData) -> dict[str, list[int]]:
    """The rows of `images` with each change, the most frequent change first."""
    found: dict[str, list[int]] = {}
    for row, changes in enumerate(data.images["changes"].tolist()):
        for code in changes.split():
            found.setdefault(code, []).append(row)
    return dict(sorted(found.items(), key=lambda pair: (-len(pair[1]), pair[0])))


def kinds(data: CheckedData) -> Table:
    """How many images have each format and mode."""
    counts = Counter(sorted(zip(data.images["format"].tolist(), data.images["mode"].tolist(), strict=True)))
    columns = [
        Column("format", "", "text"),
        Column("mode", "The pixel mode, as Pillow names it: RGB is colour, L is grey.", "text"),
        Column("images", ""),
    ]
    rows = [[kind, mode, words.count(images)] for (kind, mode), images in counts.most_common()]
    return Table("Formats and pixel modes", columns, rows)


def changes_table(data: CheckedData, changes: dict[str, list[int]]) -> Table:
    """How many images had each change."""
    columns = [Column("change", "", "prose"), Column("images", ""), Column("share", "Share of all images.")]
    rows = [
        [in_words(code), words.count(len(rows)), words.share(len(rows) / len(data.images))]
        for code, rows in changes.items()
    ]
    return Table("What was done when the images were decoded", columns, rows)
