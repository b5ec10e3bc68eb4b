"""What Snakemake does not check in a configuration: a key that stands twice, and its own key `pathvars`."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from triptych.configuration.messages import shown
from triptych.storage.errors import InputError

FOLDERS = ("results", "resources", "logs", "benchmarks")
"""The pathvars of the Snakefile."""


def check_files(paths: Iterable[Path | str]) -> None:
    """Make sure that no key stands twice in one mapping of a file: YAML would silently take the last.

    A file that cannot be read here is left to Snakemake.

    Raises:
        InputError: a key does, with the file and both lines.
    """
    for path in paths:
        try:
            root = yaml.compose(Path(path).read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
        except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError):
            continue
        problem = next(_twice(root, []), None) if root else None
        if problem:
            keys, first, second = problem
            raise InputError(
                f"{path}: {'.'.join(keys)} stands twice, in lines {first} and {second}, and only the last would count; "
                "give each its own name"
            )


def _twice(node: yaml.Node, keys: list[str]) -> Iterator[tuple[list[str], int, int]]:
    """Every key that stands twice below a node, and its two lines, counted from 1."""
    if isinstance(node, yaml.SequenceNode):
        for number, entry in enumerate(node.value):
            yield from _twice(entry, [*keys, str(number)])
    elif isinstance(node, yaml.MappingNode):
        lines: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if isinstance(key, yaml.ScalarNode):
                if key.value in lines:
                    yield [*keys, key.value], lines[key.value], line
                lines[key.value] = line
            yield from _twice(value, [*keys, str(key.value)])


def check_pathvars(pathvars: Any) -> None:
    """Check the folders that a configuration gives under Snakemake's key `pathvars`.

    Raises:
        InputError: a name that no path of the workflow has, or a value that is no plain path.
    """
    if not isinstance(pathvars, dict):
        raise InputError(f"pathvars: {shown(pathvars)} is not allowed; give a mapping of {', '.join(FOLDERS)}")
    for name, folder in pathvars.items():
        if name not in FOLDERS:
            raise InputError(f"pathvars.{name}: there is no such key; allowed are {', '.join(FOLDERS)}")
        if not isinstance(folder, str) or not folder.strip() or folder.startswith("~") or set(folder) & set("$*?"):
            raise InputError(
                f"pathvars.{name}: {shown(folder)} is not allowed; give a folder as a path (~ and $NAME are taken as "
                "they stand, so write them out)"
            )
