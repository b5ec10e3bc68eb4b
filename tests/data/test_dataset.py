"""Files of images and labels say what they hold, and anything else is refused by name."""

from dataclasses import replace

import numpy
import pytest

from triptych.configuration.backbones.registry import ANY_SIZE
from triptych.configuration.image_files import stored_size
from triptych.data.dataset import Split, load_split, save_split, view_side
from triptych.storage.errors import InputError
from triptych.storage.tensors import load_metadata, save_tensors

CLASSES = ["cat", "dog"]


def split_of(count: int) -> Split:
    images = numpy.arange(count * 12, dtype=numpy.uint8).reshape(count, 2, 2, 3)
    return Split(images, numpy.arange(count, dtype=numpy.int64) % 2, CLASSES)


@pytest.mark.parametrize("count", [0, 1, 5])
def test_round_trip(tmp_path, count):
    path = tmp_path / "train.safetensors"
    save_split(path, split_of(count), {"source": "pets"})
    read = load_split(path)
    assert numpy.array_equal(read.images, split_of(count).images)
    assert numpy.array_equal(read.labels, split_of(count).labels)
    assert len(read) == count
    assert load_metadata(path) == {"classes": CLASSES, "source": "pets"}


def test_first():
    assert split_of(5).first(2).labels.tolist() == [0, 1]
    assert len(split_of(5).first(None)) == 5
    assert len(split_of(5).first(0)) == 0
    with pytest.raises(InputError, match="train_images: 6 is not allowed; there are 5"):
        split_of(5).first(6)


def test_whether_images_are_cropped_is_in_the_file_where_it_is_true(tmp_path):
    path = tmp_path / "train.safetensors"
    for crop, metadata in ((True, {"classes": CLASSES, "crop": True}), (False, {"classes": CLASSES})):
        save_split(path, replace(split_of(4), crop=crop))
        assert load_metadata(path) == metadata
        assert load_split(path).first(2).crop is crop


@pytest.mark.parametrize(
    ("stored", "input_size", "side"),
    [(256, 224, 224), (110, 96, 96), (256, 96, 224), (230, 224, 224), (224, 224, 224), (200, 224, 200), (10, 1, 8)],
)
def test_the_view_is_seven_eighths_but_no_smaller_than_the_input(stored, input_size, side):
    assert view_side(stored, input_size) == side


def test_what_is_stored_by_default_is_seen_without_a_resize():
    assert [view_side(stored_size([size]), size) for size in ANY_SIZE] == list(ANY_SIZE)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": numpy.zeros((2, 2, 2, 3), dtype=numpy.float32)}, r"float32 \[2, 2, 2, 3\]"),
        ({"images": numpy.zeros((2, 3, 2, 2), dtype=numpy.uint8)}, r"uint8 \[2, 3, 2, 2\]"),
        ({"images": numpy.zeros((2, 2, 3), dtype=numpy.uint8)}, r"uint8 \[2, 2, 3\]"),
        ({"labels": numpy.zeros(2, dtype=numpy.int32)}, r"int32 \[2\]"),
        ({"labels": numpy.zeros(3, dtype=numpy.int64)}, r"int64 \[3\]"),
        ({"labels": numpy.array([0, 2])}, "label 2 is not one of the 2 classes"),
        ({"labels": numpy.array([0, -1])}, "label -1 is not one of the 2 classes"),
        ({"classes": ["cat", "cat"]}, "unique names"),
        ({"classes": []}, "unique names"),
        ({"images": None}, "there is no tensor images"),
        ({"classes": None}, "no classes"),
    ],
)
def test_other_content_is_refused(tmp_path, change, message):
    good = split_of(2)
    content = {"images": good.images, "labels": good.labels, "classes": good.classes} | change
    content = {name: value for name, value in content.items() if value is not None}
    metadata = {"classes": content.pop("classes")} if "classes" in content else {}
    path = tmp_path / "pets.safetensors"
    save_tensors(path, content, metadata)
    with pytest.raises(InputError, match=f"pets.safetensors: .*{message}"):
        load_split(path)
    if len(content) == 2 and metadata:
        path.unlink()
        with pytest.raises(InputError, match=message):
            save_split(path, Split(**content, **metadata))
        assert not path.exists()
