"""Are two arms different? A paired bootstrap over images and seeds, corrected for the number of pairs.

The unit is the image: for each image and seed it is known whether each arm is right, and the difference of two
arms is the mean over images and seeds of (right by the one) - (right by the other). A draw of the bootstrap takes as
many images as there are and as many seeds as there are, each with replacement, and the same ones for both arms: what is
hard for both, or comes with a seed's order of batches, cancels. With a single seed only images are drawn.

Images and seeds are crossed, not nested. Drawing both counts what is peculiar to an image in one run more than once, so
intervals are wide where that dominates (Owen 2007, "The pigeonhole bootstrap"). What comes with a seed as a whole is
underestimated with few seeds, as in every bootstrap of few units: its variance by the factor (n - 1) / n. Simulated
with three seeds and 1,300 images, equal arms are told apart in 2 % of cases, not 5 %, where seeds do not differ as a
whole, and in about 10 % where a seed moves an arm's accuracy by 1.7 points (standard deviation).

Where runs are missing, so that two arms do not have the same seeds, the images are still drawn for both, but the seeds
of each arm by themselves: what comes with a seed does not cancel.
"""

import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy
import pandas
from statsmodels.stats.multitest import multipletests

from triptych.results.schema import COMPARISONS

MOST_WEIGHTS = 1_000_000
"""Weights (draws x images) that are held at one time: some 30 MB, few enough for a processor's cache to help."""


def compare_arms(
    correct: dict[str, numpy.ndarray],
    *,
    margin: float,
    confidence: float,
    draws: int,
    seed: int,
    seeds: dict[str, list[int]] | None = None,
) -> pandas.DataFrame:
    """Compare every pair of arms.

    Args:
        correct: for each arm a boolean array [seeds, images], whether a run has that image right; the images are
            the same for all arms.
        margin: of equivalence, in points of accuracy.
        confidence: of the intervals, such as 0.95. A corrected p-value below 1 - confidence is significant.
        draws: of the bootstrap.
        seed: of the draws. A pair's draws depend on the seed and the two names, so another arm changes none of them.
        seeds: those of each arm, in the order of its rows in `correct`; by default all arms have the same.

    Returns:
        A row for each pair in the order of `correct`: `arm_a` is the one with the higher accuracy (a tie: the one that
        comes first); `difference` in points, `low` and `high` its percentile interval for this pair alone; `p_value`
        two-sided, corrected by Holm's method (1979) for the number of pairs; `verdict`: `equivalent` where the whole
        interval lies inside plus or minus `margin` and there are images enough to show that (`unseen_difference`), else
        `better` where the corrected p-value is significant, else `undecided`.
    """
    rows = []
    for first, second in itertools.combinations(correct, 2):
        # as whole numbers, so that equal shares are equal
        if correct[second].sum() * len(correct[first]) > correct[first].sum() * len(correct[second]):
            first, second = second, first
        generator = pair_generator(seed, first, second)
        if seeds is None or seeds[first] == seeds[second]:
            difference = correct[first].astype(numpy.int8) - correct[second].astype(numpy.int8)
            drawn = paired_bootstrap(difference, draws, generator)
            observed = 100 * int(difference.sum(dtype=numpy.int64)) / difference.size
        else:
            drawn = unpaired_bootstrap(correct[first], correct[second], draws, generator)
            observed = 100 * float(correct[first].mean() - correct[second].mean())
        # Adding 0 makes the zero of a negative sum a plain one.
        low, high = 100 * numpy.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2]) + 0.0
        rows.append([first, second, observed, float(low), float(high), two_sided_p_value(drawn)])
    table = pandas.DataFrame(rows, columns=COMPARISONS.names[:-1])
    if rows:
        table["p_value"] = multipletests(table["p_value"], method="holm")[1]
    enough = all(unseen_difference(runs.shape[1], confidence) < margin for runs in correct.values())
    table["verdict"] = [
        verdict(low, high, p_value, margin if enough else 0.0, confidence)
        for low, high, p_value in zip(table["low"], table["high"], table["p_value"], strict=True)
    ]
    return table


def unseen_difference(images: int, confidence: float) -> float:
    """The largest difference in points that may go unseen with so many images: two arms that are right on the same
    ones of them may still differ in this share of all images (the upper end of Clopper and Pearson's interval of 0).

    The bootstrap cannot know it: where no image differs, every draw is 0.
    """
    return float(100 * (1 - ((1 - confidence) / 2) ** (1 / images)))


def warn_of_few_draws(pairs: int, settings: Mapping[str, Any]) -> None:
    """Print a note if the bootstrap has too few draws for any corrected p-value to be significant.

    Args:
        settings: the section `comparison` of the configuration.
    """
    smallest = pairs * 2 / (settings["bootstrap_draws"] + 1)
    if smallest >= 1 - settings["confidence"]:
        print(
            f"note: with {settings['bootstrap_draws']} draws the smallest p-value corrected for {pairs} pairs is "
            f"{smallest:.2g}, so no verdict can be `better`: raise comparison.bootstrap_draws",
            flush=True,
        )


def verdict(low: float, high: float, p_value: float, margin: float, confidence: float) -> str:
    """`equivalent`, `better` (the arm with the higher accuracy) or `undecided`; see `compare_arms`."""
    if -margin < low and high < margin:
        return "equivalent"
    return "better" if p_value < 1 - confidence else "undecided"


def pair_generator(seed: int, first: str, second: str) -> numpy.random.Generator:
    """The generator of a pair's draws: the same whichever arm is named first, and whatever other arms there are."""
    names = json.dumps(sorted([first, second])).encode()
    return numpy.random.default_rng([seed, int.from_bytes(hashlib.sha256(names).digest())])


def paired_bootstrap(difference: numpy.ndarray, draws: int, generator: numpy.random.Generator) -> numpy.ndarray:
    """Draw images and seeds with replacement and average what was drawn.

    The mean of a draw is a sum over seeds and images of (times the seed was drawn) x (times the image was drawn) x
    difference. Images that make no difference with any seed add nothing however often they are drawn, so it is first
    drawn how many of the others there are, and then which. All sums are of whole numbers, so that neither their order
    nor the number of threads changes a bit.

    Args:
        difference: whole numbers -1, 0 or 1, [seeds, images]; fewer than 2**24 images.

    Returns:
        The mean difference of each draw, float64 [draws].
    """
    seeds, images = difference.shape
    differing = difference[:, difference.any(axis=0)].T.astype(numpy.float32)
    count = len(differing)
    if not count:
        return numpy.zeros(draws)
    sums = [
        _weighted_sums(weights @ differing, generator) for weights in _drawn_images(images, count, draws, generator)
    ]
    means: numpy.ndarray = numpy.concatenate(sums) / (seeds * images)
    return means


def unpaired_bootstrap(
    first: numpy.ndarray, second: numpy.ndarray, draws: int, generator: numpy.random.Generator
) -> numpy.ndarray:
    """As `paired_bootstrap`, for two arms that do not have the same seeds: each arm's are drawn by themselves.

    Args:
        first, second: boolean, [seeds, images], with the same images; fewer than 2**24 of them.

    Returns:
        The difference of the means (first - second) of each draw, float64 [draws].
    """
    both = numpy.concatenate([first, second])
    images = both.shape[1]
    # an image that every run has right, or none has, adds the same to both means
    differing = both[:, both.any(axis=0) & ~both.all(axis=0)].T.astype(numpy.float32)
    if not len(differing):
        return numpy.zeros(draws)
    means = []
    for weights in _drawn_images(images, len(differing), draws, generator):
        right = weights @ differing
        parts = right[:, : len(first)], right[:, len(first) :]
        means.append([_weighted_sums(part, generator) / (part.shape[1] * images) for part in parts])
    drawn = numpy.concatenate(means, axis=1)
    difference: numpy.ndarray = drawn[0] - drawn[1]
    return difference


def _drawn_images(images: int, count: int, draws: int, generator: numpy.random.Generator) -> Iterator[numpy.ndarray]:
    """How often each of `count` of the images is drawn: float32 [draws, count], some draws at a time."""
    step = max(1, MOST_WEIGHTS // count)
    for start in range(0, draws, step):
        part = min(step, draws - start)
        taken = generator.binomial(images, count / images, part)
        cells = numpy.repeat(numpy.arange(part) * count, taken) + generator.integers(count, size=taken.sum())
        yield numpy.bincount(cells, minlength=part * count).reshape(part, count).astype(numpy.float32)


def _weighted_sums(by_seed: numpy.ndarray, generator: numpy.random.Generator) -> numpy.ndarray:
    """Draw as many seeds as there are and add up their sums over images [draws, seeds]; float64 [draws], exact."""
    draws, seeds = by_seed.shape  # whole numbers below 2**24, so float32 held them exactly
    weights = generator.multinomial(seeds, numpy.full(seeds, 1 / seeds), draws)
    sums: numpy.ndarray = (by_seed.astype(numpy.float64) * weights).sum(axis=1)
    return sums


def two_sided_p_value(drawn: numpy.ndarray) -> float:
    """Twice the smaller share of draws on either side of zero, zero included, and at most 1.

    The observed sample counts as one more draw on either side, so that no number of draws gives a p-value of 0 (Davison
    and Hinkley 1997, section 4.2).
    """
    sides = min(int((drawn <= 0).sum()), int((drawn >= 0).sum()))
    return min(1.0, 2 * (sides + 1) / (len(drawn) + 1))
