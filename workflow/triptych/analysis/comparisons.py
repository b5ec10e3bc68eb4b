"""Are two arms different? A paired bootstrap over test images and seeds, corrected for the number of pairs.

The unit is the test image: for each image and seed it is known whether each arm is right, and the difference of two
arms is the mean over images and seeds of (right by the one) - (right by the other). A draw of the bootstrap takes as
many images as there are and as many seeds as there are, each with replacement, and the same ones for both arms: what is
hard for both, or comes with a seed's order of batches, cancels. With a single seed only images are drawn.

Images and seeds are crossed, not nested. Drawing both counts what is peculiar to an image in one run more than once, so
intervals are wide where that dominates (Owen 2007, "The pigeonhole bootstrap"). What comes with a seed as a whole is
underestimated with few seeds, as in every bootstrap of few units: its variance by the factor (n - 1) / n. Simulated
with three seeds and 1,300 images, equal arms are told apart in 2 % of cases, not 5 %, where seeds do not differ as a
whole, and in about 10 % where a seed moves an arm's accuracy by 1.7 points (standard deviation).
"""

import hashlib
import itertools
import json

import numpy
import pandas
from statsmodels.stats.multitest import multipletests

COLUMNS = ["arm_a", "arm_b", "difference", "low", "high", "p_value", "verdict"]
MOST_WEIGHTS = 1_000_000
"""Weights (draws x images) that are held at one time: some 30 MB, few enough for a processor's cache to help."""


def compare_arms(
    correct: dict[str, numpy.ndarray], *, margin: float, confidence: float, draws: int, seed: int
) -> pandas.DataFrame:
    """Compare every pair of arms.

    Args:
        correct: for each arm a boolean array [seeds, images], whether a run has that test image right; the seeds and
            the images are the same for all arms.
        margin: of equivalence, in points of accuracy.
        confidence: of the intervals, such as 0.95. A corrected p-value below 1 - confidence is significant.
        draws: of the bootstrap.
        seed: of the draws. A pair's draws depend on the seed and the two names, so another arm changes none of them.

    Returns:
        A row for each pair in the order of `correct`: `arm_a` is the one with the higher accuracy (a tie: the one that
        comes first); `difference` in points, `low` and `high` its percentile interval for this pair alone; `p_value`
        two-sided, corrected by Holm's method (1979) for the number of pairs; `verdict`: `equivalent` where the whole
        interval lies inside plus or minus `margin`, else `better` where the corrected p-value is significant, else
        `undecided`.
    """
    rows = []
    for first, second in itertools.combinations(correct, 2):
        if correct[second].sum() > correct[first].sum():
            first, second = second, first
        difference = correct[first].astype(numpy.int8) - correct[second].astype(numpy.int8)
        drawn = paired_bootstrap(difference, draws, pair_generator(seed, first, second))
        # Adding 0 makes the zero of a negative sum a plain one.
        low, high = 100 * numpy.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2]) + 0.0
        observed = 100 * int(difference.sum(dtype=numpy.int64)) / difference.size
        rows.append([first, second, observed, float(low), float(high), two_sided_p_value(drawn)])
    table = pandas.DataFrame(rows, columns=COLUMNS[:-1])
    if rows:
        table["p_value"] = multipletests(table["p_value"], method="holm")[1]
    table["verdict"] = [
        verdict(low, high, p_value, margin, confidence)
        for low, high, p_value in zip(table["low"], table["high"], table["p_value"], strict=True)
    ]
    return table


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
    sums = []
    step = max(1, MOST_WEIGHTS // count)
    for start in range(0, draws, step):
        part = min(step, draws - start)
        taken = generator.binomial(images, count / images, part)
        cells = numpy.repeat(numpy.arange(part) * count, taken) + generator.integers(count, size=taken.sum())
        image_weights = numpy.bincount(cells, minlength=part * count).reshape(part, count)
        seed_weights = generator.multinomial(seeds, numpy.full(seeds, 1 / seeds), part)
        by_seed = image_weights.astype(numpy.float32) @ differing  # exact: whole numbers below 2**24
        sums.append((by_seed.astype(numpy.float64) * seed_weights).sum(axis=1))
    return numpy.concatenate(sums) / (seeds * images)


def two_sided_p_value(drawn: numpy.ndarray) -> float:
    """Twice the smaller share of draws on either side of zero, zero included, and at most 1.

    The observed sample counts as one more draw on either side, so that no number of draws gives a p-value of 0 (Davison
    and Hinkley 1997, section 4.2).
    """
    sides = min(int((drawn <= 0).sum()), int((drawn >= 0).sum()))
    return min(1.0, 2 * (sides + 1) / (len(drawn) + 1))
