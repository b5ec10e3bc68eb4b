"""The files of an experiment's folder, by patterns of their places."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FILE_NAME = r"[^./][^/]*"
"""A pattern of the name of a file that is not hidden, as temporary files are."""


READ_BY_RUNS = re.compile(r"(data|weights)/[^/]*\.safetensors|data/index\.csv")


def files_of_runs(folder: Path, configuration: Mapping[str, Any]) -> list[str]:
    """The places of the files that every run reads: the data, and the pretrained weights that arms use."""
    return [place for place in files_at(folder, input_places(configuration)) if READ_BY_RUNS.fullmatch(place)]


def input_places(configuration: Mapping[str, Any]) -> list[str]:
    """Patterns of the places, below an experiment's folder, of its data and of the pretrained weights that arms use."""
    places = [rf"data/{FILE_NAME}\.(safetensors|csv)"]
    arms = configuration["arms"].values()
    pretrained = {arm["model"]["architecture"] for arm in arms if arm["weights"] == "pretrained"}
    if pretrained:
        places.append(rf"weights/{one_of(pretrained)}(\.safetensors|_history\.csv)")
        if configuration["weights"]["source"] == "letters":
            places.append(r"weights/letters/(train|test)\.safetensors")
    return places


def files_at(folder: Path, places: list[str]) -> list[str]:
    """The files below a folder whose places match one of the patterns, sorted, with `/` between the parts."""
    known = re.compile("|".join(places))
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(place for place in found if known.fullmatch(place))


def one_of(names: Any) -> str:
    """A pattern that matches these names and nothing else."""
    return f"({'|'.join(sorted({re.escape(str(name)) for name in names}))})"
