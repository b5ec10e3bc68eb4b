"""The digits are those of scikit-learn, and an installation with others is noticed."""

import numpy
import pytest
from sklearn.datasets import load_digits
from sklearn.utils import Bunch

from triptych.data.sources import digits
from triptych.storage.errors import InputError


def test_the_real_digits():
    found, original = digits.read({}, []), load_digits()
    assert found.images.shape == (1797, 8, 8, 3)
    assert found.images.dtype == numpy.uint8
    assert (found.images[..., :1] == found.images).all()
    assert numpy.array_equal(found.images[..., 0], numpy.floor(original.images * 255 / 16 + 0.5))
    assert found.images.max() == 255
    assert numpy.array_equal(found.labels, original.target)
    assert found.classes == list("0123456789")
    assert (found.names[17], found.names[-1]) == ("digits-0017", "digits-1796")
    assert len(found.groups) == len(set(found.names)) == 1797


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda images, target: (images[1:], target[1:]), r"1796 images of \(8, 8\) in 10 classes"),
        (lambda images, target: (images, numpy.minimum(target, 8)), "in 9 classes"),
        (lambda images, target: (images + 1, target), "grey values from 0 to 16"),
        (lambda images, target: (images / 2, target), "integer grey values"),
    ],
)
def test_another_source_is_refused(monkeypatch, change, message):
    original = load_digits()
    images, target = change(original.images, original.target)
    monkeypatch.setattr(digits, "load_digits", lambda: Bunch(images=images, target=target, target_names=range(10)))
    with pytest.raises(InputError, match=message):
        digits.read({}, [])
