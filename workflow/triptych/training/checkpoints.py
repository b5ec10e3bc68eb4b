"""Checkpoints: the complete state of a run, so that a resumed run ends with the same bytes as an uninterrupted one.

They are not declared outputs, because Snakemake deletes the outputs of a failed job. Two files are written in turn, so
that a previous checkpoint exists if the last one is corrupt. Each is named after a key, the digest of everything that
affects the result. So a checkpoint of other inputs, settings or code is never used.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy
import torch

from triptych.models.backbone import library_module
from triptych.storage.code_digest import PACKAGE, code_digest
from triptych.storage.errors import InputError
from triptych.storage.files import remove_stale_tempfiles, sha256
from triptych.storage.locks import held
from triptych.storage.tensors import load_metadata, load_tensors, save_tensors, tensors_sha256

SLOTS = ("a", "b")
CORRUPT_SUFFIX = ".damaged"
LEAST_SECONDS = 10.0
"""Epochs that end within this time of the last checkpoint write none: it may cost more than they do."""
SHARE_OF_RUNTIME = 1 / 4
"""The longest interval between checkpoints, as a share of the job's time limit. Without it, a run whose epochs take
longer than the limit would never finish, however often it is resumed."""


def run_key(command: str, architecture: str, files: Mapping[str, Path | None], settings: Mapping[str, Any]) -> str:
    """Return the digest of everything that affects a result, as 32 hexadecimal digits.

    Args:
        command: the module that computes it, such as `training.train`.
        architecture: the network; the module of its library is part of the code.
        files: the input files, by role.
        settings: everything else, as JSON values: the recipe and the name of the device.
    """
    affects = {
        "files": {name: sha256(path) if path else None for name, path in files.items()},
        "settings": dict(settings),
        "code": code_digest(f"{PACKAGE}.{command}", named=(library_module(architecture),)),
        "torch": torch.__version__,
    }
    return hashlib.sha256(json.dumps(affects, sort_keys=True).encode()).hexdigest()[:32]


class Checkpoints:
    """The checkpoints of one run.

    Args:
        folder: the folder of the files; with None, no checkpoint is written.
        key: the digest of everything that affects the result.
        minutes: the longest time between two checkpoints.
        runtime: the time limit of the job in minutes, as on a cluster; the time between two checkpoints is then at most
            a quarter of it.
    """

    def __init__(self, folder: Path | None, key: str, minutes: float, runtime: float | None = None):
        self.folder, self.key = folder, key
        self.minutes = minutes if runtime is None else min(minutes, SHARE_OF_RUNTIME * runtime)
        self.count = 0
        self.latest: dict[str, Any] | None = None
        """The state of the last checkpoint."""
        self.saved_at = time.monotonic()
        self.waited_for: Callable[[], bool] = lambda: False

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock of the run: a second process with the same run waits until the first one ends."""
        if self.folder is None:
            yield
            return
        with held(self.folder) as self.waited_for:
            yield

    def due(self) -> bool:
        """Whether the next checkpoint is due.

        Callers ask after each training step and each batch of feature extraction, but not during an evaluation. So the
        interval is longer than `minutes` if an evaluation takes longer.
        """
        return self._older_than(60 * self.minutes)

    def due_after_epoch(self) -> bool:
        """Whether the end of an epoch is worth a checkpoint: it is unless there was one within the last seconds.

        It always is if another process waits for the lock, which takes over this state.
        """
        return self._older_than(min(LEAST_SECONDS, 60 * self.minutes)) or self.waited_for()

    def _older_than(self, seconds: float) -> bool:
        """Whether the last checkpoint, or the start, is longer ago."""
        return self.folder is not None and time.monotonic() - self.saved_at > seconds

    def save(self, tensors: dict[str, numpy.ndarray], state: dict[str, Any]) -> None:
        """Write a checkpoint atomically. `state` holds JSON values."""
        if self.folder is None:
            return
        self.count += 1
        metadata = {"key": self.key, "count": self.count, "state": json.dumps(state)}
        save_tensors(
            self.folder / self._name(self.count), tensors, metadata | {"sha256": tensors_sha256(tensors, metadata)}
        )
        self.latest = state
        self.saved_at = time.monotonic()

    def load(self) -> tuple[dict[str, numpy.ndarray], dict[str, Any]] | None:
        """Return the newest intact checkpoint of this run, or None. Rename corrupt ones, and print which."""
        if self.folder is None or not self.folder.is_dir():
            return None
        found, corrupt = [], False
        for path in sorted(self.folder.glob(f"{self.key}-?.safetensors")):
            try:
                found.append(self._read(path))
            except (InputError, KeyError, TypeError, ValueError) as error:
                corrupt = True
                renamed = path.with_suffix(CORRUPT_SUFFIX)
                path.replace(renamed)
                print(f"{path}: the checkpoint is corrupt, renamed to {renamed.name} ({error})", flush=True)
        if not found:
            if corrupt:
                print(f"{self.folder}: no checkpoint is intact; starting from the beginning", flush=True)
            return None
        self.count, tensors, self.latest = max(found, key=lambda one: one[0])
        return tensors, self.latest

    def _read(self, path: Path) -> tuple[int, dict[str, numpy.ndarray], dict[str, Any]]:
        """Return the number, arrays and state of a checkpoint, once its checksum is verified."""
        metadata, tensors = load_metadata(path), load_tensors(path)
        expected = metadata.pop("sha256", None)
        if tensors_sha256(tensors, metadata) != expected:
            raise ValueError("checksum mismatch")
        if metadata["key"] != self.key:
            raise ValueError("it belongs to another run")
        return metadata["count"], tensors, json.loads(metadata["state"])

    def describe_last(self) -> str:
        """Describe the last checkpoint of a training, for error messages."""
        if self.latest is None:
            return "no checkpoint"
        return f"last checkpoint: epoch {self.latest['epoch']}, step {self.latest['step']}"

    def remove(self) -> None:
        """Delete all checkpoints in the folder, whatever their key, once the run has finished.

        If another process waits for the lock, leave them: it resumes from the last one and deletes them.
        """
        if self.folder is None or not self.folder.is_dir() or self.waited_for():
            return
        remove_stale_tempfiles(self.folder)
        for path in self.folder.glob("[!.]*"):  # hidden files may belong to another process if there are no locks
            path.unlink(missing_ok=True)
        with suppress(OSError):
            self.folder.rmdir()

    def _name(self, count: int) -> str:
        return f"{self.key}-{SLOTS[count % len(SLOTS)]}.safetensors"
