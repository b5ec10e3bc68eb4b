"""How alike neighbouring weights are."""

import numpy
import pytest

from benchmarks.first_kernels import neighbour_correlation

ROWS, COLUMNS = numpy.mgrid[:7, :7]


@pytest.mark.parametrize(
    ("kernel", "correlation"),
    [
        ((ROWS + COLUMNS) % 2, -1.0),
        # the sign of a whole kernel is part of it, so two flat ones of opposite sign are as smooth as can be
        (numpy.stack([numpy.ones((7, 7)), -numpy.ones((7, 7))]), 1.0),
        # half of the pairs are equal (down the columns), half are opposite (along the rows)
        (numpy.tile([1, -1, 1, -1, 1, -1, 1], (7, 1)), 0.0),
    ],
)
def test_what_the_correlation_is(kernel, correlation):
    kernels = numpy.broadcast_to(kernel, (2, 2, 7, 7))
    assert neighbour_correlation(kernels) == pytest.approx(correlation, abs=0.05)


def test_random_weights_have_none():
    kernels = numpy.random.default_rng(0).normal(size=(64, 3, 7, 7))
    assert abs(neighbour_correlation(kernels)) < 0.03  # 16,128 pairs: 3.8 standard errors
