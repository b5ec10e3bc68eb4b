"""Decoded images of the user's files: from the cache, or decoded again where they are missing there."""

import hashlib
from pathlib import Path
from threading import Lock

import numpy

from triptych.data.cache import Cache, Stored
from triptych.data.file_check import read_unchanged
from triptych.data.source import file_source_of
from triptych.storage.errors import InputError

Named = tuple[str, str]
"""Path and SHA-256 of a file."""


class Originals:
    """The images of files: from the cache, and from the user's files where they are missing there."""

    def __init__(self, source: str, path: Path, cache: Cache) -> None:
        self.source, self.path, self.cache = source, path, cache
        self.lock = Lock()
        self.files: dict[str, Path] = {}

    def pixels(self, named: Named) -> numpy.ndarray:
        """Return the stored pixels, uint8 [S, S, 3], of a file.

        Raises:
            InputError: they are neither in the cache nor, unchanged, at its path.
        """
        path, sha256 = named
        stored = self.cache.load(sha256)
        return (self._decoded(path, sha256) if stored is None else stored).pixels

    def grey(self, named: Named) -> numpy.ndarray:
        """Return the grey rendition, uint8 [64, 64], of a file.

        Raises:
            InputError: as `pixels`.
        """
        path, sha256 = named
        grey = self.cache.grey(sha256)
        return self._decoded(path, sha256).grey if grey is None else grey

    def check(self) -> None:
        """Find the files, once.

        Raises:
            InputError: there are none.
        """
        with self.lock:
            if self.files:
                return
            if self.path.exists():
                self.files = {item.path: item.file for item in file_source_of(self.source).found(self.path).items}
            if not self.files:
                raise InputError(
                    f"{self.path}: the images are gone, and decoded images of them are missing in {self.cache.folder}. "
                    "Restore the images, then rerun."
                )

    def _decoded(self, path: str, sha256: str) -> Stored:
        self.check()
        try:
            content = read_unchanged(self.files[path]) if path in self.files else None
        except OSError:
            content = None
        if content is None or hashlib.sha256(content).hexdigest() != sha256:
            raise InputError(
                f"{self.path}: {path} was changed or removed since it was checked, and its decoded image is missing in "
                f"{self.cache.folder}. Rerun: the files are checked again."
            )
        return self.cache.add(content, sha256)
