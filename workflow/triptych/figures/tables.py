"""Tables that several figures read: the arms, and the names of images."""

from pathlib import Path

import pandas

from triptych.results import schema
from triptych.results.tables import read_table


def read_arms(path: Path) -> pandas.DataFrame:
    """Return the arms of `tables/arms.csv` as configured: arm, label, role (text), batch_size (number)."""
    return read_table(path, schema.ARMS, ["arm", "label", "role", "batch_size"])


def image_names(index: Path, split: str) -> dict[int, str]:
    """Return the name of each image of a split by its row, from `data/index.csv`."""
    table = read_table(index, schema.INDEX, ["split", "row", "name"])
    table = table[table["split"] == split]
    return dict(zip(table["row"].astype(int), table["name"], strict=True))
