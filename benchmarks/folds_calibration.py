"""How often comparisons of equal arms by out-of-fold predictions are wrong: real models on simulated images.

    python benchmarks/folds_calibration.py --output benchmarks/folds-calibration-mine

An experiment draws N images, deals them to k = 5 folds as the package does (class by class, anew for each repeat), and
trains both arms on all folds but one, for each fold, repeat and seed. The out-of-fold predictions go through the
package's own analysis.

An image is a vector of 20 numbers: the mean of its class, a part that both arms see, and a part of each arm's own. What
the arms see is exchangeable, so of two arms with the same model neither is better: a tie in expectation over images,
training sets and seeds. It is exact, with no pool to run out of: every experiment draws new images. `ridge_knn`
compares two models. Its second arm sees its classes further apart or closer, by as much as makes both equally accurate.

| arms | model | a seed changes |
|---|---|---|
| ridge | ridge classifier | nothing |
| bagged_ridge | the same on 70 % of the training images | which ones, for each network |
| random_layer | the same on 30 random ReLU units | the units, alike for all networks of the seed |
| knn | 5 nearest neighbours, on 70 % of the training images | which ones, for each network |
| ridge_knn | bagged_ridge against knn | which ones |

The truth of an arm's interval is the expected accuracy of a network that is trained on (k - 1) / k of N images. It is
measured on new images, of which each experiment draws 500.

What is tolerated was fixed before the first run. Where a cell has three seeds, or its seeds change nothing:

- false `better` (of one seed: p at most 5 %) in at most 6 % of experiments, or not above 5 % by a binomial test at 5 %;
- 95 % intervals of an arm contain the truth in at least 94 %, or not below 95 % by such a test.

With one seed that matters, there is no verdict, and the interval is about this seed: those cells are in brackets.
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
from typing import Any

import numpy
import pandas
import scipy
import sklearn
from scipy import stats

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "workflow"))

from triptych.analysis.comparisons import SEEDS_FOR_A_VERDICT, difference_of
from triptych.analysis.intervals import arm_share
from triptych.analysis.variance_parts import Sampling
from triptych.storage.files import write_table, write_text

LEVEL = 0.05
FOLDS, REPEATS, SEEDS = 5, 3, 3
"""Of what is simulated; cells with fewer repeats or seeds take the first of them."""
CLASSES, FEATURES = 3, 20
APART = 2.2
"""Distance of two class means, in standard deviations of an image."""
SHARED = 0.7
"""The part of an image's variance that both arms see."""
UNEQUAL = 0.4
"""Standard deviation of the logarithm of an image's own scale: some images are easier than others."""
FRESH = 500
"""New images for the truth, in each experiment."""
AT_A_TIME = 50
"""Experiments."""
HIDDEN, PENALTY, NEIGHBOURS, KEPT = 30, 1.0, 5, 0.7

IMAGES = (60, 100, 200, 400)


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


def draw_images(generator: numpy.random.Generator, experiments: int, images: int, further: float = 1.0) -> Images:
    """Draw images: classes at the corners of a regular simplex, each as likely as any other.

    Args:
        further: how much further apart the second arm sees its classes than the first one.
    """
    shape = (experiments, images + FRESH)
    labels = generator.integers(CLASSES, size=shape)
    means = APART / 2**0.5 * numpy.eye(CLASSES, FEATURES, dtype=numpy.float32)[labels]
    scale = numpy.exp(UNEQUAL * generator.standard_normal((*shape, 1), dtype=numpy.float32))
    shared, *own = (generator.standard_normal((*shape, FEATURES), dtype=numpy.float32) for _ in range(3))
    noise = [scale * (SHARED**0.5 * shared + (1 - SHARED) ** 0.5 * part) for part in own]
    return Images(labels, (means + noise[0], further * means + noise[1]), images)


def deal_folds(generator: numpy.random.Generator, labels: numpy.ndarray) -> numpy.ndarray:
    """Return the fold of each image for one repeat, int64 [experiments, images]: class by class, in random order."""
    order = numpy.argsort(labels + generator.random(labels.shape), axis=1)
    folds = numpy.empty_like(labels)
    numpy.put_along_axis(folds, order, numpy.arange(labels.shape[1])[None] % FOLDS, axis=1)
    return folds


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
    """Return the known images from near to far of every image, int64 [experiments, images, known]."""
    squares = (inputs**2).sum(axis=2)
    distances = squares[:, None, :known] - 2 * inputs @ inputs[:, :known].swapaxes(1, 2)
    return numpy.argsort(distances, axis=2)


def nearest(order: numpy.ndarray, labels: numpy.ndarray, used: numpy.ndarray) -> numpy.ndarray:
    """Return the class that scikit-learn's `KNeighborsClassifier` names for every image, [experiments, images].

    Args:
        order: `neighbours`, or the nearest of them.
        labels, used: as for `ridge`.
    """
    rows = numpy.arange(len(order))[:, None, None]
    allowed = used[rows, order]
    allowed &= allowed.cumsum(axis=2, dtype=numpy.int16) <= NEIGHBOURS
    votes = numpy.stack([(allowed & (labels[rows, order] == label)).sum(axis=2) for label in range(CLASSES)], axis=2)
    answers: numpy.ndarray = votes.argmax(axis=2)
    return answers


@dataclass(frozen=True)
class Model:
    """A model of the table at the top.

    Attributes:
        name: ridge, or knn.
        seeded: whether a seed changes anything.
        bagged: whether each network is trained on a random part of its training images.
        layer: whether a random layer comes first.
    """

    name: str
    seeded: bool = True
    bagged: bool = False
    layer: bool = False

    def answers(
        self, generator: numpy.random.Generator, images: Images, arm: int, folds: numpy.ndarray
    ) -> tuple[numpy.ndarray, float]:
        """Train an arm's networks.

        Args:
            arm: 0 or 1.
            folds: of each known image, int64 [experiments, repeats, known].

        Returns:
            Whether the out-of-fold predictions are right, bool [experiments, seeds, repeats, known], and the accuracy
            on new images.
        """
        experiments, repeats, known = folds.shape
        labels, inputs = images.labels, images.seen[arm]
        own, fresh = numpy.empty((experiments, SEEDS, repeats, known), bool), []
        order = neighbours(inputs, known)[..., :NEAREST] if self.name == "knn" else None
        for seed in range(SEEDS if self.seeded else 1):
            values = inputs
            if self.layer:
                layer = generator.standard_normal((experiments, FEATURES + 1, HIDDEN), dtype=numpy.float32)
                values = random_layer(inputs, layer)
            for repeat, fold in itertools.product(range(repeats), range(FOLDS)):
                used = folds[:, repeat] != fold
                held = ~used
                if self.bagged:
                    used &= generator.random(used.shape) < KEPT
                shown = slice(None) if repeat == 0 else slice(known)  # new images are for the first repeat alone
                answers = (
                    ridge(values[:, shown], labels[:, :known], used)
                    if order is None
                    else nearest(order[:, shown], labels[:, :known], used)
                )
                right = answers == labels[:, shown]
                own[:, seed, repeat][held] = right[:, :known][held]
                if repeat == 0:
                    fresh.append(right[:, known:].mean())
        if not self.seeded:
            own[:, 1:] = own[:, :1]
        return own, float(numpy.mean(fresh))


NEAREST = 40
"""Of these neighbours fewer than five are trained on once in a billion images."""
RIDGE, KNN = Model("ridge", bagged=True), Model("knn", bagged=True)
KINDS = {
    "ridge": (Model("ridge", seeded=False),) * 2,
    "bagged_ridge": (RIDGE, RIDGE),
    "random_layer": (Model("ridge", layer=True),) * 2,
    "knn": (KNN, KNN),
    "ridge_knn": (RIDGE, KNN),
}
FURTHER = {60: 1.0, 100: 1.0, 200: 1.0, 400: 1.0}


def simulate(
    kind: str, images: int, experiments: int, seed: int
) -> Iterator[tuple[list[numpy.ndarray], list[float]]]:
    """Yield for both arms whether out-of-fold predictions are right, and the accuracy on new images, part by part."""
    for start in range(0, experiments, AT_A_TIME):
        generator = numpy.random.default_rng([seed, list(KINDS).index(kind), images, start])
        some = min(AT_A_TIME, experiments - start)
        further = FURTHER[images] if kind == "ridge_knn" else 1.0
        drawn = draw_images(generator, some, images, further)
        folds = numpy.stack([deal_folds(generator, drawn.labels[:, :images]) for _ in range(REPEATS)], axis=1)
        arms = [model.answers(generator, drawn, arm, folds) for arm, model in enumerate(KINDS[kind])]
        yield [own for own, _ in arms], [fresh for _, fresh in arms]


METHODS = {
    "package": lambda repeats: Sampling(folds=FOLDS, rows_per_seed=repeats),
    "without factor": lambda repeats: Sampling(rows_per_seed=repeats),
    "repeats as seeds": lambda repeats: Sampling(folds=FOLDS),
}
"""What is analysed: the package's own way, and two simpler ones."""


def measure(kind: str, images: int, experiments: int, seed: int) -> list[dict[str, Any]]:
    """Simulate ties: a row for each number of repeats and seeds, and each method; shares in percent, widths in points.


    """
    parts = list(simulate(kind, images, experiments, seed))
    arms = [numpy.concatenate([own[arm] for own, _ in parts]) for arm in (0, 1)]
    sizes = [len(own[0]) for own, _ in parts]
    truths = [float(numpy.average([fresh[arm] for _, fresh in parts], weights=sizes)) for arm in (0, 1)]
    rows = []
    for repeats, seeds, method in itertools.product((1, REPEATS), (1, SEEDS), METHODS):
        used = [own[:, :seeds, :repeats].reshape(experiments, -1, images) for own in arms]
        sampling = METHODS[method](repeats)
        pair = difference_of(*used, sampling)
        low, high = pair.interval(LEVEL)
        ends = [arm_share(own, sampling).interval(LEVEL) for own in used]
        covered = [(one[0] <= truth) & (truth <= one[1]) for one, truth in zip(ends, truths, strict=True)]
        rows.append(
            {
                "kind": kind,
                "images": images,
                "repeats": repeats,
                "seeds": seeds,
                "method": method,
                "experiments": experiments,
                "accuracy_a": 100 * truths[0],
                "accuracy_b": 100 * truths[1],
                "false_p": 100 * float((numpy.abs(pair.centre) >= pair.half_width(LEVEL)).mean()),
                "width": 100 * float((high - low).mean()),
                "arm_coverage": 100 * float(numpy.mean(covered)),
                "arm_width": 100 * float(numpy.mean([one[1] - one[0] for one in ends])),
                "sd": 100 * float(pair.mean.std()),
                "se": 100 * float(((pair.half_width(LEVEL)/1.96)**2).mean()**.5),
                "arm_sd": 100 * float(used[0].mean(axis=(1,2)).std()),
            }
        )
    return rows
