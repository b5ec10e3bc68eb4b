"""Compare an experiment's folder with its manifest."""

import json
from pathlib import Path, PurePosixPath
from typing import Any

from triptych.report.provenance import file_record
from triptych.report.write_manifest import FORMAT, partial_files
from triptych.storage.errors import InputError
from triptych.storage.files import read_text

MANIFEST = "manifest.json"


def verify(folder: Path) -> None:
    """Compare every file of a finished experiment with the checksums of its manifest.

    The files of a partial report are counted, not compared: it is made while runs are missing, and no manifest lists
    them. Links to folders are not followed.

    Args:
        folder: of the experiment, as results/digits.

    Raises:
        InputError: a file is changed, missing, or not in the manifest (each is named; a link, a pipe or a device
            counts as a file); or there is no manifest that can be read.
    """
    if not (folder / MANIFEST).is_file():
        raise InputError(
            f"{folder}: there is no {MANIFEST}, which is written last; give the folder of a finished experiment, as "
            "results/digits."
        )
    listed = read_manifest(folder / MANIFEST)
    found = {
        path.relative_to(folder).as_posix(): path.is_file()
        for path in folder.rglob("*")
        if path.is_symlink() or not path.is_dir()
    }
    partial = partial_files(folder)
    there = {name for name, is_file in found.items() if is_file}
    differences = [f"missing: {name}" for name in sorted(listed.keys() - there)]
    for name in sorted(listed.keys() & there):
        record, now = listed[name], file_record(folder / name)
        if now != record:
            differences.append(f"changed: {name} ({_in_short(now)}; the manifest has {_in_short(record)})")
    added = found.keys() - listed.keys() - {MANIFEST, *partial}
    differences += [_added(folder, name) for name in sorted(added)]
    if differences:
        raise InputError(
            f"{folder}: {len(differences)} of {len(listed.keys() | added)} files differ from {MANIFEST}\n  "
            + "\n  ".join(differences)
        )
    print(f"{folder}: all {len(listed)} files are as {MANIFEST} says", flush=True)
    if partial:
        print(f"{folder}: {len(partial)} files of a partial report are not in {MANIFEST}, so not compared", flush=True)


def read_manifest(path: Path) -> dict[str, dict[str, Any]]:
    """The checksum and the size of each file that a manifest lists, by its path in the folder.

    Raises:
        InputError: it is missing, or is no manifest of this format.
    """
    try:
        manifest = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not readable JSON ({error})") from None
    if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), dict):
        raise InputError(f"{path}: no manifest: it has no files")
    if manifest.get("format") != FORMAT:
        raise InputError(f"{path}: a manifest of the format {manifest.get('format')!r:.60}; known is {FORMAT}")
    listed = {}
    for name, record in manifest["files"].items():
        inside = PurePosixPath(name)
        if not inside.parts or inside.is_absolute() or ".." in inside.parts or "\0" in name:
            raise InputError(f"{path}: {name!r:.200} is not a path inside the folder")
        if not isinstance(record, dict) or not {"sha256", "bytes"} <= record.keys():
            raise InputError(f"{path}: no checksum and size of {name!r:.200}")
        listed[name] = {key: record[key] for key in ("sha256", "bytes")}
    return listed


def _added(folder: Path, name: str) -> str:
    """The line that names an entry of the folder which is not in the manifest."""
    path = folder / name
    kind = "" if path.is_file() else " (a dangling link)" if not path.exists() else " (not a regular file)"
    return f"not in the manifest: {name!r}"[:300] + kind


def _in_short(record: dict[str, Any]) -> str:
    return f"{record['bytes']} bytes, sha256 {str(record['sha256'])[:12]}"
