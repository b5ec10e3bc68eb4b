"""The first screen: whether training can start, what stops it, and what is worth a look."""

from triptych.report import formatting as words
from triptych.report.blocks import Block, Bullets, Paragraph, Section
from triptych.report.checked_data import CheckedData
from triptych.report.data_sections import duplicates, groups, precision, problems, shortcuts, sizes

MOST_NAMED = 10
"""The most problems of the whole data set that the first screen names."""


def blocks(data: CheckedData) -> list[Block]:
    stops = what_stops(data)
    notes = [note for section in NOTED for note in section.notes(data)]
    return [
        Paragraph(headline(data), "answer"),
        *([Bullets(stops, "What stops it")] if stops else []),
        *([Bullets(notes, "What to look at")] if notes else []),
    ]


NOTED = (problems, precision, duplicates, groups, shortcuts, sizes)
"""The sections that say in a line what is worth a look."""

SECTION = Section("summary", "", blocks)


def headline(data: CheckedData) -> str:
    """Whether training can start, and how many images there are."""
    images = words.plural(len(data.images), "usable image")
    there = f"{images} of {words.plural(len(data.classes), 'class', 'classes')}"
    if data.stops:
        return f"No: training cannot start. There are {there}."
    uses = USES
    if folds := data.settings.get("folds"):
        uses = {"train": f"to train on and to choose by, in {folds} folds", "test": USES["test"]}
    parts = words.listing([f"{words.count(data.count(split))} {use}" for split, use in uses.items()])
    return f"Yes. There are {there}: {parts}."


USES = {"train": "to train on", "validation": "for model selection", "test": "to test on"}


def what_stops(data: CheckedData) -> list[str]:
    """What must be fixed before training can start."""
    found = [problems.sentence(row) for row in data.faults.head(MOST_NAMED).itertuples()]
    if len(data.faults) > MOST_NAMED:
        found.append(f"{words.count(len(data.faults) - MOST_NAMED)} more problems of the data set are listed below.")
    broken = len(data.broken)
    if broken and problems.stop(data):
        cannot = f"{words.plural(broken, 'file')} cannot be used"
        found.append(f"{cannot}. Fix or remove {'it' if broken == 1 else 'them'}, or set policy: quarantine.")
    if data.split_error:
        found.append(f"The images cannot be split: {words.visible(data.split_error.rstrip('.'))}.")
    return found
