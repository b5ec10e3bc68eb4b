"""Computed cost stands beside measured cost, each called what it is."""

import pytest

from tests.report.conftest import plain
from triptych.analysis.costs import resident_bytes
from triptych.figures.catalogue import FIGURES
from triptych.report.sections import cost


def cells(found, title):
    table = cost.table(found)
    place = [column.title for column in table.columns].index(title)
    return [plain(row[place]) for row in table.rows]


def test_operations_are_computed_and_times_measured(results):
    found = results()
    assert cells(found, "operations") == ["426 GMAC", "426 GMAC", "204 GMAC"]  # with their evaluations
    assert cells(found, "time") == ["21 s", "20 s", "11 s"]
    assert cells(found, "training") == ["10 s", "10 s", "5.5 s"]
    assert cells(found, "other") == ["5.2 s", "5.0 s", "2.8 s"]


def test_columns_without_a_number_are_left_out(results):
    titles = [column.title for column in cost.table(results()).columns]
    assert not {"features", "share of peak", "computed / measured"} & set(titles)


def test_arms_of_the_same_arithmetic_are_named(results):
    found = results()
    assert cost.same_arithmetic(found) == [
        "net1 · scratch and net2 · finetune do equal computed work: their costs count as equal, whatever their "
        "measured times."
    ]
    found.tables["computed_cost"]["same_work"] = [0.0, 1.0, 2.0]
    assert cost.same_arithmetic(found) == []


def test_times_on_different_devices_are_not_compared(results):
    found = results()
    (cpu,) = set(found.tables["cost"]["device_name"])
    assert "do not compare" not in cost.times(found)
    found.tables["cost"].loc[0, "device_name"] = "A GPU"
    assert "do not compare" in cost.times(found)
    found.tables["cost"].loc[0, "device_name"] = ""  # some systems report none
    assert "devices (a CPU and cpu): do" in cost.times(found).replace(cpu, "a CPU")


def test_computed_beside_measured_memory_on_a_gpu_only(results):
    found = results()
    runs = found.tables["cost"]
    computed = found.one("computed_cost", "finetune")["peak_bytes"] + resident_bytes(found, "finetune")
    runs.loc[runs["arm"] == "finetune", "device"] = "cuda"
    runs.loc[runs["arm"] == "finetune", "peak_memory_bytes"] = computed / 0.75
    assert cells(found, "computed / measured") == ["–", "75 %", "–"]


def test_the_share_of_the_peak_is_shown_where_it_is_known(results):
    found = results()
    runs = found.tables["cost"]
    runs["of_peak"] = [float("nan")] * 3 + [0.25] * 6
    assert cells(found, "share of peak") == ["–", "25.0 %", "25.0 %"]


def test_the_two_kinds_of_memory_have_names_and_their_gap_is_told(results):
    found = results()
    assert cells(found, "process memory") == ["582 MiB"] * 3
    assert cells(found, "tensor memory") == ["185 MiB", "185 MiB", "47.2 MiB"]
    assert "Process memory is measured: 397 MiB to 535 MiB more, for Python, libraries, images and" in plain(
        cost.memory_gap(found)
    )
    assert plain(cost.fixed_part(found)).startswith(
        "Weights, gradients and Adam’s moments are 91 % to 92 % of the tensor memory."
    )
    found.tables["cost"]["device"] = "cuda"
    assert "GPU memory is measured" in cost.memory_gap(found) and cells(found, "GPU memory") == ["582 MiB"] * 3
    found.tables["cost"]["peak_memory_bytes"] = 1e6  # less than computed: nothing explains it
    assert "measured" not in cost.memory_gap(found)


def test_tensor_memory_is_the_larger_of_training_and_evaluation(results):
    found = results()
    found.tables["computed_cost"].loc[0, ["training_bytes", "evaluation_bytes", "peak_bytes"]] = [2e8, 9e8, 9e8]
    assert cells(found, "tensor memory")[0] == "858 MiB"
    (meaning,) = [column.meaning for column in cost.table(found).columns if column.title == "tensor memory"]
    assert meaning.endswith("of training or of an evaluation between epochs.")
    assert "also gradients and Adam’s moments, which evaluations between epochs hold, too." in FIGURES["memory"].caption


def test_what_the_bars_are_over_is_said(results):
    assert "its 95 % CI over test images and seeds" in plain(cost.accuracy_caption(results()))
    assert "its 95 % CI over test images only" in plain(cost.accuracy_caption(results(seeds=(0,))))


@pytest.mark.parametrize(("residency", "there"), [("auto", True), ("device", True), ("host", False), ("mapped", False)])
def test_images_on_the_gpu_count_as_far_as_they_are_used(experiment, residency, there):
    from triptych.results.experiment import read_results

    folder = experiment()
    for split in ("validation", "test"):
        (folder / "data" / f"{split}.safetensors").write_bytes(b"")
    (folder / "data" / "train.safetensors").write_bytes(bytes(300_000))  # of 300 images
    found = read_results(folder)
    found.tables["arms"]["train_images"] = 100.0
    found.configuration["arms"]["scratch"]["training"]["residency"] = residency
    assert resident_bytes(found, "scratch") == (100_000 if there else 0)
