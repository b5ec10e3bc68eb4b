"""How often comparisons of equal arms are wrong, and how often a lead is found: simulated, before and after.

    python benchmarks/calibration.py --output benchmarks/calibration-mine

A simulated image has a difficulty (normal) that all arms share, a part of each arm and a part of each run; a run has it
right if the sum is below the run's threshold. Two runs of two arms differ on 10 % of images, two runs of one arm on
7.5 %. A run's accuracy differs from its arm's by a seed effect (normal, in points). In a tie every arm has 90 %; with a
lead the first arm has 92.5 % and the others 87.5 %. `after` is the package's own analysis, `before` the percentile
bootstrap over images and seeds that it replaced; both are given the same runs.

For balanced accuracy classes differ in size: one of them is rare. There are two ties: the arms have the same recalls,
or the first one is 20 points better on the rare class and as much worse on the others together. What was tolerated was
fixed before: coverage of at least 94 % in every cell, false `better` in at most 5 %.

With `--looks` seeds are added where two arms are undecided: three, then two more, then two more.
"""

import argparse
import itertools
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy
import pandas
import scipy
from scipy import optimize, stats
from scipy.special import ndtri

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "workflow"))

from triptych.analysis.comparisons import SEEDS_FOR_A_VERDICT, difference_of, unseen
from triptych.analysis.intervals import arm_share
from triptych.analysis.variance_parts import EACH_IMAGE, Sampling
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
    """What is simulated: `deviation` is the standard deviation of seed effects in points of accuracy.

    For balanced accuracy there are `classes`, of which one has `rare` images and each other has `FREQUENT`; `recalls`
    is a key of RECALLS.
    """

    arms: int
    seeds: int
    deviation: float
    images: int
    metric: str = "accuracy"
    classes: int = 0
    rare: int = 0
    recalls: str = ""

    @cached_property
    def labels(self) -> numpy.ndarray:
        """The class of each image; the rare one is 0."""
        return numpy.repeat(numpy.arange(self.classes), [self.rare] + [FREQUENT] * (self.classes - 1))

    @cached_property
    def sampling(self) -> Sampling:
        return Sampling(labels=self.labels) if self.classes else EACH_IMAGE


FREQUENT = 30
RECALLS = {"alike": (0.9, 0.9), "hard": (0.6, 0.95), "easy": (0.97, 0.97)}
"""Recall of the rare class and of the others; with a lead it is 2.5 points more and less."""
APART = 0.2
"""By how much the recalls of the rare class differ in the second kind of tie."""
IMBALANCED = [
    Cell(2, seeds, deviation, rare + FREQUENT * (classes - 1), "balanced_accuracy", classes, rare, recalls)
    for classes in (2, 5, 10)
    for rare in (3, 10)
    for recalls in RECALLS
    for seeds, deviation in ((1, 0.0), (3, 0.0), (3, 1.0), (3, 3.5), (5, 1.0))
]

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
    generator: numpy.random.Generator, cell: Cell, runs: int, accuracies: tuple[Any, Any]
) -> Iterator[list[numpy.ndarray]]:
    """Yield whether each seed's network has each image right, for every arm: bool [some of the runs, seeds, images].

    Args:
        accuracies: of the first arm and of each other; with classes the recalls of each [classes].
    """
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
            if cell.classes:
                thresholds = thresholds[..., cell.labels]
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


def compared_after(arms: list[numpy.ndarray], sampling: Sampling = EACH_IMAGE) -> Compared:
    """Compare by the package's own analysis."""
    pairs = [difference_of(first, second, sampling) for first, second in itertools.combinations(arms, 2)]
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
    enough = unseen(cell.sampling, cell.images, LEVEL) < 100 * MARGIN
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


def imbalanced_recalls(cell: Cell) -> dict[str, tuple[numpy.ndarray, numpy.ndarray]]:
    """The recalls of both arms, [classes] each, by what is simulated: a tie, a tie of other recalls, and a lead."""
    rare, others = RECALLS[cell.recalls]
    same = numpy.array([rare] + [others] * (cell.classes - 1))
    better, worse = same.copy(), same.copy()
    better[0], worse[0] = min(rare + APART / 2, 0.99), min(rare + APART / 2, 0.99) - APART
    better[1:] -= APART / (cell.classes - 1)
    return {"tie": (same, same), "crossed": (better, worse), "lead": (numpy.minimum(same + 0.025, 0.995), same - 0.025)}


def measure_imbalanced(cell: Cell, runs: int, seed: int) -> dict[str, float]:
    """Simulate a cell with classes: its row, in percent of the runs, widths in points."""
    found: dict[str, list[numpy.ndarray]] = {}
    for number, (name, recalls) in enumerate(imbalanced_recalls(cell).items()):
        first, other = (float(numpy.mean([mean_accuracy(recall, cell.deviation) for recall in own])) for own in recalls)
        generator = numpy.random.default_rng([seed, *as_whole_numbers(cell), number])
        for arms in simulate(generator, cell, runs, recalls):
            leaders = numpy.zeros(len(arms[0]), int)  # of one pair either is
            part = counted(compared_after(arms, cell.sampling), cell, leaders, first - other)
            if name == "tie":
                low, high = arm_share(arms[0], cell.sampling).interval(LEVEL)
                part["arm_covered"] = (low <= first) & (first <= high)
                part["arm_width"] = 100 * (high - low)
            for key, values in part.items():
                found.setdefault(f"{name}_{key}", []).append(values)
    mean = {key: float(numpy.concatenate(values).mean()) for key, values in found.items()}
    return {
        **asdict(cell),
        "method": "after",
        "runs": runs,
        "false_better": 100 * mean["tie_any_better"],
        "false_p": 100 * mean["tie_any_apart"],
        "found_better": 100 * mean["lead_found_better"],
        "found_p": 100 * mean["lead_found_apart"],
        "width": mean["tie_width"],
        "coverage_tie": 100 * mean["tie_covered"],
        "coverage_lead": 100 * mean["lead_covered"],
        "arm_coverage": 100 * mean["tie_arm_covered"],
        "arm_width": mean["tie_arm_width"],
        "false_crossed": 100 * mean["crossed_any_better"],
        "coverage_crossed": 100 * mean["crossed_covered"],
    }


LOOKS = (3, 5, 7)
"""Seeds of each arm at each look."""
LOOKS_TITLE = "\n# Seeds that are added\n"
LOOKED_AT = [Cell(2, LOOKS[-1], deviation, images) for images in (1_000, 10_000) for deviation in (0.5, 1.0)]


def measure_looks(cell: Cell, runs: int, seed: int) -> Iterator[dict[str, Any]]:
    """Simulate two arms whose seeds are added while they are undecided: a row for each level, in percent of the runs.

    `false_K` and `found_K` are the shares with a (right) `better` at one of the first K looks.
    """
    better: dict[tuple[bool, str], list[numpy.ndarray]] = {}
    for name, accuracies in (("false", TIE), ("found", LEAD)):
        generator = numpy.random.default_rng([seed, *as_whole_numbers(cell), 4 + int(name == "found")])
        for arms in simulate(generator, cell, runs, accuracies):
            for divided in (False, True):
                verdicts = better_by_look(arms, divided, right_alone=name == "found")
                better.setdefault((divided, name), []).append(verdicts)
    for divided in (False, True):
        row = {"images": cell.images, "deviation": cell.deviation, "level": "divided" if divided else "undivided"}
        for name in ("false", "found"):
            shares = 100 * numpy.concatenate(better[divided, name]).mean(axis=0)
            row |= {f"{name}_{look}": float(share) for look, share in enumerate(shares, start=1)}
        yield {**row, "runs": runs}


def better_by_look(arms: list[numpy.ndarray], divided: bool, right_alone: bool) -> numpy.ndarray:
    """Which runs have the verdict `better` at one of the looks so far; bool [runs, looks].

    Args:
        divided: whether the level is divided by the look.
        right_alone: count only those where the first arm is the better one.
    """
    undecided, found = numpy.ones(len(arms[0]), bool), numpy.zeros((len(arms[0]), len(LOOKS)), bool)
    for look, seeds in enumerate(LOOKS, start=1):
        level = LEVEL / look if divided else LEVEL
        pair = difference_of(*(arm[:, :seeds] for arm in arms))
        low, high = pair.interval(level)
        enough = unseen(EACH_IMAGE, pair.images, level) < 100 * MARGIN
        equivalent = enough & (low > -MARGIN) & (high < MARGIN)
        better = undecided & ~equivalent & ((low >= 0) | (high <= 0))
        found[undecided & better & ((pair.centre > 0) | (not right_alone)), look - 1 :] = True
        undecided &= ~(equivalent | better)
    return found


def as_whole_numbers(cell: Cell) -> list[int]:
    """A cell as whole numbers, to seed a generator."""
    classes = [cell.classes, cell.rare, list(RECALLS).index(cell.recalls)] if cell.classes else []
    return [cell.arms, cell.seeds, round(10 * cell.deviation), cell.images, *classes]


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


IMBALANCED_TARGETS = (
    ("coverage of one arm’s interval, at least 94 %", "arm_coverage", 94, 100, 1),
    ("coverage in ties, at least 94 %", "coverage_tie", 94, 100, 1),
    ("coverage in ties of other recalls, at least 94 %", "coverage_crossed", 94, 100, 1),
    ("coverage with the lead, at least 94 %", "coverage_lead", 94, 100, 1),
    ("false `better` in ties, at most 5 %", "false_better", 0, 5, SEEDS_FOR_A_VERDICT),
    ("false `better` in ties of other recalls, at most 5 %", "false_crossed", 0, 5, SEEDS_FOR_A_VERDICT),
)
"""What was tolerated: title, column, lowest and highest value, and the fewest seeds."""


def imbalanced_targets(table: pandas.DataFrame) -> Iterator[str]:
    """Whether each target of balanced accuracy is met, and where not."""
    for name, column, low, high, seeds in IMBALANCED_TARGETS:
        own = table[table["seeds"] >= seeds]
        outside = own[(own[column] < low) | (own[column] > high)]
        missed = "; ".join(
            f"{row[column]:.2f} with {row['classes']} classes, {row['rare']} rare images ({row['recalls']}), "
            f"{row['seeds']} seeds of sd {row['deviation']:g}"
            for _, row in outside.iterrows()
        )
        span = f"{own[column].min():.2f} to {own[column].max():.2f}"
        yield f"| {name} | {span} | {f'no: {missed}' if missed else 'yes'} |"


def imbalanced_markdown(table: pandas.DataFrame) -> str:
    """The tables of balanced accuracy, by the number of classes; of each row the values by images of the rare class."""
    recalls = "; ".join(f"{name}: {100 * rare:g} and {100 * other:g} %" for name, (rare, other) in RECALLS.items())
    lines = [
        "",
        "# Balanced accuracy",
        "",
        f"- two arms; one class is rare, the others have {FREQUENT} images each",
        f"- recall of the rare class and of the others: {recalls}",
        "- ties of other recalls: 20 points more on the rare class, as much less on the mean of the others",
        "- found: an arm with recalls 5 points higher gets `better`; in brackets p at most 5 %, with too few seeds",
        "",
        "| target | measured | met |",
        "|---|---|---|",
        *imbalanced_targets(table),
    ]
    columns = {
        "one arm: coverage, %": ("arm_coverage", 1),
        "width, points": ("arm_width", 0),
        "pair: coverage in ties, %": ("coverage_tie", 1),
        "of other recalls, %": ("coverage_crossed", 1),
        "with the lead, %": ("coverage_lead", 1),
        "false, %": ("false", 1),
        "false, other recalls, %": ("false_crossed", 1),
        "found, %": ("found", 0),
    }
    for classes, own in table.groupby("classes"):
        sizes = " / ".join(str(rare) for rare in sorted(own["rare"].unique()))
        lines += ["", f"## {classes} classes, with {sizes} images of the rare one", ""]
        lines += [f"| recalls | seeds | sd over seeds | {' | '.join(columns)} |", "|---" * (len(columns) + 3) + "|"]
        for (name, seeds, deviation), row in own.groupby(["recalls", "seeds", "deviation"], sort=False):
            ordered = [one for _, one in row.sort_values("rare").iterrows()]
            cells = [" / ".join(shown(one, column, digits) for one in ordered) for column, digits in columns.values()]
            lines.append(f"| {name} | {seeds} | {deviation:g} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def looks_markdown(table: pandas.DataFrame) -> str:
    """The table of looks."""
    columns = {"false `better`, %": ("false", 1), "found, %": ("found", 0)}
    lines = [
        LOOKS_TITLE,
        f"- two arms with {LOOKS[0]} seeds; where they are undecided {LOOKS[1]}, where undecided again {LOOKS[2]}",
        f"- {table['runs'].iloc[0]:,} ties and as many leads of 5 points per cell",
        "- divided: 5 % at the first look, 2.5 % at the second, 1.7 % at the third; undivided: 5 % at each",
        "- false: `better` in a tie at one of the looks so far; found: the first arm, 5 points ahead, gets it",
        "",
        f"| images | sd over seeds | level | {' | '.join(f'{name}, up to look 1 / 2 / 3' for name in columns)} |",
        "|---" * (len(columns) + 3) + "|",
    ]
    for _, row in table.iterrows():
        cells = [
            " / ".join(f"{row[f'{name}_{look}']:.{digits}f}" for look in range(1, len(LOOKS) + 1))
            for name, digits in columns.values()
        ]
        lines.append(f"| {row['images']:,} | {row['deviation']:g} | {row['level']} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def shown(row: pandas.Series, column: str, digits: int) -> str:
    """A value as the table shows it."""
    if column == "false_crossed" and row["seeds"] < SEEDS_FOR_A_VERDICT:
        return "–"
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


def markdown(table: pandas.DataFrame, about: str) -> str:
    """The tables by the number of arms; of each row the values at each number of images."""
    lines = [about, "", LEGEND.strip(), "", "| target | measured | met |", "|---|---|---|", *targets(table)]
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


def whole_numbers(table: pandas.DataFrame) -> pandas.DataFrame:
    """A table whose columns of whole numbers are such again after rows of both metrics were joined."""
    return table.astype({field.name: int for field in fields(Cell) if field.type is int or field.type == "int"})


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="where to write .csv and .md, without the ending")
    parser.add_argument("--runs", type=int, default=2_000, help="simulated experiments per cell")
    parser.add_argument("--draws", type=int, default=1_000, help="of the bootstrap")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--metric",
        choices=["accuracy", "balanced_accuracy", "both"],
        default="both",
        help="simulate the cells of this metric alone, and keep the others of the table that is there",
    )
    parser.add_argument("--looks", action="store_true", help="simulate looks alone, and keep the other tables")
    parser.add_argument("--most-images", type=int, default=max(IMAGES), help="leave out cells with more")
    options = parser.parse_args(arguments)
    clock, rows, kept = time.process_time(), [], []
    csv, page = options.output.with_suffix(".csv"), options.output.with_suffix(".md")
    of_looks = csv.with_name(f"{csv.stem}-looks.csv")
    if options.looks:
        for cell in (cell for cell in LOOKED_AT if cell.images <= options.most_images):
            rows += measure_looks(cell, options.runs, options.seed)
        table = pandas.DataFrame(rows).round(3)
        write_table(of_looks, table)
        write_text(page, page.read_text().split(LOOKS_TITLE)[0] + looks_markdown(table))
        print(looks_markdown(table), f"{time.process_time() - clock:.0f} s of one core")
        return
    about = ""
    if options.metric != "both":
        there = pandas.read_csv(csv, dtype={"recalls": str}).fillna({"recalls": ""})
        kept = there[there["metric"] != options.metric].to_dict("records")
        about = page.read_text().split("\n\n", 1)[0]
    if options.metric != "balanced_accuracy":
        for cell in (cell for cell in GRID if cell.images <= options.most_images):
            rows += measure(cell, options.runs, options.draws, options.seed)
            print(cell, f"false {rows[-1]['false_p']:.1f} %, found {rows[-1]['found_p']:.1f} %", flush=True)
    if options.metric != "accuracy":
        for cell in (cell for cell in IMBALANCED if cell.images <= options.most_images):
            rows.append(measure_imbalanced(cell, options.runs, options.seed))
            print(cell, f"one arm {rows[-1]['arm_coverage']:.1f} %, false {rows[-1]['false_p']:.1f} %", flush=True)
    minutes = f"{(time.process_time() - clock) / 60:.0f} minutes of one core"
    if options.metric == "balanced_accuracy":
        about += f"\n- balanced accuracy: {options.runs:,} runs per cell; CPU time: {minutes}"
    else:
        about = "\n".join(
            [
                f"- runs per cell: {options.runs:,}; {options.draws:,} draws of the bootstrap; seed {options.seed}",
                f"- measured on: {platform.system()} {platform.machine()}, {os.cpu_count()} cores; Python "
                f"{platform.python_version()}, numpy {numpy.__version__}, scipy {scipy.__version__}",
                f"- CPU time: {minutes}",
            ]
        )
    every = sorted([*kept, *rows], key=lambda row: row["metric"])  # stable: accuracy first
    table = whole_numbers(pandas.DataFrame(every))
    write_table(csv, table.round(3))
    write_text(page, markdown(table[table["metric"] == "accuracy"], about))
    imbalanced = table[table["metric"] == "balanced_accuracy"]
    if len(imbalanced):
        write_text(page, page.read_text() + imbalanced_markdown(imbalanced))
    if of_looks.exists():
        write_text(page, page.read_text() + looks_markdown(pandas.read_csv(of_looks)))
    print(page.read_text())


if __name__ == "__main__":
    main()
