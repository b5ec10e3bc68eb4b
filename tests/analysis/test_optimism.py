"""The highest of equal arms is flattered by what is computed."""

import math
from statistics import NormalDist

import numpy
import pytest

from triptych.analysis.comparisons import compare_arms
from triptych.analysis.optimism import expected_largest, optimism


def test_the_expected_largest_is_the_published_one():
    """Of two and three in closed form; of 10 and 100 by Teichroew 1956 (Annals of Mathematical Statistics 27)."""
    known = {1: 0, 2: 1 / math.sqrt(math.pi), 3: 1.5 / math.sqrt(math.pi), 10: 1.53875, 100: 2.50759}
    assert {count: expected_largest(count) for count in known} == pytest.approx(known, abs=1e-5)


def test_it_grows_with_arms_and_with_the_width_of_differences():
    width = NormalDist().inv_cdf(0.975)
    assert optimism([(-width, width)], 2, 0.95) == pytest.approx(1 / math.sqrt(2 * math.pi))
    assert optimism([(-3.0, 3.0)] * 3, 3, 0.95) > optimism([(-1.0, 1.0)] * 3, 3, 0.95)
    assert optimism([(-1.0, 1.0)] * 6, 4, 0.95) > optimism([(-1.0, 1.0)] * 3, 3, 0.95)


@pytest.mark.parametrize("common", [0.2, 0.5, 0.8])
def test_equal_arms_are_flattered_by_that_and_no_more(common):
    """Three runs of each of four arms on 400 images, 90 % of which are right; `common` is how alike arms find them."""
    generator, threshold = numpy.random.default_rng(0), NormalDist().inv_cdf(0.9)
    image, arm, run = (generator.normal(size=(600, *shape, 400)) for shape in ((1, 1), (4, 1), (4, 3)))
    own = (1 - common) / 2
    right = math.sqrt(common) * image + math.sqrt(own) * arm + math.sqrt(own) * run < threshold
    flattery = 100 * (right.mean(axis=(2, 3)).max(axis=1) - 0.9)
    told = []
    for correct in right[:40]:
        pairs = compare_arms(dict(zip("abcd", correct, strict=True)), margin=1.0, confidence=0.95)
        told.append(optimism(list(zip(pairs["low"], pairs["high"], strict=True)), 4, 0.95))
    error = 3 * flattery.std() / math.sqrt(len(flattery))
    assert flattery.mean() - error < numpy.mean(told) < 2 * (flattery.mean() + error)
