"""Groups, which one split holds together, and what has a counterpart in another split all the same."""

from collections import Counter

from triptych.data import leaks
from triptych.data.source import setting
from triptych.data.stratify import SPLITS, TEST, TRAIN, VALIDATION
from triptych.report import formatting as words
from triptych.report.blocks import Block, Column, Paragraph, Section, Table
from triptych.report.checked_data import CheckedData
from triptych.report.pictures import in_sentence

MOST_LISTED = 30
"""The most groups, and the most classes, that a table lists."""
FAR = 1.5
"""Images by which a class's part may differ from what is asked for without being named: what rounding explains."""


def blocks(data: CheckedData) -> list[Block]:
    made: list[Block] = [Paragraph(text) for text in (summary(data), *notes(data)) if text]
    divided = divided_groups(data)
    if divided:
        made.append(divided_table(data, divided))
    far = off_target(data)
    if far:
        made.append(shares_table(far))
    return made


SECTION: Section[CheckedData] = Section(
    "groups",
    "Groups and leaks",
    blocks,
    lambda data: bool((data.images["group"] != "").any()) or len(data.leaks) > 0 or bool(data.moved),
)


def notes(data: CheckedData) -> list[str]:
    """Moves after the test was opened, groups in several given splits, images with a counterpart in another split."""
    if data.split_error:
        return []
    divided = leaks.group_sentence(divided_groups(data))
    return [
        words.visible(text) for text in (data.moved, divided, *leaks.sentences(data.leaks, data.rows_of_splits)) if text
    ]


def summary(data: CheckedData) -> str:
    """How many groups there are, and how large they are."""
    sizes = Counter(data.images["group"].tolist())
    alone = sizes.pop("", 0)
    if not sizes:
        return ""
    pattern = data.settings.get("group")
    origin = f"by the pattern {in_sentence(pattern)}" if pattern else "as the table gives them"
    ends = sorted({min(sizes.values()), max(sizes.values())})
    of = f"{words.plural(ends[0], 'image')} each" if len(ends) == 1 else f"{ends[0]:,} to {ends[1]:,} images"
    others = f" {words.plural(alone, 'image')} {'has' if alone == 1 else 'have'} no group." if alone else ""
    return f"{words.plural(len(sizes), 'group')} of {of}, {origin}.{others}"


def divided_groups(data: CheckedData) -> dict[str, list[str]]:
    """The groups that are in several splits."""
    return {} if data.split_error else leaks.divided_groups(data.images, data.rows_of_splits)


def divided_table(data: CheckedData, divided: dict[str, list[str]]) -> Table:
    """The images of each such group by split."""
    counts = Counter(zip(data.images["group"].tolist(), data.split.tolist(), strict=True))
    columns = [Column("group", "", "name"), *(Column(split, f"Its images in {split}.") for split in SPLITS)]
    rows = [
        [words.visible(group), *(words.count(counts[group, split]) for split in SPLITS)]
        for group in list(divided)[:MOST_LISTED]
    ]
    more = f" (the first {MOST_LISTED} of {words.count(len(divided))})" if len(divided) > MOST_LISTED else ""
    return Table(f"Groups in several splits{more}", columns, rows)


def off_target(data: CheckedData) -> list[tuple[str, str, int, float]]:
    """The classes whose drawn part differs from what is asked for: class, split, images, and what is asked for."""
    if data.split_error:
        return []
    given = set(data.images["split"])
    found = []
    for part in (VALIDATION, TEST):
        size = setting(data.settings, part)
        if part in given or not size or not data.count(part):
            continue
        for name in data.classes:
            drawn = [split for split in SPLITS if split not in given - {TRAIN}]
            asked = size * sum(data.counts[name, split] for split in drawn) if size < 1 else float(size)
            if abs(data.counts[name, part] - asked) >= FAR:
                found.append((name, part, data.counts[name, part], asked))
    return sorted(found, key=lambda one: -abs(one[2] - one[3]) / one[3])


def shares_table(far: list[tuple[str, str, int, float]]) -> Table:
    """Where groups, which are not divided, made a part larger or smaller than asked for; the furthest first."""
    columns = [Column("class", "", "name"), Column("split", "", "text"), Column("images", ""), Column("asked for", "")]
    rows = [
        [words.visible(name), part, words.count(images), words.number(asked, 0)]
        for name, part, images, asked in far[:MOST_LISTED]
    ]
    more = f" (the first {MOST_LISTED} of {words.count(len(far))})" if len(far) > MOST_LISTED else ""
    return Table(f"Larger or smaller than asked for, because groups are not divided{more}", columns, rows)
