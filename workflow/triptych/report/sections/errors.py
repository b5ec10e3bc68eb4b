"""Which classes are confused."""

import numpy

from triptych.report import formatting as words
from triptych.report.blocks import (
    MOST_ABREAST,
    Block,
    Column,
    Details,
    Paragraph,
    Section,
    Table,
    declared,
    figure_of_arm,
    over_seeds,
)
from triptych.results import schema
from triptych.results.experiment import Results

MOST_MISTAKES = 15
"""Most misclassified images that the page lists; the table has all."""


def blocks(results: Results) -> list[Block]:
    means = over_seeds(results, "mean")
    images = ""
    if results.shows_images:
        images = " Below: the most confidently misclassified test images."
        if results.numbers_of_runs[-1] > 1:
            images += " An image counts as misclassified if any of an arm’s runs misclassifies it."
    return [
        Paragraph(f"Rows: true class. Columns: predicted class, as a share of the row{means}.{images}"),
        *(figure_of_arm(results, "confusion", arm, confusion(results, arm)) for arm in results.arms["arm"]),
        Details("Recall by class", [per_class(results)]),
        *mistakes(results),
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


def confusion(results: Results, arm: str) -> str:
    """The most frequent confusion of an arm, and the classes with the lowest and the highest recall."""
    table = results.of("confusion", arm)
    mistakes = table[table["true_class"] != table["predicted_class"]]
    recall = results.of("per_class", arm).groupby("class", sort=False)["recall"].mean()
    if mistakes.empty or mistakes["share"].max() == 0:
        return "No test image is misclassified."
    worst = mistakes.iloc[mistakes["share"].argmax()]
    return (
        f"Most frequent confusion: {worst['true_class']} predicted as {worst['predicted_class']} "
        f"({words.share(worst['share'])} of {worst['true_class']}). Lowest recall: {recall.idxmin()} "
        f"({words.percent(recall.min())}); highest: {recall.idxmax()} ({words.percent(recall.max())})."
    )


def per_class(results: Results) -> Table:
    """Recall of every class by arm."""
    table = results.tables["per_class"]
    recall = table.groupby(["class", "arm"], sort=False)["recall"].mean()
    images = table.groupby("class", sort=False)["images"].first()
    arms = list(results.arms["arm"])
    columns = [
        declared(schema.PER_CLASS, "class", "text"),
        declared(schema.PER_CLASS, "images"),
        *(
            Column(results.name_of(arm), "" if position else f"Recall (%){over_seeds(results, 'mean')}.", term="arms")
            for position, arm in enumerate(arms)
        ),
    ]
    rows = [
        [name, words.count(images[name]), *(words.number(recall.get((name, arm), numpy.nan)) for arm in arms)]
        for name in images.index
    ]
    return Table("Recall by class (%)", columns, rows, "tables/per_class.csv", stacks=len(arms) > MOST_ABREAST)
