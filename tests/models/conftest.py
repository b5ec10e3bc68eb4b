import numpy
import pytest

from triptych.configuration.architecture_words import SMALLEST_OF_FAMILY
from triptych.data.dataset import Split, load_split, save_split
from triptych.models.initialise_model import starting_network
from triptych.models.networks import state_arrays
from triptych.storage.tensors import save_tensors

KINDS = {
    *SMALLEST_OF_FAMILY.values(),
    *("efficientnet_v2_s", "mobilenet_v2", "regnet_x_400mf", "resnet50", "swin_v2_t", "vgg11_bn"),
}
"""A network of each family of torchvision, and one more where a family has another structure as well."""


def with_tiers(names):
    """Parameters of a test of networks: those of KINDS are slow, their larger relatives long."""
    # long: last run 2026-11-28, passed
    return [pytest.param(name, marks=pytest.mark.slow if name in KINDS else pytest.mark.long) for name in names]


START = {"architecture": "resnet18", "input_size": 32, "normalisation": "none", "seed": 0, "pretrained": None}


def save_start(path, train_data, train_images=None, **changes):
    """Write the weights with which a run of `START` with these changes begins; returns the path."""
    split = load_split(train_data)
    settings = {"classes": split.classes, "train_images": split.first(train_images).images}
    network, metadata = starting_network(**START | settings | changes)
    save_tensors(path, state_arrays(network), metadata)
    return path


@pytest.fixture(scope="session")
def train_data(tmp_path_factory):
    """Twelve random images of 8x8 in three classes."""
    path = tmp_path_factory.mktemp("data") / "train.safetensors"
    images = numpy.random.default_rng(0).integers(0, 256, (12, 8, 8, 3), dtype=numpy.uint8)
    save_split(path, Split(images, numpy.arange(12, dtype=numpy.int64) % 3, ["left", "middle", "right"]))
    return path
