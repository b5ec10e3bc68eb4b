"""Reading the tables that an experiment's figures and report are made from."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas

from triptych.storage.errors import InputError


def read_table(
    path: Path,
    *,
    text: Sequence[str],
    numbers: Sequence[str],
    may_be_empty: bool = False,
    absent: Mapping[str, str] | None = None,
) -> pandas.DataFrame:
    """Read the named columns of a CSV file: `text` as str exactly as written (a class may be named `01` or `NA`), and
    `numbers` as numbers (empty: NaN). `absent` has the cells of columns that an older table lacks.

    Raises:
        InputError: the file is missing or no table, lacks a column, has text where a number belongs, or has no row
            unless it `may_be_empty`.
    """
    try:
        table = pandas.read_csv(path, dtype=str, keep_default_na=False)
    except FileNotFoundError:
        raise InputError(f"{path}: the file is missing") from None
    except (pandas.errors.EmptyDataError, pandas.errors.ParserError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a readable table ({error})") from None
    for column, cell in (absent or {}).items():
        if column not in table:
            table[column] = cell
    missing = [column for column in (*text, *numbers) if column not in table]
    if missing:
        raise InputError(f"{path}: no column {', '.join(missing)} (there are: {', '.join(table.columns)})")
    if table.empty and not may_be_empty:
        raise InputError(f"{path}: the table has no rows")
    for column in numbers:
        try:
            table[column] = pandas.to_numeric(table[column].where(table[column] != "", None))
        except ValueError as error:
            raise InputError(f"{path}: column {column} should hold numbers ({error})") from None
    return table[[*text, *numbers]]
