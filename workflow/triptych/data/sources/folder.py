"""A stub until the source folder is read."""

from pathlib import Path

from triptych.data.found import Found


def found(path: Path) -> Found:
    """Not there yet."""
    raise NotImplementedError(path)
