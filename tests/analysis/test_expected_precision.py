"""What a number of images can show, before anything is trained: checked against simulated experiments."""

import numpy
import pytest

from triptych.analysis.expected_precision import few_images, power, visible_difference


@pytest.mark.parametrize(("images", "difference"), [(100, 8.5), (1000, 2.8), (10_000, 0.9), (30, 20.7)])
def test_the_difference_that_is_seen_shrinks_with_the_number_of_images(images, difference):
    assert visible_difference(images) == pytest.approx(difference, abs=0.06)
    assert power(images, visible_difference(images)) == pytest.approx(0.8, abs=0.001)


def test_few_images_see_a_lead_in_few_cases():
    assert power(45, 5) == pytest.approx(0.2, abs=0.02)
    said = few_images(45, 15, offers_folds=True)
    assert said == [
        "45 test images: a test accuracy near 80 % will have a 95 % CI from 66 to 89 %. A lead of 5 points is seen in "
        "about 1 of 5 experiments. Two networks must differ by about 15 points to be told apart in 80 % of "
        "experiments.",
        "The smallest class has 15 test images: a recall near 80 % will have a 95 % CI from 55 to 93 %.",
        "With dataset: {folds: 5} the arms are compared on every image that is not a test image, so that smaller "
        "differences are seen.",
    ]
    assert few_images(45, 15, offers_folds=False) == said[:2]
    assert few_images(100, 20, offers_folds=True) == []
    assert len(few_images(99, 20, offers_folds=False)) == 1
    assert [text.startswith("The smallest") for text in few_images(5000, 19, offers_folds=True)] == [True, False]


@pytest.mark.slow
def test_the_difference_that_is_seen_is_found_in_eighty_percent_of_simulated_experiments():
    from scipy.stats import binomtest

    random, images = numpy.random.default_rng(0), 1000
    size = visible_difference(images) / 100
    shares = [(0.1 + size) / 2, (0.1 - size) / 2, 0.9]
    found = [
        binomtest(int(better), int(better + worse)).pvalue <= 0.05
        for better, worse, _ in random.multinomial(images, shares, 2000)
    ]
    assert 0.74 < numpy.mean(found) < 0.84
