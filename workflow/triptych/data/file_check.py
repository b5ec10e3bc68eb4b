"""Check one file: read it once, and decode it into the cache. This runs in processes of its own, without pandas."""

import hashlib
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from triptych.data.cache import COLUMNS, Cache
from triptych.data.decoding import Undecodable
from triptych.data.user_files import LARGEST_FILE, open_untouched

TRIES = 3
"""To read a file that changes meanwhile."""


class TooLargeError(OSError):
    """A file has more than `LARGEST_FILE` bytes."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of a file.

    Attributes:
        number: of the item in `Found.items`.
        sha256: of its content; "" if it could not be read.
        facts: the values of `triptych.data.cache.COLUMNS`; None if it cannot be used.
        problem, remedy: what is wrong, and what to do.
        was_decoded: it was not in the cache.
    """

    number: int
    sha256: str
    facts: tuple[Any, ...] | None = None
    problem: str = ""
    remedy: str = ""
    was_decoded: bool = False


@dataclass(frozen=True)
class FileCheck:
    """The check of one file. It is sent to other processes."""

    cache: Cache

    def __call__(self, numbered: tuple[int, str]) -> Checked:
        """Read a file once, and decode it or find it in the cache.

        Raises:
            OSError: the cache cannot be read or written.
        """
        number, file = numbered
        try:
            content = read_unchanged(Path(file))
        except TooLargeError as error:
            return Checked(number, "", problem=str(error), remedy="make it smaller, or remove it")
        except OSError as error:
            problem = f"cannot be read ({error.strerror or error})"
            return Checked(number, "", problem=problem, remedy="allow reading it, or remove it")
        except MemoryError:
            return Checked(number, "", problem="larger than the free memory", remedy="make it smaller, or remove it")
        if content is None:
            remedy = "wait until nothing writes to it, then rerun"
            return Checked(number, "", problem="changed while it was read", remedy=remedy)
        sha256 = hashlib.sha256(content).hexdigest()
        facts = self.cache.facts(sha256)
        was_there = facts is not None
        try:
            facts = facts or self.cache.add(content, sha256).facts
        except Undecodable as error:
            return Checked(number, sha256, problem=error.problem, remedy=error.remedy)
        except MemoryError:
            problem = "decoding it needs more memory than is free"
            return Checked(number, sha256, problem=problem, remedy="make it smaller, or remove it")
        return Checked(number, sha256, tuple(facts[name] for name in COLUMNS), was_decoded=not was_there)


def read_unchanged(file: Path) -> bytes | None:
    """Read a file; return None if it changes each time while it is read.

    Raises:
        TooLargeError: it has more than `LARGEST_FILE` bytes.
        OSError: it cannot be read.
    """
    for attempt in range(TRIES):
        time.sleep(0.1 * attempt)
        with open_untouched(file) as opened:
            before = os.fstat(opened.fileno())
            if before.st_size > LARGEST_FILE:
                raise TooLargeError(f"has {before.st_size / 1e9:,.1f} GB, more than {LARGEST_FILE / 1e9:,.0f} GB")
            content = opened.read()
            after = os.fstat(opened.fileno())
        if (len(content), before.st_mtime_ns) == (after.st_size, after.st_mtime_ns):
            return content
    return None
