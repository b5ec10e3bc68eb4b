"""The difference between two samples of images: Newcombe's interval, and how often it leaves out the truth."""

import numpy
import pytest
from statsmodels.stats.proportion import confint_proportions_2indep

from triptych.analysis.independent import Sample, difference_of_samples


def sample(images, correct):
    return Sample.of_counts(numpy.arange(len(images)), numpy.array(images), numpy.array(correct))


@pytest.mark.parametrize(("first", "second"), [((56, 70), (48, 80)), ((10, 10), (0, 10)), ((9, 10), (3, 300))])
def test_of_accuracy_it_is_newcombe_s(first, second):
    """His examples, and extreme ones: 1998, table II."""
    a, b = (sample([images], [right]) for right, images in (first, second))
    found = difference_of_samples(a, b, 0.95)
    expected = confint_proportions_2indep(first[0], first[1], second[0], second[1], method="newcomb")
    assert found[0] == pytest.approx(100 * (first[0] / first[1] - second[0] / second[1]))
    assert found[1:] == pytest.approx([100 * end for end in expected])


def test_of_balanced_accuracy_classes_count_alike():
    """The same recalls with other shares of the classes: the accuracy moves, the mean of the recalls does not."""
    before, now = sample([100, 100], [90, 50]), sample([20, 200], [18, 100])
    assert difference_of_samples(now, before, 0.95)[0] == pytest.approx(100 * (118 / 220 - 0.7))
    difference, low, high = difference_of_samples(now, before, 0.95, "balanced_accuracy")
    assert difference == pytest.approx(0)
    assert low < 0 < high


def test_classes_can_be_left_out():
    left = sample([3, 0, 2], [1, 0, 2]).of_classes(numpy.array([2]))
    assert left.labels.tolist() == [2, 2] and left.correct.all()


def test_without_a_difference_it_is_found_in_a_twentieth_of_the_cases():
    generator = numpy.random.default_rng(0)
    first, second = generator.binomial(200, 0.9, 1000), generator.binomial(100, 0.9, 1000)
    found = [
        difference_of_samples(sample([200], [a]), sample([100], [b]), 0.95) for a, b in zip(first, second, strict=True)
    ]
    wrong = sum(low > 0 or high < 0 for _, low, high in found)
    assert 25 <= wrong <= 72  # 1,000 tries at 5 %: the binomial's 0.1 to 99.9 %
