"""The published numbers of networks, and the largest batch as the first that no longer fits."""

import json

import pandas
import pytest

from triptych.models.compare_architectures import (
    ALL_ARMS,
    MEMORY_GB,
    compare_architectures,
    compare_one,
    largest_batches,
)
from triptych.models.memory import MOST_ELEMENTS, memory_by_batch_size
from triptych.models.networks import build_shapes, head_tensors
from triptych.storage.errors import InputError
from triptych.storage.files import sha256


def network(architecture, input_size, auxiliary=False, role="reference"):
    return {"architecture": architecture, "input_size": input_size, "auxiliary": auxiliary, "role": role}


def batches_of(needs):
    """The rows of the second table: in a real one they also name the network."""
    return [row for trainable, need in needs.items() for row in largest_batches({}, trainable, need, 10**9)]


def sizes_of(folder, images):
    """The table of sizes where so many images are trained on."""
    path = folder / "sizes.csv"
    path.write_text(f"split,class,images\ntrain,a,{images - images // 2}\ntrain,b,{images // 2}\ntest,a,{10**9}\n")
    return path


def compare(folder, *networks, images=10**9):
    folder.mkdir(exist_ok=True)
    files = {"architectures": folder / "architectures.csv", "largest_batch": folder / "largest_batch.csv"}
    listed = json.dumps([{"trained": [], **network} for network in networks])
    compare_architectures(networks=listed, sizes=sizes_of(folder, images), **files)
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
def test_the_published_numbers(architecture, input_size, auxiliary, parameters, giga_macs):
    row, needs, _ = compare_one(**network(architecture, input_size, auxiliary))
    assert row["parameters"] == parameters
    assert row["macs"] / 1e9 == pytest.approx(giga_macs, abs=0.0005)
    assert row["auxiliary"] == auxiliary
    # the statistics of BatchNorm beside the parameters
    assert 4 * parameters < row["weight_bytes"] < 4.02 * parameters
    table = pandas.DataFrame(batches_of(needs)).pivot(index="train", columns="memory_gb", values="largest_batch")
    assert list(table.columns) == list(MEMORY_GB)
    assert (table.loc["head"] > table.loc["all"]).all()
    assert (table.diff(axis=1).iloc[:, 1:] > 0).all(axis=None)


def test_one_more_image_does_not_fit():
    _, needs, _ = compare_one(**network("resnet18", 224))
    shapes, head = build_shapes("resnet18", 1000, 224), head_tensors("resnet18", 1000, 224)
    for row in batches_of(needs):
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


def test_all_arms_at_once(tmp_path):
    """Of the same batch size each: one more image an arm does not fit. Controls are not among what is `trained`."""
    arms = [
        network("resnet18", 64, role="arm") | {"trained": ["all", "head"]},
        network("squeezenet1_1", 64, role="arm") | {"trained": ["all"]},
    ]
    files = compare(tmp_path / "a", *arms, network("alexnet", 64))
    table = pandas.read_csv(files["largest_batch"])
    own = table[table["architecture"] == ALL_ARMS]
    assert list(own["memory_gb"]) == list(MEMORY_GB)
    assert own["input_size"].isna().all() and own["auxiliary"].isna().all()
    assert "resnet18,64,0,all," in files["largest_batch"].read_text()  # whole numbers beside empty cells
    parts = [("resnet18", "all"), ("resnet18", "head"), ("squeezenet1_1", "all")]
    needed = dict.fromkeys(sorted({size for batch in own["largest_batch"] for size in (batch, batch + 1)}), 0)
    for architecture, trainable in parts:
        shapes, head = build_shapes(architecture, 1000, 64), head_tensors(architecture, 1000, 64)
        for row in memory_by_batch_size(shapes, head, 64, list(needed)):
            needed[row["batch_size"]] += row["training_bytes"] if row["train"] == trainable else 0
    for memory, batch in zip(own["memory_gb"], own["largest_batch"], strict=True):
        assert needed[batch] <= memory * 10**9 < needed[batch + 1]
    alone = compare(tmp_path / "b", network("resnet18", 64, role="arm") | {"trained": ["all"]})
    assert ALL_ARMS not in alone["largest_batch"].read_text()


def test_no_batch_is_larger_than_the_training_images(tmp_path):
    arms = [network("resnet18", 64, role="arm") | {"trained": ["all", "head"]}]
    few = pandas.read_csv(compare(tmp_path / "few", *arms, images=301)["largest_batch"])
    assert set(few["largest_batch"]) == {301} and ALL_ARMS in set(few["architecture"])
    many = pandas.read_csv(compare(tmp_path / "many", *arms, images=10**6)["largest_batch"])
    assert set(many["largest_batch"]) > {MOST_ELEMENTS // (64 * 32 * 32)}  # 32,767


def test_no_batch_has_a_tensor_that_kernels_cannot_index(tmp_path):
    """Of 64 x 112 x 112 elements an image: 2,674 images. 80 GB would hold more when the head is trained."""
    arms = [network("resnet18", 224, role="arm") | {"trained": ["head", "head"]}]
    table = pandas.read_csv(compare(tmp_path / "a", *arms)["largest_batch"]).set_index(["train", "memory_gb"])
    assert table.loc[("head", 80), "largest_batch"] == (2**31 - 1) // (64 * 112 * 112) == 2674
    assert table.loc[("each its own", 80), "largest_batch"] == 2674
    assert table.loc[("all", 24), "largest_batch"] < 2674


@pytest.mark.parametrize(
    ("networks", "message"),
    [
        ("nothing", "networks: expected a JSON list"),
        ('[{"architecture": "resnet18"}]', "networks: expected a JSON list"),
        (
            json.dumps([network("resnet18", 224, True) | {"trained": []}]),
            "resnet18: torchvision's network has no auxiliary head",
        ),
        (json.dumps([network("alexnet", 32) | {"trained": []}]), "alexnet cannot run on images of 32 px"),
    ],
)
def test_bad_input_writes_nothing(networks, message, tmp_path):
    sizes = sizes_of(tmp_path, 100)
    files = {"architectures": tmp_path / "a.csv", "largest_batch": tmp_path / "b.csv"}
    with pytest.raises(InputError, match=message):
        compare_architectures(networks=networks, sizes=sizes, **files)
    assert list(tmp_path.iterdir()) == [sizes]
