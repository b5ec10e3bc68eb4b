"""What a comparison of two arms finds with so many seeds and test images: simulated, by the package's own analysis.

    python benchmarks/power.py --seeds 5 --images 200 --deviation 3 --leads 0 5 10 --margins 1 5

Images and runs are those of `calibration.py`, with accuracies half the lead above and below `--accuracy`. One pair is
compared: with Holm's correction for more pairs less is found.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "workflow")]

from benchmarks.calibration import LEVEL, Cell, simulate
from triptych.analysis.comparisons import difference_of, unseen


def measure(
    cell: Cell, accuracy: float, leads: list[float], margins: list[float], runs: int, seed: int
) -> Iterator[dict[str, float]]:
    """Simulate pairs of arms: for each lead in points, the share in percent of the runs with each result.

    Yields:
        `lead`; `half_width` of the 95 % interval in points (mean); `found`: the arm ahead has p of at most 5 %; and
        `equivalent_M` for each margin M in points, with either arm ahead.
    """
    for lead in leads:
        generator = numpy.random.default_rng([seed, round(100 * lead)])
        accuracies = ((accuracy + lead / 2) / 100, (accuracy - lead / 2) / 100)
        pairs = [difference_of(*arms) for arms in simulate(generator, cell, runs, accuracies)]
        low, high = (
            100 * numpy.concatenate(ends) for ends in zip(*(pair.interval(LEVEL) for pair in pairs), strict=True)
        )
        row = {"lead": lead, "half_width": float((high - low).mean() / 2), "found": 100 * float((low >= 0).mean())}
        for margin in margins:
            inside = (low > -margin) & (high < margin) & (unseen(cell.sampling, cell.images, LEVEL) < margin)
            row[f"equivalent_{margin:g}"] = 100 * float(inside.mean())
        yield row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, required=True)
    parser.add_argument("--images", type=int, required=True)
    parser.add_argument("--deviation", type=float, required=True, help="of accuracies over seeds, in points")
    parser.add_argument("--accuracy", type=float, default=65.0, help="in percent")
    parser.add_argument("--leads", type=float, nargs="+", default=[0, 5, 10], help="in points")
    parser.add_argument("--margins", type=float, nargs="+", default=[1, 5], help="in points")
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    cell = Cell(2, options.seeds, options.deviation, options.images)
    for row in measure(cell, options.accuracy, options.leads, options.margins, options.runs, options.seed):
        print("  ".join(f"{name} {value:.1f}" for name, value in row.items()))


if __name__ == "__main__":
    main()
