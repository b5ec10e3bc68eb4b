"""Stand-in: a CSV of files. Replaced by the real module."""

import csv
from pathlib import Path

from triptych.data.found import Found, Item


def found(path: Path) -> Found:
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    items = [
        Item(
            f"./{row['path']}", path.parent / row["path"], row["label"], row.get("split") or "", row.get("group") or ""
        )
        for row in rows
    ]
    items.sort(key=lambda item: item.path)
    return Found(items, [], [], sorted({item.label for item in items}))
