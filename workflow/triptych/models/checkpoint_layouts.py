"""Read checkpoints of other programs in any layout, and find the trunk of a network in them.

Foreign tensor files are opened only here. Nothing in them is executed.
"""

import argparse
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy
import safetensors
import safetensors.torch
import torch

from triptych.storage.errors import InputError

BESIDE_TENSORS: list[Any] = [
    argparse.Namespace,
    numpy.dtype,
    *(type(numpy.dtype(kind)) for kind in ("float64", "float32", "int64", "bool")),
    (numpy.float64(0).__reduce__()[0], "numpy.core.multiarray.scalar"),
    (numpy.float64(0).__reduce__()[0], "numpy._core.multiarray.scalar"),
]
"""Types that training scripts save with tensors, such as arguments or an accuracy as a NumPy number. torch refuses them
by default. None of them can run code."""

_FOREIGN = re.compile(r"GLOBAL (\S+) was not an allowed global")
_COUNT = "num_batches_tracked"
_MOST_NAMED = 5


class Trunk(NamedTuple):
    """The trunk of a network in a file."""

    prefix: str
    """The prefix of its names in the file."""
    tensors: dict[str, torch.Tensor]
    """By their names in the network: the whole trunk, except batch counters, which older files lack."""
    left_out: list[str]
    """The names of the other tensors in the file."""


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Return all tensors of a safetensors file or of a file of `torch.save`.

    Names in nested mappings and lists are joined by dots, so that those in `state_dict` begin with `state_dict.`. Other
    objects are ignored.

    Raises:
        InputError: the file has another format, has no tensors, or has objects that would need code to load.
    """
    content = safetensors_of(path) if _is_safetensors(path) else _torch_file(path)
    found: dict[str, torch.Tensor] = {}
    for name, tensor in _flattened(content, "", set()):
        if name in found:
            raise InputError(f"{path}: two tensors have the name {name}; rename one of them.")
        found[name] = tensor
    if not found:
        raise InputError(f"{path}: there are no tensors in it; give a file with the state_dict of a network.")
    return found


def safetensors_of(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a safetensors file of another program."""
    try:
        return dict(safetensors.torch.load_file(path))
    except (safetensors.SafetensorError, OSError, ValueError, KeyError) as error:
        raise InputError(f"{path}: not a readable safetensors file ({_first_line(error)}).") from None


def _is_safetensors(path: Path) -> bool:
    """Whether a file has a safetensors header: its length in eight bytes, then JSON."""
    with path.open("rb") as file:
        start = file.read(9)
    return start[8:] == b"{" and 8 + int.from_bytes(start[:8], "little") <= path.stat().st_size


def _torch_file(path: Path) -> Any:
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                if any(entry.file_size > path.stat().st_size for entry in archive.infolist()):
                    raise ValueError("it is compressed, and torch.save never compresses")
        with torch.serialization.safe_globals(BESIDE_TENSORS):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises errors of any type for a corrupt file
        if foreign := _FOREIGN.search(str(error)):
            raise InputError(
                f"{path}: not a file of tensors only: it contains {foreign[1]}, which could run any code, so it is "
                "refused; if you trust the file, load it yourself and save only its tensors: "
                "torch.save(model.state_dict(), FILE)."
            ) from None
        raise InputError(
            f"{path}: not a file of tensors only, as torch.save or safetensors write it ({_first_line(error)})."
        ) from None


def _first_line(error: Exception) -> str:
    """Return the first line of a message as plain text."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip() or type(error).__name__
    return text.splitlines()[0][:200]


def _flattened(content: Any, name: str, seen: set[int]) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield each tensor below `content` with its name. Each container is read once, because one may contain itself."""
    if isinstance(content, torch.Tensor):
        yield name, content
    elif isinstance(content, Mapping | list | tuple) and id(content) not in seen:
        seen.add(id(content))
        entries = content.items() if isinstance(content, Mapping) else enumerate(content)
        for key, value in entries:
            yield from _flattened(value, f"{name}.{key}" if name else str(key), seen)


def find_trunk(
    tensors: Mapping[str, torch.Tensor],
    expected: Mapping[str, tuple[int, ...]],
    head: list[str],
    where: str,
    what: str,
) -> Trunk:
    """Find the trunk of a network in a file: its tensor names after a common prefix.

    Args:
        tensors: the tensors of the file, by name.
        expected: the shape of each tensor of the network, by name; `head`: the names of its head.
        where, what: the file and the network, for messages.

    Raises:
        InputError: no trunk is complete, it is part of a larger network, or two different trunks are complete.
    """
    trunk = {name: shape for name, shape in expected.items() if name not in head}
    found = _by_prefix(tensors, trunk)
    complete = [prefix for prefix, names in found.items() if not _problems(names, tensors, prefix, trunk)]
    if not complete:
        raise InputError(_nothing_complete(tensors, trunk, found, where, what))
    prefix, *others = sorted(complete, key=len)
    names = found[prefix]
    different = [other for other in others if not _same(tensors, names, prefix, other)]
    if different:
        prefixes = " and ".join(f"{each}*" for each in (prefix, *different))
        raise InputError(
            f"{where}: contains {1 + len(different)} networks that fit {what} equally well, {prefixes}; save one of "
            "them in a separate file."
        )
    taken = {prefix + name for name in names}
    modules = {prefix + name.partition(".")[0] for name in trunk}
    heads = tuple({f"{prefix}{name.rpartition('.')[0]}." for name in head})
    left_out = [name for name in tensors if name not in taken]
    larger = [
        name
        for name in left_out
        if name.startswith(prefix)
        and prefix + name.removeprefix(prefix).partition(".")[0] in modules
        and not name.startswith(heads)
    ]
    if larger:
        lines = [f"unexpected {name} {list(tensors[name].shape)}" for name in larger]
        raise InputError(f"{where}: not the tensors of {what}:\n  " + "\n  ".join(lines))
    return Trunk(prefix, {name: tensors[prefix + name] for name in names}, left_out)


def _by_prefix(tensors: Mapping[str, Any], trunk: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the names of the trunk that follow each prefix in the file, in trunk order."""
    found: dict[str, set[str]] = {}
    for name in tensors:
        starts = [start for start in range(len(name)) if start == 0 or not name[start - 1].isalnum()]
        for start in starts:
            if name[start:] in trunk:
                found.setdefault(name[:start], set()).add(name[start:])
    return {prefix: [name for name in trunk if name in names] for prefix, names in found.items()}


def _problems(
    names: list[str], tensors: Mapping[str, torch.Tensor], prefix: str, trunk: Mapping[str, tuple[int, ...]]
) -> list[str]:
    """Return the reasons why the tensors after a prefix are not the trunk, one line each."""
    there = set(names)
    lines = [
        f"missing {prefix}{name} {list(shape)}"
        for name, shape in trunk.items()
        if name not in there and not name.endswith(_COUNT)
    ]
    for name in names:
        shape = tuple(tensors[prefix + name].shape)
        if shape != trunk[name]:
            lines.append(f"{prefix}{name} is {list(shape)}, expected {list(trunk[name])}{_of_grey(shape, trunk[name])}")
    return lines


def _of_grey(shape: tuple[int, ...], expected: tuple[int, ...]) -> str:
    """Return a hint if a convolution is for grey instead of colour images, else an empty text."""
    of_grey = len(shape) == 4 and len(expected) == 4 and (shape[1], expected[1]) == (1, 3)
    return ": it is from a network for grey images, but images here have three channels" if of_grey else ""


def _same(tensors: Mapping[str, torch.Tensor], names: list[str], first: str, second: str) -> bool:
    """Whether two trunks are bitwise equal."""
    return all(
        f"{second}{name}" in tensors and torch.equal(tensors[first + name], tensors[second + name]) for name in names
    )


def _nothing_complete(
    tensors: Mapping[str, torch.Tensor],
    trunk: Mapping[str, tuple[int, ...]],
    found: Mapping[str, list[str]],
    where: str,
    what: str,
) -> str:
    """Return the message about the prefix with the most tensors of the trunk."""

    def matches(prefix: str) -> tuple[int, int, int]:
        right = [name for name in found[prefix] if tuple(tensors[prefix + name].shape) == trunk[name]]
        return len(right), len(found[prefix]), -len(prefix)

    if not found:
        return f"{where}: no tensor has the name of a tensor of {what}; found {listed(list(tensors))}."
    prefix = max(found, key=matches)
    lines = _problems(found[prefix], tensors, prefix, trunk)
    return f"{where}: not the tensors of {what}:\n  " + "\n  ".join(lines)


def listed(names: list[str]) -> str:
    """Return the first names, and the number of the others."""
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more
