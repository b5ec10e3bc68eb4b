"""Planted label errors come first, and nothing breaks where a class has few images or none."""

import numpy
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from triptych.analysis.label_errors import class_thresholds, ranked_labels

IMAGES = 600


def of_digits(seed):
    """Out-of-fold probabilities of real digits by a real classifier; labels of which 5 % are wrong; and which."""
    digits, generator = load_digits(), numpy.random.default_rng(seed)
    rows = generator.permutation(len(digits.data))[:IMAGES]
    labels, planted = digits.target[rows].astype(numpy.int64), generator.choice(IMAGES, IMAGES // 20, replace=False)
    labels[planted] = (labels[planted] + generator.integers(1, 10, len(planted))) % 10
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    classifier = LogisticRegression(max_iter=50, tol=0.01)
    found = cross_val_predict(classifier, digits.data[rows] / 16, labels, cv=folds, method="predict_proba")
    return found, labels, set(planted.tolist())


@pytest.mark.parametrize("seed", [0, 1])
def test_of_planted_errors_most_are_among_the_first_tenth(seed):
    probabilities, labels, planted = of_digits(seed)
    ranking = ranked_labels(probabilities, labels)
    assert sorted(one.row for one in ranking) == list(range(IMAGES))
    first = {one.row for one in ranking[: IMAGES // 10]}
    assert len(first & planted) >= 0.8 * len(planted)
    suspected = {one.row for one in ranking if one.suspected}
    assert len(suspected & planted) > len(suspected) / 2 > 0  # most of what is suspected is wrong
    assert [one.suspected for one in ranking] == sorted((one.suspected for one in ranking), reverse=True)


def test_a_label_is_suspected_where_another_class_reaches_its_own_mean():
    """Worked by hand: the thresholds are 0.6 and 0.7."""
    first = numpy.array([0.9, 0.8, 0.1, 0.25, 0.35])
    probabilities, labels = numpy.stack([first, 1 - first], axis=1), numpy.array([0, 0, 0, 1, 1])
    assert class_thresholds(probabilities, labels) == pytest.approx([0.6, 0.7])
    found = ranked_labels(probabilities, labels)
    assert [(one.row, one.suspected, one.other) for one in found] == [
        (2, True, 1), (4, False, 0), (3, False, 0), (1, False, 1), (0, False, 1)
    ]  # fmt: skip
    assert (found[0].probability_of_label, found[0].probability_of_other) == pytest.approx((0.1, 0.9))


def test_a_class_without_images_or_with_one_is_no_trouble():
    generator = numpy.random.default_rng(0)
    probabilities = generator.dirichlet([1, 1, 1], 9)
    labels = numpy.array([0] * 8 + [2])
    assert class_thresholds(probabilities, labels)[1] == numpy.inf
    found = ranked_labels(probabilities, labels)
    assert len(found) == 9 and all(one.other != 1 for one in found if one.suspected)


def test_what_is_no_number_is_left_out_and_ties_keep_their_order():
    probabilities = numpy.full((4, 2), 0.5)
    probabilities[1, 0] = numpy.nan
    found = ranked_labels(probabilities, numpy.array([0, 0, 1, 1]))
    assert [one.row for one in found] == [2, 3, 0] or [one.row for one in found] == [0, 2, 3]
    assert found == ranked_labels(probabilities, numpy.array([0, 0, 1, 1]))
    assert ranked_labels(probabilities[1:2], numpy.array([0])) == []
