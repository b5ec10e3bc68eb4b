"""Computed operations and memory, and the share of a device's peak."""

import pandas
import pytest

from tests.fabricated import LECTURE
from triptych.analysis.costs import bytes_at, computed_cost_table, cost_savings_table, in_precision, shares_of_peak
from triptych.lecture45.compare_full_run import FULL_RUN
from triptych.results.experiment import read_numbers, read_results
from triptych.results.schema import TABLES

MACS = 37_016_576
"""Of a forward pass of ResNet-18 at 32 px."""


@pytest.fixture
def found(shelf):
    return read_results(shelf().folder)


def test_operations_are_those_of_the_epochs_really_run(found, shelf):
    macs = found.tables["computed_cost"].set_index("arm")["training_macs"]
    assert macs["finetune"] == 3 * MACS * 300 * 10
    assert macs["last_layer"] == MACS * 300 * 10
    arms = [{"name": "long", "train": "head", "training": {"epochs": 60, "patience": 5, "keep": "best"}}]
    arms[0] |= {"ran": (12, 20, 30), "kept": (7, 15, 25)}
    other = read_results(shelf(arms, whole_kernels=False).folder)
    assert other.one("computed_cost", "long")["training_macs"] == pytest.approx(MACS * 300 * (12 + 20 + 30) / 3)


def test_the_work_of_a_run_includes_every_evaluation(found, shelf):
    """Before training and after each of ten epochs 200 validation images, at the end 300 training images."""
    costs = found.tables["computed_cost"].set_index("arm")
    assert set(costs["evaluation_macs"]) == {MACS * (11 * 200 + 300)}
    assert (costs["macs"] == costs["training_macs"] + costs["evaluation_macs"]).all()
    assert found.ranking["finetune"]["macs"] == costs["macs"]["finetune"]  # what the decision compares
    every_epoch = read_results(shelf(test="every_epoch").folder).tables["computed_cost"]
    assert set(every_epoch["evaluation_macs"]) == {MACS * (11 * (200 + 1000) + 300)}


def test_reestimating_batchnorm_is_work_of_the_evaluations(found):
    """Two of ten epochs of one run of three: on all 300 training images, and the epoch is evaluated once more."""
    history = found.tables["history"].assign(reestimated_validation_accuracy=float("nan"))
    own = (history["arm"] == "scratch") & (history["seed"] == "1") & history["epoch"].between(1, 2)
    history.loc[own, "reestimated_validation_accuracy"] = 50.0
    costs = computed_cost_table({**found.tables, "history": history}, 200, 10).set_index("arm")["evaluation_macs"]
    assert costs["scratch"] - costs["finetune"] == pytest.approx(MACS * 2 / 3 * (300 + 200))
    arms = found.tables["arms"].assign(train_images=50_000)
    both = [
        computed_cost_table({**found.tables, "arms": arms, "history": own}, 200, 10) for own in (history, history[~own])
    ]
    many, none = (table.set_index("arm")["evaluation_macs"]["scratch"] for table in both)
    assert many - none == pytest.approx(MACS * 2 / 3 * (1_852 + 200))  # every 27th image: 27 and 10 are coprime


def test_cached_features_are_computed_once_for_training_and_evaluation(found):
    arms = found.tables["arms"].assign(features="cached")
    costs = computed_cost_table({**found.tables, "arms": arms}, 200, 10).set_index("arm")
    assert costs.loc["last_layer", ["training_macs", "evaluation_macs"]].tolist() == [MACS * 300, MACS * 200]


def test_arms_with_other_work_are_not_called_the_same(found):
    groups = found.tables["computed_cost"].set_index("arm")["same_work"]
    assert groups["scratch"] == groups["finetune"] != groups["last_layer"]
    found.tables["runs"].loc[found.tables["runs"]["arm"] == "scratch", "epochs_run"] = 20
    table = computed_cost_table(found.tables, 200, 10)
    assert table["same_work"].nunique() == 3
    assert table.set_index("arm")["training_macs"]["scratch"] == 6 * MACS * 300 * 10


def test_computed_memory_is_that_of_the_recipes_own_batches(shelf):
    arms = [LECTURE[0], {**LECTURE[1], "training": {"batch_size": 1024}}]
    found = read_results(shelf(arms, whole_kernels=False).folder)
    needed = found.tables["computed_cost"].set_index("arm")["training_bytes"]  # in float32
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
    costs = computed_cost_table(tables, 200, 10).set_index("arm").loc["scratch"]
    assert costs["peak_bytes"] == costs["evaluation_bytes"] == pytest.approx(empty["training_bytes"] + batch)
    assert costs["training_bytes"] < costs["peak_bytes"] and costs["fixed_bytes"] == pytest.approx(
        empty["training_bytes"]
    )


def measuring(found, **values):
    """The tables where the runs of arms took these seconds or bytes: a column by its name, values by arm."""
    cost = found.tables["cost"].copy()
    for column, by_arm in values.items():
        for arm, own in by_arm.items():
            cost.loc[cost["arm"] == arm, column] = own
    return {**found.tables, "cost": cost}


def savings(tables, than="finetune"):
    table = cost_savings_table(tables)
    return table[table["than"] == than].set_index("arm")


def test_a_saving_is_measured_in_every_run_and_computed(found):
    own = savings(found.tables)
    assert list(own.index) == ["last_layer"]
    assert own.loc["last_layer", ["time_share", "saves_time", "memory_share", "saves_memory"]].tolist() == [
        *(pytest.approx(11 / 20), 1, 1.0, 0)
    ]
    slow = savings(measuring(found, seconds={"last_layer": [9.0, 9.0, 19.5]}))  # finetune's fastest took 19
    assert slow.empty
    little = savings(measuring(found, seconds={"last_layer": 18.2}))  # 9 % less than 20
    assert little.empty


def test_arms_with_equal_computed_work_save_nothing_whatever_was_measured(found):
    tables = measuring(found, seconds={"scratch": 1.0}, peak_memory_bytes={"scratch": 1e6})
    assert "scratch" not in savings(tables).index


def test_memory_is_saved_where_the_whole_run_takes_less(found):
    """The peak of training and evaluation: large evaluation batches take what training the head saves."""
    tables = measuring(found, peak_memory_bytes={"last_layer": 5e8})
    assert savings(tables).loc["last_layer", "saves_memory"] == 1
    arms = found.tables["arms"].assign(evaluation_batch_size=30_000)
    share = computed_cost_table({**tables, "arms": arms}, 200, 10).set_index("arm")["peak_bytes"]
    assert share["last_layer"] / share["finetune"] > 0.9  # 0.26 in training
    other = measuring(found, peak_memory_bytes={"last_layer": 5.7e8})  # 93 % of 6.1e8, as measured elsewhere
    assert savings(other).loc["last_layer", "saves_memory"] == 0


def test_runs_on_different_devices_are_not_compared(found):
    assert savings(measuring(found, device_name={"last_layer": "Another Processor"})).empty


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
    frames = {name: pandas.read_csv(FULL_RUN / f"{name}.csv") for name in ("memory", "arms", "cost", "runs", "history")}
    tables = {
        name: read_numbers(FULL_RUN / f"{name}.csv", TABLES[name], [key for key in TABLES[name].names if key in frame])
        for name, frame in frames.items()
    }
    size = tables["arms"]["input_size"].iloc[0]
    tables["models"] = pandas.DataFrame({"architecture": ["resnet18"], "input_size": [size], "macs": [1.8e9]})
    missing = [name for name in TABLES["arms"].names if name not in tables["arms"]]
    tables["arms"] = tables["arms"].assign(**dict.fromkeys(missing, ""))
    resident = 60_000 * (32 * 32 * 3 + 8)  # with their labels
    peak = computed_cost_table(tables, 10_000, 10).set_index("arm")["peak_bytes"]
    measured = tables["cost"].groupby("arm")["peak_memory_bytes"].mean()
    shares = {arm: (peak[arm] + resident) / measured[arm] for arm in ("scratch", "finetune", "last_layer")}
    assert set(tables["arms"]["precision"]) == {"bfloat16"}
    assert all(0.7 < share < 1 for share in shares.values()), shares
