"""Writing and reading the tables that `triptych.results.schema` declares."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas

from triptych.results.schema import TEXT, WHOLE, Column, Table
from triptych.storage.errors import InputError
from triptych.storage.files import write_table


def save_table(path: Path, frame: pandas.DataFrame, table: Table) -> None:
    """Write a table as CSV (`write_table`), if it is as declared.

    Raises:
        RuntimeError: it has other columns, or a cell that its column must not hold: a fault of the program.
    """
    if list(frame.columns) != table.names:
        raise RuntimeError(f"{path}: the columns of {table.name} should be {table.names}, found {list(frame.columns)}")
    if frame.empty and not table.may_be_empty:
        raise RuntimeError(f"{path}: {table.name} should have rows, found none")
    for column in table.columns:
        wrong = _wrong_cell(frame[column.name], column)
        if wrong:
            raise RuntimeError(f"{path}: column {column.name} of {table.name} {wrong}")
    write_table(path, frame)


def _wrong_cell(cells: pandas.Series, column: Column) -> str:
    """What is wrong with the cells of a column that is to be written; empty where nothing is."""
    empty = cells.isna() | (cells == "")
    if empty.any() and not column.optional:
        return "should have no empty cell"
    filled = cells[~empty]
    if column.kind == TEXT:
        good = [isinstance(cell, str | int) and not isinstance(cell, bool) for cell in filled.tolist()]
        wrong = filled[[not one for one in good]]
    else:
        values = pandas.to_numeric(filled.astype(object), errors="coerce")
        wrong = filled[values.isna() | ((column.kind == WHOLE) & (values % 1 != 0))]
    return f"should hold {column.kind}s, found {wrong.tolist()[0]!r}" if len(wrong) else ""


def cell(value: Any) -> Any:
    """A value as tables hold it: flags are 0 and 1."""
    return int(value) if isinstance(value, bool) else value


def read_table(
    path: Path,
    table: Table,
    columns: Sequence[str] = (),
    *,
    verbatim: bool = False,
    absent: Mapping[str, object] | None = None,
) -> pandas.DataFrame:
    """Read `columns` of a table (by default all) with their declared types.

    Texts are str exactly as written, numbers are numbers (empty: NaN).

    Args:
        verbatim: read numbers as they are written, too.
        absent: the cell (None: empty) of columns that an older table may lack.

    Raises:
        InputError: the file is missing or no table, lacks a column, has something else where a number belongs, or has
            no row unless it may be empty.
    """
    try:
        frame = pandas.read_csv(path, dtype=str, keep_default_na=False)
    except FileNotFoundError:
        raise InputError(f"{path}: the file is missing") from None
    except (pandas.errors.EmptyDataError, pandas.errors.ParserError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a readable table ({error})") from None
    for name, cell in (absent or {}).items():
        if name not in frame:
            frame[name] = "" if cell is None else str(cell)
    chosen = [table[name] for name in columns] if columns else table.columns
    missing = [column.name for column in chosen if column.name not in frame]
    if missing:
        raise InputError(f"{path}: no column {', '.join(missing)} (there are: {', '.join(frame.columns)})")
    if frame.empty and not table.may_be_empty:
        raise InputError(f"{path}: the table has no rows")
    for column in chosen:
        if column.kind != TEXT:
            numbers = _numbers(frame[column.name], column, path)
            if not verbatim:
                frame[column.name] = numbers
    return frame[[column.name for column in chosen]]


def _numbers(cells: pandas.Series, column: Column, path: Path) -> pandas.Series:
    """The cells as numbers; an empty one is NaN.

    Raises:
        InputError: one is no number, or no whole number where the column has whole ones.
    """
    try:
        numbers = pandas.to_numeric(cells.where(cells != "", None))
    except ValueError as error:
        raise InputError(f"{path}: column {column.name} should hold numbers ({error})") from None
    if column.kind == WHOLE:
        broken = cells[numbers.notna() & (numbers % 1 != 0)]
        if len(broken):
            raise InputError(f"{path}: column {column.name} should hold whole numbers, found {broken.iloc[0]!r}")
    return numbers
