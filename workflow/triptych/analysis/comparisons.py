"""Are two arms different? A paired bootstrap over images and seeds, corrected for the number of pairs.

The unit is the image: for each image and seed it is known whether each arm is right, and the difference of two
arms is the mean over images and seeds of (right by the one) - (right by the other). A draw of the bootstrap takes as
many images as there are and as many seeds as there are, each with replacement, and the same ones for all arms: what is
hard for both, or comes with a seed's order of batches, cancels. With a single seed only images are drawn.

Images and seeds are crossed, not nested. Drawing both counts what is peculiar to an image in one run more than once, so
intervals are wide where that dominates (Owen 2007, "The pigeonhole bootstrap"). What comes with a seed as a whole is
underestimated with few seeds, as in every bootstrap of few units: its variance by the factor (n - 1) / n. Simulated
with three seeds and 1,300 images, equal arms are told apart in 2 % of cases, not 5 %, where seeds do not differ as a
whole, and in about 10 % where a seed moves an arm's accuracy by 1.7 points (standard deviation).

Where runs are missing, so that two arms do not have the same seeds, the images are still the same for both, but the
seeds of each arm are drawn by themselves: what comes with a seed does not cancel.
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
        seed: of the draws. These depend on it, the number of images and an arm's seeds, so another arm changes none.
        seeds: those of each arm, in the order of its rows in `correct`; by default all arms have the same.

    Returns:
        A row for each pair in the order of `correct`: `arm_a` is the one with the higher accuracy (a tie: the one that
        comes first); `difference` in points, `low` and `high` its percentile interval for this pair alone; `p_value`
        two-sided, corrected by Holm's method (1979) for the number of pairs; `verdict`: `equivalent` where the whole
        interval lies inside plus or minus `margin` and there are images enough to show that (`unseen_difference`), else
        `better` where the corrected p-value is significant, else `undecided`.
    """
    own = seeds or {arm: list(range(len(runs))) for arm, runs in correct.items()}
    drawn_sums = bootstrap_sums(correct, own, draws, seed)
    totals = {arm: int(runs.sum()) for arm, runs in correct.items()}
    rows = []
    for first, second in itertools.combinations(correct, 2):
        # as whole numbers, so that equal shares are equal
        if totals[second] * len(correct[first]) > totals[first] * len(correct[second]):
            first, second = second, first
        numbers = len(correct[first]), len(correct[second])
        size = numbers[0] * numbers[1] * correct[first].shape[1]
        observed = 100 * (totals[first] * numbers[1] - totals[second] * numbers[0]) / size
        drawn = (drawn_sums[first] * numbers[1] - drawn_sums[second] * numbers[0]) / size
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


def bootstrap_sums(
    correct: Mapping[str, numpy.ndarray], seeds: Mapping[str, list[int]], draws: int, seed: int
) -> dict[str, numpy.ndarray]:
    """Draw images and seeds with replacement, and add up for each arm what was drawn.

    The sum is one over seeds and images of (times the seed was drawn) x (times the image was drawn) x correct. All arms
    have the same draws of images, and those with the same seeds the same draws of seeds. All sums are of whole numbers,
    so that neither their order nor the number of threads changes a bit.

    Args:
        correct: for each arm a boolean array [seeds, images], with the same images; fewer than 2**24 of them.
        seeds: those of each arm.

    Returns:
        For each arm float64 [draws].
    """
    if not correct:
        return {}
    places = numpy.cumsum([0, *(len(runs) for runs in correct.values())])
    rows = {arm: slice(*ends) for arm, *ends in zip(correct, places[:-1], places[1:], strict=True)}
    every = numpy.concatenate(list(correct.values())).T.astype(numpy.float32)
    times = {arm: _drawn_seeds(own, draws, seed) for arm, own in seeds.items()}
    parts: dict[str, list[numpy.ndarray]] = {arm: [] for arm in correct}
    start = 0
    for weights in _drawn_images(len(every), draws, seed):
        sums = (weights @ every).astype(numpy.float64)  # whole numbers below 2**24, which float32 holds exactly
        drawn = slice(start, start + len(weights))
        for arm, own_sums in parts.items():
            own_sums.append((sums[:, rows[arm]] * times[arm][drawn]).sum(axis=1))
        start = drawn.stop
    return {arm: numpy.concatenate(own_sums) for arm, own_sums in parts.items()}


def _drawn_images(images: int, draws: int, seed: int) -> Iterator[numpy.ndarray]:
    """How often each image is drawn: float32 [draws, images], some draws at a time."""
    generator = _generator(seed, "images", images)
    step = max(1, MOST_WEIGHTS // images)
    for start in range(0, draws, step):
        part = min(step, draws - start)
        cells = generator.integers(images, size=(part, images)) + numpy.arange(part)[:, None] * images
        yield numpy.bincount(cells.ravel(), minlength=part * images).reshape(part, images).astype(numpy.float32)


def _drawn_seeds(seeds: list[int], draws: int, seed: int) -> numpy.ndarray:
    """How often each seed is drawn: int64 [draws, seeds]."""
    number = len(seeds)
    return _generator(seed, "seeds", seeds).multinomial(number, numpy.full(number, 1 / number), draws)


def _generator(seed: int, *what: Any) -> numpy.random.Generator:
    """The generator of what is drawn, such as the seeds 0 to 2."""
    return numpy.random.default_rng([seed, int.from_bytes(hashlib.sha256(json.dumps(what).encode()).digest())])


def two_sided_p_value(drawn: numpy.ndarray) -> float:
    """Twice the smaller share of draws on either side of zero, zero included, and at most 1.

    The observed sample counts as one more draw on either side, so that no number of draws gives a p-value of 0 (Davison
    and Hinkley 1997, section 4.2).
    """
    sides = min(int((drawn <= 0).sum()), int((drawn >= 0).sum()))
    return min(1.0, 2 * (sides + 1) / (len(drawn) + 1))
