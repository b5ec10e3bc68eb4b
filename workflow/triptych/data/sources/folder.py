"""Stand-in: a tree of class folders. Replaced by the real module."""

import unicodedata
from pathlib import Path

from triptych.data.found import Found, Ignored, Item

NAMES = {"train": "train", "val": "validation", "valid": "validation", "validation": "validation", "test": "test"}


def found(path: Path) -> Found:
    items, ignored = [], []
    for file in sorted(path.rglob("*"), key=str):
        if not file.is_file():
            continue
        *parents, _ = file.relative_to(path).parts
        name = f"./{file.relative_to(path)}"
        if not parents or file.suffix == ".txt":
            ignored.append(Ignored(name, "no image"))
        else:
            split = NAMES.get(parents[0], "") if len(parents) == 2 else ""
            items.append(Item(name, file, unicodedata.normalize("NFC", parents[-1]), split))
    return Found(items, [], ignored, sorted({item.label for item in items}))
