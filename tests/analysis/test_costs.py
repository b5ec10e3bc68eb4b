"""Computed operations and memory, and the share of a device's peak."""

import pandas
import pytest

from tests.fabricated import LECTURE
from triptych.analysis.costs import bytes_at, computed_cost_table, in_precision, shares_of_peak
from triptych.lecture45.compare_full_run import FULL_RUN
from triptych.results.experiment import read_numbers, read_results
from triptych.results.schema import TABLES

MACS = 37_016_576
"""Of a forward pass of ResNet-18 at 32 px."""


@pytest.fixture
def found(shelf):
    return read_results(shelf().folder)


def test_operations_are_those_of_the_epochs_really_run(found, shelf):
    macs = found.tables["computed_cost"].set_index("arm")["macs"]
    assert macs["finetune"] == 3 * MACS * 300 * 10
    assert macs["last_layer"] == MACS * 300 * 10
    arms = [{"name": "long", "train": "head", "training": {"epochs": 60, "patience": 5, "keep": "best"}}]
    arms[0] |= {"ran": (12, 20, 30), "kept": (7, 15, 25)}
    other = read_results(shelf(arms, whole_kernels=False).folder)
    assert other.one("computed_cost", "long")["macs"] == pytest.approx(MACS * 300 * (12 + 20 + 30) / 3)


def test_arms_with_other_work_are_not_called_the_same(found):
    groups = found.tables["computed_cost"].set_index("arm")["same_work"]
    assert groups["scratch"] == groups["finetune"] != groups["last_layer"]
    found.tables["runs"].loc[found.tables["runs"]["arm"] == "scratch", "epochs_run"] = 20
    table = computed_cost_table(found.tables)
    assert table["same_work"].nunique() == 3
    assert table.set_index("arm")["macs"]["scratch"] == 6 * MACS * 300 * 10


def test_computed_memory_is_that_of_the_recipes_own_batches(shelf):
    arms = [LECTURE[0], {**LECTURE[1], "training": {"batch_size": 1024}}]
    found = read_results(shelf(arms, whole_kernels=False).folder)
    needed = found.tables["computed_cost"].set_index("arm")["training_bytes"]
    memory = found.of("memory", "finetune").set_index("batch_size")["training_bytes"]
    assert needed["scratch"] == pytest.approx(memory[32])
    assert needed["finetune"] == pytest.approx(memory[256] + 768 * (memory[256] - memory[32]) / 224)


def line(batch_sizes):
    return pandas.DataFrame({"batch_size": batch_sizes, "training_bytes": [100 + 7 * size for size in batch_sizes]})


def test_memory_between_and_beyond_the_tables_batch_sizes():
    for size in (0, 1, 3, 32, 512):
        assert bytes_at(line([4, 1, 64]), "training_bytes", size) == pytest.approx(100 + 7 * size)
    assert bytes_at(line([8]), "training_bytes", 99) == 156


def test_in_a_mixed_precision_activations_count_half_and_images_do_not():
    arm = pandas.Series({"precision": "bfloat16", "input_size": 32})
    images = 8 * 3 * 32 * 32 * 4
    assert in_precision(1e6, 8, arm) == (1e6 - images) / 2 + 1.5 * images
    assert in_precision(1e6, 8, pandas.Series({"precision": "float32", "input_size": 32})) == 1e6


def test_evaluation_keeps_gradients_and_moments(found):
    tables = {**found.tables, "arms": found.tables["arms"].assign(evaluation_batch_size=10_000)}
    memory = found.of("memory", "scratch")
    empty = {column: bytes_at(memory, column, 0) for column in ("training_bytes", "inference_bytes")}
    batch = bytes_at(memory, "inference_bytes", 10_000) - empty["inference_bytes"]
    peak = computed_cost_table(tables).set_index("arm")["peak_bytes"]["scratch"]
    assert peak == pytest.approx(empty["training_bytes"] + batch)


def test_the_share_of_the_peak_that_training_reached(found):
    """A quarter of an A100's 19.5 teraflops, for three forward passes an image and for one."""
    cost = found.tables["cost"].copy()
    cost.loc[cost["arm"] != "scratch", "device_name"] = "NVIDIA A100-SXM4-80GB"
    for arm, passes in (("finetune", 3), ("last_layer", 1)):
        cost.loc[cost["arm"] == arm, "images_per_second"] = 19.5e12 / 4 / (2 * MACS * passes)
    shares = shares_of_peak(cost, found.tables)
    assert all(pandas.isna(share) for share in shares[:3]) and shares[3:] == pytest.approx([0.25] * 6)


def test_the_memory_of_the_fullest_run_is_predicted_within_thirty_percent():
    """In bfloat16 on a GPU, 60,000 images of 32 px on it: computed beside what was measured."""
    frames = {name: pandas.read_csv(FULL_RUN / f"{name}.csv") for name in ("memory", "arms", "cost", "runs")}
    tables = {
        name: read_numbers(FULL_RUN / f"{name}.csv", TABLES[name], [key for key in TABLES[name].names if key in frame])
        for name, frame in frames.items()
    }
    size = tables["arms"]["input_size"].iloc[0]
    tables["models"] = pandas.DataFrame({"architecture": ["resnet18"], "input_size": [size], "macs": [1.8e9]})
    missing = [name for name in TABLES["arms"].names if name not in tables["arms"]]
    tables["arms"] = tables["arms"].assign(**dict.fromkeys(missing, ""))
    resident = 60_000 * (32 * 32 * 3 + 8)  # with their labels
    peak = computed_cost_table(tables).set_index("arm")["peak_bytes"]
    measured = tables["cost"].groupby("arm")["peak_memory_bytes"].mean()
    shares = {arm: (peak[arm] + resident) / measured[arm] for arm in ("scratch", "finetune", "last_layer")}
    assert set(tables["arms"]["precision"]) == {"bfloat16"}
    assert all(0.7 < share < 1 for share in shares.values()), shares
