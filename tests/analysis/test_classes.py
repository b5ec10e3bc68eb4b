import numpy
import pytest
from sklearn import metrics

from triptych.analysis.classes import confusion_counts, recall_and_precision, shares_of_rows

LABELS = numpy.array([0, 0, 0, 0, 1, 1, 2])
PREDICTED = numpy.array([0, 0, 1, 2, 1, 1, 1])


def test_counts_by_hand():
    assert confusion_counts(LABELS, PREDICTED, 4).tolist() == [[2, 1, 1, 0], [0, 2, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]]


def test_recall_and_precision_by_hand():
    recall, precision = recall_and_precision(confusion_counts(LABELS, PREDICTED, 4))
    assert recall[:3].tolist() == [50.0, 100.0, 0.0]
    assert precision[:3].tolist() == [100.0, 50.0, 0.0]
    assert numpy.isnan(recall[3])
    assert numpy.isnan(precision[3])


def test_shares_by_hand():
    shares = shares_of_rows(confusion_counts(LABELS, PREDICTED, 4))
    assert shares[:3].tolist() == [[0.5, 0.25, 0.25, 0], [0, 1, 0, 0], [0, 1, 0, 0]]
    assert numpy.isnan(shares[3]).all()


def test_as_scikit_learn():
    generator = numpy.random.default_rng(3)
    labels, predicted = generator.integers(5, size=(2, 400))
    counts = confusion_counts(labels, predicted, 5)
    assert numpy.array_equal(counts, metrics.confusion_matrix(labels, predicted))
    assert numpy.allclose(shares_of_rows(counts), metrics.confusion_matrix(labels, predicted, normalize="true"))
    recall, precision = recall_and_precision(counts)
    assert recall == pytest.approx(100 * metrics.recall_score(labels, predicted, average=None))
    assert precision == pytest.approx(100 * metrics.precision_score(labels, predicted, average=None))
