"""Sizes and aspects of the images."""

import numpy
import pandas

from triptych.report import formatting as words
from triptych.report.blocks import Block, Column, Paragraph, Section, Table, Thumbnails
from triptych.report.checked_data import CheckedData, is_property

LARGEST_ASPECT = 4
QUANTILES = {"smallest": 0.0, "5 %": 0.05, "median": 0.5, "95 %": 0.95, "largest": 1.0}
EXAMPLES = 12


def blocks(data: CheckedData) -> list[Block]:
    found: list[Block] = [quantiles(data), *(Paragraph(sentence) for sentence, _ in described(data))]
    for title, rows, order in (
        (f"Aspect beyond {LARGEST_ASPECT}:1", long(data), -data.aspect),
        (f"Shorter side below {data.store_size} px", small(data), data.shorter),
    ):
        if len(rows) and not is_property(len(rows), len(data.images)):
            first = order[rows].sort_values(kind="stable").index[:EXAMPLES]
            which = f", {EXAMPLES} of {words.count(len(rows))}" if len(rows) > EXAMPLES else ""
            sides = data.images.loc[first, ["width", "height"]].itertuples(index=False)
            notes = [f"{width} x {height} px" for width, height in sides]
            found.append(Thumbnails(f"{title}{which}", data.thumbnails(list(first), notes)))
    return found


SECTION: Section[CheckedData] = Section("sizes", "Sizes", blocks, lambda data: len(data.images) > 0)


def notes(data: CheckedData) -> list[str]:
    """What small images and long ones mean, unless most images are like this."""
    return [sentence for sentence, rows in described(data) if not is_property(rows, len(data.images))]


def small(data: CheckedData) -> pandas.Index:
    """The rows of `images` that are enlarged when they are stored."""
    return data.images.index[data.shorter < data.store_size]


def long(data: CheckedData) -> pandas.Index:
    """The rows of `images` with an aspect beyond LARGEST_ASPECT."""
    return data.images.index[data.aspect > LARGEST_ASPECT]


def described(data: CheckedData) -> list[tuple[str, int]]:
    """What small images and long ones mean, and how many there are of each."""
    total = len(data.images)
    fate = {
        "crop": ": less than a quarter of each is kept",
        "squash": ": they are distorted",
        "pad": ": most of what is stored is background",
    }.get(data.settings["fit"], "")
    found = [
        (f"a shorter side below {data.store_size} px, the side of stored images, and are enlarged", len(small(data))),
        (f"an aspect beyond {LARGEST_ASPECT}:1{fate}", len(long(data))),
    ]
    return [(f"{how_many(count, total)} {what}.", count) for what, count in found if count]


def how_many(count: int, total: int) -> str:
    """`3 of 300 images have`; what most images have is a property of the data set."""
    of = f"{words.count(count)} of {words.count(total)}"
    return f"Most images ({of}) have" if is_property(count, total) else f"{of} images {'has' if count == 1 else 'have'}"


def quantiles(data: CheckedData) -> Table:
    """Sizes, aspects and bytes from the smallest to the largest image."""
    measures = {
        "width (px)": data.images["width"],
        "height (px)": data.images["height"],
        "shorter side (px)": data.shorter,
        "longer by shorter side": data.aspect,
        "file (KiB)": data.images["bytes"] / 1024,
    }
    digits = {"longer by shorter side": 2}
    columns = [Column("measure", "", "text"), *(Column(name, "") for name in QUANTILES)]
    rows = [
        [name, *(words.number(float(numpy.quantile(values, at)), digits.get(name, 0)) for at in QUANTILES.values())]
        for name, values in measures.items()
    ]
    return Table("Sizes", columns, rows)
