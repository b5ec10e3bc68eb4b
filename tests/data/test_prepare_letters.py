"""The files of the pretraining's data set."""

import numpy
import pytest

from triptych.data.dataset import load_split
from triptych.data.prepare_letters import prepare_letters
from triptych.storage.errors import InputError
from triptych.storage.files import sha256
from triptych.storage.tensors import load_metadata


def prepare(folder, **changes):
    settings = {"image_size": 16, "train_images": 52, "validation_images": 26, "seed": 0} | changes
    paths = {"train": folder / "train.safetensors", "validation": folder / "validation.safetensors"}
    prepare_letters(**settings, **paths)
    return paths


def test_files(tmp_path):
    paths = prepare(tmp_path)
    train, validation = (load_split(path) for path in paths.values())
    assert train.images.shape == (52, 16, 16, 3)
    assert len(validation) == 26
    assert not {image.tobytes() for image in train.images} & {image.tobytes() for image in validation.images}
    assert load_metadata(paths["validation"]) == {
        "classes": train.classes,
        "source": "letters",
        "split": "validation",
    }
    assert numpy.bincount(train.labels).tolist() == [2] * 26
    again = prepare(tmp_path / "again")
    assert [sha256(path) for path in again.values()] == [sha256(path) for path in paths.values()]


@pytest.mark.parametrize("changes", [{"image_size": 7}, {"train_images": 25}, {"validation_images": 0}])
def test_too_few_is_refused(tmp_path, changes):
    with pytest.raises(InputError, match=next(iter(changes))):
        prepare(tmp_path, **changes)
    assert not list(tmp_path.iterdir())
