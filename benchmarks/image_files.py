"""Measure the commands that check and prepare image files of the user's own: time, memory, and what is done again.

    python benchmarks/image_files.py --output benchmarks/image-files-mine

The images are made: textures with the spectrum of photographs, each different. Every line is a command in a separate
process, from a cold start, with all checks on; only the operating system may hold the files in memory. CPU seconds are
those of all processes of the command, and say more than wall time where the machine does other work as well. Memory is
anonymous memory, summed over all processes of the command at each moment (10 times a second).
"""

import argparse
import functools
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy
import pandas
import PIL
import psutil
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "workflow")]

from triptych.storage.files import write_table, write_text

CLASSES = 5
STORE_SIZE = 256
DATASET = {"source": "folder", "fit": "crop", "background": "white", "value_range": None, "largest_megapixels": 100}
SPLITTING = {"validation": 0.15, "test": 0.15, "seed": 0, "policy": "stop"}
SMALL, LARGE, TINY = (500, 330), (4000, 3000), (24, 24)
FINE, COARSE = 90, 60
"""Qualities of JPEG files."""
GRAIN = 0.1
"""Of a camera's sensor: files are then as large as those of photographs of these sizes (about 45 KB, and 3 MB)."""
COUNTED = re.compile(r"images \(([\d,]+) decoded")


@dataclass(frozen=True)
class Measured:
    """The usage of a command: wall and CPU seconds, peak of its anonymous memory in bytes, images it decoded."""

    seconds: float
    cpu_seconds: float
    peak: int
    decoded: int


def texture(number: int, width: int, height: int) -> numpy.ndarray:
    """Return noise whose amplitude falls with the frequency, as that of photographs: uint8 [height, width, 3]."""
    generator = numpy.random.default_rng(number)
    total = numpy.zeros((height, width, 3), dtype=numpy.float32)
    side = 4
    while side < min(width, height) // 2:
        noise = generator.integers(0, 256, (side, side, 3), dtype=numpy.uint8)
        total += numpy.asarray(Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)) * (4 / side)
        side *= 2
    total += GRAIN * generator.integers(0, 256, (height, width, 1), dtype=numpy.uint8)
    low, high = total.min(), total.max()
    return ((total - low) / (high - low) * 255).astype(numpy.uint8)


def write_texture(task: tuple[Path, int, int, int, int]) -> None:
    """Write one texture. Large ones are one texture per process, shifted: each takes seconds to make."""
    path, number, width, height, quality = task
    if width * height > 1_000_000:
        pixels = numpy.roll(_large(width, height), (7 * number, 13 * number), (0, 1))
    else:
        pixels = texture(number, width, height)
    Image.fromarray(pixels).save(path, "JPEG", quality=quality)


@functools.cache
def _large(width: int, height: int) -> numpy.ndarray:
    return texture(0, width, height)


def write_textures(folder: Path, count: int, size: tuple[int, int], quality: int = FINE, first: int = 0) -> Path:
    """Write so many different textures into class folders, as JPEG files of this quality."""
    for label in range(CLASSES):
        (folder / f"class{label}").mkdir(parents=True, exist_ok=True)
    numbers = range(first, first + count)
    tasks = [(folder / f"class{number % CLASSES}" / f"{number}.jpg", number, *size, quality) for number in numbers]
    with get_context("spawn").Pool(os.cpu_count()) as pool:
        pool.map(write_texture, tasks, chunksize=8)
    return folder


def anonymous(process: psutil.Process) -> int:
    """Return the anonymous memory of a process and its children, in bytes."""
    total = 0
    for one in [process, *process.children(recursive=True)]:
        try:
            text = Path(f"/proc/{one.pid}/status").read_text()
        except OSError:
            continue
        found = re.search(r"^RssAnon:\s+(\d+) kB", text, re.M)
        total += 1024 * int(found.group(1)) if found else 0
    return total


def measured(*call: object) -> Measured:
    """Run a command of the package, and measure it.

    Raises:
        SystemExit: it failed.
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow")}
    command = [sys.executable, "-m", "triptych", *map(str, call)]
    before, clock = os.times(), time.perf_counter()
    peak = 0
    with tempfile.TemporaryFile("w+") as output, subprocess.Popen(command, stdout=output, env=environment) as process:
        while process.poll() is None:
            with suppress(psutil.NoSuchProcess):
                peak = max(peak, anonymous(psutil.Process(process.pid)))
            time.sleep(0.1)
        seconds, after = time.perf_counter() - clock, os.times()
        output.seek(0)
        found = COUNTED.search(output.read())
    if process.returncode:
        raise SystemExit(f"failed: {' '.join(command)}")
    cpu_seconds = after.children_user + after.children_system - before.children_user - before.children_system
    return Measured(seconds, cpu_seconds, peak, int(found.group(1).replace(",", "")) if found else 0)


@dataclass(frozen=True)
class Place:
    """Where one data set is and goes to."""

    folder: Path
    store_size: int = STORE_SIZE

    @property
    def photos(self) -> Path:
        return self.folder / "photos"

    def _options(self, **dataset: object) -> list[object]:
        settings = {**DATASET, "store_size": self.store_size, **dataset}
        return ["--dataset", json.dumps(settings), "--path", self.photos, "--cache", self.folder / "images"]

    def _files(self, *names: str) -> list[object]:
        return [part for name in names for part in (f"--{name.split('.')[0]}", self.folder / name)]

    def check(self, threads: int) -> Measured:
        """Measure check-data."""
        outputs = self._files("listing.json", "images.csv", "problems.csv", "ignored.csv")
        return measured("check-data", *self._options(), "--asked", "x", "--num-threads", threads, *outputs)

    def prepare(self, threads: int) -> Measured:
        """Measure prepare-dataset."""
        files = self._files("images.csv", "problems.csv", "train.st", "validation.st", "test.st", "index.csv")
        files += [*self._files("sizes.csv"), "--left-out", self.folder / "left_out.csv"]
        files += self._files("leaks.csv")
        return measured("prepare-dataset", *self._options(**SPLITTING), "--num-threads", threads, *files)


def row(what: str, images: int, threads: int, found: Measured) -> dict[str, object]:
    """Return a line of the table."""
    return {
        "what": what,
        "images": images,
        "threads": threads,
        "seconds": round(found.seconds, 2),
        "cpu_seconds": round(found.cpu_seconds, 2),
        "images_per_second_and_core": round(images / found.seconds / threads, 1),
        "images_per_cpu_second": round(images / found.cpu_seconds, 1),
        "peak_anonymous_mib": round(found.peak / 2**20),
        "decoded": found.decoded,
    }


def measure(folder: Path, small: int, large: int, many: int) -> list[dict[str, object]]:
    """Measure everything; print each line as it comes."""
    rows: list[dict[str, object]] = []

    def add(what: str, images: int, threads: int, found: Measured) -> None:
        rows.append(row(what, images, threads, found))
        print(rows[-1], flush=True)

    for of_size, count, size, quality in (
        ("500 x 330", small, SMALL, FINE),
        ("12 megapixels", large, LARGE, FINE),
        ("12 megapixels", large, LARGE, COARSE),
    ):
        place = Place(folder / f"{size[0]}-{quality}")
        write_textures(place.photos, count, size, quality)
        name = f"{of_size}, {megabytes(place.photos):.2g} MB"
        for threads in (1, 2):
            shutil.rmtree(place.folder / "images", ignore_errors=True)
            add(f"check-data, {name}", count, threads, place.check(threads))
        if size == SMALL:
            write_textures(place.photos, 1, size, first=count)
            add("check-data, one image added", count + 1, 2, place.check(2))
            add("prepare-dataset", count + 1, 2, place.prepare(2))
            shutil.rmtree(place.folder / "images")
            add("prepare-dataset, cache deleted", count + 1, 2, place.prepare(2))
        shutil.rmtree(place.folder)
    place = Place(folder / "many", store_size=32)
    write_textures(place.photos, many, TINY)
    add("check-data, 24 x 24, stored with 32 px", many, 2, place.check(2))
    add("prepare-dataset, 24 x 24, stored with 32 px", many, 2, place.prepare(2))
    return rows


def megabytes(folder: Path) -> float:
    """Return the mean size of the files in class folders, in MB."""
    return statistics.mean(path.stat().st_size for path in folder.glob("*/*")) / 1e6


def main(arguments: list[str] | None = None) -> None:
    """Read the options, measure, and write the table as CSV and Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", required=True, help="without an ending")
    parser.add_argument("--small", type=int, default=3_000, help="images of 500 x 330 (default: 3,000)")
    parser.add_argument("--large", type=int, default=300, help="images of 12 megapixels, twice (default: 300)")
    parser.add_argument("--many", type=int, default=100_000, help="images of 24 x 24 (default: 100,000)")
    options = parser.parse_args(arguments)
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        table = pandas.DataFrame(measure(Path(folder), options.small, options.large, options.many))
    write_table(Path(f"{options.output}.csv"), table)
    write_text(Path(f"{options.output}.md"), in_words(table, load))


def in_words(table: pandas.DataFrame, load: float) -> str:
    """Return the table as Markdown, with the machine and the versions."""
    machine = (
        f"{platform.machine()}, {os.cpu_count()} cores; Python {platform.python_version()}, Pillow {PIL.__version__}"
    )
    lines = ["# Image files, measured", "", f"{machine}. Load of the machine before: {load:.1f} processes.", ""]
    lines.append("| what | images | threads | wall s | CPU s | images/s and core | images/CPU s | MiB | decoded |")
    lines.append("|---|---|---|---|---|---|---|---|---|")
    lines += [
        "| " + " | ".join(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in cells) + " |"
        for cells in table.astype(object).itertuples(index=False)
    ]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()
