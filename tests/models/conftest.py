import numpy
import pytest

from triptych.data.dataset import Split, save_split


@pytest.fixture(scope="session")
def train_data(tmp_path_factory):
    """Twelve random images of 8x8 in three classes."""
    path = tmp_path_factory.mktemp("data") / "train.safetensors"
    images = numpy.random.default_rng(0).integers(0, 256, (12, 8, 8, 3), dtype=numpy.uint8)
    save_split(path, Split(images, numpy.arange(12, dtype=numpy.int64) % 3, ["left", "middle", "right"]))
    return path
