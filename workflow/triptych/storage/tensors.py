"""Read and write safetensors files with metadata, without torch."""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy
import safetensors
import safetensors.numpy

from triptych.storage.errors import InputError
from triptych.storage.files import atomic_write

# safetensors writes its metadata keys in random order, so everything goes under one key, as sorted JSON.
METADATA_KEY = "triptych"

ALIGNMENT = 8
"""Of the arrays in a file: its header ends with spaces up to a multiple of it."""

NUMPY_NAMES = {
    "BOOL": "?",
    **{f"{kind}{8 * size}": f"<{kind.lower()}{size}" for kind in "UI" for size in (1, 2, 4, 8)},
    **{f"F{8 * size}": f"<f{size}" for size in (2, 4, 8)},
}
"""The NumPy type of each safetensors type that can be memory-mapped."""


def save_tensors(path: Path, tensors: dict[str, numpy.ndarray], metadata: dict[str, Any] | None = None) -> None:
    """Write named arrays and a JSON mapping of metadata. The same content gives the same bytes."""
    with atomic_write(path) as temporary:
        try:
            safetensors.numpy.save_file(_contiguous(tensors), temporary, _described(metadata))
        except safetensors.SafetensorError as error:  # a full disk is reported as this
            raise InputError(f"{path}: cannot be written ({error})") from None


def save_rows(
    path: Path,
    name: str,
    rows: Iterable[numpy.ndarray],
    shape: tuple[int, ...],
    tensors: dict[str, numpy.ndarray],
    metadata: dict[str, Any] | None = None,
) -> None:
    """Write arrays as `save_tensors` does, to the same bytes, one of them row by row: it need not fit into memory.

    Args:
        name: of the array that is written by rows.
        rows: its rows, uint8 [*shape[1:]] each.
        shape: its shape.
        tensors: the other arrays.

    Raises:
        RuntimeError: the rows are not of this shape and type, or not so many. That is a bug.
    """
    header, order = _header({name: (numpy.dtype(numpy.uint8), shape)} | _kinds(tensors), metadata)
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        file.write(header)
        for one in order:
            if one != name:
                file.write(numpy.ascontiguousarray(tensors[one]).tobytes())
                continue
            count = 0
            for count, row in enumerate(rows, start=1):
                if row.dtype != numpy.uint8 or row.shape != shape[1:]:
                    raise RuntimeError(f"{path}: row {count} of {name} is {row.dtype} {list(row.shape)}")
                file.write(numpy.ascontiguousarray(row).data)
            if count != shape[0]:
                raise RuntimeError(f"{path}: {name} should have {shape[0]} rows, found {count}")


def _kinds(tensors: dict[str, numpy.ndarray]) -> dict[str, tuple[numpy.dtype[Any], tuple[int, ...]]]:
    return {name: (tensor.dtype, tensor.shape) for name, tensor in tensors.items()}


def _header(
    kinds: dict[str, tuple[numpy.dtype[Any], tuple[int, ...]]], metadata: dict[str, Any] | None
) -> tuple[bytes, list[str]]:
    """Return how a file with arrays of these types and shapes begins, and the order in which they follow.

    The library writes both for empty arrays of these types. Only shapes and offsets differ.
    """
    empty = {name: numpy.empty(0, dtype) for name, (dtype, _) in kinds.items()}
    written = json.loads(safetensors.numpy.save(empty, _described(metadata))[8:])
    order = [name for name in written if name != "__metadata__"]
    start = 0
    for name in order:
        dtype, shape = kinds[name]
        end = start + dtype.itemsize * math.prod(shape)
        written[name] |= {"shape": list(shape), "data_offsets": [start, end]}
        start = end
    text = json.dumps(written, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    return len(text).to_bytes(8, "little") + text, order


def size_of_file(tensors: dict[str, numpy.ndarray], metadata: dict[str, Any] | None = None) -> int:
    """Return the size in bytes of the file that `save_tensors` would write."""
    return len(safetensors.numpy.save(_contiguous(tensors), _described(metadata)))


def _contiguous(tensors: dict[str, numpy.ndarray]) -> dict[str, numpy.ndarray]:
    # ascontiguousarray turns a scalar into an array of one element
    return {name: numpy.ascontiguousarray(tensor).reshape(tensor.shape) for name, tensor in tensors.items()}


def _described(metadata: dict[str, Any] | None) -> dict[str, str]:
    return {METADATA_KEY: json.dumps(metadata or {}, sort_keys=True)}


def tensors_sha256(tensors: Mapping[str, numpy.ndarray], metadata: Mapping[str, Any] | None = None) -> str:
    """Return the SHA-256 of named arrays (names, types, shapes, values) and metadata, in hexadecimal."""
    digest = hashlib.sha256(json.dumps(metadata or {}, sort_keys=True).encode())
    for name in sorted(tensors):
        array = numpy.ascontiguousarray(tensors[name])
        digest.update(f"{name} {array.dtype} {tensors[name].shape}".encode())
        digest.update(array.reshape(-1).view(numpy.uint8).data)
    return digest.hexdigest()


def load_tensors(path: Path) -> dict[str, numpy.ndarray]:
    """Read every array of a file.

    Raises:
        InputError: the file is missing, is not a safetensors file, or has a type or shape that NumPy does not support.
    """
    try:
        tensors: dict[str, numpy.ndarray] = safetensors.numpy.load_file(path)
        for name, tensor in tensors.items():
            if tensor.dtype.isbuiltin != 1:  # a package that is installed may have added types
                raise TypeError(f"{name} has the type {tensor.dtype}")
        return tensors
    except FileNotFoundError:
        raise InputError(f"{path}: the file is missing.") from None
    except (safetensors.SafetensorError, OSError, ValueError, TypeError, AttributeError, MemoryError) as error:
        raise InputError(f"{path}: not a readable safetensors file ({_in_short(error)}).") from None


def load_metadata(path: Path) -> dict[str, Any]:
    """Read the mapping that `save_tensors` stored, without reading the arrays.

    Raises:
        InputError: the file is missing, or `save_tensors` did not write it.
    """
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            metadata = json.loads((file.metadata() or {})[METADATA_KEY])
    except FileNotFoundError:
        raise InputError(f"{path}: the file is missing.") from None
    except KeyError:
        raise InputError(f"{path}: not a safetensors file written by Triptych (no metadata).") from None
    except (safetensors.SafetensorError, OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not a safetensors file written by Triptych ({_in_short(error)}).") from None
    if not isinstance(metadata, dict):
        raise InputError(f"{path}: not a safetensors file written by Triptych (its metadata is not a mapping).")
    return metadata


def map_tensor(path: Path, name: str) -> numpy.ndarray:
    """Memory-map one array of a file, copy-on-write: changes stay in memory and never reach the file.

    Raises:
        InputError: the file is not a safetensors file, or does not have the array.
    """
    try:
        with safetensors.safe_open(path, framework="numpy") as file:  # checks the header
            if name not in file.keys():  # noqa: SIM118 (it is not a mapping)
                raise InputError(f"{path}: there is no tensor {name}.")
    except FileNotFoundError:
        raise InputError(f"{path}: the file is missing.") from None
    except (safetensors.SafetensorError, OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not a readable safetensors file ({_in_short(error)}).") from None
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        tensor = json.loads(file.read(size))[name]
    kind, shape = NUMPY_NAMES.get(tensor["dtype"]), tuple(tensor["shape"])
    if kind is None:
        raise InputError(f"{path}: {name} has a type that cannot be memory-mapped ({tensor['dtype']}).")
    if 0 in shape:  # an empty file region cannot be mapped
        return numpy.empty(shape, kind)
    return numpy.memmap(path, kind, "c", 8 + size + tensor["data_offsets"][0], shape)


def _in_short(error: Exception) -> str:
    """Return the message of an error on one line of at most 300 characters; some quote long content."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else f"{text[:297]}..."
