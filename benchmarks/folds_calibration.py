"""How often comparisons of equal arms by out-of-fold predictions are wrong: real models, images drawn anew.

    python benchmarks/folds_calibration.py --output benchmarks/folds-calibration-mine

An experiment draws N images and deals them to k folds, class by class and anew for each repeat. Both arms are trained
on all folds but one, for each fold, repeat and seed. The package's own analysis compares the out-of-fold predictions.

An image is a vector of 20 numbers: the mean of its class, a part that both arms see, and a part of each arm's own. What
the two arms see is exchangeable, so two arms with one model tie in expectation over images, training sets and seeds.
The tie is exact: images come from a distribution, not from a pool of limited size. `ridge_knn` compares two models; how
far apart its second arm sees the classes was chosen so that both are equally accurate (see the columns of accuracy).

| arms | model | what a seed changes |
|---|---|---|
| ridge | ridge classifier | nothing |
| bagged_ridge | the same, each network on a random 70 % of its training images | which ones |
| random_layer | the same on 30 random ReLU units | the units, alike for all networks of the seed |
| knn | 5 nearest neighbours, each network on a random 70 % | which ones |
| ridge_knn | bagged_ridge against knn | which ones |

Of an image's variance both arms see 70 %; in cells called `apart` 30 %. In cells called `rare` the three classes have
60, 30 and 10 % of the images, and the metric is balanced accuracy.

The truth of an arm's interval is the expected metric of a network that is trained on (k - 1) / k of N images. It is
measured on new images in each experiment.

What is tolerated was fixed before the first run, for cells with three seeds or whose seeds change nothing:

- two arms differ (p at most 5 %) in at most 6 % of experiments, or not above 5 % by a binomial test at 5 %;
- 95 % intervals of an arm hold the truth in at least 94 %, or not below 95 % by such a test.

One seed that matters gives no verdict, and the intervals are about this seed: those numbers are in brackets.

`k / (k - 1)` is the image variance of the mean of all rows times that factor: the first form that was tried. It misses
both. `rows` counts each repeat of a seed as another seed. What the package adds instead was chosen on other random
numbers than those of the committed table.
"""

import argparse
import itertools
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy
import pandas
import scipy
from scipy import stats

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "workflow"))

from triptych.analysis.comparisons import SEEDS_FOR_A_VERDICT, difference_of
from triptych.analysis.intervals import arm_share
from triptych.analysis.variance_parts import Sampling
from triptych.storage.files import write_table, write_text

LEVEL = 0.05
REPEATS, SEEDS = 3, 3
"""Of what is simulated; rows with fewer repeats or seeds take the first of them."""
CLASSES, FEATURES = 3, 20
APART = 3.0
"""Distance of two class means, in standard deviations of an image."""
SHARED, LESS_SHARED = 0.7, 0.3
"""The part of an image's variance that both arms see."""
UNEQUAL = 0.4
"""Standard deviation of the logarithm of an image's own scale: some images are easier than others."""
FRESH = 200
"""New images for the truth, in each experiment."""
AT_A_TIME = 50
"""Experiments."""
HIDDEN, PENALTY, NEIGHBOURS, KEPT = 30, 1.0, 5, 0.7
NEAREST = 40
"""Of these neighbours fewer than five are trained on once in a billion images."""
RARE = (0.6, 0.3, 0.1)
"""The shares of the classes in cells called rare."""
FURTHER = {60: 0.974, 100: 0.981, 200: 1.01, 400: 1.033}
"""How much further apart the second arm of ridge_knn sees its classes, by images: found by bisection."""


@dataclass(frozen=True)
class Cell:
    """What is simulated: a kind of arms of the table at the top, `apart`, `rare` or neither, images and folds."""

    kind: str
    variant: str
    images: int
    folds: int

    @property
    def labels(self) -> numpy.ndarray | None:
        """The class of each image where that is fixed, of the new ones last, int64 [images + FRESH]."""
        if self.variant != "rare":
            return None
        counts = [numpy.round(numpy.array(RARE) * images).astype(int) for images in (self.images, FRESH)]
        return numpy.concatenate([numpy.repeat(numpy.arange(CLASSES), own) for own in counts])

    def sampling(self, **changes: Any) -> Sampling:
        """Return how the known images count."""
        labels = self.labels
        return Sampling(labels=None if labels is None else labels[: self.images], **changes)


IMAGES = (60, 100, 200, 400)
GRID = [
    *(Cell(kind, "", images, 5) for kind in ("ridge", "bagged_ridge", "random_layer", "knn") for images in IMAGES),
    *(Cell("ridge_knn", "", images, 5) for images in IMAGES),
    *(
        Cell(kind, "apart", images, folds)
        for folds in (5, 2, 10, 20)
        for kind in ("ridge", "bagged_ridge")
        for images in (IMAGES if folds == 5 else IMAGES[:3])
    ),
    *(Cell("bagged_ridge", "rare", images, 5) for images in IMAGES),
]


@dataclass(frozen=True)
class Images:
    """Images of some experiments, of which the first `known` are the experiment's own.

    Attributes:
        labels: int64 [experiments, images].
        seen: what each arm sees, float32 [experiments, images, features].
    """

    labels: numpy.ndarray
    seen: tuple[numpy.ndarray, numpy.ndarray]
    known: int


def draw_images(generator: numpy.random.Generator, cell: Cell, experiments: int) -> Images:
    """Draw images: classes at the corners of a regular simplex, each as likely as any other if they are not rare."""
    shape = (experiments, cell.images + FRESH)
    fixed = cell.labels
    labels = generator.integers(CLASSES, size=shape) if fixed is None else numpy.tile(fixed, (experiments, 1))
    means = APART / 2**0.5 * numpy.eye(CLASSES, FEATURES, dtype=numpy.float32)[labels]
    scale = numpy.exp(UNEQUAL * generator.standard_normal((*shape, 1), dtype=numpy.float32))
    both, *own = (generator.standard_normal((*shape, FEATURES), dtype=numpy.float32) for _ in range(3))
    shared = LESS_SHARED if cell.variant == "apart" else SHARED
    noise = [scale * (shared**0.5 * both + (1 - shared) ** 0.5 * part) for part in own]
    further = FURTHER[cell.images] if cell.kind == "ridge_knn" else 1.0
    return Images(labels, (means + noise[0], further * means + noise[1]), cell.images)


def deal_folds(generator: numpy.random.Generator, labels: numpy.ndarray, folds: int) -> numpy.ndarray:
    """Return the fold of each image for one repeat, int64 [experiments, images]: class by class, in random order."""
    order = numpy.argsort(labels + generator.random(labels.shape), axis=1)
    dealt = numpy.empty_like(labels)
    numpy.put_along_axis(dealt, order, numpy.arange(labels.shape[1])[None] % folds, axis=1)
    return dealt


def ridge(inputs: numpy.ndarray, labels: numpy.ndarray, used: numpy.ndarray) -> numpy.ndarray:
    """Return the class that scikit-learn's `RidgeClassifier` names for every image, [experiments, images].

    Args:
        inputs: [experiments, images, features].
        labels: of the first images, the known ones; [experiments, known].
        used: which of these are trained on, bool [experiments, known].
    """
    known = inputs[:, : labels.shape[1]]
    weights = used[..., None].astype(numpy.float32)
    number = weights.sum(axis=1, keepdims=True)
    targets = 2 * numpy.eye(CLASSES, dtype=numpy.float32)[labels] - 1
    centre, middle = ((weights * values).sum(axis=1, keepdims=True) / number for values in (known, targets))
    centred = weights * (known - centre)
    gram = centred.swapaxes(1, 2) @ centred + PENALTY * numpy.eye(inputs.shape[2], dtype=numpy.float32)
    found = numpy.linalg.solve(gram, centred.swapaxes(1, 2) @ (targets - middle))
    answers: numpy.ndarray = ((inputs - centre) @ found + middle).argmax(axis=2)
    return answers


def random_layer(inputs: numpy.ndarray, layer: numpy.ndarray) -> numpy.ndarray:
    """Return the values of ReLU units, [experiments, images, units]; `layer` is [experiments, features + 1, units]."""
    values: numpy.ndarray = numpy.maximum(inputs @ layer[:, :-1] + layer[:, -1:], 0.0)
    return values


def neighbours(inputs: numpy.ndarray, known: int) -> numpy.ndarray:
    """Return the nearest known images of every image, from near to far, int64 [experiments, images, `NEAREST`]."""
    squares = (inputs**2).sum(axis=2)
    distances = squares[:, None, :known] - 2 * inputs @ inputs[:, :known].swapaxes(1, 2)
    near = numpy.argpartition(distances, NEAREST, axis=2)[..., :NEAREST]
    order = numpy.argsort(numpy.take_along_axis(distances, near, axis=2), axis=2)
    return numpy.take_along_axis(near, order, axis=2)


def nearest(order: numpy.ndarray, labels: numpy.ndarray, used: numpy.ndarray) -> numpy.ndarray:
    """Return the class that scikit-learn's `KNeighborsClassifier` names for every image, [experiments, images].

    Args:
        order: `neighbours`.
        labels, used: as for `ridge`.
    """
    rows = numpy.arange(len(order))[:, None, None]
    allowed = used[rows, order]
    allowed &= allowed.cumsum(axis=2, dtype=numpy.int8) <= NEIGHBOURS
    classes = labels[rows, order]
    votes = numpy.stack([(allowed & (classes == label)).sum(axis=2) for label in range(CLASSES)], axis=2)
    answers: numpy.ndarray = votes.argmax(axis=2)
    return answers


@dataclass(frozen=True)
class Model:
    """A model of the table at the top.

    Attributes:
        seeded: whether a seed changes anything.
        bagged: whether each network is trained on a random part of its training images.
        layer: whether a random layer comes first.
        knn: whether it is that, not a ridge classifier.
    """

    seeded: bool = True
    bagged: bool = False
    layer: bool = False
    knn: bool = False


RIDGE, KNN = Model(bagged=True), Model(bagged=True, knn=True)
KINDS = {
    "ridge": (Model(seeded=False),) * 2,
    "bagged_ridge": (RIDGE, RIDGE),
    "random_layer": (Model(layer=True),) * 2,
    "knn": (KNN, KNN),
    "ridge_knn": (RIDGE, KNN),
}


def train(
    generator: numpy.random.Generator, model: Model, images: Images, arm: int, dealt: numpy.ndarray
) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Train an arm's networks: one for each seed, repeat and fold.

    Args:
        arm: 0 or 1.
        dealt: the fold of each known image, int64 [experiments, repeats, known].

    Returns:
        Whether the out-of-fold predictions are right, bool [experiments, seeds, repeats, known], and how often the new
        images are predicted right by the networks of the first repeat, [experiments, FRESH].
    """
    experiments, repeats, known = dealt.shape
    labels, inputs, folds = images.labels, images.seen[arm], dealt.max() + 1
    own, fresh = numpy.empty((experiments, SEEDS, repeats, known), bool), []
    order = neighbours(inputs, known) if model.knn else None
    for seed in range(SEEDS if model.seeded else 1):
        values = inputs
        if model.layer:
            layer = generator.standard_normal((experiments, FEATURES + 1, HIDDEN), dtype=numpy.float32)
            values = random_layer(inputs, layer)
        for repeat, fold in itertools.product(range(repeats), range(folds)):
            held = dealt[:, repeat] == fold
            used = ~held
            if model.bagged:
                used &= generator.random(used.shape) < KEPT
            shown = slice(None) if repeat == 0 else slice(known)
            if order is None:
                answers = ridge(values[:, shown], labels[:, :known], used)
            else:
                answers = nearest(order[:, shown], labels[:, :known], used)
            right = answers == labels[:, shown]
            own[:, seed, repeat][held] = right[:, :known][held]
            if repeat == 0:
                fresh.append(right[:, known:])
    if not model.seeded:
        own[:, 1:] = own[:, :1]
    return own, numpy.mean(fresh, axis=0)


def simulate(cell: Cell, experiments: int, seed: int) -> Iterator[list[tuple[numpy.ndarray, numpy.ndarray]]]:
    """Yield for both arms what `train` returns, part by part."""
    numbers = [seed, list(KINDS).index(cell.kind), len(cell.variant), cell.images, cell.folds]
    for start in range(0, experiments, AT_A_TIME):
        generator = numpy.random.default_rng([*numbers, start])
        images = draw_images(generator, cell, min(AT_A_TIME, experiments - start))
        known = images.labels[:, : cell.images]
        dealt = numpy.stack([deal_folds(generator, known, cell.folds) for _ in range(REPEATS)], axis=1)
        yield [train(generator, model, images, arm, dealt) for arm, model in enumerate(KINDS[cell.kind])]


@dataclass(frozen=True, eq=False)
class PlainFactor(Sampling):
    """The analysis without what the package adds for folds: the image variance of the mean times k / (k - 1)."""

    def with_overlap(self, variance: numpy.ndarray, *rows: numpy.ndarray) -> numpy.ndarray:
        assert self.folds is not None
        return variance * self.folds / (self.folds - 1)


def counted(cell: Cell, arms: Sequence[numpy.ndarray], truths: Sequence[float], sampling: Sampling) -> dict[str, float]:
    """Return how often two arms seem to differ and intervals of an arm hold the truth (percent), and widths (points).

    Args:
        arms: bool [experiments, rows, images].
        truths: of each arm, 0 to 1.
    """
    pair = difference_of(*arms, sampling)
    low, high = pair.interval(LEVEL)
    ends = [arm_share(own, sampling).interval(LEVEL) for own in arms]
    holds = [(one[0] <= truth) & (truth <= one[1]) for one, truth in zip(ends, truths, strict=True)]
    return {
        "false": 100 * float((numpy.abs(pair.centre) >= pair.half_width(LEVEL)).mean()),
        "width": 100 * float((high - low).mean()),
        "coverage": 100 * float(numpy.mean(holds)),
        "arm_width": 100 * float(numpy.mean([one[1] - one[0] for one in ends])),
    }


def measure(cell: Cell, experiments: int, seed: int) -> list[dict[str, Any]]:
    """Simulate ties: a row for each number of repeats and of seeds."""
    parts = list(simulate(cell, experiments, seed))
    arms = [numpy.concatenate([part[arm][0] for part in parts]) for arm in (0, 1)]
    truths = [truth_of(cell, numpy.concatenate([part[arm][1] for part in parts])) for arm in (0, 1)]
    rows = []
    for repeats, seeds in itertools.product((1, REPEATS), (1, SEEDS)):
        used = [own[:, :seeds, :repeats].reshape(experiments, -1, cell.images) for own in arms]
        found = counted(cell, used, truths, cell.sampling(folds=cell.folds, rows_per_seed=repeats))
        row = {**asdict(cell), "repeats": repeats, "seeds": seeds, "experiments": experiments}
        row |= {"first": 100 * truths[0], "second": 100 * truths[1], **found}
        if cell.variant != "rare":
            plain = counted(cell, used, truths, PlainFactor(folds=cell.folds, rows_per_seed=repeats))
            by_row = counted(cell, used, truths, cell.sampling(folds=cell.folds))
            row |= {"plain_false": plain["false"], "plain_coverage": plain["coverage"], "rows_false": by_row["false"]}
        rows.append(row)
    return rows


def truth_of(cell: Cell, fresh: numpy.ndarray) -> float:
    """Return the expected metric from how often new images are predicted right, [experiments, FRESH]."""
    labels = cell.labels
    if labels is None:
        return float(fresh.mean())
    new = labels[cell.images :]
    return float(numpy.mean([fresh[:, new == label].mean() for label in range(CLASSES)]))


def counts(table: pandas.DataFrame) -> pandas.Series:
    """Return which rows have a target: three seeds, or seeds that change nothing."""
    seeded = table["kind"].map({kind: any(model.seeded for model in models) for kind, models in KINDS.items()})
    return (table["seeds"] >= SEEDS_FOR_A_VERDICT) | ~seeded


def bounds(experiments: int) -> tuple[float, float]:
    """Return in how many experiments arms may differ at most, and intervals hold the truth at least, in percent."""
    most = stats.binom.ppf(0.95, experiments, LEVEL) / experiments
    fewest = stats.binom.ppf(0.05, experiments, 1 - LEVEL) / experiments
    return 100 * max(0.06, float(most)), 100 * min(0.94, float(fewest))


def targets(table: pandas.DataFrame) -> Iterator[str]:
    """Whether each target is met, and where not."""
    own = table[counts(table)]
    most, fewest = bounds(int(own["experiments"].iloc[0]))
    for name, column, outside in (
        (f"two equal arms differ in at most {most:.1f} %", "false", own["false"] > most + 1e-9),
        (f"an arm’s interval holds the truth in at least {fewest:.1f} %", "coverage", own["coverage"] < fewest - 1e-9),
    ):
        missed = "; ".join(
            f"{row[column]:.1f} with {row['kind']} {row['variant']}, {row['images']} images, {row['folds']} folds, "
            f"{row['repeats']} repeats, {row['seeds']} seeds"
            for _, row in own[outside].iterrows()
        )
        span = f"{own[column].min():.1f} to {own[column].max():.1f}"
        yield f"| {name} | {span} | {f'no: {missed}' if missed else 'yes'} |"


COLUMNS = {
    "arms differ, %": ("false", 1),
    "with k / (k - 1), %": ("plain_false", 1),
    "with rows, %": ("rows_false", 1),
    "width, points": ("width", 0),
    "one arm: coverage, %": ("coverage", 1),
    "with k / (k - 1), % ": ("plain_coverage", 1),
    "width, points ": ("arm_width", 0),
}


def markdown(table: pandas.DataFrame, about: str) -> str:
    """The tables by folds and kind of arms; of each row the values at each number of images."""
    lines = [about, "", "| target | measured | met |", "|---|---|---|", *targets(table)]
    in_target = counts(table)
    for (folds, kind, variant), own in table.groupby(["folds", "kind", "variant"], sort=False):
        sizes = " / ".join(str(images) for images in own["images"].unique())
        ties = own.drop_duplicates("images")
        each = [" / ".join(f"{value:.1f}" for value in ties[arm]) for arm in ("first", "second")]
        lines += ["", f"## {kind}{f', {variant}' if variant else ''}, {folds} folds: {sizes} images", ""]
        lines += [f"True metric of the first arm, %: {each[0]}; of the second one: {each[1]}.", ""]
        lines += [f"| repeats | seeds | {' | '.join(COLUMNS)} |", "|---" * (len(COLUMNS) + 2) + "|"]
        for (repeats, seeds), rows in own.groupby(["repeats", "seeds"]):
            cells = []
            for column, digits in COLUMNS.values():
                text = " / ".join("–" if numpy.isnan(value) else f"{value:.{digits}f}" for value in rows[column])
                cells.append(text if in_target[rows.index[0]] or "width" in column else f"({text})")
            lines.append(f"| {repeats} | {seeds} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="where to write .csv and .md, without the ending")
    parser.add_argument("--experiments", type=int, default=500, help="per cell")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args(arguments)
    start, rows = time.process_time(), []
    for cell in GRID:
        rows += measure(cell, chosen.experiments, chosen.seed)
        print(f"{time.process_time() - start:6.0f} CPU s: {cell}", flush=True)
    table = pandas.DataFrame(rows).round(3)
    write_table(chosen.output.with_suffix(".csv"), table)
    about = (
        f"Out-of-fold predictions of two equally good arms: {chosen.experiments} experiments per cell, "
        f"{(time.process_time() - start) / 60:.1f} minutes of one core; NumPy {numpy.__version__}, "
        f"SciPy {scipy.__version__}, {platform.machine()}."
    )
    write_text(chosen.output.with_suffix(".md"), markdown(table, about))


if __name__ == "__main__":
    main()
