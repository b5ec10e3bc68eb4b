"""The misclassified images of an arm, most confident first."""

import numpy
import pytest

from triptych.results.mistakes import Mistake, mistakes_of, softmax


def test_softmax_of_large_logits():
    probabilities = softmax(numpy.array([[1000.0, 1000.0], [0.0, numpy.log(3)]], numpy.float32))
    assert probabilities == pytest.approx(numpy.array([[0.5, 0.5], [0.25, 0.75]]))


def test_mistakes_are_those_of_any_seed_surest_first_by_the_mean():
    labels = numpy.array([0, 0, 1, 2])
    first = [[0.9, 0.1, 0.0], [0.1, 0.8, 0.1], [0.3, 0.4, 0.3], [0.9, 0.0, 0.1]]
    second = [[0.8, 0.2, 0.0], [0.6, 0.4, 0.0], [0.1, 0.1, 0.8], [0.9, 0.1, 0.0]]
    mistakes = mistakes_of(numpy.array([first, second]), labels)
    assert len(mistakes) == 3
    assert mistakes[0] == Mistake(row=3, predicted=0, probability=pytest.approx(0.9), runs=2)
    assert mistakes[1] == Mistake(row=1, predicted=1, probability=pytest.approx(0.6), runs=1)
    assert mistakes[2] == Mistake(row=2, predicted=2, probability=pytest.approx(0.55), runs=1)


def test_ties_are_in_the_order_of_the_split():
    probabilities = numpy.tile([0.25, 0.75], (1, 20, 1))
    mistakes = mistakes_of(probabilities, numpy.zeros(20, int))
    assert [mistake.row for mistake in mistakes] == list(range(20))
