"""Measure how time and memory scale: ten times the images, training images, epochs and seeds.

    python benchmarks/growth.py --csv benchmarks/growth.csv

Every line is a command in a separate process, with the peak of its resident memory (for the experiment, of its largest
process). The images are random, except those of the experiment, which does not affect time or memory. Each measurement
is repeated `--repeats` times, with alternating sizes.
"""

import argparse
import io
import json
import os
import platform
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy
import pandas
import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "workflow")]

from triptych.data.dataset import Split, save_split
from triptych.storage.files import sha256, write_table
from triptych.training.device import device_name

CLASSES = [str(number) for number in range(10)]
SMALL, LARGE = 1, 10
WATCH = """
import os, subprocess, sys
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
print(usage.ru_maxrss, usage.ru_utime + usage.ru_stime)
sys.exit(os.waitstatus_to_exitcode(status) and 1)
"""
"""Wait for a command, and print the peak memory of its largest process and the CPU seconds of all its processes. A
process inherits the peak of its parent, so the parent must be small."""


@dataclass(frozen=True)
class Usage:
    """The usage of a command: wall and CPU seconds, and peak memory in bytes."""

    seconds: float
    cpu_seconds: float
    peak: int


def usage(*call: object) -> Usage:
    """Run Python with these arguments."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow")}
    command = [sys.executable, *map(str, call)]
    clock = time.perf_counter()
    result = subprocess.run([sys.executable, "-c", WATCH, *command], stdout=subprocess.PIPE, text=True, env=environment)
    seconds = time.perf_counter() - clock
    if result.returncode:
        raise SystemExit(f"failed: {' '.join(command)}")
    peak, cpu_seconds = result.stdout.split()
    return Usage(seconds, float(cpu_seconds), int(peak) * (1 if sys.platform == "darwin" else 1024))


def cifar_archive(path: Path, images: int) -> Path:
    """Write random images in the layout of CIFAR-10's binary archive: five training files and a test file."""
    generator = numpy.random.default_rng(0)
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        parts = {"batches.meta.txt": ("\n".join(CLASSES) + "\n").encode()}
        for name in (*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"):
            records = generator.integers(0, 256, (images // 6, 3073), dtype=numpy.uint8)
            records[:, 0] = numpy.arange(len(records)) % 10
            parts[name] = records.tobytes()
        for name, content in parts.items():
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def prepare(folder: Path, factor: int) -> tuple[float, float]:
    images = 6_000 * factor
    archive = folder / f"{images}.tar.gz"
    if not archive.exists():
        cifar_archive(archive, images)
    outputs = [part for name in ("train", "validation", "test") for part in (f"--{name}", folder / f"{name}.st")]
    outputs += ["--index", folder / "index.csv", "--sizes", folder / "sizes.csv", "--left-out", folder / "left_out.csv"]
    outputs += ["--leaks", folder / "leaks.csv"]
    dataset = {"source": "cifar10", "expected_train": images // 6 * 5, "expected_test": images // 6}
    dataset |= {"sha256": sha256(archive), "validation_per_class": 0, "seed": 0}
    call = ["prepare-dataset", "--dataset", json.dumps(dataset), "--files", archive, *outputs]
    found = usage("-m", "triptych", *call)
    return found.seconds, found.peak


def train(folder: Path, images: int, epochs: int) -> tuple[float, float]:
    """Measure a training; the seconds are those of the training steps, without start-up."""
    generator = numpy.random.default_rng(0)
    for name, count in (("train", images), ("validation", 0), ("test", 100)):
        pixels = generator.integers(0, 256, (count, 32, 32, 3), dtype=numpy.uint8)
        save_split(folder / f"t_{name}.st", Split(pixels, numpy.arange(count) % 10, CLASSES))
    data = [part for name in ("train", "validation", "test") for part in (f"--{name}-data", folder / f"t_{name}.st")]
    recipe = {"epochs": epochs, "batch_size": 32, "learning_rate": 1e-4, "evaluation_batch_size": 256}
    recipe |= {"num_threads": 2, "device": "cpu", "precision": "float32", "channels_last": False, "train_images": None}
    run = {"architecture": "resnet18", "input-size": 32, "normalisation": "none", "seed": 0}
    run |= {"phases": json.dumps([{"trainable": "all", "batchnorm": "train"}]), "recipe": json.dumps(recipe)}
    options = [part for name, value in run.items() for part in (f"--{name}", value)]
    outputs = {"trained": "trained.st", "history": "history.csv", "predictions": "predictions.st", "cost": "cost.json"}
    options += [part for name, file in outputs.items() for part in (f"--{name}", folder / file)]
    peak = usage("-m", "triptych", "train", *data, *options).peak
    return json.loads((folder / "cost.json").read_text())["training_seconds"], peak


def experiment(folder: Path, seeds: int) -> tuple[float, float]:
    """Measure the default experiment for one epoch with several seeds, in Snakemake; in CPU seconds."""
    changed = {"digits": {"seeds": list(range(seeds)), "training": {"epochs": 1}}}
    with tempfile.TemporaryDirectory(dir=folder) as empty:
        where = ["--snakefile", ROOT / "Snakefile", "--directory", empty]
        options = ["--cores", 4, "--quiet", "all", "--config", f"experiments={json.dumps(changed)}"]
        found = usage("-m", "snakemake", *where, *options)
    return found.cpu_seconds, found.peak


WORK: dict[str, Callable[[Path, int], tuple[float, float]]] = {
    "prepare_dataset, 6,000 images of 32 px": prepare,
    "train, 640 images, 1 epoch: images": lambda folder, factor: train(folder, 640 * factor, 1),
    "train, 640 images, 1 epoch: epochs": lambda folder, factor: train(folder, 640, factor),
    "the default experiment, 1 epoch, 1 seed: seeds (CPU seconds)": experiment,
}


def main(arguments: list[str] | None = None) -> None:
    """Read the options, measure, print the table and write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--csv", type=Path, required=True)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", default="", help="only the lines that have this in their names")
    options = parser.parse_args(arguments)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for what, work in ((what, work) for what, work in WORK.items() if options.only in what):
            found = {SMALL: [], LARGE: []}
            for _ in range(options.repeats):
                for factor, values in found.items():
                    values.append(work(Path(folder), factor))
            seconds, peaks = (
                {factor: statistics.median(value[index] for value in values) for factor, values in found.items()}
                for index in (0, 1)
            )
            rows.append(
                {
                    "what": what,
                    "seconds": round(seconds[SMALL], 2),
                    "seconds_tenfold": round(seconds[LARGE], 2),
                    "ratio": round(seconds[LARGE] / seconds[SMALL], 2),
                    "peak_mib": round(peaks[SMALL] / 2**20),
                    "peak_mib_tenfold": round(peaks[LARGE] / 2**20),
                    "n": options.repeats,
                    "device": device_name(torch.device("cpu")),
                    "python": platform.python_version(),
                    "torch": torch.__version__,
                }
            )
            print(rows[-1], flush=True)
    write_table(options.csv, pandas.DataFrame(rows))


if __name__ == "__main__":
    main()
