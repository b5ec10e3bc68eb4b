"""Are two arms different? Comparisons over images and seeds, corrected for the number of pairs.

The answer is about arms, not about the networks that were trained: other images and other seeds would change it. The
variance of a difference has a part of the images, which both arms share, and a part of the seeds, which are drawn for
each arm by itself (Obuchowski and Rockette 1995; Hillis 2007: `triptych.analysis.variance_parts`). Each part gets a
quantile of its own: normal for many images, Student's t for few seeds.
"""

import itertools
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy
import pandas
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from triptych.analysis.variance_parts import (
    EACH_IMAGE,
    Sampling,
    SeedPart,
    degrees_of_freedom,
    level_at,
    seed_part,
    squared_half_width,
)
from triptych.results.schema import COMPARISONS, OF_ARMS, OF_NETWORKS, OF_TWO_SEEDS

SEEDS_FOR_A_VERDICT = 3
"""The fewest seeds of either arm from which there are verdicts on arms."""

ROUNDING = 1e-12
"""Shares that differ by less are equal: it is far less than one image of one run."""
VERDICT_FROM = ("low", "high", "p_value", "scope")
"""The columns that a verdict is made from."""


@dataclass(frozen=True, eq=False)
class Difference:
    """The difference of two arms' accuracies, and the variance of its parts. Shares are 0 to 1.

    Attributes:
        mean: as observed; [...].
        centre: of the interval: the mean, shrunken by two images of discordance; [...].
        image_variance: of the centre, [...].
        first, second: the seed parts of the two arms.
        images: their number.
        sampling: of the images.
        shrinking: what the mean is multiplied by in the centre; of the class where that is least.
    """

    mean: numpy.ndarray
    centre: numpy.ndarray
    image_variance: numpy.ndarray
    first: SeedPart
    second: SeedPart
    images: int
    sampling: Sampling
    shrinking: float

    def half_width(self, level: float) -> numpy.ndarray:
        """Return half the width of the interval that misses the difference with the probability `level`; [...]."""
        variances = (self.image_variance, self.first.variance + self.second.variance)
        degrees = degrees_of_freedom(self.first, self.second)
        half: numpy.ndarray = numpy.sqrt(squared_half_width(level, self.sampling, self.images, variances, degrees))
        return half

    def interval(self, level: float) -> tuple[numpy.ndarray, numpy.ndarray]:
        """Return both ends of the interval, [...] each, within -1 and 1."""
        half = self.half_width(level)
        return numpy.clip(self.centre - half, -1.0, 1.0), numpy.clip(self.centre + half, -1.0, 1.0)

    def p_value(self) -> float:
        """Return the two-sided p-value of a single difference: the level at which the interval ends at 0."""
        away = abs(float(self.centre))
        if away < ROUNDING:
            return 1.0
        return level_at(lambda level: float(self.half_width(level)) - away)

    @property
    def scope(self) -> str:
        """What a verdict may be about: `schema.SCOPES`."""
        fewest = min((part.seeds for part in (self.first, self.second) if part.seeds is not None), default=None)
        if fewest is None or fewest >= SEEDS_FOR_A_VERDICT:
            return OF_ARMS
        return OF_TWO_SEEDS if fewest == 2 else OF_NETWORKS


def difference_of(
    first: numpy.ndarray,
    second: numpy.ndarray,
    sampling: Sampling = EACH_IMAGE,
    deterministic: tuple[bool, bool] = (False, False),
) -> Difference:
    """Return the difference of two arms on the same images.

    Two images of discordance, one for each arm, are added to those that there are (or two groups of images): they keep
    the level where few images differ, and where none does the interval still has a width. For balanced accuracy they
    are spread over the classes in proportion to what an image of each counts: see `_of_classes`.

    Args:
        first, second: whether each run has each image right, bool [..., seeds, images]; the seeds may differ.
        deterministic: whether every seed of an arm gives the same network.
    """
    images = first.shape[-1]
    difference = first.mean(axis=-2) - second.mean(axis=-2)
    of_classes = sampling.labels is not None and sampling.groups is None
    centre, variance, shrinking = (_of_classes if of_classes else _of_units)(difference, sampling)
    return Difference(
        mean=(sampling.weights(images) * difference).mean(axis=-1),
        centre=centre,
        image_variance=sampling.with_overlap(variance, first, second),
        first=seed_part(first, sampling, deterministic[0]),
        second=seed_part(second, sampling, deterministic[1]),
        images=images,
        sampling=sampling,
        shrinking=shrinking,
    )


def _of_units(difference: numpy.ndarray, sampling: Sampling) -> tuple[numpy.ndarray, numpy.ndarray, float]:
    """The centre and the image variance of the mean of `difference` [..., images], and the shrinking of the mean."""
    images = difference.shape[-1]
    weights = sampling.weights(images)
    mean = (weights * difference).mean(axis=-1)
    by_unit, units = sampling.by_unit(weights * difference), sampling.units(images)
    differs = sampling.by_unit((difference != 0).astype(float)) > 0
    square = numpy.where(
        differs.any(axis=-1),
        (by_unit**2 * differs).sum(axis=-1) / numpy.maximum(differs.sum(axis=-1), 1),
        (sampling.by_unit(weights) ** 2).mean(),
    )
    # in units of one image or group: `by_unit` has the mean `mean` x images / units
    squares = (sampling.residuals(difference) ** 2).sum(axis=-1)
    moved = 2 * units * (mean * images / units) ** 2 / (units + 2)
    of_units = (squares + 2 * square + moved) / (units + 2) ** 2
    return mean * units / (units + 2), of_units * (units / images) ** 2, units / (units + 2)


def _of_classes(difference: numpy.ndarray, sampling: Sampling) -> tuple[numpy.ndarray, numpy.ndarray, float]:
    """The same of the mean over classes, drawn class by class.

    A class of few images has its share of the two images of discordance: without, arms that differ in none of these
    would seem to be alike on the class, which counts as much as any other.
    """
    sizes = sampling.class_sizes
    added = 2 / sizes / (1 / sizes).sum()
    sums, squares = sampling.by_class(difference), sampling.by_class(difference**2)
    means = sums / sizes
    moved = added * sizes * means**2 / (sizes + added)
    of_classes = (squares - sizes * means**2 + added + moved) / (sizes + added) ** 2
    shrinking = sizes / (sizes + added)
    centre = (shrinking * means).mean(axis=-1)
    return centre, of_classes.sum(axis=-1) / len(sizes) ** 2, float(shrinking.min())


def compare_arms(
    correct: Mapping[str, numpy.ndarray],
    *,
    margin: float,
    confidence: float,
    look: int = 1,
    sampling: Sampling = EACH_IMAGE,
    deterministic: Collection[str] = (),
) -> pandas.DataFrame:
    """Compare every pair of arms.

    Args:
        correct: for each arm a boolean array [seeds, images], whether a run has that image right; the images are
            the same for all arms, the seeds need not be.
        margin: of equivalence, in points.
        confidence: of the intervals, such as 0.95; 1 - confidence is the level of the verdicts.
        look: 1 for the first decision; the level is divided by it, since more seeds give another chance of an error.
        sampling: of the images.
        deterministic: arms whose every seed gives the same network.

    Returns:
        A row for each pair in the order of `correct`: `arm_a` is the one with the higher accuracy (a tie: the one that
        comes first); `difference` in points, `low` and `high` its interval for this pair alone; `p_value` two-sided,
        see `adjusted_p_values`; `networks_p` of two single runs, see `p_of_two_networks` (of balanced accuracy:
        `p_value`, corrected by Holm's method); `scope`, one of `schema.SCOPES`; `verdict`, see `verdict`.
    """
    level = (1 - confidence) / look
    share = {arm: exact_share(runs, sampling) for arm, runs in correct.items()}
    rows = []
    for first, second in itertools.combinations(correct, 2):
        if share[second] > share[first]:
            first, second = second, first
        found = difference_of(
            correct[first], correct[second], sampling, (first in deterministic, second in deterministic)
        )
        p_value = found.p_value()
        networks_p = p_of_two_networks(correct[first], correct[second], sampling)
        if not sampling.is_plain and all(sampling.seeds(len(correct[arm])) == 1 for arm in (first, second)):
            networks_p = p_value  # of one seed each the interval is over images alone
        low, high = (100 * float(end) for end in found.interval(level))
        observed = float(100 * (share[first] - share[second]))
        rows.append([first, second, observed, low, high, p_value, networks_p, found.scope])
    table = pandas.DataFrame(rows, columns=COMPARISONS.names[:-1])
    if rows:
        leader = max(correct, key=lambda arm: share[arm])
        of_leader = [leader in pair for pair in zip(table["arm_a"], table["arm_b"], strict=True)]
        table["p_value"] = adjusted_p_values(table["p_value"].to_numpy(), numpy.array(of_leader))
        single = table["networks_p"].notna()
        if single.any():
            table.loc[single, "networks_p"] = multipletests(table.loc[single, "networks_p"], method="holm")[1]
    enough = all(unseen(sampling, runs.shape[1], level) < margin for runs in correct.values())
    table["verdict"] = [
        verdict(low, high, p_value, scope, margin=margin if enough else 0.0, level=level)
        for low, high, p_value, scope in zip(*(table[name] for name in VERDICT_FROM), strict=True)
    ]
    return table


def exact_share(correct: numpy.ndarray, sampling: Sampling = EACH_IMAGE) -> Fraction:
    """Return the mean accuracy or balanced accuracy of an arm's runs as a fraction, so that equal ones are equal.

    Args:
        correct: bool [seeds, images].
    """
    if sampling.labels is None:
        return Fraction(int(correct.sum()), correct.size)
    classes = [correct[:, sampling.labels == label] for label in numpy.unique(sampling.labels)]
    return sum((Fraction(int(own.sum()), own.size) for own in classes), Fraction(0)) / len(classes)


def adjusted_p_values(p_values: numpy.ndarray, of_leader: numpy.ndarray) -> numpy.ndarray:
    """Correct p-values for the number of pairs: by Holm's method (1979), and for the leader's pairs by the smaller of
    that and the largest p-value of these pairs.

    That the leader is the best is the claim that it beats each other arm, so each is tested at the whole level (an
    intersection-union test: Berger 1982, Technometrics 24, 295-300).

    Args:
        p_values: uncorrected, [pairs].
        of_leader: the pairs with the arm that has the highest accuracy; bool [pairs], at least one.
    """
    corrected: numpy.ndarray = multipletests(p_values, method="holm")[1]
    return numpy.where(of_leader, numpy.minimum(corrected, p_values[of_leader].max()), corrected)


def p_of_two_networks(first: numpy.ndarray, second: numpy.ndarray, sampling: Sampling = EACH_IMAGE) -> float:
    """Return the exact p-value of McNemar's test (1947): that two networks differ, on images that were drawn one by
    one. NaN where there is more than one run of an arm, or images count or were drawn in another way.

    Args:
        first, second: bool [seeds, images].
    """
    if len(first) > 1 or len(second) > 1 or not sampling.is_plain:
        return float("nan")
    table = [[(a & b).sum() for b in (second[0], ~second[0])] for a in (first[0], ~first[0])]
    return float(mcnemar(table, exact=True).pvalue)


def unseen_difference(units: float, level: float) -> float:
    """The largest difference in points that may go unseen with so many images (or groups): two arms that are right on
    the same ones of them may still differ in this share of all (the upper end of Clopper and Pearson's interval of 0).

    Args:
        level: of both sides together.
    """
    return float(100 * (1 - (level / 2) ** (1 / units)))


def unseen(sampling: Sampling, images: int, level: float, times: float = 1.0) -> float:
    """Return the largest difference in points that may go unseen with so many images (`unseen_difference`), or with
    `times` as many of the same kind.

    Of balanced accuracy it is the largest mean over classes of the shares d_c that may differ in each, where with a
    probability of level / 2, the product of (1 - d_c)^n_c, no image differs. Rare classes have the largest d_c.
    """
    if sampling.labels is None or sampling.groups is not None:
        return unseen_difference(times * sampling.units(images), level)
    sizes = times * numpy.sort(sampling.class_sizes).astype(float)
    sums = numpy.cumsum(sizes)
    # with the k smallest classes d = 1 - share x n, of the largest k for which no d is below 0
    logarithms = (math.log(level / 2) - numpy.cumsum(sizes * numpy.log(sizes))) / sums
    most = int(numpy.flatnonzero(logarithms + numpy.log(sizes) <= 0)[-1])
    shares = 1 - math.exp(logarithms[most]) * sizes[: most + 1]
    return float(100 * shares.sum() / len(sizes))


def verdict(low: float, high: float, p_value: float, scope: str, *, margin: float, level: float) -> str:
    """Return the verdict on two arms, of which the first has the higher accuracy.

    `undecided` where there are fewer than three seeds; else `equivalent` where the whole interval lies inside plus or
    minus `margin` (two one-sided tests); else `better` where the corrected p-value is at most `level`; else
    `undecided`.

    Args:
        low, high: of the interval, in points.
        p_value: corrected.
        scope: one of `schema.SCOPES`.
        margin: in points; 0 where there are too few images to show equivalence.
        level: such as 0.05.
    """
    if scope != OF_ARMS:
        return "undecided"
    if -margin < low and high < margin:
        return "equivalent"
    return "better" if p_value <= level else "undecided"
