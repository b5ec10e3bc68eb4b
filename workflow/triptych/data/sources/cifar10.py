"""CIFAR-10 (10 classes), from the official binary archive."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from triptych.data.cifar import Layout, read_archive
from triptych.data.source import SourceImages

LAYOUT = Layout(
    name="CIFAR-10",
    train=tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
    test=("test_batch.bin",),
    names="batches.meta.txt",
    labels=(10,),
)


def read(settings: Mapping[str, Any], files: Sequence[Path]) -> SourceImages:
    """Return all images. See `triptych.data.cifar.read_archive`."""
    return read_archive(LAYOUT, settings, files)
