"""Measure the commands that check and prepare image files of the user's own: time, memory, and what is done again.

    python benchmarks/image_files.py --output benchmarks/image-files-mine

The images are made: textures with the spectrum of photographs, each different. Every line is a command in a separate
process, from a cold start, with all checks on; only the operating system may hold the files in memory. CPU seconds are
those of all processes of the command, and say more than wall time where the machine does other work as well. Memory is
anonymous memory, summed over all processes of the command at each moment (10 times a second).
"""

import argparse
import io
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing import Pool
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
DATASET = {"source": "folder", "store_size": STORE_SIZE, "fit": "crop", "background": "white", "value_range": None}
DATASET |= {"largest_megapixels": 100}
SPLITTING = {"validation": 0.15, "test": 0.15, "seed": 0, "policy": "stop"}
SMALL, LARGE, TINY = (500, 330), (4000, 3000), (64, 64)
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


def texture(number: int, width: int, height: int) -> bytes:
    """Return a JPEG file (quality 90) of noise whose amplitude falls with the frequency, as that of photographs."""
    generator = numpy.random.default_rng(number)
    total = numpy.zeros((height, width, 3), dtype=numpy.float32)
    side = 4
    while side < min(width, height) // 2:
        noise = generator.integers(0, 256, (side, side, 3), dtype=numpy.uint8)
        total += numpy.asarray(Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)) * (4 / side)
        side *= 2
    total += GRAIN * generator.integers(0, 256, (height, width, 1), dtype=numpy.uint8)
    low, high = total.min(), total.max()
    content = io.BytesIO()
    Image.fromarray(((total - low) / (high - low) * 255).astype(numpy.uint8)).save(content, "JPEG", quality=90)
    return content.getvalue()


def write_texture(task: tuple[Path, int, int, int]) -> None:
    """Write one texture."""
    path, number, width, height = task
    path.write_bytes(texture(number, width, height))


def write_textures(folder: Path, count: int, size: tuple[int, int], first: int = 0) -> Path:
    """Write so many different textures into class folders."""
    for label in range(CLASSES):
        (folder / f"class{label}").mkdir(parents=True, exist_ok=True)
    numbers = range(first, first + count)
    tasks = [(folder / f"class{number % CLASSES}" / f"{number}.jpg", number, *size) for number in numbers]
    with Pool(os.cpu_count()) as pool:
        pool.map(write_texture, tasks, chunksize=16)
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
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    output: list[str] = []
    reader = threading.Thread(target=lambda: output.append(process.stdout.read() if process.stdout else ""))
    reader.start()
    peak = 0
    while process.poll() is None:
        try:
            peak = max(peak, anonymous(psutil.Process(process.pid)))
        except psutil.NoSuchProcess:
            break
        time.sleep(0.1)
    seconds, after = time.perf_counter() - clock, os.times()
    reader.join()
    if process.wait():
        raise SystemExit(f"failed: {' '.join(command)}")
    cpu_seconds = after.children_user + after.children_system - before.children_user - before.children_system
    found = COUNTED.search(output[0])
    return Measured(seconds, cpu_seconds, peak, int(found.group(1).replace(",", "")) if found else 0)
