"""CIFAR-100 (100 fine labels), from the official binary archive."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from triptych.data.cifar import Layout, read_archive
from triptych.data.source import SourceImages

LAYOUT = Layout(
    name="CIFAR-100",
    train=("train.bin",),
    test=("test.bin",),
    names="fine_label_names.txt",
    labels=(20, 100),
)


def read(settings: Mapping[str, Any], files: Sequence[Path]) -> SourceImages:
    """Return all images. See `triptych.data.cifar.read_archive`."""
    return read_archive(LAYOUT, settings, files)
