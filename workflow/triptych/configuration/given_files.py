"""Configuration files as the workflow is given them: their text, repeated keys, and keys beside `experiments`."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from triptych.configuration.experiment import Configuration
from triptych.configuration.given_images import with_images
from triptych.configuration.loading import load_configuration
from triptych.configuration.messages import one_message, short_repr
from triptych.configuration.yaml_errors import explain_yaml_error
from triptych.storage.errors import InputError

FOLDERS = ("results", "resources", "logs", "benchmarks")
"""The pathvars of the Snakefile."""


def check_files(paths: Iterable[Path | str]) -> None:
    """Make sure that files are YAML, and that no key is repeated in a mapping: YAML would silently take the last.

    Raises:
        InputError: a file is not, with one line for each mistake: the file, the line and what to write.
    """
    problems = [problem for path in paths for problem in _problems(Path(path))]
    if problems:
        raise InputError(one_message(problems))


def read_files(paths: Sequence[Path]) -> dict[str, Any]:
    """Read configuration files and merge them as Snakemake does: later files change single keys of earlier ones.

    Raises:
        InputError: as `check_files`, or a file holds no mapping.
    """
    check_files(paths)
    merged: dict[str, Any] = {}
    for path in paths:
        content = _content(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            what = "the file is empty" if content is None else f"{short_repr(content)} is not allowed"
            raise InputError(f"{path}: {what}; give a mapping with the key experiments.")
        if "__use_yte__" in content:
            raise InputError(f"{path}: Snakemake alone fills in a template; check it with snakemake -n --configfile.")
        _update(merged, content)
    return merged


def load_given(given: Mapping[str, Any]) -> Configuration:
    """Check a configuration as the workflow is given it, which may hold the keys `pathvars` and `images`.

    Raises:
        InputError: something is not allowed, with one line for each problem.
    """
    check_pathvars(given.get("pathvars", {}))
    return load_configuration(with_images({key: value for key, value in given.items() if key != "pathvars"}))


def check_pathvars(pathvars: Any) -> None:
    """Check the folders that a configuration gives under Snakemake's key `pathvars`.

    Raises:
        InputError: a name that no path of the workflow has, or a value that is no plain path.
    """
    if not isinstance(pathvars, dict):
        raise InputError(f"pathvars: {short_repr(pathvars)} is not allowed; give a mapping of {', '.join(FOLDERS)}.")
    for name, folder in pathvars.items():
        if name not in FOLDERS:
            raise InputError(f"pathvars.{name}: there is no such key; allowed are {', '.join(FOLDERS)}.")
        if not isinstance(folder, str) or not folder.strip() or folder.startswith("~") or set(folder) & set("$*?"):
            raise InputError(
                f"pathvars.{name}: {short_repr(folder)} is not allowed; give a folder as a path (without ~ and $NAME, "
                "which only a shell knows)."
            )


def _problems(path: Path) -> Iterator[str]:
    """Yield what is wrong with a file before anything in it is looked at."""
    if path.is_dir():
        yield f"{path}: this is a folder; give a file"
        return
    if not path.exists():
        yield f"{path}: there is no such file{_nearest(path)}"
        return
    content = path.read_bytes()
    if b"\0" in content:
        yield f"{path}: this is no UTF-8 text (UTF-16, perhaps); save it as UTF-8"
        return
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        yield f"{path}, line {line}: the byte 0x{content[error.start]:02x} is not UTF-8; save the file as UTF-8"
        return
    try:
        _content(text)
        root = yaml.compose(text.replace("\t", " ") if _is_json(text) else text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        yield f"{path}, {explain_yaml_error(text, error)}"
        return
    except ValueError as error:  # a date that is none
        yield f"{path}: {error}; put dates in quotation marks"
        return
    except RecursionError:
        yield f"{path}: mappings or lists are nested too deeply"
        return
    for keys, first, second in _repeated(root, []) if root else ():
        yield (
            f"{path}, line {second}: {'.'.join(keys)} is given in line {first}, too, and only the last would count; "
            "give each its own name"
        )


def _content(text: str) -> Any:
    """Return what a text holds, as JSON (which may have tabs) or else as YAML."""
    return json.loads(text) if _is_json(text) else yaml.safe_load(text)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _nearest(path: Path) -> str:
    """A file of nearly the same name beside a missing one, as the end of a sentence."""
    there = [file.name for file in path.parent.glob("*") if file.is_file()] if path.parent.is_dir() else []
    matches = get_close_matches(path.name, there, n=1, cutoff=0.7)
    return f"; the nearest is {path.with_name(matches[0])}" if matches else ""


def _repeated(node: yaml.Node, keys: list[str]) -> Iterator[tuple[list[str], int, int]]:
    """Yield every key that is repeated in a mapping below a node, and its two lines, counted from 1."""
    if isinstance(node, yaml.SequenceNode):
        for number, entry in enumerate(node.value):
            yield from _repeated(entry, [*keys, str(number)])
    elif isinstance(node, yaml.MappingNode):
        lines: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if isinstance(key, yaml.ScalarNode):
                if key.value in lines:
                    yield [*keys, key.value], lines[key.value], line
                lines[key.value] = line
            yield from _repeated(value, [*keys, str(key.value)])


def _update(config: dict[str, Any], other: Mapping[str, Any]) -> None:
    """Change keys of nested mappings in place."""
    for key, value in other.items():
        if isinstance(value, Mapping) and isinstance(config.get(key), dict):
            _update(config[key], value)
        else:
            config[key] = value
