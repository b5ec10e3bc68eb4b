"""Images with a counterpart in another split: how many, what they are worth, and pairs of them side by side."""

import numpy
import pandas

from triptych.data.leaks import GROUP, KIND_NAMES, KINDS, sentences
from triptych.report import formatting as words
from triptych.report.blocks import ARM, Block, Column, Pair, Pairs, Paragraph, Section, Table, arm_cell
from triptych.report.files import link
from triptych.report.pictures import in_sentence, jpeg_address, thumbnail
from triptych.report.sections.decision import chosen_arm
from triptych.results import schema
from triptych.results.duplicates import EXACT, NEAR
from triptych.results.experiment import Results
from triptych.results.leaks import LEAST_REFUSED, Leaked
from triptych.results.tables import read_table
from triptych.storage.tensors import map_tensor

MOST_PAIRS = 12
"""The most pairs that are shown."""
MOST_NAMED = 3
"""The most pictures with two labels that a sentence names."""

COUNTERPARTS = {EXACT: "a duplicate", NEAR: "a near-duplicate", GROUP: "an image of the same group"}


def blocks(results: Results) -> list[Block]:
    found = ordered(results.leaks)
    twice = found[two_labels(found)]
    others = found[~two_labels(found)].head(max(0, MOST_PAIRS - len(twice)))
    return [
        Paragraph(summary(results)),
        *map(Paragraph, about_labels(twice)),
        *price_tables(results),
        *pairs(results, "The same picture under two labels", twice, len(twice)),
        *pairs(results, "Side by side", others, len(found) - len(twice)),
    ]


SECTION = Section("leaks", "Images in several splits", blocks, lambda results: not results.leaks.empty)


def refusing(results: Results) -> list[Leaked]:
    """The splits with so many leaked images that nothing is recommended."""
    return [split for split in results.leaked if split.refuses]


def refusal(results: Results) -> str:
    """That nothing is recommended, and why; empty where there are few leaked images or none."""
    many = refusing(results)
    if not many:
        return ""
    return (
        f"No way can be recommended: {words.listing([_counted(one) for one in many])}. Networks may remember these "
        "pictures, so neither the accuracies nor the order of the arms can be trusted."
    )


def _counted(one: Leaked) -> str:
    """How many images of a split have a counterpart, and where."""
    verb = "has" if one.leaked == 1 else "have"
    counterpart = words.listing([name for kind, name in COUNTERPARTS.items() if kind in one.kinds], "or")
    return (
        f"{words.count(one.leaked)} of {words.plural(one.images, f'{one.split} image')} ({words.percent(one.percent)}) "
        f"{verb} {counterpart} in {words.listing(one.others, 'or')}"
    )


def advice(results: Results) -> list[str]:
    """What to do where nothing is recommended."""
    return [
        "Keep each picture, and each group, in one split: take its counterparts out of the other splits. "
        f"{link(results, schema.LEAKS.file)} lists them all.",
        "Or let Triptych draw the splits: with near_duplicates: group (the default) it keeps duplicates and groups "
        "together.",
        "Then run again.",
    ]


def named(results: Results) -> list[str]:
    """What the answer says of leaked images, a sentence each: how many, and the test accuracy without them.

    Where nothing is recommended, the headline has said how many.
    """
    said = []
    for one in results.leaked:
        if not one.refuses:
            said.append(f"{_counted(one)}.")
        if one.split == "test":
            said += _without(results)
    return said


def _without(results: Results) -> list[str]:
    """The test accuracy of the chosen arm (or of the leader) without leaked images, where it is known."""
    arm, table = chosen_arm(results) or results.contestants[0], prices(results)
    found = []
    for _, row in table[(table["arm"] == arm) & (table["split"] == "test")].iterrows():
        if pandas.isna(row["accuracy_without"]):
            found.append("All test images leak, so the accuracy on unseen images is unknown.")
            continue
        interval = f"{words.interval(results.confidence)} {words.between(row['low'], row['high'])}"
        these = "it" if row["leaked"] == 1 else f"these {words.plural(row['leaked'], 'image')}"
        found.append(
            f"Without {these}, {results.name_of(arm)} has "
            f"{words.percent(row['accuracy_without'])} test accuracy instead of {words.percent(row['accuracy'])}: "
            f"a difference of {words.points(row['difference'])} ({interval})."
        )
    return found


def limits(results: Results) -> list[str]:
    """That accuracies contain leaked images; nothing where there are none."""
    if not results.leaked:
        return []
    counted = words.listing([_counted(one) for one in results.leaked])
    return [f"{counted}. All other numbers on this page include them. Other views of one object are not found."]


def prices(results: Results) -> pandas.DataFrame:
    """The table `leak_price`; empty where no test image was evaluated."""
    empty = pandas.DataFrame(columns=schema.LEAK_PRICE.names)
    return results.tables.get(schema.LEAK_PRICE.name, empty)


def summary(results: Results) -> str:
    """How many images have a counterpart of which kind, and what follows."""
    counts = {one.split: numpy.arange(one.images) for one in results.leaked}
    return " ".join(
        [
            *sentences(results.leaks, counts),
            f"If {words.percent(100 * LEAST_REFUSED, 0)} of a split or more leak, no arm is recommended.",
            f"{link(results, schema.LEAKS.file)} lists all of them.",
        ]
    )


def ordered(leaks: pandas.DataFrame) -> pandas.DataFrame:
    """The table `leaks` with the strongest kinds first."""
    return leaks.iloc[numpy.argsort(leaks["kind"].map(KINDS.index).to_numpy(), kind="stable")]


def two_labels(leaks: pandas.DataFrame) -> pandas.Series:
    """Which rows show one picture under two labels."""
    found: pandas.Series = (leaks["kind"] != GROUP) & (leaks["class"] != leaks["other_class"])
    return found


def about_labels(twice: pandas.DataFrame) -> list[str]:
    """The pictures with two labels, some of them by name."""
    if twice.empty:
        return []
    pictures = words.plural(len(twice), "picture")
    examples = [
        f"{in_sentence(row.path)} ({in_sentence(row['class'])}) and {in_sentence(row.other_path)} "
        f"({in_sentence(row.other_class)})"
        for _, row in twice.head(MOST_NAMED).iterrows()
    ]
    such = "such as " if len(twice) > MOST_NAMED else ""
    verb = "has" if len(twice) == 1 else "have"
    return [f"{pictures} {verb} two labels: {such}{'; '.join(examples)}. Give each picture one label."]


def price_tables(results: Results) -> list[Table]:
    """For each split with leaked images the accuracy of every arm with and without them."""
    table = prices(results)
    return [price_table(results, rows) for one in results.leaked if len(rows := table[table["split"] == one.split])]


def price_table(results: Results, rows: pandas.DataFrame) -> Table:
    """The accuracy of every arm with and without the leaked images of a split."""
    split, leaked = rows.iloc[0]["split"], rows.iloc[0]["leaked"]
    interval = f"Below: {words.interval(results.confidence)} over images and seeds."
    columns = [
        ARM,
        Column("accuracy", f"Accuracy on all {split} images (%)."),
        Column("without", f"Accuracy on the {split} images that have no counterpart in another split (%)."),
        Column("difference", f"The first minus the second, in points. {interval}"),
    ]
    cells = [
        [
            arm_cell(results, row["arm"]),
            words.percent(row["accuracy"]),
            words.percent(row["accuracy_without"]),
            (words.signed(row["difference"]), words.between(row["low"], row["high"])),
        ]
        for _, row in rows.iterrows()
    ]
    title = f"{split.capitalize()} accuracy with and without {words.plural(leaked, 'leaked image')}"
    return Table(title, columns, cells, schema.LEAK_PRICE.file)


def pairs(results: Results, title: str, shown: pandas.DataFrame, total: int) -> list[Pairs]:
    """Leaked images beside their counterparts; with pictures only where the report may show some."""
    shown = shown.head(MOST_PAIRS)
    if shown.empty:
        return []
    more = f" (the first {len(shown)} of {words.count(total)} pairs)" if len(shown) < total else ""
    pictures = Stored(results) if results.shows_images else None
    return [Pairs(f"{title}{more}", [_pair(pictures, row) for _, row in shown.iterrows()])]


def _pair(pictures: "Stored | None", row: pandas.Series) -> Pair:
    """The two pictures of a row of `leaks`, each with its class, its split and its path."""
    addresses = ("", "")
    if pictures is not None:
        other = pictures.address(row["other_split"], pictures.row(row["other_split"], row["other_path"]))
        addresses = (pictures.address(row["split"], int(row["row"])), other)
    first = thumbnail(addresses[0], row["class"], row["path"], row["split"])
    second = thumbnail(addresses[1], row["other_class"], row["other_path"], row["other_split"])
    return Pair(first, second, words.capital(KIND_NAMES[row["kind"]]))


class Stored:
    """The stored images of an experiment, by split and row, or by split and name."""

    def __init__(self, results: Results) -> None:
        self.folder = results.folder / "data"
        table = read_table(results.folder / schema.INDEX.file, schema.INDEX, ["split", "row", "name"])
        keys = zip(table["split"], table["name"], strict=True)
        self.rows = dict(zip(keys, table["row"].astype(int), strict=True))
        self.images: dict[str, numpy.ndarray] = {}

    def row(self, split: str, name: str) -> int | None:
        """The row of an image; None if the split has no image of this name."""
        return self.rows.get((split, name))

    def address(self, split: str, row: int | None) -> str:
        """The picture as an address that holds it; empty without a row.

        Raises:
            InputError: the file of the split is missing or broken.
        """
        if row is None:
            return ""
        if split not in self.images:
            self.images[split] = map_tensor(self.folder / f"{split}.safetensors", "images")
        return jpeg_address(numpy.asarray(self.images[split][row]))
