"""Pretrained weights are copied exactly; the new head is the same for all arms of a seed, and independent."""

import numpy
import pytest
import torch

from tests.models.conftest import save_start
from triptych.data.dataset import load_split
from triptych.models.initialise_model import initialise_model, run_metadata
from triptych.models.networks import build_network, load_network, network_metadata, state_arrays
from triptych.models.normalisation import normalisation_of
from triptych.storage.errors import InputError
from triptych.storage.files import sha256
from triptych.storage.tensors import load_metadata, load_tensors, save_tensors

HEAD = ["fc.weight", "fc.bias"]


def save_weights(path, change=lambda arrays: arrays, architecture="resnet18", seed=0):
    """Weights for 26 classes as `pretrain_weights` writes them, without the training."""
    torch.manual_seed(seed)
    network = build_network(architecture, 26, 32)
    metadata = network_metadata(
        network,
        architecture=architecture,
        classes=[chr(65 + number) for number in range(26)],
        input_size=32,
        normalisation=normalisation_of("none", numpy.empty(0)),
    )
    save_tensors(path, change(state_arrays(network)), metadata)
    return path


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return save_weights(tmp_path_factory.mktemp("weights") / "resnet18.safetensors")


@pytest.fixture
def initialise(train_data, tmp_path):
    return lambda name="initial", **changes: save_start(tmp_path / f"{name}.safetensors", train_data, **changes)


def test_random(initialise):
    path, again, other = initialise("one"), initialise("two"), initialise("three", seed=1)
    network, metadata = load_network(path)
    assert network.fc.weight.shape == (3, 512)
    assert metadata["classes"] == ["left", "middle", "right"]
    assert metadata["head"] == HEAD
    assert sha256(path) == sha256(again)
    assert not numpy.array_equal(load_tensors(path)["conv1.weight"], load_tensors(other)["conv1.weight"])


def test_pretrained(initialise, weights):
    path = initialise(pretrained=weights)
    found, original = load_tensors(path), load_tensors(weights)
    load_network(path)
    for name, array in original.items():
        if name not in HEAD:
            assert found[name].dtype == array.dtype
            assert found[name].tobytes() == array.tobytes()
    assert found["fc.weight"].shape == (3, 512)


def test_all_arms_of_a_seed_share_the_head(initialise, weights):
    scratch, finetune, other = initialise("a"), initialise("b", pretrained=weights), initialise("c", seed=1)
    heads = [load_tensors(path)["fc.weight"] for path in (scratch, finetune, other)]
    assert numpy.array_equal(heads[0], heads[1])
    assert not numpy.array_equal(heads[0], heads[2])


def test_nothing_repeats_the_random_numbers_of_the_pretraining(initialise, weights):
    """The plain seed would give back the first rows of the head that the pretraining began with."""
    original = load_tensors(weights)
    found = load_tensors(initialise(seed=0))
    # single numbers may agree by chance
    assert (found["fc.weight"] == original["fc.weight"][:3]).mean() < 0.01
    assert (found["conv1.weight"] == original["conv1.weight"]).mean() < 0.01


def test_a_file_without_a_head_is_enough(initialise, weights, tmp_path):
    def without_head(arrays):
        return {name: array for name, array in arrays.items() if name not in HEAD}

    trunk = save_weights(tmp_path / "trunk.safetensors", without_head)
    assert sha256(initialise("a", pretrained=trunk)) == sha256(initialise("b", pretrained=weights))


def test_imagenets_normalisation_is_that_of_torchvisions_file(initialise, weights, tmp_path):
    """Only such a file names its checksum; of letters, and of random weights, it is ImageNet's own."""
    own = {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.4]}
    torchvisions = tmp_path / "torchvisions.safetensors"
    metadata = load_metadata(weights) | {"normalisation": own, "sha256": "a" * 64}
    save_tensors(torchvisions, load_tensors(weights), metadata)
    imagenet = normalisation_of("imagenet", numpy.empty(0))
    for pretrained, word, expected in (
        (torchvisions, "imagenet", own),
        (torchvisions, "none", normalisation_of("none", numpy.empty(0))),
        (weights, "imagenet", imagenet),
        (None, "imagenet", imagenet),
    ):
        initial = initialise(pretrained=pretrained, normalisation=word)
        assert load_metadata(initial)["normalisation"] == expected


def test_normalisation_of_the_images_that_train(initialise, train_data):
    images = load_split(train_data).images
    found = load_metadata(initialise(normalisation="dataset", train_images=6))["normalisation"]
    assert found == normalisation_of("dataset", images[:6]) != normalisation_of("dataset", images)
    with pytest.raises(InputError, match="train_images: 13 is not allowed; there are 12 training images"):
        initialise("more", normalisation="dataset", train_images=13)


def test_another_architecture_is_refused(initialise, weights, tmp_path):
    with pytest.raises(InputError, match=r"expected weights of resnet34, found resnet18"):
        initialise(architecture="resnet34", pretrained=weights)
    assert not (tmp_path / "initial.safetensors").exists()


def test_wrong_tensors_are_named(initialise, tmp_path):
    def change(arrays):
        arrays["conv1.weight"] = arrays["conv1.weight"][:, :1]
        del arrays["bn1.bias"]
        return arrays

    path = save_weights(tmp_path / "grey.safetensors", change)
    with pytest.raises(InputError) as error:
        initialise(pretrained=path)
    assert "conv1.weight is [64, 1, 7, 7], expected [64, 3, 7, 7]" in str(error.value)
    assert "missing bn1.bias [64]" in str(error.value)
    assert "grey.safetensors: not the tensors of resnet18 without its head" in str(error.value)


def test_wrong_types_are_named(initialise, tmp_path):
    def change(arrays):
        return arrays | {"bn1.bias": arrays["bn1.bias"].astype(numpy.float16)}

    path = save_weights(tmp_path / "half.safetensors", change)
    with pytest.raises(InputError, match=r"half.safetensors: wrong tensor .*\n  bn1.bias is float16, expected float32"):
        initialise(pretrained=path)


# The command


@pytest.fixture
def trained(initialise, weights, tmp_path):
    """A function that writes the weights of a run that changed nothing."""

    def write(start, seed=0):
        arrays, metadata = load_tensors(start), load_metadata(start)
        save_tensors(tmp_path / "trained.safetensors", arrays, run_metadata(metadata, arrays, seed, {"trained": {}}))
        return tmp_path / "trained.safetensors"

    return write


@pytest.mark.parametrize("seed", [0, 5])
@pytest.mark.parametrize("starts", ["random", "pretrained"])
def test_initial_weights_are_reproduced(initialise, weights, trained, tmp_path, starts, seed):
    pretrained = weights if starts == "pretrained" else None
    start = initialise("start", seed=seed, pretrained=pretrained)
    initialise_model(trained=trained(start, seed), pretrained=pretrained, initial=tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == start.read_bytes()


def test_different_pretrained_weights_are_refused(initialise, weights, trained, tmp_path):
    other = save_weights(tmp_path / "other.safetensors", seed=1)
    path, initial = trained(initialise("start", pretrained=weights)), tmp_path / "again.safetensors"
    for pretrained, source in ((other, str(other)), (None, "no pretrained weights")):
        with pytest.raises(InputError) as error:
            initialise_model(trained=path, pretrained=pretrained, initial=initial)
        message = f"{path}: seed 0, {source} and torch {torch.__version__} do not reproduce the initial weights"
        assert str(error.value).startswith(message)
    assert not initial.exists()


def test_a_file_that_describes_no_run_is_refused(initialise, tmp_path):
    with pytest.raises(InputError, match=r"start\.safetensors: not weights that `train` wrote"):
        initialise_model(trained=initialise("start"), initial=tmp_path / "again.safetensors")
