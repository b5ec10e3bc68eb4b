"""The numbers that the lecture argues with, and the largest batch as the first that no longer fits."""

import json

import pandas
import pytest

from triptych.errors import InputError
from triptych.files import sha256
from triptych.models.compare_architectures import MEMORY_GB, compare_architectures, compare_one
from triptych.models.memory import memory_by_batch_size
from triptych.models.networks import build_shapes, head_tensors


def network(architecture, input_size, auxiliary=False, role="reference"):
    return {"architecture": architecture, "input_size": input_size, "auxiliary": auxiliary, "role": role}


def compare(folder, *networks):
    folder.mkdir(exist_ok=True)
    files = {"architectures": folder / "architectures.csv", "largest_batch": folder / "largest_batch.csv"}
    compare_architectures(networks=json.dumps(networks), **files)
    return files


@pytest.mark.parametrize(
    ("architecture", "input_size", "auxiliary", "parameters", "giga_macs"),
    [
        ("resnet18", 224, False, 11_689_512, 1.814),
        ("resnet34", 224, False, 21_797_672, 3.664),
        ("resnet50", 224, False, 25_557_032, 4.089),
        ("inception_v3", 299, True, 27_161_264, 5.719),
        ("inception_v3", 299, False, 23_834_568, 5.713),
        ("googlenet", 224, True, 13_004_888, 1.507),
        ("googlenet", 224, False, 6_624_904, 1.498),
    ],
)
def test_the_lecture_s_numbers(architecture, input_size, auxiliary, parameters, giga_macs):
    row, batches = compare_one(**network(architecture, input_size, auxiliary))
    assert row["parameters"] == parameters
    assert row["macs"] / 1e9 == pytest.approx(giga_macs, abs=0.0005)
    assert row["auxiliary"] == auxiliary
    # the statistics of BatchNorm beside the parameters
    assert 4 * parameters < row["weight_bytes"] < 4.02 * parameters
    table = pandas.DataFrame(batches).pivot(index="train", columns="memory_gb", values="largest_batch")
    assert list(table.columns) == list(MEMORY_GB)
    assert (table.loc["head"] > table.loc["all"]).all()
    assert (table.diff(axis=1).iloc[:, 1:] > 0).all(axis=None)


def test_one_more_image_does_not_fit():
    _, batches = compare_one(**network("resnet18", 224))
    shapes, head = build_shapes("resnet18", 1000, 224), head_tensors("resnet18", 1000, 224)
    for row in batches:
        sizes = [row["largest_batch"], row["largest_batch"] + 1]
        needed = [
            each["training_bytes"]
            for each in memory_by_batch_size(shapes, head, 224, sizes)
            if each["train"] == row["train"]
        ]
        assert needed[0] <= row["memory_gb"] * 10**9 < needed[1]


def test_tables(tmp_path, capsys):
    networks = network("resnet18", 64, role="arm"), network("squeezenet1_1", 64)
    files = compare(tmp_path / "a", *networks)
    totals, batches = (pandas.read_csv(path) for path in files.values())
    assert list(totals.columns) == [
        *("architecture", "input_size", "auxiliary", "role", "parameters", "weight_bytes", "macs", "activation_bytes")
    ]
    assert list(batches.columns) == ["architecture", "input_size", "auxiliary", "train", "memory_gb", "largest_batch"]
    assert list(totals["role"]) == ["arm", "reference"]
    assert len(batches) == 2 * 2 * len(MEMORY_GB)
    assert "resnet18 at 64 px: 11,689,512 parameters" in capsys.readouterr().out
    again = compare(tmp_path / "b", *networks)
    assert [sha256(path) for path in files.values()] == [sha256(path) for path in again.values()]


@pytest.mark.parametrize(
    ("networks", "message"),
    [
        ("nothing", "networks: expected a JSON list"),
        ('[{"architecture": "resnet18"}]', "networks: expected a JSON list"),
        (json.dumps([network("resnet18", 224, True)]), "resnet18: torchvision's network has no auxiliary head"),
        (json.dumps([network("alexnet", 32)]), "alexnet cannot run on images of 32 px"),
    ],
)
def test_bad_input_writes_nothing(networks, message, tmp_path):
    with pytest.raises(InputError, match=message):
        compare_architectures(networks=networks, architectures=tmp_path / "a.csv", largest_batch=tmp_path / "b.csv")
    assert not list(tmp_path.iterdir())
