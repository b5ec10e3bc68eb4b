"""Write and read the tables that `triptych.results.schema` declares."""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy
import pandas

from triptych.results.schema import TEXT, WHOLE, Column, Table
from triptych.storage.errors import InputError
from triptych.storage.files import write_table


def save_table(path: Path, frame: pandas.DataFrame, table: Table) -> None:
    """Check a table against its declaration, and write it as CSV (`write_table`).

    Raises:
        RuntimeError: the columns or a cell do not match the declaration. That is a bug.
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
    """Return what is wrong with the cells of a column; an empty text if they are valid."""
    values = cells.to_numpy(object)  # for the small tables that most are, masks of pandas take longer than all the rest
    filled = [value for value in values[~pandas.isna(values)] if value != ""]
    if len(filled) < len(values) and not column.optional:
        return "should have no empty cell"
    is_valid = _is_text if column.kind == TEXT else partial(_is_number, whole=column.kind == WHOLE)
    wrong = next((value for value in filled if not is_valid(value)), None)
    return "" if wrong is None else f"should hold {column.kind}s, found {wrong!r}"


def _is_text(value: Any) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


def _is_number(value: Any, whole: bool) -> bool:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return False
    return not math.isnan(number) and (not whole or number.is_integer())


def cell(value: Any) -> Any:
    """Convert a value to a table cell: booleans become 0 and 1."""
    return int(value) if isinstance(value, bool) else value


def read_table(
    path: Path,
    table: Table,
    columns: Sequence[str] = (),
    *,
    verbatim: bool = False,
    absent: Mapping[str, object] | None = None,
) -> pandas.DataFrame:
    """Read `columns` of a table (by default all; those of folds where it has them) with their declared types.

    Texts are str exactly as written; an empty number is NaN.

    Args:
        verbatim: read numbers as text too, exactly as written.
        absent: the cell (None: empty) of columns that an older table may lack.

    Raises:
        InputError: the file is missing or not a table, lacks a column, has a cell that is not a number in a column of
            numbers, or has no row and may not be empty.
    """
    try:
        frame = pandas.read_csv(path, dtype=str, keep_default_na=False)
    except FileNotFoundError:
        raise InputError(f"{path}: the file is missing.") from None
    except (pandas.errors.EmptyDataError, pandas.errors.ParserError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a readable table ({error}).") from None
    for name, cell in (absent or {}).items():
        if name not in frame:
            frame[name] = "" if cell is None else str(cell)
    of_all = [column for column in table.columns if not column.of_folds or column.name in frame]
    chosen = [table[name] for name in columns] if columns else of_all
    missing = [column.name for column in chosen if column.name not in frame]
    if missing:
        raise InputError(f"{path}: no column {', '.join(missing)}; found {', '.join(frame.columns)}.")
    if frame.empty and not table.may_be_empty:
        raise InputError(f"{path}: the table has no rows.")
    found = {column.name: frame[column.name] for column in chosen}
    for column in chosen:
        if column.kind != TEXT:
            numbers = _numbers(found[column.name].tolist(), column, path)
            if not verbatim:
                found[column.name] = pandas.Series(numbers, frame.index)
    return pandas.DataFrame(found)


def _numbers(cells: list[str], column: Column, path: Path) -> numpy.ndarray:
    """Convert texts to numbers, of any type that holds them; an empty text is NaN.

    Raises:
        InputError: a cell is not a number, or not an integer in a column of integers.
    """
    try:
        numbers = numpy.asarray(pandas.to_numeric([cell or None for cell in cells]))
    except ValueError as error:
        raise InputError(f"{path}: column {column.name} should hold numbers ({error}).") from None
    if column.kind == WHOLE and numbers.dtype.kind == "f":
        whole = numpy.isfinite(numbers) & (numbers == numpy.trunc(numbers))
        wrong = numpy.flatnonzero(~(whole | numpy.isnan(numbers)))
        if len(wrong):
            raise InputError(f"{path}: column {column.name} should hold whole numbers, found {cells[wrong[0]]!r}.")
    return numbers
