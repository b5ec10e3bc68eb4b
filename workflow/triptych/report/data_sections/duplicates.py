"""Images that are the same picture, or nearly so: pairs side by side, and what is done about them."""

from typing import Any

import pandas

from triptych.report import formatting as words
from triptych.report.blocks import Block, Details, Pair, Pairs, Paragraph, Section
from triptych.report.checked_data import CheckedData
from triptych.results.duplicates import EXACT, NEAR

MOST_PAIRS = 12
"""The most pairs of a kind that are shown."""
EXAMPLES = 10
"""The pairs that are shown of a property of the data set."""
FILE = "data/pairs.csv"


def blocks(data: CheckedData) -> list[Block]:
    made: list[Block] = [Paragraph(sentence) for sentence in (of_exact(data), of_near(data)) if sentence]
    if data.duplicates.is_property:
        examples = of_kind(data, NEAR)
        step = max(1, len(examples) // EXAMPLES)
        title = f"{words.plural(min(len(examples), EXAMPLES), 'pair')} that are alike"
        made.append(Details(title, [shown(data, title, examples.iloc[::step].head(EXAMPLES))]))
    known = known_pairs(data)
    two_classes, two_splits = crossing_classes(known), crossing_splits(data, known)
    rest = known[~(two_classes | two_splits)]
    if two_classes.any():
        made.append(shown(data, "The same picture in several classes", known[two_classes]))
    if (two_splits & ~two_classes).any():
        made.append(shown(data, "The same picture in several splits", known[two_splits & ~two_classes]))
    for kind, title in ((EXACT, "Exact duplicates"), (NEAR, "Near-duplicates")):
        same = rest[rest["kind"] == kind]
        if len(same):
            summary = f"{title} within one class{' and split' if is_split(data) else ''}: {pairs(len(same))}"
            made.append(Details(summary, [shown(data, title, same)]))
    return made


SECTION: Section[CheckedData] = Section("duplicates", "Duplicates", blocks, lambda data: len(data.pairs) > 0)


def notes(data: CheckedData) -> list[str]:
    """Pictures in several classes and in several splits; that many images are alike."""
    known = known_pairs(data)
    classes, splits = int(crossing_classes(known).sum()), int(crossing_splits(data, known).sum())
    made = []
    if classes:
        made.append(
            f"{words.plural(classes, 'picture')} {'is' if classes == 1 else 'are'} in several classes. Keep each in "
            "one class. See Duplicates."
        )
    if splits:
        which = "several of the given splits" if is_given(data) else "several splits"
        made.append(
            f"{words.plural(splits, 'picture')} {'is' if splits == 1 else 'are'} in {which}. Accuracies measured on "
            "pictures that were trained on are too high. See Duplicates."
        )
    if data.duplicates.is_property:
        made.append(f"{of_near(data)} See Duplicates.")
    return made


def of_kind(data: CheckedData, kind: str) -> pandas.DataFrame:
    """The pairs of a kind."""
    return data.pairs[data.pairs["kind"] == kind]


def known_pairs(data: CheckedData) -> pandas.DataFrame:
    """The pairs that show the same picture: without near ones where these are a property of the data set."""
    return of_kind(data, EXACT) if data.duplicates.is_property else data.pairs


def crossing_classes(pairs: pandas.DataFrame) -> pandas.Series:
    """Which pairs are of two classes."""
    return pairs["first_class"] != pairs["second_class"]


def crossing_splits(data: CheckedData, pairs: pandas.DataFrame) -> pandas.Series:
    """Which pairs are in two splits, given or drawn."""
    first, second = ([data.split[data.rows[path]] for path in pairs[side]] for side in ("first", "second"))
    return pandas.Series([one != other for one, other in zip(first, second, strict=True)], pairs.index, dtype=bool)


def is_given(data: CheckedData) -> bool:
    """Whether splits were given."""
    return bool((data.images["split"] != "").any())


def is_split(data: CheckedData) -> bool:
    return not data.split_error


def of_exact(data: CheckedData) -> str:
    """How many exact duplicates there are, and what is done about them."""
    found = data.duplicates
    if not found.exact_sets:
        return ""
    kept = "" if is_given(data) else " All images of a set are in one split."
    return (
        f"{words.plural(found.exact_sets, 'set')} of exact duplicates, {words.plural(found.exact_images, 'image')}: "
        f"their stored pixels are the same.{kept}"
    )


def of_near(data: CheckedData) -> str:
    """How many near-duplicates there are, and what is done about them."""
    found = data.duplicates
    if not found.near_pairs:
        return ""
    if found.reason == "too_many_crossing":
        return (
            f"{words.count(found.crossing_pairs)} of {pairs(found.near_pairs)} of images that look nearly the same are "
            "of two classes. That is a property of these images, not a set of duplicates: nothing is kept together "
            "because of it."
        )
    if found.reason == "too_many_candidates":
        return (
            f"The hashes of {words.count(found.candidates)} pairs are alike, too many to compare all: nothing "
            "is kept together because of it."
        )
    if found.reason == "too_many_images":
        least = "" if found.complete else "At least "
        return (
            f"{least}{words.count(found.near_images)} of {words.count(found.distinct)} different images look nearly "
            "the same as another one. That is a property of these images, as with a fixed camera, not a set of "
            "duplicates: nothing is kept together because of it."
        )
    least = f"correlation of at least {max(found.correlation, found.quantile):.2f}"
    kept = (
        "near_duplicates: report is set: they are listed, and not kept together in a drawn split."
        if not found.grouped
        else "Given splits stay as they are."
        if is_given(data)
        else "Groups of images, each a near-duplicate of every other one, are in one split."
    )
    return (
        f"{pairs(found.near_pairs).capitalize()} of near-duplicates, {words.plural(found.near_images, 'image')}: their "
        f"hashes differ in few bits, and their pixels agree ({least}). {kept}"
    )


def pairs(count: int) -> str:
    return words.plural(count, "pair")


def shown(data: CheckedData, title: str, found: pandas.DataFrame) -> Block:
    """Pairs side by side."""
    more = f" (the first {MOST_PAIRS} of {words.count(len(found))} pairs)" if len(found) > MOST_PAIRS else ""
    return Pairs(f"{title}{more}", [side_by_side(data, row) for row in found.head(MOST_PAIRS).itertuples()])


def side_by_side(data: CheckedData, row: Any) -> Pair:
    """The pictures of a row of `pairs`, with the split of each, and how alike they are."""
    positions = [data.rows[row.first], data.rows[row.second]]
    first, second = data.thumbnails(positions, [str(data.split[position]) for position in positions])
    alike = (
        "exact duplicates"
        if row.kind == EXACT
        else f"correlation {words.number(row.correlation, 3)}; hashes differ in {row.phash} and {row.dhash} bits"
    )
    return Pair(first, second, alike)
