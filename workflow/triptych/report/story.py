"""What the numbers say, in words. Every sentence follows from a table; none says more than its verdict.

A verdict (`tables/comparisons.csv`) is `better`, `equivalent` or `undecided`. What is undecided is called so: a difference
that may be chance is not told as an order, and two arms are equivalent only where the whole interval lies within the margin.
"""

import math

import pandas

from triptych.report import formatting as words
from triptych.report.results import Results

STATISTICS = ("running_mean", "running_var")
"""How the names of BatchNorm's running statistics end; its third buffer only counts batches."""


# The answer


def headline(results: Results) -> str:
    """The answer in one sentence."""
    best, *others = results.contestants
    accuracy = words.percent(results.summary(best, "test_accuracy_mean"))
    if not others:
        interval = words.between(*results.accuracy_interval(best))
        return (
            f"{results.called(best)} gets {accuracy} of the test images right ({results.confidence} interval {interval}); "
            "there is no other arm to compare it with."
        )
    verdicts = {other: results.verdict(best, other) for other in others}
    rivals = [other for other in others if verdicts[other] != "better"]
    beaten = [other for other in others if verdicts[other] == "better"]
    if not rivals:
        second = others[0]
        row = results.comparison(best, second)
        lead = (
            f"{words.plural(row['difference'], 'point', digits=1)} more than {results.called(second)} "
            f"({results.confidence} interval {words.between(row['low'], row['high'])})"
        )
        if len(others) == 1:
            return f"{results.called(best)} is better: it gets {accuracy} of the test images right, {lead}."
        return (
            f"{results.called(best)} is the best of the {len(others) + 1} ways: it gets {accuracy} of the test images right, "
            f"{lead}, the next."
        )
    tail = f"; it is better than {words.listing(beaten)}" if beaten else ""
    undecided = [other for other in rivals if verdicts[other] == "undecided"]
    equivalent = [other for other in rivals if verdicts[other] == "equivalent"]
    start = f"No single winner: {results.called(best)} gets {accuracy} of the test images right"
    parts = []
    if equivalent:
        named = words.listing([_with_accuracy(results, other) for other in equivalent])
        verb = "is" if len(equivalent) == 1 else "are"
        parts.append(f"{named} {verb} equivalent to it (within {words.points(results.margin)})")
    if undecided:
        named = words.listing([_with_accuracy(results, other) for other in undecided], "or")
        parts.append(f"whether it is better than {named} is undecided")
    return f"{start}, {words.listing(parts)}{tail}."


def _with_accuracy(results: Results, arm: str) -> str:
    return f"{results.called(arm)}, {words.percent(results.summary(arm, 'test_accuracy_mean'))}," if False else (
        f"{results.called(arm)} with {words.percent(results.summary(arm, 'test_accuracy_mean'))}"
    )
