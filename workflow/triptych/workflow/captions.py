"""Captions of Snakemake's report in reStructuredText, from the declarations of tables and figures."""

import re
from collections.abc import Mapping

from triptych.results.schema import Column
from triptych.wings import figures_of, tables_of


def tables_caption(rule: str) -> str:
    """Describe the tables that a rule writes: each table with its columns, as a definition list."""
    tables = [table for table in tables_of(rule) if table.category]
    return "\n".join(
        f"{table.name}\n  {_plain(table.title)}. A row is {_plain(table.row)}.\n\n"
        + "".join(f"  ``{column.name}``\n    {_column(column)}\n" for column in table.columns)
        for table in tables
    )


def _column(column: Column) -> str:
    unit = f" ({column.unit})" if column.unit else ""
    return _plain(column.meaning.removesuffix(".") + unit + ".")


def figures_caption(command: str, wildcards: Mapping[str, str]) -> str:
    """Describe the figures that a job draws."""
    drawn = [
        figure for figure in figures_of(command) if not figure.wildcard or wildcards.get(figure.wildcard) == figure.name
    ]
    return "\n\n".join(_plain(figure.caption) for figure in drawn)


def _plain(text: str) -> str:
    """Escape the special characters of reStructuredText."""
    return re.sub(r"([\\*`|_])", r"\\\1", text)
