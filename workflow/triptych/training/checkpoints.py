"""Checkpoints: everything that the rest of a training depends on, so that a killed one ends in the same bytes.

They lie outside the declared outputs, which Snakemake deletes when a job fails. Two files are written in turn, so that
there is one before the last. Each is named after a key, the digest of all that decides the result: a checkpoint of
other inputs, settings or code is never used.
"""

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy
import torch

from triptych.code_digest import PACKAGE, code_digest
from triptych.errors import InputError
from triptych.files import sha256
from triptych.locks import held
from triptych.tensors import load_metadata, load_tensors, save_tensors

SLOTS = ("a", "b")
DAMAGED = "damaged"
SHARE_OF_RUNTIME = 1 / 4
"""A job that is ended after its run time, and started again, must have written a checkpoint before: where an epoch
takes longer than that, it would else never come to its end."""


def run_key(command: str, files: Mapping[str, Path | None], settings: Mapping[str, Any]) -> str:
    """The digest of everything that decides a result, as hexadecimal digits.

    Args:
        command: the module whose code makes it, such as `training.train`.
        files: those that are read, each by what it is for.
        settings: everything else, as JSON can hold it: the recipe, and the device by its name.
    """
    decides = {
        "files": {name: sha256(path) if path else None for name, path in files.items()},
        "settings": dict(settings),
        "code": code_digest(f"{PACKAGE}.{command}"),
        "torch": torch.__version__,
    }
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:32]


class Checkpoints:
    """The checkpoints of one run.

    Args:
        folder: where they lie; None keeps none.
        key: the digest of everything that decides the result.
        minutes: the longest time between two of them, for `due`.
        runtime: minutes after which the job is ended, as on a cluster; two are then at most a quarter of that apart.
    """

    def __init__(self, folder: Path | None, key: str, minutes: float, runtime: float | None = None):
        self.folder, self.key = folder, key
        self.minutes = minutes if runtime is None else min(minutes, SHARE_OF_RUNTIME * runtime)
        self.count = 0
        self.latest: dict[str, Any] | None = None
        """The state in the newest one."""
        self.saved_at = time.monotonic()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run's lock: a second process that makes the same run waits for the first to end."""
        if self.folder is None:
            yield
            return
        with held(self.folder):
            yield

    def due(self) -> bool:
        """Whether the last one is so old that the next is due."""
        return self.folder is not None and time.monotonic() - self.saved_at > 60 * self.minutes

    def save(self, tensors: dict[str, numpy.ndarray], state: dict[str, Any]) -> None:
        """Write one, whole or not at all. `state` is what JSON can hold."""
        if self.folder is None:
            return
        self.count += 1
        metadata = {"key": self.key, "count": self.count, "state": json.dumps(state)}
        save_tensors(self._place(self.count), tensors, metadata)
        self.latest = state
        self.saved_at = time.monotonic()

    def load(self) -> tuple[dict[str, numpy.ndarray], dict[str, Any]] | None:
        """The newest whole one of this run; None if there is none. One that cannot be read is named and set aside."""
        if self.folder is None or not self.folder.is_dir():
            return None
        found = []
        for path in sorted(self.folder.glob(f"{self.key}-?.safetensors")):
            try:
                metadata = load_metadata(path)
                found.append((metadata["count"], load_tensors(path), json.loads(metadata["state"])))
            except (InputError, KeyError, ValueError) as error:
                aside = path.with_suffix(f".{DAMAGED}")
                path.replace(aside)
                print(f"{path}: a damaged checkpoint, set aside as {aside.name} ({error})", flush=True)
        if not found:
            return None
        self.count, tensors, self.latest = max(found, key=lambda one: one[0])
        return tensors, self.latest

    def last_good(self) -> str:
        """Which checkpoint of a training is the newest, in words."""
        if self.latest is None:
            return "there is no checkpoint"
        return f"the last good checkpoint is of epoch {self.latest['epoch']}, step {self.latest['step']}"

    def remove(self) -> None:
        """Delete them all, of whatever key: the run is done."""
        if self.folder is None or not self.folder.is_dir():
            return
        for path in self.folder.iterdir():
            path.unlink()
        self.folder.rmdir()

    def _place(self, count: int) -> Path:
        return self.folder / f"{self.key}-{SLOTS[count % len(SLOTS)]}.safetensors"
