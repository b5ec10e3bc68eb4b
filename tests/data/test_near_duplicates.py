"""Which pairs of hashes and pictures are alike, and when that is a property of the set."""

import itertools

import numpy
import pytest

from triptych.data import near_duplicates as near


def hashes(count, seed):
    return numpy.random.default_rng(seed).integers(0, 2**64, count, dtype=numpy.uint64)


def flipped(number, count, seed):
    """A hash that differs in so many bits."""
    chosen = numpy.random.default_rng(seed).choice(64, count, replace=False)
    return number ^ numpy.bitwise_or.reduce(numpy.uint64(1) << chosen.astype(numpy.uint64))


@pytest.mark.parametrize("count", [0, 1, 2, 63, 64, 65, 200, 4200])
def test_candidates_are_those_of_comparing_each_with_each(count):
    phashes, dhashes = hashes(count, 1), hashes(count, 2)
    for row in range(0, count - 1, 7):  # neighbours, and others that are far from each other
        other = (row * row + 1) % count
        phashes[other] = flipped(phashes[row], 4 + row % 8, row)
        dhashes[other] = flipped(dhashes[row], 6 + row % 8, row)
    found = near.candidates(phashes, dhashes, 10**6)
    pairs = set(zip(found.first.tolist(), found.second.tolist(), strict=True))
    expected = set()
    for row in range(count):
        alike = (numpy.bitwise_count(phashes[row] ^ phashes[row + 1 :]) <= 8) & (
            numpy.bitwise_count(dhashes[row] ^ dhashes[row + 1 :]) <= 10
        )
        expected |= {(row, row + 1 + int(other)) for other in numpy.flatnonzero(alike)}
    assert pairs == expected and len(found) == len(pairs) and found.complete
    assert (found.phash <= 8).all() and (found.dhash <= 10).all()
    assert count < 200 or len(pairs) > 5


def test_a_flood_of_candidates_ends_the_search():
    same = numpy.zeros(2000, dtype=numpy.uint64)
    found = near.candidates(same, same, 1000)
    assert not found.complete and 1000 < len(found) < 2000 * 1999 // 2


def correlation(one, other):
    """The best of all shifts, each by NumPy's own correlation."""
    best, side = 0.0, one.shape[0]
    for down, right in itertools.product(range(-near.SHIFT, near.SHIFT + 1), repeat=2):
        parts = [
            values[max(0, rows) : side + min(0, rows), max(0, columns) : side + min(0, columns)]
            for values, rows, columns in ((one, down, right), (other, -down, -right))
        ]
        best = max(best, numpy.corrcoef(parts[0].ravel(), parts[1].ravel())[0, 1])
    return best


def test_correlations_are_those_of_numpy_after_the_best_shift():
    greys = numpy.random.default_rng(0).integers(0, 256, (300, 64, 64), dtype=numpy.uint8)
    greys[1] = numpy.roll(greys[0], (2, -1), (0, 1))
    greys[2] = greys[0] // 2 + 30
    first, second = numpy.zeros(299, dtype=numpy.int64), numpy.arange(1, 300)
    found = near.Correlations(greys).of(first, second)
    smooth = near.smoothed(greys)
    for number in (0, 1, 2, 3, 255, 256, 298):
        assert found[number] == pytest.approx(correlation(smooth[0], smooth[number + 1]), abs=1e-12)
    assert found[0] > 0.95 and found[1] > 0.99 and found[2:].max() < 0.3


def test_a_shift_to_either_side_is_found_and_a_larger_one_is_not():
    wide = numpy.random.default_rng(1).integers(0, 256, (80, 80), dtype=numpy.uint8)
    parts = [wide[8 + down : 72 + down, 8 + right : 72 + right] for down, right in ((0, 0), (2, -2), (-1, 2), (4, 0))]
    found = near.Correlations(numpy.stack(parts)).of(numpy.zeros(3, dtype=numpy.int64), numpy.arange(1, 4))
    assert (found[:2] > 0.97).all() and found[2] < 0.7


def test_smoothing_keeps_one_grey_and_the_mean():
    greys = numpy.random.default_rng(0).integers(0, 256, (2, 64, 64), dtype=numpy.uint8)
    greys[1] = 255
    found = near.smoothed(greys)
    assert found.dtype == numpy.uint16 and (found[1] == 255 * near.LEVELS).all()
    assert found[0].mean() / near.LEVELS == pytest.approx(greys[0].mean(), rel=0.01)
    assert found[0].std() < 0.4 * near.LEVELS * greys[0].std()


def test_a_picture_of_one_grey_is_like_no_other():
    greys = numpy.zeros((3, 64, 64), dtype=numpy.uint8)
    greys[1], greys[2, 5] = 9, 9
    assert near.Correlations(greys).of(numpy.array([0, 0]), numpy.array([1, 2])).tolist() == [0, 0]


def contents(count):
    return [f"{number * 7919 % 10_007:064x}" for number in range(count)]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 9, 10, 100])
def test_of_a_small_set_all_pairs_are_random_ones(count):
    first, second = near.random_pairs(contents(count))
    pairs = {frozenset(pair) for pair in zip(first.tolist(), second.tolist(), strict=True)}
    assert len(pairs) == len(first) == count * (count - 1) // 2
    assert all(len(pair) == 2 for pair in pairs)


@pytest.mark.parametrize("count", [300, 4999, 8000])
def test_one_image_more_changes_few_of_the_random_pairs(count):
    def pairs(names):
        first, second = near.random_pairs(names)
        return {frozenset((names[one], names[other])) for one, other in zip(first, second, strict=True)}

    names = contents(count)
    assert len(pairs(names)) == near.RANDOM_PAIRS
    assert pairs(names[::-1]) == pairs(names)
    assert len(pairs(names) - pairs([*names, f"{5:064x}"])) <= 40


def test_the_quantile_is_exceeded_by_one_pair_of_a_thousand():
    correlations = numpy.random.default_rng(0).permutation(5000) / 5000
    above = near.quantile(correlations)
    assert (correlations > above).sum() == 5
    assert near.quantile(numpy.zeros(0)) == 0.0


def test_groups_are_complete_links_and_no_chains():
    pairs = [(0, 1), (1, 2), (0, 2), (2, 3), (3, 4), (7, 8), (9, 10), (10, 11)]
    first, second = (numpy.array([pair[side] for pair in pairs]) for side in (0, 1))
    order = numpy.arange(len(pairs))
    assert near.complete_links(first, second, order) == [[0, 1, 2], [3, 4], [7, 8], [9, 10]]
    assert near.complete_links(first, second, order[::-1]) == [[0, 1, 2], [3, 4], [7, 8], [10, 11]]
    for group in near.complete_links(first, second, numpy.random.default_rng(0).permutation(len(pairs))):
        assert all(pair in pairs for pair in itertools.combinations(group, 2))


def test_a_property_is_of_many_images_or_of_many_pairs_of_two_classes():
    assert not near.is_property(1000, 50) and near.is_property(1000, 51)
    assert not near.is_property(20, 10) and near.is_property(20, 11)
    assert not near.crosses_classes(100, 20) and near.crosses_classes(100, 21)
    assert not near.crosses_classes(9, 9) and near.crosses_classes(10, 3)
