"""What leaked images are worth: accuracies with and without them, and how often the interval holds the truth."""

import numpy
import pandas
import pytest
from scipy import stats

from triptych.analysis.leak_price import leak_price_table, price_of
from triptych.results.schema import LEAKS
from triptych.storage.errors import InputError

CONFIDENCE = 0.95
EASY, HARD = 1.5, 0.3
"""Of leaked images and of others: how far above its limit the mean latent answer is."""


def leaks_in(**rows):
    """A table `leaks` with these rows of the splits."""
    every = [
        (split, row, "./a", "a", "exact", "train", "./b", "a") for split, numbers in rows.items() for row in numbers
    ]
    return pandas.DataFrame(every, columns=LEAKS.names)


def first_of(images, leaked):
    return numpy.arange(images) < leaked


def test_accuracy_with_and_without_leaked_images():
    # 4 of 4 leaked images are right, and of the 6 others 3 with one seed and 2 with the other
    correct = numpy.array([[1] * 4 + [1, 1, 1, 0, 0, 0], [1] * 4 + [1, 1, 0, 0, 0, 0]], dtype=bool)
    table = leak_price_table(leaks_in(test=range(4)), {"test": {"a": correct, "b": ~correct}}, CONFIDENCE)
    assert table.drop(columns=["low", "high"]).to_numpy().tolist() == [
        ["a", "test", 10, 4, 65.0, 41.6667, 23.3333],
        ["b", "test", 10, 4, 35.0, 58.3333, -23.3333],
    ]
    first, second = (table.iloc[row] for row in (0, 1))
    assert -5 < first["low"] < 23.3 < first["high"] < 40
    assert (first["low"], first["high"]) == (-second["high"], -second["low"])


def test_rows_are_by_arm_then_split_and_only_of_splits_with_leaked_images():
    arms = {"a": numpy.ones((1, 5), dtype=bool), "b": numpy.zeros((1, 5), dtype=bool)}
    correct = {"test": arms, "validation": arms}
    table = leak_price_table(leaks_in(test=[0, 0, 3], validation=[1]), correct, CONFIDENCE)
    assert table[["arm", "split", "leaked"]].to_numpy().tolist() == [
        ["a", "test", 2],
        ["a", "validation", 1],
        ["b", "test", 2],
        ["b", "validation", 1],
    ]
    assert leak_price_table(leaks_in(validation=[1]), correct, CONFIDENCE)["split"].unique() == ["validation"]
    assert leak_price_table(leaks_in(), correct, CONFIDENCE).empty


def test_where_all_images_are_leaked_nothing_is_left():
    row = leak_price_table(leaks_in(test=range(3)), {"test": {"a": numpy.ones((2, 3), dtype=bool)}}, CONFIDENCE).iloc[0]
    assert row["accuracy"] == 100 and row[["accuracy_without", "difference", "low", "high"]].isna().all()


def test_a_row_that_the_split_does_not_have():
    with pytest.raises(InputError, match=r"data/leaks\.csv: row 7 of test; it has 5 images"):
        leak_price_table(leaks_in(test=[1, 7]), {"test": {"a": numpy.ones((2, 5), dtype=bool)}}, CONFIDENCE)


def test_of_one_run_it_is_the_interval_of_agresti_and_caffo():
    correct, leaked = first_of(100, 70)[None], first_of(100, 40)
    price = price_of(correct, leaked, CONFIDENCE)
    one, other = 41 / 42, 31 / 62
    half = 1.959964 * (one * (1 - one) / 42 + other * (1 - other) / 62) ** 0.5
    expected = [0.4 * (one - other - half), 0.4 * (one - other + half)]
    assert [float(price.low), float(price.high)] == pytest.approx(expected, abs=1e-6)


def test_seeds_that_differ_on_leaked_images_alone_widen_it_and_seeds_that_differ_alike_do_not():
    leaked = first_of(400, 200)
    alike = numpy.stack([numpy.arange(400) % 200 < right for right in (100, 120, 140)])
    other = numpy.stack([alike[0] & ~leaked | alike[seed] & leaked for seed in range(3)])

    def width(correct):
        price = price_of(correct, leaked, CONFIDENCE)
        return float(price.high - price.low)

    assert width(alike) < 1.05 * width(alike[1:2]) and width(other) > 2 * width(alike)


def simulated(generator, runs, seeds, leaked, images, sd):
    """Answers bool [runs, seeds, images] of latent normal variables, and the true difference of accuracies."""
    kinds = numpy.stack([leaked, ~leaked]).astype(float)
    moved = sd * generator.standard_normal((runs, seeds, 2)) @ kinds
    shared = generator.standard_normal((runs, 1, images))
    own = 0.5 * generator.standard_normal((runs, seeds, images))
    correct = numpy.array([EASY, HARD]) @ kinds + moved + shared + own > 0
    total = (1 + 0.25 + sd**2) ** 0.5
    return correct, leaked.mean() * (stats.norm.cdf(EASY / total) - stats.norm.cdf(HARD / total))


@pytest.mark.parametrize(
    ("seeds", "leaked", "images", "sd"),
    [(1, 5, 40, 0), (1, 50, 100, 0), (3, 3, 60, 0.1), (3, 45, 90, 0.3), (3, 300, 600, 0.5), (5, 20, 400, 0.2)],
)
def test_the_interval_holds_the_truth_in_nineteen_of_twenty_cases(seeds, leaked, images, sd):
    """Of 1,000 cases at a true rate of 5 % more than 91 miss it once in a million times."""
    runs = 1000
    chosen = first_of(images, leaked)
    correct, truth = simulated(numpy.random.default_rng(18), runs, seeds, chosen, images, sd)
    price = price_of(correct, chosen, CONFIDENCE)
    missed = int(((price.low > truth) | (price.high < truth)).sum())
    assert missed <= stats.binom.isf(1e-6, runs, 0.05)
    if sd == 0.5:  # without the seeds' part it must be too narrow
        alone = [price_of(one[:1], chosen, CONFIDENCE) for one in correct]
        assert sum(one.low > truth or one.high < truth for one in alone) > stats.binom.isf(1e-6, runs, 0.05)
