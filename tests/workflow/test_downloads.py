"""The lecture's downloads by the real rules, over HTTP, from a small mirror that is served on this machine."""

import numpy
import pytest

from tests.workflow.conftest import rules_of, snakemake, tiers
from tests.workflow.mirror import needs_mirror, serve_mirror, write_mirrored
from triptych.data.dataset import load_split
from triptych.models.initialise_model import starting_network
from triptych.models.networks import state_arrays
from triptych.storage.files import sha256
from triptych.storage.tensors import load_tensors

pytestmark = needs_mirror
slow = pytest.mark.slow

WEIGHTS = "results/lecture45-small/weights/resnet18.safetensors"
DATA = "results/lecture45-small/data/train.safetensors"


@pytest.fixture(scope="module")
def mirror(tmp_path_factory):
    """The running server of a small mirror."""
    with serve_mirror(
        tmp_path_factory.mktemp("mirror"), "--train-per-class", "100", "--test-per-class", "20"
    ) as server:
        yield server


def write_configuration(folder, mirror, prefix="", **weights):
    """config/lecture45-small.yaml with the mirror's files; returns its path."""
    sizes = {"expected_train": 1000, "expected_test": 200}
    return write_mirrored("lecture45-small", folder, mirror, prefix, sizes, weights)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    """The mirror is on this machine: whatever proxy there is, it is not asked."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture(scope="module")
def begun(tmp_path_factory, mirror, checkout):
    """A folder in which everything before the training of the lecture's three nets has run."""
    folder = tmp_path_factory.mktemp("begun")
    path = write_configuration(folder, mirror)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("no_proxy", "127.0.0.1")
        described = "results/lecture45-small/models/resnet18_224/totals.json"
        snakemake(WEIGHTS, DATA, described, "--cores", "2", "--configfile", path, directory=folder, checkout=checkout)
    return folder


@slow
def test_each_file_is_fetched_once_and_is_the_mirrors(begun, mirror):
    assert sorted(mirror.asked) == ["/cifar-10-binary.tar.gz", "/resnet18-imagenet-standin.pth"]
    files = {path.relative_to(begun / "resources").as_posix(): path for path in (begun / "resources").rglob("*.*")}
    archive, state_dict = mirror.sums.values()
    assert {name: sha256(path) for name, path in files.items()} == {
        f"datasets/cifar10-{archive[:16]}.tar.gz": archive,
        f"weights/resnet18-{state_dict[:16]}.pth": state_dict,
    }


@slow
def test_the_images_are_cifars(begun):
    parts = {
        split: load_split(begun / f"results/lecture45-small/data/{split}.safetensors") for split in ("train", "test")
    }
    for split, count in (("train", 100), ("test", 20)):
        part = parts[split]
        assert part.images.shape == (10 * count, 32, 32, 3)
        assert numpy.bincount(part.labels).tolist() == [count] * 10
        assert part.classes == [
            "airplane",
            "automobile",
            "bird",
            "cat",
            "deer",
            "dog",
            "frog",
            "horse",
            "ship",
            "truck",
        ]
    # as those of the real CIFAR-10 are: means by channel near 125, 123, 114
    assert numpy.abs(parts["train"].images.mean(axis=(0, 1, 2)) - [125, 123, 114]).max() < 8


@slow
def test_the_pretrained_runs_begin_with_the_downloaded_weights(begun):
    split = load_split(begun / DATA)
    weights = load_tensors(begun / WEIGHTS)
    start = ("resnet18", 224, "none", 0, split.classes, split.images)
    scratch, finetune = (state_arrays(starting_network(*start, path)[0]) for path in (None, begun / WEIGHTS))
    assert sum(tensor.size for name, tensor in scratch.items() if "running" not in name and "num_b" not in name) == (
        11_181_642
    )
    assert finetune["conv1.weight"].tobytes() != scratch["conv1.weight"].tobytes()
    for name, tensor in weights.items():
        if not name.startswith("fc."):
            assert finetune[name].tobytes() == tensor.tobytes()
            assert tensor.dtype == scratch[name].dtype
    assert finetune["fc.weight"].tobytes() == scratch["fc.weight"].tobytes()


def dry_run(folder, path, checkout):
    return rules_of(snakemake("--dry-run", "--configfile", path, directory=folder, checkout=checkout).stdout)


@slow
def test_the_rest_dry_runs_without_a_download(begun, mirror, checkout):
    rules = dry_run(begun, write_configuration(begun, mirror), checkout)
    assert (rules["train"], rules["extract_features"]) == (6, 2)
    assert not {"download_dataset", "download_weights", "convert_weights", "prepare_dataset"} & set(rules)


@slow
def test_local_files_need_no_network(begun, mirror, checkout, tmp_path):
    (weights,) = (begun / "resources/weights").iterdir()
    path = write_configuration(tmp_path, mirror, prefix="/nowhere", path=str(weights))
    target = "results/lecture45-small/weights/resnet18.safetensors"
    asked = list(mirror.asked)
    snakemake(target, "--cores", "1", "--configfile", path, directory=tmp_path, checkout=checkout)
    assert sha256(tmp_path / target) == sha256(begun / target)
    assert mirror.asked == asked


@pytest.mark.parametrize(
    ("weights", "words"),
    tiers(
        slow=[({"sha256": "0" * 64}, ["received ", "a different file", "expected sha256 " + "0" * 64])],
        long=[  # last run: 2026-11-28, passed
            ({"urls": ["http://127.0.0.1:{port}/none.pth"]}, ["HTTP status 404", "none.pth"]),
            ({"urls": ["http://127.0.0.1:{port}/"]}, ["a web page, not the file"]),
        ],
    ),
    ids=["another checksum", "not there", "a web page"],
)
def test_a_failed_download_is_one_message_and_leaves_nothing(mirror, checkout, tmp_path, weights, words):
    weights = {
        key: [url.format(port=mirror.server_port) for url in value] if key == "urls" else value
        for key, value in weights.items()
    }
    path = write_configuration(tmp_path, mirror, **weights)
    target = "results/lecture45-small/weights/resnet18.safetensors"
    result = snakemake(target, "--cores", "1", "--configfile", path, directory=tmp_path, checkout=checkout, check=False)
    assert result.returncode != 0
    for word in [*words, "What to do"]:
        assert word in result.stdout
    assert "Traceback" not in result.stdout
    assert not [file for file in (tmp_path / "resources").rglob("*") if file.is_file()]
