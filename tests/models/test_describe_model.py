"""The description of a network: four files that agree."""

import json

import pandas
import pytest

from tests.models.conftest import save_start
from triptych.models.describe_model import describe_model
from triptych.storage.errors import InputError
from triptych.storage.files import sha256

FILES = {"layers": "layers.csv", "printout": "printout.txt", "totals": "totals.json", "memory": "memory.csv"}


def describe(folder, train_data, architecture="resnet18", input_size=32):
    outputs = {key: folder / name for key, name in FILES.items()}
    describe_model(architecture=architecture, input_size=input_size, train_data=train_data, **outputs)
    return outputs


@pytest.fixture(scope="module")
def described(tmp_path_factory, train_data):
    return describe(tmp_path_factory.mktemp("models"), train_data)


def test_totals(described):
    totals = json.loads(described["totals"].read_text())
    layers = pandas.read_csv(described["layers"])
    assert totals["parameters"] == layers["parameters"].sum() == 11_176_512 + 3 * 513
    assert totals["head_parameters"] == 3 * 513
    assert totals["macs"] == layers["macs"].sum()
    assert totals["activation_bytes"] == layers["activation_bytes"].sum()
    assert totals["buffers_elements"] == 9_620
    assert totals["batchnorm_momentum"] == 0.1
    assert (totals["architecture"], totals["input_size"], totals["num_classes"]) == ("resnet18", 32, 3)


def test_tables(described):
    layers = pandas.read_csv(described["layers"])
    assert list(layers.columns) == [
        *("architecture", "layer", "type", "output_shape", "parameters", "macs", "activation_bytes", "input_size"),
        *("output_height", "output_width", "in_padding"),
    ]
    memory = pandas.read_csv(described["memory"])
    assert memory.groupby("train")["batch_size"].apply(list).to_dict() == {
        trainable: [1, 2, 4, 8, 16, 32, 64, 128, 256] for trainable in ("all", "head")
    }


def test_printout(described):
    text = described["printout"].read_text()
    assert text.startswith("ResNet(\n  (conv1): Conv2d(3, 64, kernel_size=(7, 7)")
    assert "(fc): Linear(in_features=512, out_features=3, bias=True)" in text
    assert text.endswith("fc.weight: [3, 512]\nfc.bias: [3]\n")


def test_weights_are_the_files_bytes(described, train_data, tmp_path):
    path = tmp_path / "initial.safetensors"
    save_start(path, train_data)
    computed = json.loads(described["totals"].read_text())["weight_bytes"]
    # the file also holds its header, with a line for each of 122 tensors
    assert 0 < path.stat().st_size - computed < 30_000


def test_same_bytes_again(described, train_data, tmp_path, capsys):
    again = describe(tmp_path, train_data)
    assert "11,178,051 parameters (1,539 in the head), 0.037 GMAC" in capsys.readouterr().out
    assert [sha256(path) for path in again.values()] == [sha256(path) for path in described.values()]


def test_too_small_images_write_nothing(train_data, tmp_path):
    with pytest.raises(InputError, match="alexnet cannot run on images of 32 px"):
        describe(tmp_path, train_data, "alexnet")
    assert not list(tmp_path.iterdir())
