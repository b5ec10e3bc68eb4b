"""The files of an experiment's folder, by patterns of their paths."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from triptych.configuration.pretraining import pretrained_architectures, pretrains_on_letters
from triptych.results import schema
from triptych.results.run_names import folds_of

FILE_NAME = r"[^./][^/]*"
"""A pattern of the name of a file that is not hidden, as temporary files are."""


OF_IMAGE_FILES = "policy"
"""A key of the data set that only sources of the user's own image files have."""
RULES_OF_IMAGE_FILES = ("check_data", "find_duplicates")
"""Rules that only experiments on such files run."""

READ_BY_RUNS = re.compile(r"(data|weights)/[^/]*\.safetensors|data/index\.csv")


def files_of_runs(folder: Path, configuration: Mapping[str, Any]) -> list[str]:
    """The paths of the files that every run reads: the data, and the pretrained weights that arms use."""
    return [path for path in files_at(folder, input_patterns(configuration)) if READ_BY_RUNS.fullmatch(path)]


def input_patterns(configuration: Mapping[str, Any]) -> list[str]:
    """Patterns of the paths, below an experiment's folder, of its data and of the pretrained weights that arms use."""
    folds = "" if folds_of(configuration["dataset"]) != [None] else r"(?!folds\.)"  # left from other settings
    patterns = [rf"data/{folds}{FILE_NAME}\.safetensors", *data_patterns(OF_IMAGE_FILES in configuration["dataset"])]
    pretrained = pretrained_architectures(configuration)
    if pretrained:
        patterns.append(rf"weights/{one_of(pretrained)}(\.safetensors|_history\.csv)")
    if pretrains_on_letters(configuration):
        patterns.append(r"weights/letters/(train|validation)\.safetensors")
    return patterns


def data_patterns(checked: bool) -> list[str]:
    """Patterns of the tables in `data/`, and of the record and the report of checked image files."""
    tables = [table for table in schema.TABLES.values() if checked or table.rule not in RULES_OF_IMAGE_FILES]
    return [
        *[re.escape(table.file) for table in tables if table.file.startswith("data/")],
        *[r"data/listing\.json", r"data/duplicates\.json", r"data/report\.html"] * checked,
    ]


def files_at(folder: Path, patterns: list[str]) -> list[str]:
    """The files below a folder whose paths match one of the patterns, sorted, with `/` between the parts."""
    known = re.compile("|".join(patterns))
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in found if known.fullmatch(path))


def one_of(names: Any) -> str:
    """A pattern that matches these names and nothing else."""
    return f"({'|'.join(sorted({re.escape(str(name)) for name in names}))})"
