"""Set what `triptych estimate` says beside what `triptych run` then takes: time, memory and disk.

    python benchmarks/estimate.py --output benchmarks/estimate-mine

Each configuration is estimated in an empty folder, run, and estimated again in another one: where the two estimates
differ, the machine did other work meanwhile. Their mean counts. `--images` and `--weights` add
configurations on a folder of images with a weights file of ResNet-18, so that nothing is downloaded. The ratio is
estimate over reality; 0.75 to 1.25 is aimed at. Memory is the largest resident set of a training, times the trainings
that run at once; disk is looked at twice a second.
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas
import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "workflow")]

from triptych.console.estimate import Estimate, estimated
from triptych.console.machine import cores
from triptych.console.target import read_target
from triptych.storage.files import sha256, write_table, write_text

AIM = (0.75, 1.25)
RANDOM = {"weights": "random", "train": "all"}
DIGITS = {"source": "digits", "train_per_class": 20, "validation_per_class": 20, "test_per_class": 40}
SMALL = {"dataset": DIGITS, "model": {"architecture": "resnet18", "input_size": 24}, "arms": {"scratch": RANDOM}}
ONE = {"device": "cpu", "num_threads": 1, "epochs": 4, "batch_size": 16}
TWO = {**ONE, "num_threads": 2}

CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "one-run": {**SMALL, "training": ONE},
    "many-epochs": {**SMALL, "training": {**ONE, "epochs": 20}},
    "two-threads": {**SMALL, "training": {**TWO, "epochs": 10}, "seeds": [0, 1]},
    "three-seeds": {**SMALL, "training": ONE, "seeds": [0, 1, 2]},
    "head-too": {**SMALL, "training": ONE, "arms": {"scratch": RANDOM, "head": {**RANDOM, "train": "head"}}},
    "larger-images": {
        **SMALL, "training": {**TWO, "epochs": 3}, "model": {"architecture": "resnet18", "input_size": 64},
    },
    "other-network": {
        **SMALL, "training": TWO, "model": {"architecture": "mobilenet_v3_small", "input_size": 64}, "seeds": [0, 1],
    },
    "letters": {
        **SMALL, "training": ONE, "weights": {"source": "letters", "train_images": 2000, "epochs": 1},
        "arms": {"scratch": RANDOM, "finetune": {"weights": "pretrained", "train": "all"}},
    },
}  # fmt: skip


@dataclass(frozen=True)
class Real:
    """What a run took: wall seconds, and bytes of memory of its largest training and of the disk, at most."""

    seconds: float
    memory: int
    disk: int


def of_images(images: Path, weights: Path) -> dict[str, dict[str, Any]]:
    """Return configurations on a folder of images with a weights file of ResNet-18."""
    given = {"source": "torchvision", "path": str(weights.resolve()), "sha256": sha256(weights)}
    base = {"dataset": {"source": "folder", "path": str(images.resolve())}, "weights": given, "seeds": [0, 1]}
    training = {"epochs": 3, "device": "cpu", "num_threads": 2}
    return {
        "images-64": {**base, "model": {"input_size": 64}, "training": training},
        "images-96-fast": {
            **base,
            "model": {"input_size": 96},
            "training": {**training, "channels_last": True, "fused_optimizer": True},
        },
    }


def real(folder: Path, name: str) -> Real:
    """Run a configuration in a folder."""
    clock = time.perf_counter()
    with watched(folder) as sizes:
        done = subprocess.run(
            [sys.executable, "-m", "triptych.console", "run", f"{name}.yaml"],
            cwd=folder,
            capture_output=True,
            text=True,
        )
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    seconds = time.perf_counter() - clock
    tables = [pandas.read_csv(path, sep="\t") for path in (folder / "logs/benchmarks/train").rglob("*.tsv")]
    memory = max(pandas.to_numeric(table["max_rss"], errors="coerce").max() for table in tables)
    return Real(seconds, round(memory * 2**20), max(sizes))


@contextmanager
def watched(folder: Path) -> Iterator[list[int]]:
    """Collect the bytes of all files in a folder, twice a second, while the block runs."""
    sizes, ends = [0], threading.Event()

    def watch() -> None:
        while not ends.wait(0.5):
            sizes.append(bytes_in(folder))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield sizes
    finally:
        ends.set()
        thread.join()


def bytes_in(folder: Path) -> int:
    """Return the bytes that the files in a folder take on the disk. A file may vanish meanwhile."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(place, name)).st_blocks * 512  # noqa: PTH118
            except FileNotFoundError:
                continue
    return total


def said(name: str, settings: dict[str, Any]) -> Estimate:
    """Return the estimate of a configuration in an empty folder, which must be the working directory."""
    path = Path(f"{name}.yaml")
    path.write_text(yaml.safe_dump({"experiments": {name: settings}}, sort_keys=False))
    return estimated(read_target(path), cores())


def row(name: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Estimate, run and estimate again; return the row of the table."""
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        before = said(name, settings)
        took = real(Path(folder), name)
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        after = said(name, settings)
    memory = max(arm.value("memory_bytes") for plan in before.plans for arm in plan.arms.values())
    return {
        "configuration": name,
        "jobs": before.jobs,
        "before_seconds": round(before.seconds, 1),
        "after_seconds": round(after.seconds, 1),
        "seconds": round(took.seconds, 1),
        "ratio": round((before.seconds + after.seconds) / 2 / took.seconds, 2),
        "memory_ratio": round(memory / took.memory, 2),
        "disk_ratio": round(before.disk / took.disk, 2),
    }


def written(rows: list[dict[str, Any]]) -> str:
    """Return the Markdown table."""
    within = sum(AIM[0] <= one["ratio"] <= AIM[1] for one in rows)
    lines = [
        f"- machine: {platform.machine()}, {cores()} cores, load when it ended: {os.getloadavg()[0]:.1f}",
        f"- within {AIM[0]} to {AIM[1]} of the real time: {within} of {len(rows)}",
        "",
        "| configuration | jobs | estimated before, s | after, s | real, s | ratio | memory, ratio | disk, ratio |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {one['configuration']} | {one['jobs']} | {one['before_seconds']:.0f} | {one['after_seconds']:.0f} | "
        f"{one['seconds']:.0f} | **{one['ratio']:.2f}** | {one['memory_ratio']:.2f} | {one['disk_ratio']:.2f} |"
        for one in rows
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="the CSV and Markdown files, without their ending")
    parser.add_argument("--images", type=Path, help="a folder of class folders")
    parser.add_argument("--weights", type=Path, help="a weights file of torchvision's ResNet-18")
    parser.add_argument("--only", nargs="+", help="names of configurations")
    arguments = parser.parse_args()
    configurations = dict(CONFIGURATIONS)
    if arguments.images and arguments.weights:
        configurations |= of_images(arguments.images, arguments.weights)
    os.environ["PYTHONPATH"] = str(ROOT / "workflow")
    rows = []
    for name in arguments.only or configurations:
        rows.append(row(name, configurations[name]))
        print(rows[-1], flush=True)
        write_table(arguments.output.with_suffix(".csv"), pandas.DataFrame(rows))
        write_text(arguments.output.with_suffix(".md"), written(rows))


if __name__ == "__main__":
    main()
