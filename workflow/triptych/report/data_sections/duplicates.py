"""Images whose stored pixels are the same."""

from triptych.report import formatting as words
from triptych.report.blocks import Block, Details, Paragraph, Section, Thumbnails
from triptych.report.checked_data import CheckedData

MOST_SETS = 12
"""The most sets of duplicates that are shown with a picture."""
MOST_OF_A_SET = 6


def blocks(data: CheckedData) -> list[Block]:
    found = sets(data)
    several = [rows for rows in found if data.images.loc[rows, "class"].nunique() > 1]
    same = [rows for rows in found if data.images.loc[rows, "class"].nunique() == 1]
    made: list[Block] = [Paragraph(summary(data, found))]
    if several:
        made.append(shown(data, "The same picture in several classes", several))
    if same:
        made.append(Details(f"Within one class: {words.plural(len(same), 'set')}", [shown(data, "Duplicates", same)]))
    return made


SECTION: Section[CheckedData] = Section(
    "duplicates", "Duplicates", blocks, lambda data: bool(data.images["pixels"].duplicated().any())
)


def notes(data: CheckedData) -> list[str]:
    """Duplicates in several classes, and in several splits."""
    found = sets(data)
    classes = sum(data.images.loc[rows, "class"].nunique() > 1 for rows in found)
    splits = sum(len(set(data.split[rows])) > 1 for rows in found)
    notes = []
    if classes:
        notes.append(
            f"{words.plural(classes, 'picture')} {'is' if classes == 1 else 'are'} in several classes. Keep each in "
            "one class. See Duplicates."
        )
    if splits:
        notes.append(
            f"{words.plural(splits, 'picture')} {'is' if splits == 1 else 'are'} in several of the given splits. "
            "Accuracies measured on pictures that were trained on are too high. See Duplicates."
        )
    return notes


def sets(data: CheckedData) -> list[list[int]]:
    """The rows of `images` of each set of duplicates, in the order of the table."""
    again = data.images[data.images["pixels"].duplicated(keep=False)]
    return [list(rows.index) for _, rows in again.groupby("pixels", sort=False)]


def summary(data: CheckedData, found: list[list[int]]) -> str:
    """How many duplicates there are, and what is done about them."""
    images = sum(map(len, found))
    given = bool((data.images["split"] != "").any())
    kept = "" if given else " All images of a set are in one split."
    return (
        f"{words.plural(len(found), 'set')} of exact duplicates, {words.plural(images, 'image')}: their stored "
        f"pixels are the same.{kept}"
    )


def shown(data: CheckedData, title: str, found: list[list[int]]) -> Block:
    """Duplicates beside each other."""
    pictures = []
    for number, rows in enumerate(found[:MOST_SETS], start=1):
        pictures += data.thumbnails(rows[:MOST_OF_A_SET], [f"set {number}"] * len(rows[:MOST_OF_A_SET]))
    more = f" (the first {MOST_SETS} of {words.count(len(found))} sets)" if len(found) > MOST_SETS else ""
    return Thumbnails(f"{title}{more}", pictures)
