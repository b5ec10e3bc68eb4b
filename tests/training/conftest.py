import functools
import json
from dataclasses import replace

import numpy
import pytest
import torch

from tests.conftest import bundled
from triptych.data.dataset import Split, load_split, save_split
from triptych.models.initialise_model import initial_weights
from triptych.models.networks import build_network, network_metadata, state_arrays
from triptych.storage.tensors import save_tensors
from triptych.training import checkpoints
from triptych.training import extract_features as extract_features_module
from triptych.training import pretrain_weights as pretrain_weights_module
from triptych.training import train as train_module


def by_key(function):
    """A command whose recipe and execution are given by key, as `tests.conftest.command` takes them."""

    @functools.wraps(function)
    def call(**options):
        function(**bundled(function.__name__, options))

    return call


train = by_key(train_module.train)
extract_features = by_key(extract_features_module.extract_features)
pretrain_weights = by_key(pretrain_weights_module.pretrain_weights)

RECIPE = {
    "epochs": 2,
    "batch_size": 16,
    "learning_rate": 1e-4,
    "evaluation_batch_size": 32,
    "num_threads": 1,
    "device": "cpu",
    "precision": "float32",
    "channels_last": False,
    "train_images": None,
}
NETWORK = {"architecture": "shufflenet_v2_x0_5", "input_size": 32, "normalisation": "imagenet"}
"""It has BatchNorm and few parameters: a step takes a quarter of a resnet18's, and its files have 1.5 MB, not 45."""
EACH_EPOCH = {"checkpoint_minutes": 1e-9}
"""An execution with a checkpoint after each step and each epoch, however short they are."""
FEATURES = 1024
"""What its head is given."""
CLASSES = ["dark", "light", "red"]


def make_split(images: int, seed: int) -> Split:
    """Noisy 8x8 images of three classes that differ in colour, so that a few steps are enough to learn something."""
    generator = numpy.random.default_rng(seed)
    labels = numpy.arange(images) % 3
    base = numpy.array([[60, 60, 60], [190, 190, 190], [190, 60, 60]])[labels]
    pixels = base[:, None, None, :] + generator.normal(0, 25, (images, 8, 8, 3))
    return Split(pixels.clip(0, 255).astype(numpy.uint8), labels.astype(numpy.int64), CLASSES)


@pytest.fixture(scope="package", autouse=True)
def a_checkpoint_after_each_epoch():
    """However short it is: those of tests take a fraction of a second. Processes have `EACH_EPOCH`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoints, "LEAST_SECONDS", 0.0)
        yield


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """The inputs of a run: splits of 50, 9 and 20 images, and the weights of the network."""
    folder = tmp_path_factory.mktemp("run")
    for name, images, seed in (("train", 50, 1), ("validation", 9, 2), ("test", 20, 3)):
        save_split(folder / f"{name}.safetensors", make_split(images, seed))
    save_weights(NETWORK["architecture"], folder / "weights.safetensors")
    return folder


def save_weights(architecture, path):
    """Write random weights of a network for the classes of `files`."""
    torch.manual_seed(0)
    network = build_network(architecture, 3, 32)
    normalisation = {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}
    metadata = network_metadata(
        network, architecture=architecture, classes=CLASSES, input_size=32, normalisation=normalisation
    )
    save_tensors(path, state_arrays(network), metadata)


@pytest.fixture(scope="session")
def of_resnet18(tmp_path_factory):
    """What makes the run of `arguments` one of a larger network, whose checkpoints have 134 MB."""
    weights = tmp_path_factory.mktemp("large") / "weights.safetensors"
    save_weights("resnet18", weights)
    return {"architecture": "resnet18", "pretrained": weights}


def initial_of(arguments):
    """The tensors with which a run began, once it is trained, and the metadata of its network."""
    return initial_weights(arguments["trained"], arguments.get("pretrained"))


def phases(trainable="all", batchnorm="train"):
    """What a run trains, as `train()` takes it."""
    return json.dumps([{"trainable": trainable, "batchnorm": batchnorm}])


def short_run(files, folder):
    """Arguments of `train()` for a short run that writes into `folder`."""
    return {
        **NETWORK,
        **RECIPE,
        "pretrained": files / "weights.safetensors",
        "train_data": files / "train.safetensors",
        "validation_data": files / "validation.safetensors",
        "test_data": files / "test.safetensors",
        "phases": phases(),
        "seed": 0,
        "trained": folder / "trained.safetensors",
        "history": folder / "history.csv",
        "predictions": folder / "predictions.safetensors",
        "cost": folder / "cost.json",
    }


def with_margin(arguments, folder, *, crop):
    """Arguments of the same run on images stored at 40 px, of which the network sees the central 35 x 35."""
    found = {}
    for number, name in enumerate(("train", "validation", "test")):
        split = load_split(arguments[f"{name}_data"])
        images = numpy.random.default_rng(number).integers(0, 256, (len(split), 40, 40, 3), dtype=numpy.uint8)
        margin = {"images": images, "crop": True} if crop else {"images": images[:, 2:37, 2:37]}
        found[f"{name}_data"] = folder / f"{name}.safetensors"
        save_split(found[f"{name}_data"], replace(split, **margin))
    return found


@pytest.fixture
def arguments(files, tmp_path):
    """Arguments of `train()` for a short run that writes into `tmp_path`."""
    return short_run(files, tmp_path)


def made_by(options):
    """The bytes of what a run makes, by the name of the output."""
    train(**options)
    return {name: options[name].read_bytes() for name in ("trained", "history", "predictions")}


@pytest.fixture(scope="session")
def undisturbed(files, tmp_path_factory):
    """What the run of `arguments` makes where nothing disturbs it."""
    return made_by(short_run(files, tmp_path_factory.mktemp("undisturbed")))


@pytest.fixture(scope="session")
def undisturbed_large(files, of_resnet18, tmp_path_factory):
    """The same of the larger network."""
    return made_by(short_run(files, tmp_path_factory.mktemp("undisturbed")) | of_resnet18)
