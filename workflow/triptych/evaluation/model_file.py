"""The file `model.json` of a model's folder: what it holds, and whether it is still what was written with its weights.

The file has digests of the weights and of each of its own keys. They find mistakes, such as classes in another order or
files of two models in one folder. They are no protection against somebody who wants to deceive.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from triptych.storage.errors import InputError
from triptych.storage.files import read_json, sha256
from triptych.storage.tensors import load_metadata
from triptych.version import __version__

FORMAT, OF_ENSEMBLES = 1, 2
"""Of one network, and of an ensemble. Raised when an older reader would misread a new file."""
DESCRIPTION, WEIGHTS, CARD, SCRIPT, DECODER = (
    *("model.json", "model.safetensors", "README.md", "predict.py", "decode.py"),
)
"""The files of the folder of one network."""
OF_WEIGHTS = ("architecture", "classes", "input_size", "normalisation", "transform_input")
"""Keys that the metadata of the weights has as well."""
DIGITS = 16
"""Of a key's digest."""
KEYS = (
    *("format", "name", "experiment", "arm", "label", "library", *OF_WEIGHTS, "interpolation", "store"),
    *("precision", "channels_last", "evaluation_batch_size", "num_threads", "device", "device_name"),
    *("temperature", "unsure_below", "calibration_images", "tested", "versions", "digests"),
)
KEYS_OF_FORMAT = {FORMAT: ("seed", *KEYS), OF_ENSEMBLES: ("members", *KEYS)}
"""`members` are the names of the runs; `normalisation` and the digest `weights` are then lists in their order."""
PACKAGES = ("torchvision", "numpy", "pillow", "safetensors")
"""Those that decide a prediction's bits, beside torch."""
RESTORE = "Copy the whole folder again from the results"


def versions(torch: str) -> dict[str, str | None]:
    """Return the versions of Triptych and of what decides a prediction's bits; None for what is not installed here.

    Args:
        torch: its version; who asks need not import it.
    """
    found: dict[str, str | None] = {"triptych": __version__, "torch": torch}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = None
    return found


def weights_files(members: Sequence[str] | None) -> list[str]:
    """Return the names of the files with the weights: of one network, or of each member of an ensemble."""
    if members is None:
        return [WEIGHTS]
    stem, ending = WEIGHTS.split(".")
    return [f"{stem}-{run}.{ending}" for run in members]


def sealed(content: Mapping[str, Any], weights: str | list[str], others: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of `model.json`, with its digests.

    Args:
        content: all keys but `format` and `digests`.
        weights: the SHA-256 of the file of the weights; of an ensemble those of each member's.
        others: further digests.
    """
    whole = {"format": OF_ENSEMBLES if "members" in content else FORMAT, **content}
    digests = {"weights": weights, **others, "keys": {key: _digest(value) for key, value in whole.items()}}
    return {**whole, "digests": digests}


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


def model_folder(path: Path) -> Path:
    """Return the folder of a model: the path itself, or `model` in the folder of an experiment.

    Raises:
        InputError: there is no model.
    """
    for folder in (path, path / "model"):
        if (folder / DESCRIPTION).is_file():
            return folder
    what = "is no folder" if path.exists() and not path.is_dir() else f"has no {DESCRIPTION}"
    if not path.exists():
        what = "does not exist"
    raise InputError(
        f"{path}: {what}; give the folder of a model, such as results/EXPERIMENT/model. Triptych writes one for each "
        "experiment in which it chose a run."
    )


def read_description(folder: Path) -> dict[str, Any]:
    """Read `model.json`, and check that it is about the weights beside it and was not changed.

    Raises:
        InputError: a file is missing or foreign, or the two do not fit together.
    """
    path = folder / DESCRIPTION
    content = read_json(path, ())
    form = content.get("format")
    keys = KEYS_OF_FORMAT[form] if form in (FORMAT, OF_ENSEMBLES) else KEYS
    missing = [key for key in keys if key not in content]
    digests = content.get("digests")
    if missing or not isinstance(digests, dict) or not {"weights", "keys"} <= digests.keys():
        raise InputError(f"{path}: not the description of a model of Triptych: no {', '.join(missing) or 'digests'}.")
    if form not in (FORMAT, OF_ENSEMBLES):
        raise InputError(
            f"{path}: format {form!r} cannot be read, {FORMAT} or {OF_ENSEMBLES} is expected; use the version of "
            f"Triptych that wrote it ({content['versions'].get('triptych', 'unknown')})."
        )
    for number, (weights, digest) in enumerate(_weights_and_digests(folder, content)):
        if not weights.is_file():
            raise InputError(f"{weights}: the file is missing. {RESTORE}.")
        if sha256(weights) != digest:
            raise InputError(f"{weights}: these are not the weights that {DESCRIPTION} describes. {RESTORE}.")
        of_member = {"normalisation": normalisations(content)[number]}
        _check_against_weights(path, content | of_member, load_metadata(weights))
    changed = [key for key in keys if key != "digests" and _digest(content[key]) != digests["keys"].get(key)]
    if changed:
        raise InputError(f"{path}: {', '.join(changed)} was changed after the file was written. {RESTORE}.")
    return content


def normalisations(content: Mapping[str, Any]) -> list[dict[str, list[float]]]:
    """Return `mean` and `std` of the input of each network of a model."""
    own = content["normalisation"]
    return list(own) if "members" in content else [own]


def _weights_and_digests(folder: Path, content: Mapping[str, Any]) -> list[tuple[Path, str]]:
    """Return the file with the weights of each network, and its SHA-256.

    Raises:
        InputError: there is not one digest and normalisation for each member of an ensemble.
    """
    digests, members = content["digests"]["weights"], content.get("members")
    if members is None:
        return [(folder / WEIGHTS, digests)]
    lists = (members, digests, content["normalisation"])
    if not all(isinstance(one, list) for one in lists) or len(set(map(len, lists))) != 1:
        raise InputError(
            f"{folder / DESCRIPTION}: members was changed after the file was written: expected as many as digests of "
            f"weights. {RESTORE}."
        )
    return [(folder / str(file), digest) for file, digest in zip(weights_files(members), digests, strict=True)]


def _check_against_weights(path: Path, content: Mapping[str, Any], metadata: Mapping[str, Any]) -> None:
    """Compare what both files say.

    Raises:
        InputError: they differ.
    """
    found, expected = content["classes"], metadata["classes"]
    if found != expected:
        raise InputError(f"{path}: {_difference(found, expected)}. {RESTORE}.")
    for key in OF_WEIGHTS:
        if content[key] != metadata.get(key):
            raise InputError(
                f"{path}: {key} is {content[key]!r}, that of the weights is {metadata.get(key)!r}. {RESTORE}."
            )


def _difference(found: Any, expected: list[str]) -> str:
    """Say how a list of classes differs from that of the weights."""
    if not isinstance(found, list):
        return f"classes is {found!r:.60}, expected a list of names"
    missing = [name for name in expected if name not in found]
    unknown = [name for name in found if name not in expected]
    if missing or unknown or len(found) != len(expected):
        parts = [f"missing {', '.join(map(repr, missing))}"] * bool(missing)
        parts += [f"unknown {', '.join(map(repr, unknown))}"] * bool(unknown)
        return f"the classes are not those of the weights ({'; '.join(parts) or 'some are repeated'})"
    number = next(index for index, name in enumerate(expected) if found[index] != name)
    return (
        f"the classes are in another order than in the weights (number {number} is {found[number]!r}, in the weights "
        f"{expected[number]!r})"
    )
