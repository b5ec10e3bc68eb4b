import itertools
import os
import subprocess
import sys
import time

import numpy
import pandas
import pytest
from scipy import stats

from triptych.analysis import comparisons
from triptych.analysis.comparisons import bootstrap_sums, compare_arms, two_sided_p_value, verdict
from triptych.results.schema import COMPARISONS

SETTINGS = {"margin": 1.0, "confidence": 0.95, "draws": 2000, "seed": 0}


def random_arms(shares, seeds=3, images=400, seed=1):
    generator = numpy.random.default_rng(seed)
    return {name: generator.random((seeds, images)) < share for name, share in shares.items()}


def unpaired_bootstrap(first, second, draws, seed=0, seeds=None):
    """The difference of the means of two arms in each draw; by default they have no seed in common."""
    own, other = seeds or (list(range(len(first))), list(range(100, 100 + len(second))))
    sums = bootstrap_sums({"first": first, "second": second}, {"first": own, "second": other}, draws, seed)
    return sums["first"] / first.size - sums["second"] / second.size


def paired_bootstrap(difference, draws, seed=0):
    """The mean difference of two arms with the same seeds in each draw; it is 1, 0 or -1 for each seed and image."""
    difference = numpy.asarray(difference)
    seeds = list(range(len(difference)))
    return unpaired_bootstrap(difference > 0, difference < 0, draws, seed, (seeds, seeds))


def exact_distribution(difference):
    """Every way to draw seeds and images with replacement, equally likely: the means, sorted."""
    seeds, images = difference.shape
    means = [
        difference[numpy.ix_(drawn_seeds, drawn_images)].mean()
        for drawn_seeds in itertools.product(range(seeds), repeat=seeds)
        for drawn_images in itertools.product(range(images), repeat=images)
    ]
    return numpy.sort(means)


@pytest.mark.parametrize(
    "difference",
    [
        [[1, 0, -1, 1]],  # one seed: only images are drawn
        [[1, 0, 0, 1], [0, 0, -1, 1]],
        [[1, 1, 0], [0, 1, 0], [-1, 1, 0]],
        [[1, -1, 1], [-1, 1, -1]],  # no image is the same for both arms
    ],
)
def test_the_draws_have_the_exact_distribution_of_the_plain_bootstrap(difference):
    difference = numpy.array(difference)
    drawn = paired_bootstrap(difference, 40_000)
    exact = exact_distribution(difference)
    values, counts = numpy.unique(exact.round(9), return_counts=True)
    assert set(drawn.round(9)) <= set(values)
    observed = [(drawn.round(9) == value).sum() for value in values]
    expected = len(drawn) * counts / len(exact)
    enough = expected >= 5
    p_value = stats.chisquare(
        [*numpy.array(observed)[enough], numpy.array(observed)[~enough].sum() + 1e-9],
        [*expected[enough], expected[~enough].sum() + 1e-9],
    ).pvalue
    assert p_value > 1e-3


def test_the_spread_of_one_seed_is_that_of_paired_images():
    """McNemar's variance: with shares b and c of images that only one arm has right, (b + c - (b - c)²) / n."""
    arms = random_arms({"a": 0.9, "b": 0.8}, seeds=1, images=2000)
    difference = arms["a"].astype(int) - arms["b"]
    drawn = paired_bootstrap(difference, 20_000)
    only_a, only_b = (difference == 1).mean(), (difference == -1).mean()
    expected = ((only_a + only_b - (only_a - only_b) ** 2) / 2000) ** 0.5
    assert drawn.std() == pytest.approx(expected, rel=0.03)
    assert drawn.mean() == pytest.approx(only_a - only_b, abs=4 * expected / 20_000**0.5)


def test_seeds_are_drawn_too():
    """One seed is better in every image and one worse: only drawing seeds tells that the difference is uncertain."""
    difference = numpy.array([[1] * 50, [-1] * 50])
    drawn = paired_bootstrap(difference, 4000)
    values, counts = numpy.unique(drawn, return_counts=True)
    assert values.tolist() == [-1.0, 0.0, 1.0]
    assert counts / 4000 == pytest.approx([0.25, 0.5, 0.25], abs=0.03)


def test_draws_in_parts_are_those_of_the_whole(monkeypatch):
    difference = numpy.sign(numpy.random.default_rng(2).integers(-3, 4, size=(2, 50)))
    whole = paired_bootstrap(difference, 3001)
    monkeypatch.setattr(comparisons, "MOST_WEIGHTS", 333)
    assert numpy.array_equal(paired_bootstrap(difference, 3001), whole) and len(whole) == 3001


def test_an_arm_compared_with_its_equal_is_equivalent():
    right = random_arms({"a": 0.8})["a"]
    (row,) = compare_arms({"a": right, "b": right.copy()}, **SETTINGS).to_dict("records")
    assert row == {
        "arm_a": "a",
        "arm_b": "b",
        "difference": 0.0,
        "low": 0.0,
        "high": 0.0,
        "p_value": 1.0,
        "verdict": "equivalent",
    }


@pytest.mark.parametrize(("images", "expected"), [(1, "undecided"), (367, "undecided"), (368, "equivalent")])
def test_equal_arms_need_images_enough_to_be_called_equivalent(images, expected):
    # if 1 % of all images differ, none is seen in 367 of them with a probability of 2.501 %, in 368 with one of 2.476 %
    assert 0.99**368 < 0.025 < 0.99**367
    right = numpy.ones((5, images), bool)
    assert SETTINGS["margin"] == 1
    assert compare_arms({"a": right, "b": right.copy()}, **SETTINGS)["verdict"].tolist() == [expected]


def test_a_clear_winner_stands_first_and_is_better():
    table = compare_arms(random_arms({"poor": 0.5, "good": 0.9}), **SETTINGS)
    row = table.iloc[0]
    assert (row["arm_a"], row["arm_b"], row["verdict"]) == ("good", "poor", "better")
    assert 0 < row["low"] < row["difference"] < row["high"]
    assert row["difference"] == pytest.approx(40, abs=4)
    assert row["p_value"] == pytest.approx(2 / 2001)


def test_little_data_is_undecided():
    right = {"a": numpy.array([[True, True, False, True, False, True]]), "b": numpy.array([[True, False, True] * 2])}
    assert compare_arms(right, **SETTINGS)["verdict"].tolist() == ["undecided"]


def test_the_difference_by_hand():
    right = {"a": numpy.array([[1, 1, 0, 0], [1, 0, 0, 0]], bool), "b": numpy.array([[1, 1, 1, 0], [1, 1, 1, 1]], bool)}
    row = compare_arms(right, **SETTINGS).iloc[0]
    assert (row["arm_a"], row["arm_b"], row["difference"]) == ("b", "a", 50.0)


def test_the_interval_takes_its_confidence():
    arms = random_arms({"a": 0.8, "b": 0.7})
    widths = []
    for confidence in (0.5, 0.95, 0.99):
        row = compare_arms(arms, **SETTINGS | {"confidence": confidence}).iloc[0]
        widths.append(row["high"] - row["low"])
    assert widths[0] < widths[1] < widths[2]
    drawn = 100 * paired_bootstrap(arms["a"].astype(int) - arms["b"], 2000)
    assert ((drawn >= row["low"]) & (drawn <= row["high"])).mean() == pytest.approx(0.99, abs=0.005)


def test_naming_the_arms_the_other_way_round_changes_nothing():
    arms = random_arms({"a": 0.82, "b": 0.80})
    turned = compare_arms(dict(reversed(arms.items())), **SETTINGS)
    pandas.testing.assert_frame_equal(turned, compare_arms(arms, **SETTINGS))


def test_another_seed_and_other_seeds_of_the_arms_give_other_draws():
    difference = numpy.array([[1, 0, -1, 1, 0], [0, 1, 1, -1, 0]])
    draws = [paired_bootstrap(difference, 50, seed) for seed in (0, 1)]
    right = difference > 0, difference < 0
    draws.append(unpaired_bootstrap(*right, 50, 0, ([0, 1], [1, 2])))
    draws.append(unpaired_bootstrap(*right, 50, 0, ([1, 2], [1, 2])))
    assert len({drawn.tobytes() for drawn in draws}) == 4


def test_another_arm_changes_no_draw_of_the_others():
    arms = random_arms({"a": 0.80, "b": 0.78, "c": 0.3})
    all_three = compare_arms(arms, **SETTINGS)
    two = compare_arms({name: arms[name] for name in "ab"}, **SETTINGS)
    columns = ["arm_a", "arm_b", "difference", "low", "high"]
    assert all_three[columns].iloc[0].tolist() == two[columns].iloc[0].tolist()


def test_p_values_are_holms():
    arms = random_arms({"a": 0.80, "b": 0.77, "c": 0.74, "d": 0.80}, images=300)
    table = compare_arms(arms, **SETTINGS)
    raw = [
        two_sided_p_value(paired_bootstrap(arms[first].astype(int) - arms[second], SETTINGS["draws"]))
        for first, second in zip(table["arm_a"], table["arm_b"], strict=True)
    ]
    # Holm (1979): the k-th smallest of m times m - k + 1, never less than a smaller one's, at most 1
    corrected, largest = [0.0] * len(raw), 0.0
    for rank, position in enumerate(numpy.argsort(raw, kind="stable")):
        largest = max(largest, min(1.0, raw[position] * (len(raw) - rank)))
        corrected[position] = largest
    assert len(set(raw)) > 2
    assert table["p_value"].tolist() == pytest.approx(corrected)


def test_pairs_in_the_order_of_the_arms_and_ties_too():
    same = numpy.array([[True, False, True, False]])
    arms = {"z": same, "m": ~same, "a": same}
    table = compare_arms(arms, **SETTINGS)
    assert table[["arm_a", "arm_b"]].to_numpy().tolist() == [["z", "m"], ["z", "a"], ["m", "a"]]


@pytest.mark.parametrize("arms", [{}, {"alone": numpy.ones((2, 5), bool)}])
def test_nothing_to_compare_is_an_empty_table(arms):
    table = compare_arms(arms, **SETTINGS)
    assert list(table.columns) == COMPARISONS.names
    assert len(table) == 0


@pytest.mark.parametrize(
    ("low", "high", "p_value", "expected"),
    [
        (-0.5, 0.9, 0.5, "equivalent"),
        (0.1, 0.9, 0.001, "equivalent"),  # surely different, and by less than matters
        (0.1, 1.1, 0.001, "better"),
        (-0.1, 1.1, 0.2, "undecided"),
        (-1.1, 0.9, 0.2, "undecided"),
        (0.0, 1.0, 0.2, "undecided"),  # the margin itself is not inside
        (2.0, 3.0, 0.06, "undecided"),  # apart by itself, not after the correction
    ],
)
def test_verdicts(low, high, p_value, expected):
    assert verdict(low, high, p_value, margin=1.0, confidence=0.95) == expected


def test_p_values_by_hand():
    assert two_sided_p_value(numpy.array([1.0] * 99)) == pytest.approx(2 / 100)
    assert two_sided_p_value(numpy.array([1.0] * 95 + [-1.0] * 4)) == pytest.approx(2 * 5 / 100)
    assert two_sided_p_value(numpy.array([1.0] * 95 + [0.0] * 4)) == pytest.approx(2 * 5 / 100)
    assert two_sided_p_value(-numpy.array([1.0] * 95 + [-1.0] * 4)) == pytest.approx(2 * 5 / 100)
    assert two_sided_p_value(numpy.zeros(99)) == 1.0


def simulate(seeds, truth, repetitions=400, images=250):
    """How often the interval holds the true difference, and how often the p-value is below 5 %, of made-up test sets.

    An image has a difficulty, which both arms share, so that their answers are alike; runs of an arm differ at random.
    """
    generator = numpy.random.default_rng(8)
    held = rejected = 0
    for repetition in range(repetitions):
        difficulty = generator.normal(0, 1.5, images)
        right = [
            difficulty + 1 + gap + generator.normal(0, 0.7, images) + generator.normal(0, 0.5, (seeds, images)) > 0
            for gap in (truth, 0.0)
        ]
        drawn = paired_bootstrap(right[0].astype(int) - right[1], 400, repetition)
        spread = (1.5**2 + 0.7**2 + 0.5**2) ** 0.5
        difference = stats.norm.cdf((1 + truth) / spread) - stats.norm.cdf(1 / spread)
        low, high = numpy.quantile(drawn, [0.025, 0.975])
        held += low <= difference <= high
        rejected += two_sided_p_value(drawn) < 0.05
    return held / repetitions, rejected / repetitions


@pytest.mark.parametrize("seeds", [1, 3])
def test_coverage_and_size_without_a_difference(seeds):
    """Within three standard errors of 400 repetitions (1.1 points) of the nominal, on the careful side with seeds."""
    coverage, size = simulate(seeds, truth=0.0)
    assert 0.917 <= coverage <= (0.983 if seeds == 1 else 1.0)
    assert size <= 0.083
    if seeds == 1:
        assert size >= 0.017


def test_coverage_and_power_with_a_difference():
    coverage, power = simulate(1, truth=0.6)
    assert 0.917 <= coverage <= 0.983
    assert power > 0.8


def test_the_bits_do_not_depend_on_the_number_of_threads():
    code = (
        "import numpy; from triptych.analysis.comparisons import bootstrap_sums;"
        "arms = {'a': numpy.random.default_rng(0).integers(0, 2, size=(5, 900), dtype=bool)};"
        "print(hash(bootstrap_sums(arms, {'a': [0, 1, 2, 3, 4]}, 500, 0)['a'].tobytes()))"
    )
    outputs = set()
    for threads in ("1", "2", "4"):
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": threads, "PYTHONHASHSEED": "0"}
        run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True, text=True)
        outputs.add(run.stdout)
    assert len(outputs) == 1


@pytest.mark.slow
@pytest.mark.parametrize(("arms", "seeds", "images"), [(3, 5, 10_000), (20, 20, 5000)])
def test_it_is_quick_enough(arms, seeds, images):
    """10,000 draws: some seconds of the processor, however many pairs there are."""
    shares = {f"arm{number}": 0.5 + 0.02 * number for number in range(arms)}
    right = random_arms(shares, seeds, images)
    start = time.process_time()
    compare_arms(right, **SETTINGS | {"draws": 10_000})
    assert time.process_time() - start < 20


@pytest.mark.parametrize(("first", "second"), [([[1, 0, 1]], [[0, 0, 1], [1, 0, 0]]), ([[1, 0, 1]], [[0, 1, 1]])])
def test_arms_without_the_same_seeds_draw_images_together_and_seeds_by_themselves(first, second):
    first, second = (numpy.array(one, dtype=bool) for one in (first, second))
    images = first.shape[1]
    exact = [
        first[numpy.ix_(own, drawn)].mean() - second[numpy.ix_(other, drawn)].mean()
        for drawn in itertools.product(range(images), repeat=images)
        for own in itertools.product(range(len(first)), repeat=len(first))
        for other in itertools.product(range(len(second)), repeat=len(second))
    ]
    drawn = unpaired_bootstrap(first, second, 40_000)
    values, counts = numpy.unique(numpy.round(exact, 9), return_counts=True)
    assert set(drawn.round(9)) <= set(values)
    shares = [(drawn.round(9) == value).mean() for value in values]
    assert shares == pytest.approx(counts / len(exact), abs=0.01)  # four standard deviations


def test_only_arms_without_the_same_seeds_are_compared_otherwise():
    arms = random_arms({"a": 0.9, "b": 0.8, "c": 0.7})
    whole = compare_arms(arms, **SETTINGS)
    assert compare_arms(arms, **SETTINGS, seeds={name: [0, 1, 2] for name in arms}).equals(whole)
    short = {**arms, "c": arms["c"][:1]}
    table = compare_arms(short, **SETTINGS, seeds={"a": [0, 1, 2], "b": [0, 1, 2], "c": [0]})
    assert table.loc[0, "difference":"high"].equals(whole.loc[0, "difference":"high"])
    assert table.loc[1, "difference"] == pytest.approx(100 * (arms["a"].mean() - arms["c"][0].mean()))
    assert table["low"].lt(table["difference"]).all() and table["high"].gt(table["difference"]).all()


def test_the_arm_with_the_higher_share_stands_first_where_it_has_fewer_runs():
    arms = {"many": numpy.array([[1, 0, 1, 0]] * 3, dtype=bool), "one": numpy.array([[1, 1, 1, 0]], dtype=bool)}
    table = compare_arms(arms, **SETTINGS, seeds={"many": [0, 1, 2], "one": [0]})
    assert table.loc[0, ["arm_a", "arm_b", "difference"]].tolist() == ["one", "many", 25.0]
