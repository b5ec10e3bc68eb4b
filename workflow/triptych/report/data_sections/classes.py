"""How many images each class has in each split."""

from collections import Counter
from collections.abc import Sequence

from triptych.data.stratify import SPLITS
from triptych.report import formatting as words
from triptych.report.blocks import Bar, Block, Column, Details, Paragraph, Section, Table
from triptych.report.checked_data import CheckedData
from triptych.report.pictures import in_sentence
from triptych.results.schema import CLASS

MOST_OPEN = 30
"""The most classes that are not folded away."""
SMALLEST = 10
"""The number of classes that are shown above the fold."""


def blocks(data: CheckedData) -> list[Block]:
    if len(data.classes) <= MOST_OPEN:
        return [Paragraph(sizes(data)), table(data, "Images by class and split", data.classes)]
    total = data.totals
    smallest = sorted(data.classes, key=lambda name: (total[name], name))[:SMALLEST]
    return [
        Paragraph(sizes(data)),
        table(data, f"The {SMALLEST} smallest classes", smallest),
        Details(f"All {words.count(len(data.classes))} classes", [table(data, "Images by class", data.classes)]),
    ]


SECTION: Section[CheckedData] = Section("classes", "Classes and splits", blocks, lambda data: bool(data.classes))


def sizes(data: CheckedData) -> str:
    """The largest and the smallest class, and where the split is from."""
    counts = data.totals
    largest, smallest = max(data.classes, key=counts.__getitem__), min(data.classes, key=counts.__getitem__)
    if counts[largest] == counts[smallest]:
        balance = f"Every class has {words.plural(counts[largest], 'image')}."
    else:
        ends = [f"{in_sentence(name)}, {words.plural(counts[name], 'image')}" for name in (largest, smallest)]
        balance = f"Largest class: {ends[0]}. Smallest: {ends[1]}."
    return f"{balance} {origin(data)}".strip()


def origin(data: CheckedData) -> str:
    """Where the split comes from."""
    if data.split_error:
        return ""
    given = [split for split in SPLITS if (data.images["split"] == split).any()]
    drawn = [split for split in SPLITS if split not in given and data.count(split)]
    if not given:
        return "The split is drawn by the content of the files: it does not depend on their names or order."
    kept = f"{words.capital(words.listing(given))} {'is' if len(given) == 1 else 'are'} as given."
    return f"{kept} {words.capital(words.listing(drawn))} is drawn from train." if drawn else kept


def table(data: CheckedData, title: str, names: Sequence[str]) -> Table:
    """The images of classes by split, each with a bar."""
    total = data.totals
    largest = max(1, *total.values())
    broken = Counter(data.broken["class"].tolist())
    splits = () if data.split_error else SPLITS
    columns = [
        Column("class", CLASS.meaning, "name"),
        Column("images", "Images that can be used. Bar: training, validation and test images, from left.", "bar"),
        *(Column(split, f"Images of the split {split}.") for split in splits),
        *([Column("cannot be used", "Files of the class that cannot be used.")] if len(broken) else []),
    ]

    def parts(name: str) -> list[float]:
        counts = [data.counts[name, split] for split in splits] or [total[name]]
        return [100 * float(count) / largest for count in counts]

    rows = [
        [
            words.visible(name),
            Bar(words.count(total[name]), parts(name)),
            *(words.count(data.counts[name, split]) for split in splits),
            *([words.count(broken[name])] if len(broken) else []),
        ]
        for name in names
    ]
    whole = [
        "all",
        words.count(len(data.images)),
        *(words.count(data.count(split)) for split in splits),
        *([words.count(len(data.broken))] if len(broken) else []),
    ]
    return Table(title, columns, rows, total=whole if len(names) == len(data.classes) else ())
