import math
from dataclasses import replace

import numpy
import pytest
from scipy import stats

from triptych.analysis.comparisons import Difference, difference_of, unseen
from triptych.analysis.settling import Settlement, images_for_equivalence, what_settles, what_would_settle_it
from triptych.analysis.variance_parts import EACH_IMAGE, Sampling, SeedPart

Z, T = 1.959964, {3: 4.302653, 4: 3.182446, 5: 2.776445}  # of 5 %; t of two arms, one of which varies, by seeds


def difference(image_variance, observed, noise=0.0, seeds=3, other=None):
    """A difference of two arms of which the first alone has seeds that vary, unless the other's part is given."""
    first = SeedPart(numpy.array(observed), numpy.array(noise), seeds)
    second = other or SeedPart(numpy.array(0.0), numpy.array(0.0), seeds)
    zero = numpy.array(0.0)
    return Difference(zero, zero, numpy.array(image_variance), first, second, 1_000_000, EACH_IMAGE, 1.0)


def test_the_number_of_seeds_by_hand():
    """The seeds' variance is 3 x 0.0001 for one of them; the image part takes 0.01² of the wanted square.

    t(0.05, S - 1)² x 0.0003 / S is 0.000759 with 4 seeds, and 0.000463 with 5.
    """
    found = what_would_settle_it(difference(0.01**2 / Z**2, 0.0001), 100 * math.sqrt(0.01**2 + 0.0005), 0.95)
    assert T[5] ** 2 * 0.0003 / 5 < 0.0005 < T[4] ** 2 * 0.0003 / 4
    assert found.about == 5
    # upper 80 % bound: two degrees of freedom over the 20 % quantile of chi² with as many, -2 ln 0.8
    upper = 0.0003 * 2 / (-2 * math.log(0.8))
    safe = next(seeds for seeds in range(3, 99) if stats.t.ppf(0.975, seeds - 1) ** 2 * upper / seeds <= 0.0005)
    assert found.safe == safe > 10


def test_noise_is_no_seed_part_and_shrinks_with_the_seeds():
    """The observed variance is noise alone: more seeds make the image part smaller, which holds it too."""
    images = 0.0004
    found = what_would_settle_it(difference(images, 0.0001, noise=0.0001), 100 * Z * math.sqrt(0.000351), 0.95)
    # 0.0004 - 0.0001 (1 - 3 / S) is at most 0.000351 from 6 seeds on
    assert found.about == 6
    assert found.safe > 6
    assert found.images == pytest.approx(images / 0.000351)


def test_more_seeds_alone_cannot():
    found = what_would_settle_it(difference(0.0004, 0.00001), 100 * Z * 0.01, 0.95)
    assert (found.about, found.safe) == (None, None)
    left = Z**2 * 0.0001 - T[3] ** 2 * 0.00001
    assert found.images == pytest.approx(Z**2 * 0.0004 / left, rel=1e-5)


def test_more_images_alone_cannot():
    found = what_would_settle_it(difference(0.00001, 0.001), 100 * 0.05, 0.95)
    assert found.images is None
    assert 3 < found.about < found.safe


def test_what_is_settled_needs_nothing():
    assert what_would_settle_it(difference(0.00001, 0.000001), 5, 0.95) == Settlement(3, 3, 1.0)


def test_two_seeds_become_three_at_least():
    assert what_would_settle_it(difference(0.00001, 0.0000001, seeds=2), 5, 0.95).about == 3


def test_a_single_run_says_nothing_about_seeds():
    assert what_would_settle_it(difference(0.0004, 0.0, seeds=1), 1, 0.95) is None


def test_a_deterministic_arm_has_no_seeds_to_add():
    fixed = SeedPart(numpy.array(0.0), numpy.array(0.0), None)
    wanted = 100 * math.sqrt(0.01**2 + 0.0005)
    assert what_would_settle_it(difference(0.01**2 / Z**2, 0.0001, other=fixed), wanted, 0.95).about == 5


def test_arms_with_seeds_of_their_own_number():
    """Variances of one seed, 3 x 0.0001 and 6 x 0.0002: degrees (1 + 4)² / (1 + 16) = 1.47 times S - 1."""
    other = SeedPart(numpy.array(0.0002), numpy.array(0.0), 6)
    found = what_would_settle_it(difference(0.0, 0.0001, other=other), 3, 0.95)
    expected = next(
        seeds for seeds in range(6, 99) if stats.t.ppf(0.975, 25 / 17 * (seeds - 1)) ** 2 * 0.0015 / seeds <= 0.03**2
    )
    assert found.about == expected > 6


def test_a_later_look_needs_more():
    first, second = (what_would_settle_it(difference(0.0001, 0.0002), 4, 0.95, look) for look in (1, 2))
    assert second.about > first.about
    assert second.safe > first.safe


def test_more_seeds_leave_what_training_sets_have_in_common():
    """No seed part: many seeds average out the noise of single images, not what folds add to one row's variance."""
    correct = numpy.random.default_rng(4).random((2, 3, 2000)) < 0.8
    folded, plain = (difference_of(*correct, Sampling(folds=folds)) for folds in (5, None))
    many = numpy.random.default_rng(5).random((2, 600, 2000)) < 0.8
    least = 100 * float(difference_of(*many, Sampling(folds=5)).half_width(0.05))
    assert what_would_settle_it(folded, 0.97 * least, 0.95).about is None
    assert what_would_settle_it(folded, 1.05 * least, 0.95).about > 3
    assert what_would_settle_it(plain, 0.97 * least, 0.95).about < 100


def test_of_real_runs_as_many_seeds_as_it_says_are_enough():
    """With `about` seeds the half width is about what was wanted, and `safe` is enough."""
    generator = numpy.random.default_rng(3)

    def runs(seeds, accuracy):
        return generator.random((seeds, 4000)) < accuracy + 0.02 * generator.standard_normal((seeds, 1))

    found = what_would_settle_it(difference_of(runs(8, 0.8), runs(8, 0.8)), 1.5, 0.95)
    assert 10 < found.about < found.safe
    after = 100 * float(difference_of(runs(found.about, 0.8), runs(found.about, 0.8)).half_width(0.05))
    assert after == pytest.approx(1.5, rel=0.4)
    assert 100 * float(difference_of(runs(found.safe, 0.8), runs(found.safe, 0.8)).half_width(0.05)) < 1.5


def tied(images, wrong):
    """The difference of two arms whose three seeds have so many of the first images wrong, the same ones."""
    correct = numpy.ones((3, images), bool)
    for seed, number in enumerate(wrong):
        correct[seed, :number] = False
    return difference_of(correct, correct)


def test_seeds_show_no_equivalence_where_there_are_too_few_images_for_it():
    """For one point 368 images at the first look, 437 at the second (Clopper and Pearson, by `unseen_difference`)."""
    for images, look, seeds_may in ((400, 1, True), (400, 2, False), (500, 2, True), (310, 1, False)):
        found = what_settles(tied(images, (0, 2, 4)), 1.0, 0.95, look)
        assert (found.about is not None) is seeds_may, (images, look)
        assert found.about is None or found.about <= (found.safe or found.about)


def test_more_images_are_as_many_as_equivalence_needs():
    for images in (310, 360):
        wanted = math.log(0.025) / math.log(0.99) / images
        assert what_settles(tied(images, (0, 0, 0)), 1.0, 0.95).images == pytest.approx(wanted)


def in_classes(number):
    """Images of two classes, three quarters of them of the first."""
    return Sampling(labels=numpy.repeat([0, 1], [3 * number, number])), 4 * number


def in_groups(number):
    return Sampling(groups=numpy.repeat(numpy.arange(number), 4)), 4 * number


@pytest.mark.parametrize("drawn", [in_classes, in_groups])
def test_so_many_more_images_of_the_same_kind_are_enough_for_equivalence(drawn):
    factor = images_for_equivalence(*drawn(30), 4.0, 0.05)
    enough = math.ceil(30 * factor)
    assert unseen(*drawn(enough), 0.05) <= 4.0 < unseen(*drawn(enough - 1), 0.05)
    assert enough > 30
    assert images_for_equivalence(*drawn(enough + 1), 4.0, 0.05) == 1.0


def test_no_number_of_seeds_tells_a_tie_from_zero():
    """Their noise may leave no image variance at all, and an interval of no width is as wide as the difference."""
    for images, margin in ((141, 0.5), (245, 1.0)):
        found = what_settles(tied(images, (0, 2, 4)), margin, 0.95)
        assert (found.about, found.safe) == (None, None)
        noisy = replace(difference(0.0001, 0.0001, noise=0.0005), images=images)
        assert what_would_settle_it(noisy, 0, 0.95).about is not None
        assert what_settles(noisy, margin, 0.95).about is None


def test_an_arm_that_is_ahead_by_more_than_the_margin_needs_no_images_for_equivalence():
    first, second = numpy.ones((3, 60), bool), numpy.ones((3, 60), bool)
    second[0, :6] = second[1, :4] = second[2, :5] = False
    found = difference_of(first, second)
    away = 100 * float(found.centre)
    assert away > 1 and what_settles(found, 1.0, 0.95) == what_would_settle_it(found, away, 0.95)
