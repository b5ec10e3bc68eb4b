"""Labels that are suspected to be wrong: how many, and which."""

import pandas

from triptych.report import formatting as words
from triptych.report.blocks import Block, Details, Paragraph, Section, Thumbnails
from triptych.report.pictures import in_sentence, stored_addresses, thumbnail
from triptych.results.experiment import Results
from triptych.results.schema import OUT_OF_FOLD, SUSPECTED_LABELS

SUSPECTED = "another class is likely"
"""What makes a label suspected (`triptych.analysis.label_errors`)."""

MOST_SHOWN = 12
"""Most images that the page shows; the table has all."""


def blocks(results: Results) -> list[Block]:
    table = results.tables[SUSPECTED_LABELS.name]
    suspected = table[table["suspected"] == 1]
    split, networks = table["split"].iloc[0], table["networks"].iloc[0]
    images = f"{words.count(len(table))} {'training' if split == OUT_OF_FOLD else split} images"
    arm = results.name_of(table["arm"].iloc[0])
    if suspected.empty:
        return [
            Paragraph(f"None of {images} has a suspected label ({SUSPECTED}), by {arm}. A wrong one may go unnoticed.")
        ]
    labels = f"label{' is' if len(suspected) == 1 else 's are'}"
    said = (
        f"Of {images}, {words.count(len(suspected))} {labels} suspected to be wrong ({SUSPECTED}), by {arm}. "
        "A suspicion is no proof."
    )
    explained = (
        "The label, another class that is likely, and the mean probabilities of both by "
        f"{words.plural(networks, 'network')} that did not train on the image. Hard images are suspected, too: look in "
        f"this order. {SUSPECTED_LABELS.name}.csv ranks all images."
    )
    return [Paragraph(said), shown(results, suspected, explained)]


def needs(results: Results) -> bool:
    """Whether labels were looked at."""
    return len(results.tables[SUSPECTED_LABELS.name]) > 0


SECTION = Section("labels", "Suspected wrong labels", blocks, needs)


def shown(results: Results, suspected: pandas.DataFrame, explained: str) -> Details:
    """The labels that are doubted most, with their pictures."""
    first = suspected.head(MOST_SHOWN)
    title = "Suspected labels"
    if len(first) < len(suspected):
        title += f": the first {len(first)} of {words.count(len(suspected))}"
    addresses = stored_addresses(results, first["split"].iloc[0], first["row"])
    pictures = [
        thumbnail(address, row["class"], row["path"], f"or {in_sentence(row['other_class'])}? {_chances(row)}")
        for address, (_, row) in zip(addresses, first.iterrows(), strict=True)
    ]
    return Details(title, [Paragraph(explained), Thumbnails(title, pictures)])


def _chances(row: pandas.Series) -> str:
    label, other = (words.number(100 * row[f"probability_of_{which}"], 0) for which in ("class", "other"))
    return f"{label}{words.NO_BREAK}%, {other}{words.NO_BREAK}%"
