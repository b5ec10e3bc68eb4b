"""The key `images`: a folder of images, or a table that names them, in place of experiments."""

import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from triptych.configuration.messages import short_repr
from triptych.configuration.values import LONGEST_NAME, read_as_number
from triptych.storage.errors import InputError

IMAGES = "images"
UNNAMED = "images"
"""The name of an experiment whose folder has no letter or digit in its name."""


def with_images(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration with one experiment, named after the folder or table, in place of the key `images`.

    Raises:
        InputError: `images` is no path, or experiments are given, too.
    """
    others = {key: value for key, value in given.items() if key != IMAGES}
    if IMAGES not in given:
        return others
    path = given[IMAGES]
    if advice := read_as_number(path):
        raise InputError(f"{IMAGES}: {short_repr(path)} is not allowed; {advice}.")
    if not isinstance(path, str) or not path.isprintable() or not path.strip() or path.startswith("~"):
        raise InputError(
            f"{IMAGES}: {short_repr(path)} is not allowed; give the path of a folder of images or of a CSV file, "
            "without ~, from / or from the folder where you run."
        )
    source = "table" if path.lower().endswith(".csv") else "folder"
    name, dataset = experiment_name(path), {"source": source, "path": path}
    if "experiments" in others:
        raise InputError(
            f"{IMAGES}: {path} cannot be given together with experiments; delete one of them, or write the images into "
            f"the file: experiments: {{{name}: {{dataset: {{source: {source}, path: {path}}}}}}}."
        )
    return {**others, "experiments": {name: {"dataset": dataset}}}


def experiment_name(path: str) -> str:
    """Return the name of the experiment for a folder or a CSV file: its own name, with what names may not have as -."""
    own = Path(path).name
    if own in ("", ".."):
        own = Path(path).resolve().name
    own = own[: -len(".csv")] if own.lower().endswith(".csv") else own
    ascii_only = unicodedata.normalize("NFKD", own).encode("ascii", "ignore").decode()
    return re.sub("[^A-Za-z0-9_]+", "-", ascii_only).strip("-_")[:LONGEST_NAME] or UNNAMED
