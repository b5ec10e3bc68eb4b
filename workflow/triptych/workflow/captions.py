"""The captions of Snakemake's report, as reStructuredText, made from the declarations of tables and figures."""

import re
from collections.abc import Mapping

from triptych.results.schema import Column
from triptych.wings import figures_of, tables_of


def tables_caption(rule: str) -> str:
    """What the tables that a rule writes hold: each table with its columns, as a definition list."""
    shown = [table for table in tables_of(rule) if table.category]
    return "\n".join(
        f"{table.name}\n  {_plain(table.title)}. A row is {_plain(table.row)}.\n\n"
        + "".join(f"  ``{column.name}``\n    {_column(column)}\n" for column in table.columns)
        for table in shown
    )


def _column(column: Column) -> str:
    unit = f" ({column.unit})" if column.unit else ""
    return _plain(column.meaning.removesuffix(".") + unit + ".")


def figures_caption(command: str, wildcards: Mapping[str, str]) -> str:
    """What the figures show that a job of a command draws."""
    drawn = [
        figure for figure in figures_of(command) if not figure.wildcard or wildcards.get(figure.wildcard) == figure.name
    ]
    return "\n\n".join(_plain(figure.caption) for figure in drawn)


def _plain(text: str) -> str:
    """Text in which no character has a meaning for reStructuredText."""
    return re.sub(r"([\\*`|_])", r"\\\1", text)
