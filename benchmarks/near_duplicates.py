"""Measure the search for near-duplicates: all pairs of hashes, the pixels of pairs, and a flood of hashes that agree.

    python benchmarks/near_duplicates.py --output benchmarks/near-duplicates-mine

Hashes and pixels are random. The time of all pairs grows with the square of the number of images, whatever they show.
"""

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy
import pandas

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "workflow")]

from triptych.data import near_duplicates as near
from triptych.data.find_duplicates import LIMIT_PER_IMAGE
from triptych.data.renditions import GREY_SIDE
from triptych.storage.files import write_table, write_text

LIMIT = 100_000 * LIMIT_PER_IMAGE
"""Candidates after which a search ends: that of the command for 100,000 images."""


def hashes(images: int, seed: int) -> numpy.ndarray:
    """Return random hashes, of which each hundredth one is that of the image before it, but for one bit."""
    found = numpy.random.default_rng(seed).integers(0, 2**64, images, dtype=numpy.uint64)
    found[1::100] = found[0 : len(found[1::100]) * 100 : 100] ^ numpy.uint64(1)
    return found


def row(what: str, count: int, function: Callable[[], int]) -> dict[str, object]:
    """Return a line of the table; `function` returns how many it found."""
    start, clock = time.perf_counter(), time.process_time()
    found = function()
    cpu_seconds = time.process_time() - clock
    return {
        "what": what,
        "count": count,
        "seconds": round(time.perf_counter() - start, 2),
        "cpu_seconds": round(cpu_seconds, 2),
        "found": found,
    }


def measure(images: int, pairs: int) -> list[dict[str, object]]:
    """Measure everything; print each line as it comes."""
    first, second = hashes(images, 0), hashes(images, 1)
    same = numpy.zeros(images, dtype=numpy.uint64)
    greys = numpy.random.default_rng(2).integers(0, 256, (pairs, GREY_SIDE, GREY_SIDE), dtype=numpy.uint8)
    positions = numpy.arange(pairs)

    def compared() -> int:
        found = near.Correlations(greys).of(positions, numpy.roll(positions, 1))
        return int((found >= near.CORRELATION).sum())

    parts: list[tuple[str, int, Callable[[], int]]] = [
        ("images, hashes of all pairs", images, lambda: len(near.candidates(first, second, LIMIT))),
        ("images, all hashes the same", images, lambda: len(near.candidates(same, same, LIMIT))),
        ("pairs, their pixels", pairs, compared),
    ]
    rows = []
    for part in parts:
        rows.append(row(*part))
        print(rows[-1], flush=True)
    return rows


def in_words(table: pandas.DataFrame, load: float) -> str:
    """Return the table as Markdown, with the machine and the versions."""
    machine = f"{platform.machine()}, {os.cpu_count()} cores; Python {platform.python_version()}"
    lines = ["# Near-duplicates, measured", ""]
    lines.append(f"{machine}, NumPy {numpy.__version__}. Load of the machine before: {load:.1f} processes.")
    lines += ["", "| what | how many | wall s | CPU s | found |", "|---|---|---|---|---|"]
    lines += [
        "| " + " | ".join(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in cells) + " |"
        for cells in table.astype(object).itertuples(index=False)
    ]
    return "\n".join([*lines, ""])


def main(arguments: list[str] | None = None) -> None:
    """Read the options, measure, and write the table as CSV and Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", required=True, help="without an ending")
    parser.add_argument("--images", type=int, default=100_000, help="images whose hashes are compared")
    parser.add_argument("--pairs", type=int, default=5_000, help="pairs whose pixels are compared")
    options = parser.parse_args(arguments)
    load = os.getloadavg()[0]
    table = pandas.DataFrame(measure(options.images, options.pairs))
    write_table(Path(f"{options.output}.csv"), table)
    write_text(Path(f"{options.output}.md"), in_words(table, load))


if __name__ == "__main__":
    main()
