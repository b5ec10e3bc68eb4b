"""Folds of the training images: every image is held out once in a repeat; their file is read back."""

import numpy
import pytest

from triptych.data.dataset import Split
from triptych.data.folds import Folds, load_folds, of_fold, save_folds
from triptych.storage.errors import InputError
from triptych.storage.tensors import save_tensors


def test_each_repeat_holds_each_image_out_once_and_predictions_are_put_together():
    folds = Folds(numpy.array([[0, 1, 2, 0], [2, 0, 1, 1]], numpy.uint8), 3)
    assert list(folds.numbers) == [0, 1, 2, 3, 4, 5] and folds.repeats == 2
    assert folds.held_out(0).tolist() == [True, False, False, True]
    assert folds.held_out(4).tolist() == [False, False, True, True]
    values = {number: numpy.flatnonzero(folds.held_out(number)) for number in folds.numbers}
    for repeat in range(2):
        assert folds.put_together(values, repeat).tolist() == [0, 1, 2, 3]
        pairs = {number: own[:, None] * [1, 10] for number, own in values.items()}
        assert folds.put_together(pairs, repeat).tolist() == [[0, 0], [1, 10], [2, 20], [3, 30]]
    with pytest.raises(InputError, match=r"^fold 6: there is no such fold; give a number from 0 to 5\."):
        folds.held_out(6)


def test_the_images_of_a_fold_are_rows_of_one_file():
    train = Split(
        numpy.arange(4 * 12, dtype=numpy.uint8).reshape(4, 2, 2, 3), numpy.array([0, 1, 0, 1]), ["a", "b"], True
    )
    training, validation = of_fold(train, numpy.array([False, True, False, False]))
    assert validation.labels.tolist() == [1] and training.labels.tolist() == [0, 0, 1] and training.crop
    assert (validation.images[0] == train.images[1]).all() and (training.images[1] == train.images[2]).all()


def test_a_file_is_read_back_and_others_are_one_message(tmp_path):
    path = tmp_path / "folds.safetensors"
    save_folds(path, Folds(numpy.array([[0, 1, 1, 0]], numpy.uint8), 2))
    first = path.read_bytes()
    assert load_folds(path, 4).parts.tolist() == [[0, 1, 1, 0]] and load_folds(path).count == 2
    save_folds(path, load_folds(path))
    assert path.read_bytes() == first
    with pytest.raises(InputError, match=r"expected the folds of 5 training images, found those of 4\."):
        load_folds(path, 5)
    for tensors, metadata, message in (
        ({"fold": numpy.zeros((1, 4), numpy.uint8)}, {"folds": 2}, "expected images in each of 2 folds"),
        ({"fold": numpy.zeros((1, 4), numpy.int64)}, {"folds": 2}, "not a file of folds"),
        ({"fold": numpy.zeros((1, 4), numpy.uint8)}, {}, "not a file of folds"),
        ({"other": numpy.zeros((1, 4), numpy.uint8)}, {"folds": 2}, "not a file of folds"),
    ):
        save_tensors(path, tensors, metadata)
        with pytest.raises(InputError, match=message):
            load_folds(path)
