"""Files that cannot be used, and what is wrong with the data set as a whole."""

from collections import Counter
from typing import Any

import pandas

from triptych.data.found import DATASET
from triptych.data.source import setting
from triptych.report import formatting as words
from triptych.report.blocks import Block, Column, Details, Paragraph, Section, Table
from triptych.report.checked_data import STOP, CheckedData
from triptych.report.pictures import in_sentence
from triptych.results.schema import PROBLEMS

MOST_OPEN = 20
"""The most problems that are not folded away."""
MOST_LISTED = 5_000
"""The most problems that the page holds; problems.csv holds all."""
FILE = "data/problems.csv"


def blocks(data: CheckedData) -> list[Block]:
    found = data.problems.sort_values("kind", kind="stable")  # those of the data set come first
    if len(found) <= MOST_OPEN:
        return [Paragraph(fate(data)), table(found)]
    listed = found.head(MOST_LISTED)
    all_of = "All" if len(listed) == len(found) else f"The first {words.count(len(listed))} of"
    summary = f"{all_of} {words.count(len(found))} problems"
    return [Paragraph(fate(data)), by_problem(found), Details(summary, [table(listed)])]


SECTION: Section[CheckedData] = Section("problems", "Problems", blocks, lambda data: len(data.problems) > 0)


def notes(data: CheckedData) -> list[str]:
    """That files were left out, if they were."""
    if data.broken.empty or stop(data):
        return []
    left_out = words.plural(len(data.broken), "file")
    return [f"{left_out} cannot be used and {'is' if len(data.broken) == 1 else 'are'} left out."]


def stop(data: CheckedData) -> bool:
    """Whether a file that cannot be used stops training."""
    return bool(setting(data.settings, "policy") == STOP)


def sentence(row: Any) -> str:
    """A problem of the data set with its remedy."""
    where = f"{in_sentence(row.path)}: " if row.path else ""
    return f"{words.capital(where + words.visible(row.problem))}. {words.visible(words.capital(row.remedy))}."


def fate(data: CheckedData) -> str:
    """What becomes of the files that cannot be used. None was changed."""
    if data.broken.empty:
        return "Training cannot start before these are fixed."
    if stop(data):
        return "policy: stop is set: training starts when no problem is left. No file was changed."
    of_data_set = " Problems of the data set must be fixed all the same." if len(data.faults) else ""
    return f"policy: quarantine is set: training leaves these files out. No file was changed.{of_data_set}"


def by_problem(problems: pandas.DataFrame) -> Table:
    """How often each problem occurs, the most frequent first."""
    counts = Counter(zip(problems["problem"].tolist(), problems["remedy"].tolist(), strict=True))
    columns = [
        Column("problem", "", "prose"),
        Column("remedy", "", "prose"),
        Column("times", ""),
    ]
    rows = [
        [words.visible(problem), words.visible(remedy), words.count(times)]
        for (problem, remedy), times in counts.most_common(MOST_OPEN)
    ]
    return Table("Problems by their number", columns, rows, stacks=True)


def table(problems: pandas.DataFrame) -> Table:
    """Every problem with its file, class and remedy."""
    columns = [
        Column("file", PROBLEMS["path"].meaning, "name path"),
        Column("class", PROBLEMS["class"].meaning, "name"),
        Column("problem", PROBLEMS["problem"].meaning, "prose"),
        Column("remedy", PROBLEMS["remedy"].meaning, "prose"),
    ]
    rows = [
        [
            "the data set" if kind == DATASET and not path else words.visible(path),
            words.visible(label) or words.NOTHING,
            words.visible(problem),
            words.visible(remedy),
        ]
        for kind, path, label, problem, remedy in problems.itertuples(index=False)
    ]
    return Table("Problems", columns, rows, FILE, stacks=True)
