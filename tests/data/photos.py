"""Folders of small photographs, and the commands that check and prepare them."""

import io
import json
from pathlib import Path

import numpy
from PIL import Image

from triptych.data.check_data import check_data
from triptych.data.find_duplicates import find_duplicates
from triptych.data.prepare_dataset import prepare_dataset
from triptych.data.stratify import SPLITS

SIZE = 16
CHECKING = {
    "source": "folder",
    "store_size": SIZE,
    "fit": "crop",
    "background": "white",
    "value_range": None,
    "largest_megapixels": 100,
}
SPLITTING = {"validation": 0.25, "test": 0.25, "seed": 0, "policy": "stop"}
TABLES = ("images", "problems", "ignored")
SHARED = Path(__file__).parents[3] / "shared" / "data"
"""Of the developers; tests that need it skip where it is missing."""


def photograph(number: int, width: int = 40, height: int = 30) -> bytes:
    """A JPEG file with its own content for each number."""
    generator = numpy.random.default_rng(number)
    coarse = generator.integers(0, 256, (6, 8, 3), dtype=numpy.uint8)
    content = io.BytesIO()
    Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).save(content, "JPEG", quality=90)
    return content.getvalue()


def tree(folder: Path, counts: dict[str, int], start: int = 0, **sizes: int) -> Path:
    """Write so many photographs of each class, `<class>/<number>.jpg`."""
    number = start
    for label, count in counts.items():
        (folder / label).mkdir(parents=True, exist_ok=True)
        for _ in range(count):
            (folder / label / f"{number:04d}.jpg").write_bytes(photograph(number, **sizes))
            number += 1
    return folder


def check_options(path: Path, out: Path, cache: Path, num_threads: int = 1, **changes: object) -> dict[str, object]:
    """The options of check-data."""
    outputs = {name: out / f"{name}.csv" for name in TABLES} | {"listing": out / "listing.json"}
    options = {"dataset": json.dumps(CHECKING | changes), "path": path, "asked": "asked", "cache": cache}
    return options | {"num_threads": num_threads} | outputs


def prepare_options(path: Path, out: Path, cache: Path, num_threads: int = 1, **changes: object) -> dict[str, object]:
    """The options of prepare-dataset, for what `check_options` wrote to `out`."""
    outputs = {split: out / f"{split}.safetensors" for split in SPLITS}
    outputs |= {name: out / f"{name}.csv" for name in ("index", "sizes", "left_out", "leaks")}
    inputs = {name: out / f"{name}.csv" for name in ("images", "problems")}
    options = {"dataset": json.dumps(CHECKING | SPLITTING | changes), "path": path, "cache": cache}
    return options | {"num_threads": num_threads, "report": out / "report.html"} | inputs | outputs


def check(path: Path, out: Path, cache: Path, **changes) -> Path:
    check_data(**check_options(path, out, cache, **changes))
    return out


def prepare(path: Path, out: Path, cache: Path, **changes) -> Path:
    prepare_dataset(**prepare_options(path, out, cache, **changes))
    return out


def find_options(path: Path, out: Path, cache: Path, setting: str = "group", **changes: object) -> dict[str, object]:
    """The options of find-duplicates, for what `check_options` wrote to `out`."""
    outputs = {"images": out / "images.csv", "pairs": out / "pairs.csv", "duplicates": out / "duplicates.json"}
    options = {"dataset": json.dumps(CHECKING | changes), "near_duplicates": setting, "path": path, "cache": cache}
    return options | {"num_threads": 1} | outputs


def find(path: Path, out: Path, cache: Path, setting: str = "group", **changes: object) -> Path:
    find_duplicates(**find_options(path, out, cache, setting, **changes))
    return out


def contents(folder: Path, pattern: str = "*") -> dict[str, bytes]:
    """The bytes of each file in a folder."""
    return {path.name: path.read_bytes() for path in sorted(folder.glob(pattern)) if path.is_file()}
