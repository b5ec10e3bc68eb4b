"""Reading the tables that figures are made from."""

from collections.abc import Sequence
from pathlib import Path

import pandas

from triptych.errors import InputError


def read_table(path: Path, text: Sequence[str], numbers: Sequence[str]) -> pandas.DataFrame:
    """Read the named columns of a CSV file: `text` as str exactly as written (a class may be named `01` or `NA`), and
    `numbers` as numbers (empty: NaN).

    Raises:
        InputError: the file is no table, lacks a column, has no row, or has text where a number belongs.
    """
    try:
        table = pandas.read_csv(path, dtype=str, keep_default_na=False)
    except (pandas.errors.EmptyDataError, pandas.errors.ParserError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a readable table ({error})") from None
    missing = [column for column in (*text, *numbers) if column not in table]
    if missing:
        raise InputError(f"{path}: no column {', '.join(missing)} (there are: {', '.join(table)})")
    if table.empty:
        raise InputError(f"{path}: the table has no rows")
    for column in numbers:
        try:
            table[column] = pandas.to_numeric(table[column].where(table[column] != "", None))
        except ValueError as error:
            raise InputError(f"{path}: column {column} should hold numbers ({error})") from None
    return table[[*text, *numbers]]


def read_arms(path: Path) -> pandas.DataFrame:
    """The arms of `tables/arms.csv` in the order of the configuration: arm, label, role (text), batch_size (number)."""
    return read_table(path, text=("arm", "label", "role"), numbers=("batch_size",))


def image_names(index: Path, split: str) -> dict[int, str]:
    """The name of each image of a split by its row, from `data/index.csv`."""
    table = read_table(index, text=("split", "name"), numbers=("row",))
    table = table[table["split"] == split]
    return dict(zip(table["row"].astype(int), table["name"], strict=True))
