"""Tables of test results."""

import json
import os
import subprocess
import sys

import numpy
import pandas
import pytest

from tests.analysis.conftest import only
from triptych.analysis.intervals import wilson_interval
from triptych.results.decision import decision_digest
from triptych.results.schema import tables_of_mode
from triptych.storage.errors import InputError
from triptych.storage.tensors import load_tensors, save_tensors

ARMS = ["middle", "good", "poor", "sanity"]
OWN = [name for name, table in tables_of_mode("every_epoch").items() if table.rule == "collect_results"]


def test_every_table_has_its_rows_in_the_configurations_order(experiment):
    tables = experiment.collect()
    runs = [(arm, seed) for arm in ARMS for seed in "01"]
    assert tables["summary"]["arm"].tolist() == ARMS
    for name, repeated in {"test_results": 1, "per_class": 3}.items():
        expected = [run for run in runs for _ in range(repeated)]
        assert list(tables[name][["arm", "seed"]].itertuples(index=False, name=None)) == expected, name
    assert tables["confusion"]["arm"].tolist() == [arm for arm in ARMS for _ in range(9)]


def test_results_of_a_run(experiment):
    row = only(experiment.collect()["test_results"], arm="poor", seed=0)
    assert (row["label"], row["test_accuracy"]) == ("label of poor", "50.0")
    low, high = wilson_interval(5, 10, 0.95)
    assert (float(row["test_accuracy_low"]), float(row["test_accuracy_high"])) == (100 * low, 100 * high)
    # (5 + z²/2 - z sqrt(2.5 + z²/4)) / (10 + z²)
    assert float(row["test_accuracy_low"]) == pytest.approx(23.66, abs=0.01)
    logits = load_tensors(experiment.run("poor", 0) / "predictions.safetensors")["test_logits"].astype(float)
    exponentials = numpy.exp(logits)
    own = exponentials[numpy.arange(10), experiment.labels]
    assert float(row["test_loss"]) == pytest.approx(-numpy.log(own / exponentials.sum(axis=1)).mean())


def test_the_drop_from_validation_to_test_images(opened):
    row = only(opened.collect()["summary"], arm="a")
    assert float(row["validation_accuracy_mean"]) == pytest.approx(100 * 56 / 60)
    assert float(row["change_mean"]) == pytest.approx(95 - 100 * 56 / 60)
    assert row["test_accuracy_mean"] == "95.0"


def test_without_validation_images_there_is_no_drop(experiment):
    row = only(experiment.collect()["summary"], arm="good")
    assert (row["validation_accuracy_mean"], row["change_mean"]) == ("", "")


def test_the_openings_of_all_runs_are_counted(opened):
    digest = opened.decide()["digest"]
    before = json.loads((opened.folder / "opened.json").read_text())
    assert before == {
        "openings": 4,
        "decisions": [digest],
        "runs": [[arm, seed, digest] for arm in "ab" for seed in (0, 1)],
        "removed": [],
        "trainings": 0,
    }
    # b's first run was opened under another decision, and then again
    folder = opened.run("b", 0)
    other = {"decision": digest, "openings": 2, "decisions": ["other", digest]}
    (folder / "opened.json").write_text(json.dumps(other))
    save_tensors(
        opened.run("b", 1) / "test.safetensors", {"test_logits": opened.test_logits["b", 1]}, {"decision": "c"}
    )
    opened.test()
    after = json.loads((opened.folder / "opened.json").read_text())
    assert (after["openings"], after["decisions"], after["runs"][-1]) == (5, [digest, "other"], ["b", 1, "c"])


def test_logits_without_the_digest_of_a_decision(opened):
    save_tensors(opened.run("b", 1) / "test.safetensors", {"test_logits": opened.test_logits["b", 1]})
    with pytest.raises(InputError, match=r"b/seed1/test\.safetensors: expected the digest of a decision, found None"):
        opened.test()


def test_no_opening_is_recorded_if_test_images_are_evaluated_every_epoch(experiment):
    experiment.collect()
    found = json.loads((experiment.folder / "opened.json").read_text())
    assert found == {"openings": 0, "decisions": [], "runs": [], "removed": [], "trainings": 0}


def test_openings_of_runs_that_were_removed_count(opened):
    """An arm, a seed and a fold that are no longer configured, an opening that failed, and trainings."""
    digest = opened.decide()["digest"]
    lines = {
        "a/seed0": [{"arm": "a", "seed": 0, "decision": digest}] * 2,  # of a run: its opened.json counts them
        "a/seed7": [{"arm": "a", "seed": 7, "decision": "old"}],
        "a/seed1_fold2": [{"arm": "a", "seed": 1, "fold": 2, "decision": "older"}],
        "gone/seed0": [{"arm": "gone", "seed": 0, "decision": digest}] * 3,
        "b/seed0.training": [{"arm": "b", "seed": 0, "test": "every_epoch"}],
    }
    for name, entries in lines.items():
        path = opened.folder.parent / "logs" / f"{name}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(entry) + "\n" for entry in entries) + '{"arm": "cut o')
    opened.test(logs=opened.folder.parent / "logs")
    found = json.loads((opened.folder / "opened.json").read_text())
    assert found["openings"] == 4 + 5
    assert found["decisions"] == [digest, "older", "old"]
    assert found["removed"] == [["a", 1, 1], ["a", 7, 1], ["gone", 0, 3]]
    assert found["trainings"] == 1 and len(found["runs"]) == 4


def test_the_table_of_other_runs(opened):
    opened.runs["b"] = [1]
    with pytest.raises(InputError, match=r"runs\.csv: expected the runs that are collected, but b, seed 0 differs"):
        opened.test()


def interval_of(row):
    return float(row["test_accuracy_low"]), float(row["test_accuracy_high"])


def wilson(share, squared):
    """Wilson's interval in percent, from the square of half the width of a normal interval."""
    k = squared / (share * (1 - share))
    centre, half = (share + k / 2) / (1 + k), (squared + k**2 / 4) ** 0.5 / (1 + k)
    return 100 * (centre - half), 100 * (centre + half)


def test_summary(experiment):
    tables = experiment.collect()
    row = only(tables["summary"], arm="poor")
    assert (row["label"], row["n"], row["test_accuracy_mean"]) == ("label of poor", "2", "55.0")
    assert float(row["test_accuracy_sd"]) == pytest.approx(50**0.5)
    # four images are right with no seed, one with one of two, five with both; the seeds differ by noise alone
    images = (4 * 0.55**2 + 0.05**2 + 5 * 0.45**2) / 10**2
    assert interval_of(row) == pytest.approx(wilson(0.55, 1.959964**2 * images), rel=1e-6)
    losses = [float(only(tables["test_results"], arm="poor", seed=seed)["test_loss"]) for seed in (0, 1)]
    assert float(row["test_loss_mean"]) == pytest.approx(sum(losses) / 2)


def test_the_confidence_is_the_configurations(experiment):
    wide = experiment.collect()
    experiment.comparison["confidence"] = 0.8
    narrow = experiment.collect()
    for name, key in (("summary", {"arm": "poor"}), ("test_results", {"arm": "poor", "seed": 1})):
        ends = [only(tables[name], **key) for tables in (wide, narrow)]
        assert float(ends[0]["test_accuracy_low"]) < float(ends[1]["test_accuracy_low"])
    images = (4 * 0.55**2 + 0.05**2 + 5 * 0.45**2) / 10**2
    expected = wilson(0.55, 1.281552**2 * images)  # z(0.2)
    assert interval_of(only(narrow["summary"], arm="poor")) == pytest.approx(expected, rel=1e-6)


def test_comparisons_leave_controls_out_and_put_the_better_first(experiment):
    comparisons = experiment.collect()["comparisons"]
    pairs = list(comparisons[["arm_a", "arm_b", "difference"]].itertuples(index=False, name=None))
    assert pairs == [("good", "middle", "15.0"), ("middle", "poor", "25.0"), ("good", "poor", "40.0")]
    assert set(comparisons["verdict"]) <= {"better", "equivalent", "undecided"}


@pytest.mark.parametrize("name", ["experiment", "opened"])
def test_test_images_are_compared_at_the_look_of_the_decision(name, request):
    """Arms at the level divided by it; single arms as at the first look. In every mode of testing."""
    made = request.getfixturevalue(name)
    first = made.collect()
    made.comparison["confidence"] = 0.975
    narrow = made.collect()
    made.comparison["confidence"] = 0.95
    path = made.folder / "decision.json"
    content = json.loads(path.read_text()) | {"look": 2}
    path.write_text(json.dumps(content | {"digest": decision_digest(content)}))
    made.test()
    tables = {
        name: pandas.read_csv(made.folder / "tables" / f"{name}.csv", dtype=str, keep_default_na=False)
        for name in ("comparisons", "summary")
    }
    pandas.testing.assert_frame_equal(tables["comparisons"], narrow["comparisons"])
    pandas.testing.assert_frame_equal(tables["summary"], first["summary"])
    assert not tables["comparisons"].equals(first["comparisons"])


def test_verdicts_of_a_larger_test_set(make_experiment):
    # fewer than 368 could not show that two arms are equivalent
    experiment = make_experiment(seeds=[0, 1, 2], test_labels=[0, 1, 2] * 130)
    half = list(range(0, 390, 2))
    experiment.add_arm("a", [[], [], []]).add_arm("b", [[], [], []]).add_arm("c", [half, half[1:], half])
    comparisons = experiment.collect()["comparisons"]
    assert comparisons["verdict"].tolist() == ["equivalent", "better", "better"]
    assert comparisons["arm_a"].tolist() == ["a", "a", "b"]
    assert set(comparisons["scope"]) == {"arms"} and set(comparisons["networks_p"]) == {""}


def test_one_seed_has_an_interval_over_images_and_no_verdict(make_experiment):
    experiment = make_experiment(seeds=[7]).add_arm("a", [[]]).add_arm("b", [[0, 1, 2, 3]])
    tables = experiment.collect()
    row = only(tables["summary"], arm="b")
    assert (row["n"], row["test_accuracy_mean"]) == ("1", "60.0")
    own = only(tables["test_results"], arm="b", seed=7)
    assert row["test_accuracy_sd"] == ""
    assert interval_of(row) == pytest.approx(interval_of(own))
    comparison = only(tables["comparisons"], arm_a="a")
    assert (comparison["scope"], comparison["verdict"]) == ("networks", "undecided")
    assert float(comparison["networks_p"]) == pytest.approx(2 / 2**4)
    assert float(comparison["low"]) < 40.0 == float(comparison["difference"]) < float(comparison["high"])


def test_one_arm_has_nothing_to_be_compared_with(make_experiment):
    experiment = make_experiment().add_arm("alone", [[], [1]])
    tables = experiment.collect()
    assert (
        experiment.folder / "tables" / "comparisons.csv"
    ).read_text() == "arm_a,arm_b,difference,low,high,p_value,networks_p,scope,verdict\n"
    assert len(tables["summary"]) == 1


def test_classes_by_hand(experiment):
    """The poor arm takes images 0, 1, 4, 7 (and, with seed 0, 8) for the next class."""
    tables = experiment.collect()
    first = only(tables["per_class"], arm="poor", seed=0, **{"class": "01"})
    assert (first["images"], first["recall"]) == ("4", "50.0")
    assert float(first["precision"]) == pytest.approx(100 * 2 / 4)  # two of its own and two taken from "a, b"
    shares = tables["confusion"].query("arm == 'poor'")["share"].astype(float).to_numpy().reshape(3, 3)
    expected = [[0.5, 0.5, 0], [0, 2 / 3, 1 / 3], [(2 / 3 + 1 / 3) / 2, 0, 0.5]]
    assert shares == pytest.approx(numpy.array(expected))
    assert tables["confusion"]["true_class"].tolist()[:9] == ["01"] * 3 + ["NA"] * 3 + ["a, b"] * 3
    assert tables["confusion"]["predicted_class"].tolist()[:3] == ["01", "NA", "a, b"]


def test_a_class_that_is_never_predicted_has_no_precision(make_experiment):
    experiment = make_experiment(seeds=[0]).add_arm("a", [[7, 8, 9]])
    row = only(experiment.collect()["per_class"], **{"class": "a, b"})
    assert (row["recall"], row["precision"]) == ("0.0", "")


def test_images_of_the_test_set_are_not_read(experiment):
    """They can be many gigabytes, and only their labels count: images that do not fit their shape go unnoticed."""
    path = experiment.folder / "data" / "test.safetensors"
    content = bytearray(path.read_bytes())
    tables = experiment.collect()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    assert header["images"]["shape"] == [10, 2, 2, 3]
    start = 8 + int.from_bytes(content[:8], "little") + header["images"]["data_offsets"][0]
    content[start : start + 120] = b"\xff" * 120
    path.write_bytes(content)
    again = experiment.collect("again/")
    assert all(again[name].equals(tables[name]) for name in tables)


@pytest.mark.slow
def test_two_processes_write_the_same_bytes(opened):
    for part in ("", "again/"):
        tables = opened.folder / part / "tables"
        options = opened.options(part) | {"runs_table": opened.folder / "tables" / "runs.csv"}
        options["openings"] = opened.folder / part / "opened.json"
        call = [sys.executable, "-m", "triptych", "collect-results"]
        for name, value in options.items():
            call += [f"--{name.replace('_', '-')}", str(value)]
        environment = {
            **os.environ,
            "OPENBLAS_NUM_THREADS": "1" if part else "2",
            "PYTHONHASHSEED": "7" if part else "1",
        }
        run = subprocess.run(call, env=environment, capture_output=True, text=True)
        assert (run.returncode, run.stderr) == (0, "")
        assert "10 test images" in run.stdout
    for name in OWN:
        assert (tables / f"{name}.csv").read_bytes() == (opened.folder / "tables" / f"{name}.csv").read_bytes(), name


# What is missing or does not fit


FILES = [
    "data/test.safetensors",
    "tables/runs.csv",
    "runs/a/seed1/test.safetensors",
    "runs/a/seed1/opened.json",
]


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(opened, name):
    (opened.folder / "tables" / "summary.csv").unlink()
    (opened.folder / name).unlink()
    with pytest.raises(InputError, match=f"{name}: the file is missing"):
        opened.test()
    assert not (opened.folder / "tables" / "summary.csv").exists()


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00nonsense"])
def test_a_broken_file_is_named(opened, name, content):
    (opened.folder / "tables" / "summary.csv").unlink()
    (opened.folder / name).write_bytes(content)
    with pytest.raises(InputError, match=f"{name}: "):
        opened.test()
    assert not (opened.folder / "tables" / "summary.csv").exists()


@pytest.mark.slow
def test_it_starts_without_torch():
    code = "import sys, triptych.analysis.collect_results; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "triptych.analysis.comparisons" in modules
    assert not {"torch", "torchvision", "matplotlib", "sklearn"} & set(modules)


def test_arms_may_have_different_seeds(make_experiment):
    experiment = make_experiment().add_arm("a", [[], [1]]).add_arm("b", [[0, 1], [0]])
    experiment.runs["a"] = [1]
    tables = experiment.collect()
    assert tables["runs"][["arm", "seed"]].to_numpy().tolist() == [["a", "1"], ["b", "0"], ["b", "1"]]
    assert tables["summary"][["arm", "n", "test_accuracy_mean"]].to_numpy().tolist() == [
        ["a", "1", "90.0"],
        ["b", "2", "85.0"],
    ]
    assert float(only(tables["comparisons"], arm_a="a")["difference"]) == pytest.approx(5)
