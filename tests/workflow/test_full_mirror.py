"""config/lecture45.yaml on all 60,000 images, up to its trainings, from a mirror that is served on this machine.

Long tests: test_downloads.py has the same with fewer images.
"""

import numpy
import pytest

from tests.workflow.conftest import rules_of, snakemake
from tests.workflow.mirror import needs_mirror, serve_mirror, write_mirrored
from triptych.data.dataset import load_split
from triptych.models.initialise_model import starting_network
from triptych.models.networks import state_arrays
from triptych.storage.tensors import load_tensors

pytestmark = [pytest.mark.long, needs_mirror]  # last run: 2026-11-28, passed

RESULTS = "results/lecture45"
WEIGHTS = f"{RESULTS}/weights/resnet18.safetensors"


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """A folder in which everything before the trainings has run, and its configuration."""
    folder = tmp_path_factory.mktemp("full")
    targets = [WEIGHTS, f"{RESULTS}/data/train.safetensors"]
    targets += [f"{RESULTS}/models/resnet18_224/totals.json", f"{RESULTS}/tables/architectures.csv"]
    with serve_mirror(tmp_path_factory.mktemp("mirror")) as mirror, pytest.MonkeyPatch.context() as patch:
        patch.setenv("no_proxy", "127.0.0.1")
        path = write_mirrored("lecture45", folder, mirror)
        snakemake(*targets, "--cores", "2", "--configfile", path, directory=folder)
    return folder, path


def test_all_images_are_there(begun):
    folder, _ = begun
    for split, count in (("train", 50_000), ("validation", 0), ("test", 10_000)):
        part = load_split(folder / f"{RESULTS}/data/{split}.safetensors")
        assert part.images.shape == (count, 32, 32, 3)
        assert numpy.bincount(part.labels, minlength=10).tolist() == [count // 10] * 10
    index = (folder / f"{RESULTS}/data/index.csv").read_text().splitlines()
    assert len(index) == 60_001


def test_the_three_nets_begin_as_the_lecture_says(begun):
    folder, _ = begun
    split = load_split(folder / f"{RESULTS}/data/train.safetensors")
    start = ("resnet18", 224, "none", 0, split.classes, split.images)
    scratch, finetune = (state_arrays(starting_network(*start, path)[0]) for path in (None, folder / WEIGHTS))
    assert sum(tensor.size for name, tensor in scratch.items() if "running" not in name and "num_b" not in name) == (
        11_181_642
    )
    assert finetune["conv1.weight"].tobytes() == load_tensors(folder / WEIGHTS)["conv1.weight"].tobytes()
    assert finetune["conv1.weight"].tobytes() != scratch["conv1.weight"].tobytes()


def test_the_rest_dry_runs_without_a_server(begun):
    folder, path = begun
    rules = rules_of(snakemake("--dry-run", "--configfile", path, directory=folder).stdout)
    assert rules["train"] == 6
    assert rules["extract_features"] == 2
    assert not {"download_dataset", "download_weights", "convert_weights", "prepare_dataset"} & set(rules)
