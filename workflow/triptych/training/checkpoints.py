"""Checkpoints: everything that the rest of a training depends on, so that a killed one ends in the same bytes.

They lie outside the declared outputs, which Snakemake deletes when a job fails. Two files are written in turn, so that
there is one before the last. Each is named after a key, the digest of all that decides the result: a checkpoint of
other inputs, settings or code is never used.
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
from triptych.storage.files import remove_remains, sha256
from triptych.storage.locks import held
from triptych.storage.tensors import load_metadata, load_tensors, save_tensors, tensors_sha256

SLOTS = ("a", "b")
DAMAGED = "damaged"
SHARE_OF_RUNTIME = 1 / 4
"""A job that is ended after its run time, and started again, must have written a checkpoint before: where an epoch
takes longer than that, it would else never come to its end."""


def run_key(command: str, architecture: str, files: Mapping[str, Path | None], settings: Mapping[str, Any]) -> str:
    """The digest of everything that decides a result, as hexadecimal digits.

    Args:
        command: the module whose code makes it, such as `training.train`.
        architecture: the network, whose library's module is part of the code.
        files: those that are read, each by what it is for.
        settings: everything else, as JSON can hold it: the recipe, and the device by its name.
    """
    decides = {
        "files": {name: sha256(path) if path else None for name, path in files.items()},
        "settings": dict(settings),
        "code": code_digest(f"{PACKAGE}.{command}", named=(library_module(architecture),)),
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
        self.waited_for: Callable[[], bool] = lambda: False

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run's lock: a second process that makes the same run waits for the first to end."""
        if self.folder is None:
            yield
            return
        with held(self.folder) as self.waited_for:
            yield

    def due(self) -> bool:
        """Whether the last one is so old that the next is due.

        It is asked after each step of training and each batch of extraction. An evaluation is never interrupted: where
        one takes longer than `minutes`, so does the way to the next checkpoint.
        """
        return self.folder is not None and time.monotonic() - self.saved_at > 60 * self.minutes

    def save(self, tensors: dict[str, numpy.ndarray], state: dict[str, Any]) -> None:
        """Write one, whole or not at all. `state` is what JSON can hold."""
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
        """The newest whole one of this run; None if there is none. A damaged one is named and set aside."""
        if self.folder is None or not self.folder.is_dir():
            return None
        found, damaged = [], False
        for path in sorted(self.folder.glob(f"{self.key}-?.safetensors")):
            try:
                found.append(self._read(path))
            except (InputError, KeyError, TypeError, ValueError) as error:
                damaged = True
                aside = path.with_suffix(f".{DAMAGED}")
                path.replace(aside)
                print(f"{path}: a damaged checkpoint, set aside as {aside.name} ({error})", flush=True)
        if not found:
            if damaged:
                print(f"{self.folder}: no checkpoint is whole; starting from the beginning", flush=True)
            return None
        self.count, tensors, self.latest = max(found, key=lambda one: one[0])
        return tensors, self.latest

    def _read(self, path: Path) -> tuple[int, dict[str, numpy.ndarray], dict[str, Any]]:
        """The number, the arrays and the state of a checkpoint, after its checksum was compared."""
        metadata, tensors = load_metadata(path), load_tensors(path)
        expected = metadata.pop("sha256", None)
        if tensors_sha256(tensors, metadata) != expected:
            raise ValueError("its content is not what was written")
        if metadata["key"] != self.key:
            raise ValueError("it is of another run")
        return metadata["count"], tensors, json.loads(metadata["state"])

    def last_good(self) -> str:
        """Which checkpoint of a training is the newest, in words."""
        if self.latest is None:
            return "there is no checkpoint"
        return f"the last good checkpoint is of epoch {self.latest['epoch']}, step {self.latest['step']}"

    def remove(self) -> None:
        """Delete them all, of whatever key: the run is done.

        A process that waits to make the same run is left them: it goes on from the last, and deletes them.
        """
        if self.folder is None or not self.folder.is_dir() or self.waited_for():
            return
        remove_remains(self.folder)
        for path in self.folder.glob("[!.]*"):  # not what another process may be writing, where there are no locks
            path.unlink(missing_ok=True)
        with suppress(OSError):
            self.folder.rmdir()

    def _name(self, count: int) -> str:
        return f"{self.key}-{SLOTS[count % len(SLOTS)]}.safetensors"
