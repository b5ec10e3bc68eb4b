"""Reading what the other parts wrote, with a message that names the file where it is not what it should be."""

import json
from pathlib import Path
from typing import Any

import numpy
import pandas
import safetensors

from triptych.errors import InputError


def existing(path: Path) -> Path:
    """The path itself.

    Raises:
        InputError: there is no such file.
    """
    if not path.is_file():
        raise InputError(f"{path}: expected a file, found none")
    return path


def read_text_table(path: Path, columns: list[str]) -> pandas.DataFrame:
    """Read a CSV file whose cells are kept exactly as they stand (empty cells are empty texts).

    Raises:
        InputError: it is missing, is no table, or has other columns.
    """
    return _read_csv(path, columns, dtype=str, keep_default_na=False)


def read_number_table(path: Path, columns: list[str]) -> pandas.DataFrame:
    """Read a CSV file of numbers alone (empty cells are NaN); floats are those that were written, bit for bit.

    Raises:
        InputError: it is missing, is no table, has other columns or text where a number belongs.
    """
    table = _read_csv(path, columns)
    for column in columns:
        if len(table) and not pandas.api.types.is_numeric_dtype(table[column]):
            raise InputError(f"{path}: expected numbers in the column {column}, found {_first_text(table[column])!r}")
    return table


def _first_text(column: pandas.Series) -> str:
    return next(str(value) for value in column if pandas.isna(pandas.to_numeric(value, errors="coerce")))


def _read_csv(path: Path, columns: list[str], **options: Any) -> pandas.DataFrame:
    try:
        table = pandas.read_csv(existing(path), **options)
    except (pandas.errors.EmptyDataError, pandas.errors.ParserError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: expected a table in CSV, found something else ({error})") from None
    if list(table.columns) != columns:
        raise InputError(
            f"{path}: expected the columns {', '.join(columns)}, found {', '.join(map(str, table.columns))}"
        )
    return table


def read_json(path: Path, keys: list[str]) -> dict[str, Any]:
    """Read a JSON file that holds a mapping with at least these keys.

    Raises:
        InputError: it is missing, is no JSON, or lacks a key.
    """
    try:
        value = json.loads(existing(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: expected JSON, found something else ({error})") from None
    missing = [key for key in keys if not isinstance(value, dict) or key not in value]
    if missing:
        raise InputError(f"{path}: expected the keys {', '.join(keys)}, found none called {', '.join(missing)}")
    return value


def read_tensor(path: Path, name: str) -> numpy.ndarray:
    """Read one array of a safetensors file and leave the others alone, however large they are.

    Raises:
        InputError: the file is missing or broken, or has no such array.
    """
    try:
        with safetensors.safe_open(existing(path), framework="numpy") as file:
            return file.get_tensor(name)
    except safetensors.SafetensorError as error:
        raise InputError(f"{path}: expected a safetensors file with {name}, found something else ({error})") from None
