"""How often comparisons of equal arms are wrong, and how often a lead is found: simulated, before and after.

    python benchmarks/calibration.py --output benchmarks/calibration-mine

A simulated image has a difficulty (normal) that all arms share, a part of each arm and a part of each run; a run has it
right if the sum is below the run's threshold. Two runs of two arms differ on 10 % of images, two runs of one arm on
7.5 %. A run's accuracy differs from its arm's by a seed effect (normal, in points). In a tie every arm has 90 %; with a
lead the first arm has 92.5 % and the others 87.5 %. `after` is the package's own analysis, `before` the percentile
bootstrap over images and seeds that it replaced; both are given the same runs.
"""

import argparse
import itertools
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy
import pandas
import scipy
from scipy import optimize, stats
from scipy.special import ndtri

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "workflow"))

from triptych.analysis.comparisons import SEEDS_FOR_A_VERDICT, difference_of, unseen_difference
from triptych.analysis.intervals import arm_share
from triptych.storage.files import write_table, write_text

LEVEL = 0.05
MARGIN = 0.01
TIE, LEAD = (0.9, 0.9), (0.925, 0.875)
"""The accuracy of the first arm and of each other arm."""
OF_TWO_ARMS, OF_ONE_ARM = 0.1, 0.075
"""The share of images on which two runs differ, at 90 %."""
HIGHEST = 0.999
"""No run is more accurate, whatever its seed effect."""
VALUES_AT_A_TIME = 1_000_000

SEEDS_AND_DEVIATIONS = (
    *((1, 0.0), (1, 1.0), (2, 1.0), (2, 3.5), (3, 0.0), (3, 0.5), (3, 1.0)),
    *((3, 1.7), (3, 3.5), (5, 1.0), (5, 3.5)),
)
IMAGES = (100, 300, 1_000, 10_000)


@dataclass(frozen=True)
class Cell:
    """What is simulated: `deviation` is the standard deviation of seed effects in points of accuracy."""

    arms: int
    seeds: int
    deviation: float
    images: int


GRID = [
    *(Cell(2, *row, images) for row in SEEDS_AND_DEVIATIONS for images in IMAGES),
    *(
        Cell(arms, *row, images)
        for arms in (3, 4)
        for row in ((3, 0.0), (3, 1.0), (3, 3.5), (5, 1.0))
        for images in IMAGES[1:]
    ),
]


def correlation(discordant: float) -> float:
    """The correlation of two normal variables that lie on different sides of their 90 % quantile so often."""
    end = float(stats.norm.ppf(TIE[0]))

    def excess(rho: float) -> float:
        both = stats.multivariate_normal([0, 0], [[1, rho], [rho, 1]]).cdf([-end, -end])
        return float(2 * (1 - TIE[0] - both) - discordant)

    return float(optimize.brentq(excess, 0, 0.999))


def simulate(
    generator: numpy.random.Generator, cell: Cell, runs: int, accuracies: tuple[float, float]
) -> Iterator[list[numpy.ndarray]]:
    """Yield whether each seed's network has each image right, for every arm: bool [some of the runs, seeds, images]."""
    shared, own = correlation(OF_TWO_ARMS), correlation(OF_ONE_ARM)
    parts = numpy.sqrt([shared, own - shared, 1 - own]).astype(numpy.float32)
    step = max(1, min(500, VALUES_AT_A_TIME // (cell.seeds * cell.images)))
    for start in range(0, runs, step):
        some = min(step, runs - start)
        difficulty = generator.standard_normal((some, 1, cell.images), dtype=numpy.float32)
        arms = []
        for arm in range(cell.arms):
            effects = cell.deviation / 100 * generator.standard_normal((some, cell.seeds, 1))
            thresholds = ndtri(numpy.clip(accuracies[arm > 0] + effects, 1 - HIGHEST, HIGHEST)).astype(numpy.float32)
            of_arm = generator.standard_normal((some, 1, cell.images), dtype=numpy.float32)
            of_runs = generator.standard_normal((some, cell.seeds, cell.images), dtype=numpy.float32)
            arms.append(parts[0] * difficulty + parts[1] * of_arm + parts[2] * of_runs < thresholds)
        yield arms


def mean_accuracy(accuracy: float, deviation: float) -> float:
    """The mean over seeds of an arm's accuracy, which ends at `HIGHEST`; deviation in points."""
    sd = deviation / 100
    if sd == 0:
        return accuracy
    away = (HIGHEST - accuracy) / sd
    return accuracy - sd * float(stats.norm.pdf(away) - away * stats.norm.sf(away))


@dataclass(frozen=True)
class Compared:
    """All pairs of arms, in the order of `itertools.combinations`: arrays [runs, pairs].

    Attributes:
        positive: whether the first arm of a pair is the more accurate one.
        low, high: of the intervals, as shares.
        reaches: for a level, which pairs differ at it, uncorrected.
    """

    positive: numpy.ndarray
    low: numpy.ndarray
    high: numpy.ndarray
    reaches: Callable[[float], numpy.ndarray]


def compared_after(arms: list[numpy.ndarray]) -> Compared:
    """Compare by the package's own analysis."""
    pairs = [difference_of(first, second) for first, second in itertools.combinations(arms, 2)]
    ends = [pair.interval(LEVEL) for pair in pairs]
    away = numpy.stack([numpy.abs(pair.centre) for pair in pairs], axis=-1)
    return Compared(
        positive=numpy.stack([pair.mean > 0 for pair in pairs], axis=-1),
        low=numpy.stack([low for low, _ in ends], axis=-1),
        high=numpy.stack([high for _, high in ends], axis=-1),
        reaches=lambda level: away >= numpy.stack([pair.half_width(level) for pair in pairs], axis=-1),
    )


def compared_before(arms: list[numpy.ndarray], draws: int, generator: numpy.random.Generator) -> Compared:
    """Compare by the bootstrap."""
    pairs = [
        bootstrap(first.astype(numpy.int8) - second, draws, generator)
        for first, second in itertools.combinations(arms, 2)
    ]
    mean, low, high, p_values = (numpy.stack(values, axis=-1) for values in zip(*pairs, strict=True))
    return Compared(mean > 0, low, high, lambda level: p_values < level)


def bootstrap(
    difference: numpy.ndarray, draws: int, generator: numpy.random.Generator
) -> tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray, numpy.ndarray]:
    """Draw images and seeds with replacement: the mean, both ends of its percentile interval, and the p-value; [runs].

    The means over drawn images are drawn from their normal limit, a vector with an element for each seed.

    Args:
        difference: -1, 0 or 1, [runs, seeds, images].
    """
    runs, seeds, images = difference.shape
    values = difference.astype(numpy.float32)
    by_seed = values.mean(axis=-1)
    covariance = (values @ values.swapaxes(1, 2)) / images - by_seed[:, :, None] * by_seed[:, None]
    sizes, directions = numpy.linalg.eigh(covariance / images)
    roots = directions * numpy.sqrt(sizes.clip(0))[:, None]
    normal = generator.standard_normal((runs, draws, seeds), dtype=numpy.float32)
    drawn_images = by_seed[:, None] + normal @ roots.swapaxes(1, 2)
    drawn_seeds = generator.multinomial(seeds, numpy.full(seeds, 1 / seeds), (runs, draws))
    means = (drawn_images * drawn_seeds).sum(axis=-1) / seeds
    low, high = numpy.quantile(means, [LEVEL / 2, 1 - LEVEL / 2], axis=-1)
    side = numpy.minimum((means <= 0).sum(axis=-1), (means >= 0).sum(axis=-1))
    return by_seed.mean(axis=-1), low, high, numpy.minimum(1.0, 2 * (side + 1) / (draws + 1))


def told_apart(compared: Compared, arms: int, leaders: numpy.ndarray | None) -> numpy.ndarray:
    """Which pairs differ at 5 % after Holm's correction; those of the leader also if all of these do without it.

    Args:
        leaders: the most accurate arm of each run, [runs]; None: Holm's correction alone.

    Returns:
        bool [runs, pairs].
    """
    number = compared.low.shape[1]
    result = numpy.zeros(compared.low.shape, bool)
    going = numpy.ones(len(result), bool)
    for step in range(number):
        reached = compared.reaches(LEVEL / (number - step))
        going &= reached.sum(axis=1) > step
        result[going] = reached[going]
    if leaders is not None:
        ends = numpy.array(list(itertools.combinations(range(arms), 2)))
        of_leader = (ends == leaders[:, None, None]).any(axis=-1)
        best = (compared.reaches(LEVEL) | ~of_leader).all(axis=1)
        result |= of_leader & best[:, None]
    return result


def counted(compared: Compared, cell: Cell, leaders: numpy.ndarray | None, truth: float) -> dict[str, numpy.ndarray]:
    """What a table counts of some runs: each an array [runs].

    Args:
        truth: the difference of the first arm to each other one.
    """
    apart = told_apart(compared, cell.arms, leaders)
    enough = unseen_difference(cell.images, LEVEL) < 100 * MARGIN
    better = apart & ~(enough & (compared.low > -MARGIN) & (compared.high < MARGIN))
    if leaders is not None and cell.seeds < SEEDS_FOR_A_VERDICT:
        better[:] = False
    with_first = slice(0, cell.arms - 1)  # the pairs of the first arm come first
    return {
        "any_apart": apart.any(axis=1),
        "any_better": better.any(axis=1),
        "found_apart": (apart & compared.positive)[:, with_first].all(axis=1),
        "found_better": (better & compared.positive)[:, with_first].all(axis=1),
        "width": 100 * (compared.high[:, 0] - compared.low[:, 0]),
        "covered": (compared.low[:, 0] <= truth) & (truth <= compared.high[:, 0]),
    }


def arm_covered(arm: numpy.ndarray, truth: float) -> dict[str, numpy.ndarray]:
    """Whether an arm's own interval holds its accuracy, [runs]: over images and seeds, and (before) over seeds alone.

    Before, a single seed's interval was Wilson's, as it is now.
    """
    low, high = arm_share(arm).interval(LEVEL)
    result = {"after": (low <= truth) & (truth <= high)}
    seeds = arm.shape[-2]
    if seeds == 1:
        return {**result, "before": result["after"]}
    shares = arm.mean(axis=-1)
    half = stats.t.isf(LEVEL / 2, seeds - 1) * shares.std(axis=-1, ddof=1) / seeds**0.5
    return {**result, "before": numpy.abs(shares.mean(axis=-1) - truth) <= half}


def measure(cell: Cell, runs: int, draws: int, seed: int) -> list[dict[str, float]]:
    """Simulate a cell: a row for `before` and one for `after`, in percent of the runs, widths in points."""
    found: dict[str, dict[str, list[numpy.ndarray]]] = {"before": {}, "after": {}}
    for name, accuracies in (("tie", TIE), ("lead", LEAD)):
        first, other = (mean_accuracy(accuracy, cell.deviation) for accuracy in accuracies)
        generator = numpy.random.default_rng([seed, *as_whole_numbers(cell), int(name == "lead")])
        draw = numpy.random.default_rng([seed, *as_whole_numbers(cell), 2 + int(name == "lead")])
        for arms in simulate(generator, cell, runs, accuracies):
            leaders = numpy.stack([arm.mean(axis=(1, 2)) for arm in arms], axis=-1).argmax(axis=-1)
            parts = {
                "before": counted(compared_before(arms, draws, draw), cell, None, first - other),
                "after": counted(compared_after(arms), cell, leaders, first - other),
            }
            covered = arm_covered(arms[0], first)
            for method, part in parts.items():
                for key, values in {**part, "arm_covered": covered[method]}.items():
                    found[method].setdefault(f"{name}_{key}", []).append(values)
    rows = []
    for method, lists in found.items():
        mean = {key: float(numpy.concatenate(values).mean()) for key, values in lists.items()}
        rows.append(
            {
                **asdict(cell),
                "method": method,
                "runs": runs,
                "false_better": 100 * mean["tie_any_better"],
                "false_p": 100 * mean["tie_any_apart"],
                "found_better": 100 * mean["lead_found_better"],
                "found_p": 100 * mean["lead_found_apart"],
                "width": mean["tie_width"],
                "coverage_tie": 100 * mean["tie_covered"],
                "coverage_lead": 100 * mean["lead_covered"],
                "arm_coverage": 100 * mean["tie_arm_covered"],
            }
        )
    return rows


def as_whole_numbers(cell: Cell) -> list[int]:
    """A cell as whole numbers, to seed a generator."""
    return [cell.arms, cell.seeds, round(10 * cell.deviation), cell.images]


COLUMNS = {
    "verdicts": (
        # title, column, digits
        ("false, %", "false", 1),
        ("found, %", "found", 0),
        ("mean width, points", "width", 1),
    ),
    "coverage, %": (
        ("in ties", "coverage_tie", 1),
        ("with the lead", "coverage_lead", 1),
        ("of one arm’s interval", "arm_coverage", 0),
    ),
}
METHODS = ("before", "after")
LEGEND = """
- before: the percentile bootstrap over images and seeds; after: the multi-reader analysis of the package
- sd over seeds: of an arm’s accuracy, in points
- false: in ties, any pair of arms gets the verdict `better`
- found: the first arm, 5 points ahead, gets it against each other arm
- in brackets: p at most 5 %, where there are too few seeds for a verdict
- width and coverage: of the 95 % interval of a difference; one arm’s interval was over its seeds alone before
"""
TARGETS = (
    ("false `better`, at most 6 % with three or more seeds", "false_better", 0, 6),
    ("coverage in ties, 94 to 98 % with three or more seeds", "coverage_tie", 94, 98),
    ("coverage with the lead, 94 to 98 % with three or more seeds", "coverage_lead", 94, 98),
)


def shown(row: pandas.Series, column: str, digits: int) -> str:
    """A value as the table shows it."""
    if column not in ("false", "found"):
        return f"{row[column]:.{digits}f}"
    if row["method"] == "before" or row["seeds"] >= SEEDS_FOR_A_VERDICT:
        return f"{row[f'{column}_better']:.{digits}f}"
    return f"({row[f'{column}_p']:.{digits}f})"


def targets(table: pandas.DataFrame) -> Iterator[str]:
    """Whether each target is met, and where not."""
    after = table[(table["method"] == "after") & (table["seeds"] >= SEEDS_FOR_A_VERDICT)]
    for name, column, low, high in TARGETS:
        outside = after[(after[column] < low) | (after[column] > high)]
        missed = "; ".join(
            f"{row[column]:.2f} with {row['arms']} arms, {row['seeds']} seeds of sd {row['deviation']:g}, "
            f"{row['images']:,} images"
            for _, row in outside.iterrows()
        )
        span = f"{after[column].min():.2f} to {after[column].max():.2f}"
        yield f"| {name} | {span} | {f'no: {missed}' if missed else 'yes'} |"
    one = after.query("arms == 2 and seeds == 3 and deviation == 1 and images == 1000")
    for found in one["found_better"]:
        met = "yes" if found >= 85 else "no"
        yield f"| found with two arms, three seeds of sd 1, 1,000 images, at least 85 % | {found:.2f} | {met} |"
    two = table[(table["method"] == "after") & (table["seeds"] < SEEDS_FOR_A_VERDICT)]
    most = two[["false_better", "found_better"]].to_numpy().max()
    yield f"| no `better` with fewer than three seeds | {most:.2f} | {'no' if most else 'yes'} |"


def markdown(table: pandas.DataFrame, about: dict[str, object]) -> str:
    """The tables by the number of arms; of each row the values at each number of images."""
    lines = [f"- {key}: {value}" for key, value in about.items()]
    lines += ["", LEGEND.strip(), "", "| target | measured | met |", "|---|---|---|", *targets(table)]
    for (arms, own), (name, columns) in itertools.product(table.groupby("arms"), COLUMNS.items()):
        heads = [f"{title}, {method}" for title, _, _ in columns for method in METHODS]
        sizes = " / ".join(f"{images:,}" for images in sorted(own["images"].unique()))
        lines += ["", f"## {arms} arms: {name} with {sizes} images", ""]
        lines += [f"| seeds | sd over seeds | {' | '.join(heads)} |", "|---" * (len(heads) + 2) + "|"]
        for (seeds, deviation), row in own.groupby(["seeds", "deviation"]):
            cells = [str(seeds), f"{deviation:g}"]
            for (_, column, digits), method in itertools.product(columns, METHODS):
                part = row[row["method"] == method].sort_values("images")
                cells.append(" / ".join(shown(one, column, digits) for _, one in part.iterrows()))
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="where to write .csv and .md, without the ending")
    parser.add_argument("--runs", type=int, default=2_000, help="simulated experiments per cell")
    parser.add_argument("--draws", type=int, default=1_000, help="of the bootstrap")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--most-images", type=int, default=max(IMAGES), help="leave out cells with more")
    options = parser.parse_args(arguments)
    clock, rows = time.process_time(), []
    for cell in (cell for cell in GRID if cell.images <= options.most_images):
        rows += measure(cell, options.runs, options.draws, options.seed)
        print(cell, f"false {rows[-1]['false_p']:.1f} %, found {rows[-1]['found_p']:.1f} %", flush=True)
    about = {
        "runs per cell": f"{options.runs:,}; {options.draws:,} draws of the bootstrap; seed {options.seed}",
        "measured on": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores; Python "
        f"{platform.python_version()}, numpy {numpy.__version__}, scipy {scipy.__version__}",
        "CPU time": f"{(time.process_time() - clock) / 60:.0f} minutes of one core",
    }
    table = pandas.DataFrame(rows)
    write_table(options.output.with_suffix(".csv"), table.round(3))
    write_text(options.output.with_suffix(".md"), markdown(table, about))
    print(options.output.with_suffix(".md").read_text())


if __name__ == "__main__":
    main()
