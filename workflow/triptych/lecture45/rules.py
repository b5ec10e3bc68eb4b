"""What the rules of claims share: a claim is a conjunction of clauses, and each clause holds, fails or is open.

Every rule follows from two questions: what do the words say, and how often would noise pass?

- A number that is said (11 million, 2.5 times) is tested to the digits that are said.
- An accuracy is compared by its 95 % interval: a clause holds where the whole interval is inside the band that the
  words name, fails where it is outside, and is open where it reaches over an end.
- A curve rises or falls by its own last epochs, whose noise is known or measured (`rising`, `rise_and_fall`). Whether
  it has settled (`settled`) has no such rate.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy
import pandas
from scipy import stats

from triptych.lecture45.verdicts import AGREES, DISAGREES, NOT_TESTED, UNDECIDED

FIRST, SECOND = "conv1.weight", "layer1.0.conv1.weight"
"""The two convolutions of a ResNet whose kernels the lecture shows."""

NO_REFERENCE = "no row of that network in tables/architectures.csv"

LEVEL = 0.05
"""How often noise may pass a rule."""

ABOUT = 2.5
"""Points of accuracy within which a number counts as `about` another."""

FAR = 5.0
"""Points of accuracy that count as far above and much below: twice as many as `about` reaches."""

LAST = 4
"""Epochs whose accuracies decide whether a curve still rises: noise puts four in rising order in 1 of 24 cases."""

MEAN_OF = 3
"""Epochs over which `rise_and_fall` takes means."""

FEWEST_EPOCHS = 2 * MEAN_OF
"""The shortest curve of which `rise_and_fall` can speak."""

Interval = tuple[float, float]


@dataclass(frozen=True)
class Claim:
    """A claim, this run's result and the verdict. `at` is the time in the film, minute:second.

    `different` is how this run is not the lecture's, if the claim is about the lecture's run.
    """

    at: str
    claim: str
    number: str
    verdict: str
    reason: str
    different: str = ""


@dataclass(frozen=True)
class Clause:
    """A part of a claim in words, and whether it holds; None where it is open. `measured`: whether this run can
    tell.
    """

    words: str
    holds: bool | None
    measured: bool = True


def decided(clauses: Sequence[Clause]) -> tuple[str, str]:
    """Return the verdict on a conjunction of clauses, and the reason: every clause with its own answer.

    One clause that fails is enough to disagree, whatever the others say. To agree, each must hold.
    """
    answers = []
    for clause in clauses:
        answer = {True: "yes", False: "no", None: "open"}[clause.holds] if clause.measured else "not measured"
        answers.append((answer, clause.words))
    found = {answer for answer, _ in answers}
    verdict = next(
        (verdict for answer, verdict in VERDICTS_BY_ANSWER if answer in found),
        AGREES,
    )
    return verdict, "; ".join(f"{answer}: {words}" for answer, words in answers)


VERDICTS_BY_ANSWER = (("no", DISAGREES), ("not measured", NOT_TESTED), ("open", UNDECIDED))
"""The verdict by the first of these answers that any clause has."""


def inside(interval: Interval, band: Interval) -> bool | None:
    """Whether an interval is inside a band; None where it reaches over one of its ends."""
    low, high = interval
    if band[0] <= low and high <= band[1]:
        return True
    return False if high < band[0] or low > band[1] else None


def above(interval: Interval, bound: float) -> bool | None:
    """Whether a whole interval is above a bound; None where the bound is in it."""
    return None if interval[0] <= bound <= interval[1] else interval[0] > bound


def opposite(holds: bool | None) -> bool | None:
    """The answer to the opposite."""
    return None if holds is None else not holds


def rising(curve: pandas.Series) -> bool:
    """Whether the last `LAST` values are in rising order. Values that only waver are in 1 of 24 cases."""
    last = curve.iloc[-LAST:]
    return len(last) == LAST and bool((last.diff().iloc[1:] > 0).all())


def settled(curve: pandas.Series, margin: float) -> bool | None:
    """Whether a curve has come to rest: it does not rise any more, and its last `LAST` values are within the margin.

    A curve that rises has not settled; one that wavers by more is open.
    """
    if rising(curve):
        return False
    last = curve.iloc[-LAST:]
    return True if last.max() - last.min() <= margin else None


@dataclass(frozen=True)
class Trend:
    """What a curve does, as means over `MEAN_OF` epochs: `rise` is the last of them minus the lowest one before, `fall`
    the first minus the last. `noise` is what either may be although the curve only wavers, in 95 of 100 cases.
    """

    rise: float
    fall: float
    noise: float

    @property
    def rises(self) -> bool:
        return self.rise > self.noise

    @property
    def falls(self) -> bool | None:
        """Whether it falls to the end; False where it rises again, None where it only wavers."""
        if self.rises:
            return False
        return True if self.fall > self.noise else None


def rise_and_fall(curve: pandas.Series) -> Trend | None:
    """Measure the rise and the fall of a curve against its own jitter; None where it has too few epochs.

    The jitter of one epoch is the root mean square of the second differences over the square root of 6, its size for
    independent noise; the bend of a curve only makes it larger. The bound is Student's t for the number of second
    differences, divided among the windows in which the lowest mean may be.
    """
    values = curve.to_numpy(dtype=float)
    if len(values) < FEWEST_EPOCHS:
        return None
    bends = numpy.diff(values, 2)
    jitter = numpy.sqrt((bends**2).mean() / 6)
    means = numpy.convolve(values, numpy.full(MEAN_OF, 1 / MEAN_OF), "valid")
    before = means[:-MEAN_OF]
    noise = stats.t.isf(LEVEL / 2 / len(before), len(bends)) * jitter * numpy.sqrt(2 / MEAN_OF)
    return Trend(float(means[-1] - before.min()), float(means[0] - means[-1]), float(noise))


def epoch_of_lowest(curve: pandas.Series) -> int:
    """The first epoch in which a curve is lowest."""
    return int(curve.index[int(curve.argmin())])


def verdict_of(agrees: bool) -> str:
    return AGREES if agrees else DISAGREES


def share(value: float) -> str:
    """A share from 0 to 1 in percent, two significant digits."""
    text = f"{100 * value:.2g}" if value < 0.995 else f"{100 * value:.0f}"
    return f"{text} %"


def signed(value: float, digits: int = 1) -> str:
    return f"{value:+.{digits}f}".replace("-", "\u2212")


def points(value: float) -> str:
    """Points of accuracy in words."""
    return f"{value:g} point" if value == 1 else f"{value:g} points"


def between(interval: Interval) -> str:
    return f"{interval[0]:.1f} to {interval[1]:.1f}".replace("-", "\u2212")


def in_bytes(value: float) -> str:
    return f"{value / 2**30:.2f} GiB" if value >= 2**30 else f"{value / 2**20:.1f} MiB"
