"""Which classes are confused."""

from collections import Counter

import pandas

from triptych.report import formatting as words
from triptych.report.blocks import (
    MOST_ABREAST,
    Block,
    Column,
    Details,
    Paragraph,
    Section,
    Table,
    Thumbnail,
    Thumbnails,
    declared,
    figure_of_arm,
    over_seeds,
)
from triptych.report.pictures import in_sentence, stored_addresses, thumbnail
from triptych.results import schema
from triptych.results.experiment import Results

MOST_PICTURES = 8
"""Most pictures of a kind that the page shows of the chosen run."""
MOST_MISTAKES = 15
"""Most misclassified images that the page lists; the table has all."""


def blocks(results: Results) -> list[Block]:
    means = over_seeds(results, "mean")
    images = ""
    if results.shows_images:
        images = " Below: the most confidently misclassified test images."
        if results.numbers_of_runs[-1] > 1:
            images += " Misclassified: by any of an arm’s runs."
    return [
        Paragraph(f"Rows: true class. Columns: predicted class, as a share of the row{means}.{images}"),
        *(figure_of_arm(results, "confusion", arm, confusion(results, arm)) for arm in results.arms["arm"]),
        Details("Recall by class", [per_class(results)]),
        *mistakes(results),
        *model_mistakes(results),
    ]


SECTION = Section("errors", "Confusion matrices", blocks, lambda results: results.is_tested)


def mistakes(results: Results) -> list[Block]:
    """The most confident mistakes with the full names of the images; none without a mistake."""
    table = results.tables["mistakes"]
    if table.empty:
        return []
    arms = results.names_of(dict.fromkeys(table["arm"]))
    shown = table.head(MOST_MISTAKES)
    title = f"Misclassified images of {words.listing(arms)}"
    if len(shown) < len(table):
        title += f": the {len(shown)} most confident of {words.count(len(table))}"
    columns = [
        declared(schema.MISTAKES, "path", "text"),
        declared(schema.MISTAKES, "class", "text"),
        declared(schema.MISTAKES, "predicted", "text"),
        Column("probability (%)", "Mean probability of the predicted class over the arm’s runs."),
        declared(schema.MISTAKES, "runs"),
    ]
    rows = [
        [row["path"], row["class"], row["predicted"], words.number(100 * row["probability"]), words.count(row["runs"])]
        for _, row in shown.iterrows()
    ]
    return [Details("Misclassified images by name", [Table(title, columns, rows, schema.MISTAKES.file, stacks=True)])]


def model_mistakes(results: Results) -> list[Block]:
    """The worst mistakes of the chosen run, and those of the two classes that it confuses most, with pictures."""
    table = results.tables["mistakes"]
    table = table[table["model_predicted"] != ""].sort_values("model_probability", ascending=False, kind="stable")
    if table.empty:
        return []
    pairs = [_pair(row) for _, row in table.iterrows()]
    counts = Counter(pairs)
    pair = max(counts, key=counts.__getitem__)  # of equally frequent ones that with the most confident mistake
    of_pair = table[[own == pair for own in pairs]]
    first, second = (in_sentence(str(name)) for name in pair)
    worst = f"Most confident of {words.plural(len(table), 'mistake')}"
    confused = f"Most confused: {first} and {second}, {words.plural(len(of_pair), 'mistake')} in both directions"
    found: list[Block] = [Thumbnails(worst, _pictures(results, table.head(MOST_PICTURES)))]
    if len(counts) > 1:
        found.append(Thumbnails(confused, _pictures(results, of_pair.head(MOST_PICTURES))))
    elif len(table) > 1:
        found.append(Paragraph(f"{confused}."))
    return [Details("Mistakes of the chosen run", found)]


def _pair(row: pandas.Series) -> tuple[str, str]:
    """The two classes of a mistake, whichever was predicted."""
    first, second = sorted((row["class"], row["model_predicted"]))
    return first, second


def _pictures(results: Results, mistakes: pandas.DataFrame) -> list[Thumbnail]:
    addresses = stored_addresses(results, mistakes["split"].iloc[0], mistakes["row"])
    return [
        thumbnail(
            address,
            row["class"],
            row["path"],
            f"→ {in_sentence(row['model_predicted'])}, {words.number(100 * row['model_probability'], 0)}"
            f"{words.NO_BREAK}%",
        )
        for address, (_, row) in zip(addresses, mistakes.iterrows(), strict=True)
    ]


def confusion(results: Results, arm: str) -> str:
    """The most frequent confusion of an arm, and the classes with the lowest and the highest recall."""
    table = results.of("confusion", arm)
    mistakes = table[table["true_class"] != table["predicted_class"]]
    recall = results.of("recall", arm).dropna(subset="recall").reset_index(drop=True)
    if mistakes.empty or mistakes["share"].max() == 0:
        return "No test image is misclassified."
    worst, best = mistakes.iloc[mistakes["share"].argmax()], recall.iloc[recall["recall"].argmax()]
    return (
        f"Most frequent confusion: {worst['true_class']} predicted as {worst['predicted_class']} "
        f"({words.share(worst['share'])} of {worst['true_class']}). Lowest recall: "
        f"{_recall(results, recall.iloc[recall['recall'].argmin()])}; highest: "
        f"{best['class']} ({words.percent(best['recall'])})."
    )


def _recall(results: Results, row: pandas.Series) -> str:
    """A class with its recall and the interval of that."""
    interval = f"{words.interval(results.confidence)} {words.between(row['low'], row['high'])}"
    return f"{row['class']} ({words.percent(row['recall'])}, {interval})"


def per_class(results: Results) -> Table:
    """Recall of every class by arm, with its interval."""
    table = results.tables["recall"]
    rows_of = {(row["class"], row["arm"]): row for _, row in table.iterrows()}
    images = table.groupby("class", sort=False)["images"].first()
    interval = f"Below: {words.interval(results.confidence)} over the class’s images and seeds."
    arms = list(results.arms["arm"])
    columns = [
        declared(schema.RECALL, "class", "text"),
        declared(schema.RECALL, "images"),
        *(
            Column(
                results.name_of(arm),
                "" if position else f"Recall (%){over_seeds(results, 'mean')}. {interval}",
                term="arms",
            )
            for position, arm in enumerate(arms)
        ),
    ]
    rows = [[name, words.count(images[name]), *(_cell(rows_of[name, arm]) for arm in arms)] for name in images.index]
    return Table("Recall by class (%)", columns, rows, "tables/recall.csv", stacks=len(arms) > MOST_ABREAST)


def _cell(row: pandas.Series) -> tuple[str, str]:
    """A recall, and its interval below, in one word: there may be many classes."""
    return words.number(row["recall"]), words.between(row["low"], row["high"]).replace(" to ", "–")
