"""The balanced accuracy of an arm and its score interval, against other code and by simulation."""

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats
from sklearn.metrics import balanced_accuracy_score

from triptych.analysis.balanced_accuracy import balanced_accuracy, sampling_of
from triptych.analysis.intervals import accuracy_interval, arm_share, p_of_guessing
from triptych.analysis.variance_parts import EACH_IMAGE, Sampling

SIZES = st.lists(st.integers(1, 9), min_size=2, max_size=4)


def labels_of(sizes):
    return numpy.repeat(numpy.arange(len(sizes)), sizes)


def score_ends(right, sizes, level=0.05):
    """Both ends for one run, by general optimisation: recalls of most likelihood at each mean, on a grid of means."""
    right, sizes = numpy.array(right), numpy.array(sizes)
    share = (right / sizes).mean()

    def outside(mean):
        def unlikely(recalls):
            return -(right * numpy.log(recalls) + (sizes - right) * numpy.log1p(-recalls)).sum()

        bound = [(1e-9, 1 - 1e-9)] * len(sizes)
        constraint = {"type": "eq", "fun": lambda recalls: recalls.mean() - mean}
        found = optimize.minimize(
            unlikely, numpy.full(len(sizes), mean), bounds=bound, constraints=constraint, tol=1e-12
        ).x
        variance = (found * (1 - found) / (sizes - 1.5)).sum() / len(sizes) ** 2
        return (share - mean) ** 2 - stats.norm.isf(level / 2) ** 2 * variance

    return optimize.brentq(outside, 1e-6, share - 1e-6), optimize.brentq(outside, share + 1e-6, 1 - 1e-6)


@pytest.mark.parametrize(("right", "sizes"), [((2, 40), (4, 50)), ((1, 20, 70), (3, 30, 80))])
def test_ends_by_general_optimisation(right, sizes):
    correct = numpy.concatenate([numpy.arange(size) < own for own, size in zip(right, sizes, strict=True)])
    found = accuracy_interval(correct[None], 0.95, Sampling(labels=labels_of(sizes)))
    assert found == pytest.approx([100 * end for end in score_ends(right, sizes)], abs=0.02)


@settings(max_examples=40, deadline=None)
@given(SIZES, st.integers(1, 4), st.integers(0, 99), st.sampled_from([0.0, 0.5, 0.9, 1.0]))
def test_what_holds_for_any_arm(sizes, seeds, seed, share):
    labels, generator = labels_of(sizes), numpy.random.default_rng(seed)
    correct = generator.random((seeds, len(labels))) < share
    sampling = Sampling(labels=labels)
    low, high = accuracy_interval(correct, 0.95, sampling)
    mean = 100 * float(arm_share(correct, sampling).share)
    assert mean == pytest.approx(numpy.mean([balanced_accuracy(run, labels) for run in correct]))
    assert 0 <= low <= mean + 1e-6 and mean - 1e-6 <= high <= 100
    assert high - low > 1
    wider = accuracy_interval(correct, 0.99, sampling)
    assert wider[0] <= low + 1e-6 and high - 1e-6 <= wider[1]
    # what is wrong mirrors what is right; the order of images and seeds does not matter
    assert accuracy_interval(~correct, 0.95, sampling) == pytest.approx((100 - high, 100 - low), abs=1e-5)
    order = generator.permutation(len(labels))
    turned = accuracy_interval(correct[::-1, order], 0.95, Sampling(labels=labels[order]))
    assert turned == pytest.approx((low, high), abs=1e-5)
    p_value = p_of_guessing(correct, 1 / len(sizes), sampling)
    if 1e-9 < p_value < 0.49:  # guessing is the lower end at twice the p-value
        end = accuracy_interval(correct, 1 - 2 * p_value, sampling)[0]
        assert end == pytest.approx(100 / len(sizes), abs=1e-3)


def test_many_arms_at_once_are_each_of_them():
    labels = labels_of((3, 10, 40))
    correct = numpy.random.default_rng(2).random((4, 3, 53)) < 0.8
    low, high = arm_share(correct, Sampling(labels=labels)).interval(0.05)
    for arm in range(4):
        found = accuracy_interval(correct[arm], 0.95, Sampling(labels=labels))
        assert (100 * low[arm], 100 * high[arm]) == pytest.approx(found)


def test_it_is_scikit_learns():
    labels = labels_of((3, 10, 40))
    correct = numpy.random.default_rng(1).random(53) < 0.7
    predicted = numpy.where(correct, labels, (labels + 1) % 3)
    assert balanced_accuracy(correct, labels) == pytest.approx(100 * balanced_accuracy_score(labels, predicted))


def test_naming_one_class_is_a_guess():
    labels = labels_of((90, 10))
    correct = (labels == 0)[None].repeat(3, axis=0)
    assert p_of_guessing(correct, 0.5, Sampling(labels=labels)) == 0.5


def test_where_classes_are_alike_both_metrics_are_one():
    assert sampling_of("balanced_accuracy", labels_of((5, 5))) is EACH_IMAGE
    assert sampling_of("accuracy", labels_of((5, 6))) is EACH_IMAGE
    assert sampling_of("balanced_accuracy", labels_of((5, 6))).labels is not None


def test_groups_that_answer_alike_widen_the_interval():
    labels = labels_of((20, 60))
    correct = (numpy.random.default_rng(3).random(16) < 0.6).repeat(5)[None]
    alone = accuracy_interval(correct, 0.95, Sampling(labels=labels))
    grouped = accuracy_interval(correct, 0.95, Sampling(labels=labels, groups=numpy.repeat(numpy.arange(16), 5)))
    assert grouped[1] - grouped[0] > 1.3 * (alone[1] - alone[0])


def test_folds_widen_the_interval_by_half_of_one_rows_variance():
    """One row: its design is 1, so the interval is that of a score with 1.5 times the image variance."""
    labels = labels_of((20, 60))
    correct = numpy.random.default_rng(3).random((4, 80)) < 0.7
    for rows in (correct[:1], correct):
        plain, folded = (arm_share(rows, Sampling(labels=labels, folds=folds)) for folds in (None, 5))
        assert float(folded.design) == pytest.approx(float(plain.design) + 0.5)
        (low, high), (lower, higher) = plain.interval(0.05), folded.interval(0.05)
        assert lower < low and high < higher
