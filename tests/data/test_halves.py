"""Which validation images decide depends on their pixels and classes alone."""

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from triptych.data.halves import decision_half


def pictures(count: int, seed: int = 0) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Different images of 4x4 px, uint8 [count, 4, 4, 3], of three classes that are not equally frequent."""
    generator = numpy.random.default_rng(seed)
    images = generator.integers(0, 256, (count, 4, 4, 3)).astype(numpy.uint8)
    return images, generator.integers(0, 3, count) * generator.integers(0, 2, count)


@given(count=st.integers(0, 40), seed=st.integers(0, 99))
def test_in_each_class_half_of_the_images_selects_rounded_down(count, seed):
    images, labels = pictures(count, seed)
    decides = decision_half(images, labels)
    assert decides.dtype == bool
    assert decides.shape == (count,)
    for label in range(3):
        own = decides[labels == label]
        assert (~own).sum() == len(own) // 2


@given(count=st.integers(1, 40), seed=st.integers(0, 99))
def test_the_order_of_the_images_does_not_matter(count, seed):
    images, labels = pictures(count, seed)
    order = numpy.random.default_rng(seed + 1).permutation(count)
    assert numpy.array_equal(decision_half(images[order], labels[order]), decision_half(images, labels)[order])


@given(count=st.integers(1, 40), seed=st.integers(0, 99))
def test_one_more_image_moves_at_most_one_other(count, seed):
    images, labels = pictures(count + 1, seed)
    moved = decision_half(images[:count], labels[:count]) != decision_half(images, labels)[:count]
    assert moved.sum() <= 1
    assert (labels[:count][moved] == labels[count]).all()


def test_the_halves_are_those_of_the_digests():
    """Digests of one byte each, from sha256sum: 6e34... (0), 4bf5... (1), dbc1... (2), 084f... (3), e52d... (4)."""
    images = numpy.arange(5, dtype=numpy.uint8).reshape(5, 1, 1, 1)
    assert decision_half(images, numpy.zeros(5, numpy.int64)).tolist() == [True, False, True, False, True]


@pytest.mark.parametrize("labels", [[], [0], [0, 1, 2]])
def test_classes_of_one_image_decide_with_it(labels):
    assert decision_half(pictures(len(labels))[0], numpy.array(labels, numpy.int64)).all()
