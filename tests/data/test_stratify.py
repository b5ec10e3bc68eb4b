"""Splits are apart, balanced in every prefix, and steady when another size changes."""

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triptych.data.stratify import SPLITS, in_rounds, stratify
from triptych.storage.errors import InputError

NAMES = ["a", "b", "c"]
LABELS = numpy.random.default_rng(0).permutation(numpy.repeat(numpy.arange(3), [20, 25, 30]))


@settings(max_examples=50, deadline=None)
@given(
    train=st.integers(1, 9),
    validation=st.integers(0, 5),
    test=st.none() | st.integers(1, 6),
    seed=st.integers(0, 2**32),
)
def test_sizes_and_balance(train, validation, test, seed):
    rows = stratify(LABELS, NAMES, train, validation, test, seed)
    assert list(rows) == list(SPLITS)
    together = numpy.concatenate(list(rows.values()))
    assert len(set(together.tolist())) == len(together)
    for split, size in (("train", train), ("validation", validation), ("test", test)):
        counts = numpy.bincount(LABELS[rows[split]], minlength=3)
        expected = numpy.array([20, 25, 30]) - train - validation if size is None else numpy.full(3, size)
        assert counts.tolist() == expected.tolist()
    for length in range(len(rows["train"])):
        counts = numpy.bincount(LABELS[rows["train"][:length]], minlength=3)
        assert counts.max() - counts.min() <= 1


def test_a_larger_training_set_begins_with_the_smaller_one():
    small, large = (stratify(LABELS, NAMES, size, 3, 4, 7) for size in (5, 9))
    assert numpy.array_equal(large["train"][:15], small["train"])
    assert numpy.array_equal(large["validation"], small["validation"])
    assert numpy.array_equal(large["test"], small["test"])


def test_seeds_differ_and_repeat():
    first, again, other = (stratify(LABELS, NAMES, 5, 3, None, seed)["train"] for seed in (1, 1, 2))
    assert numpy.array_equal(first, again)
    assert not numpy.array_equal(first, other)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((15, 3, 3), r"class 'a' has 20 images, but 21 are needed"),
        ((17, 3, None), r"class 'a' has 20 images, but 21 are needed \(.*test at least 1\)"),
        ((0, 3, None), "train_per_class: 0"),
        ((1, -1, None), "validation_per_class: -1"),
        ((1, 1, 0), "test_per_class: 0"),
    ],
)
def test_impossible_sizes_are_refused(sizes, message):
    with pytest.raises(InputError, match=message):
        stratify(LABELS, NAMES, *sizes, seed=0)


def test_rounds_go_on_when_a_class_runs_out():
    rows = [numpy.array([0, 1, 2]), numpy.array([10]), numpy.array([], dtype=int)]
    assert in_rounds(rows, numpy.random.default_rng(0)).tolist() in ([0, 10, 1, 2], [10, 0, 1, 2])
    assert in_rounds([], numpy.random.default_rng(0)).dtype == numpy.int64
