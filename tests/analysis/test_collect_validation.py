"""Tables of the runs before the decision, and which images decide."""

import time

import numpy
import pandas
import pytest

from tests.analysis.conftest import DECIDED, only
from triptych.analysis.collect_validation import collect_validation
from triptych.data.halves import decision_half
from triptych.results.schema import tables_of_mode
from triptych.storage.errors import InputError
from triptych.storage.tensors import load_metadata, load_tensors

ARMS = ["middle", "good", "poor", "sanity"]
OWN = [name for name, table in tables_of_mode("every_epoch").items() if table.rule == "collect_validation"]


@pytest.mark.parametrize("mode", ["every_epoch", "after_decision"])
def test_every_table_has_the_columns_of_its_mode_and_its_rows_in_the_configurations_order(make_experiment, mode):
    experiment = make_experiment(test=mode, images=(60, 30))
    for arm in ARMS:
        experiment.add_arm(arm, role="control" if arm == "sanity" else "arm")
    tables = experiment.collect()
    expected = {name: table.names for name, table in tables_of_mode(mode).items() if name in tables}
    assert {name: list(table.columns) for name, table in tables.items()} == expected
    assert set(OWN) < set(tables)
    assert ("test_accuracy" in tables["history"]) == (mode == "every_epoch")
    runs = [(arm, seed) for arm in ARMS for seed in "01"]
    assert tables["arms"]["arm"].tolist() == ARMS
    for name, repeated in {"runs": 1, "cost": 1, "kernel_change": 1, "history": 3, "weight_delta": 122}.items():
        expected = [run for run in runs for _ in range(repeated)]
        assert list(tables[name][["arm", "seed"]].itertuples(index=False, name=None)) == expected, name
    assert tables["history"]["epoch"].tolist() == ["0", "1", "2"] * 8
    assert tables["memory"]["arm"].tolist() == [arm for arm in ARMS for _ in range(9)]


def test_arms_are_what_is_in_effect(experiment):
    arms = experiment.collect()["arms"]
    assert only(arms, arm="poor") == {
        "arm": "poor",
        "label": "label of poor",
        "role": "arm",
        "architecture": "resnet18",
        "input_size": "32",
        "normalisation": "none",
        "weights": "pretrained",
        "train": "head",
        "batchnorm": "train",
        "learning_rate": "0.0001",
        "epochs": "2",
        "patience": "",
        "keep": "last",
        "batch_size": "32",
        "evaluation_batch_size": "32",
        "num_threads": "2",
        "device": "auto",
        "precision": "float32",
        "channels_last": "0",
        "fused_optimizer": "0",
        "features": "computed",
        "train_images": "30",
        "recalibrate_batchnorm": "final",
        "cache_features": "1",
    }
    assert only(arms, arm="good")["train_images"] == "60"  # null is all of them
    assert only(arms, arm="sanity")["role"] == "control"


def test_history_leaves_empty_what_does_not_exist(experiment):
    history = experiment.collect()["history"]
    before = only(history, arm="good", seed=1, epoch=0)
    assert (before["label"], before["train_loss"], before["train_accuracy"]) == ("label of good", "", "")
    assert (before["test_loss"], before["test_accuracy"]) == ("2.168", "10.15")
    after = only(history, arm="good", seed=1, epoch=2)
    assert (after["train_loss"], after["train_accuracy"], after["test_accuracy"]) == ("0.2709", "93.15", "90.0")
    assert set(history["validation_loss"]) == set(history["validation_accuracy"]) == {""}


def test_numbers_keep_every_digit(experiment):
    path = experiment.run("good", 0) / "history.csv"
    number = "0.12345678901234568"
    path.write_text(path.read_text().replace("2.1749", number))
    assert only(experiment.collect()["history"], arm="good", seed=0, epoch=0)["test_loss"] == number


def test_runs(experiment):
    runs = experiment.collect()["runs"]
    row = only(runs, arm="poor", seed=0)
    # a ResNet-18 of 3 channels: fc; conv1, 16 convolutions and 3 shortcuts, 20 BatchNorms; buffers do not count
    total = (3 * 3 + 3) + 3 * 3 * 7 * 7 + 16 * 3 * 3 * 3 * 3 + 3 * 3 * 3 + 20 * (3 + 3)
    assert (row["trainable_parameters"], row["total_parameters"]) == ("12", str(total))
    assert only(runs, arm="good", seed=0)["trainable_parameters"] == str(total)
    assert (row["epochs"], row["train_loss"], row["train_accuracy"]) == ("2", "0.9634", "62.85")
    assert (row["fit_loss"], row["fit_accuracy"], row["validation_loss"]) == ("0.02", "79.5", "")


def test_validation_results_are_those_of_the_logits(decided):
    runs = decided.collect()["runs"]
    logits = load_tensors(decided.run("a", 0) / "predictions.safetensors")["validation_logits"].astype(float)
    exponentials = numpy.exp(logits)
    own = exponentials[numpy.arange(30), decided.split_labels["validation"]]
    row = only(runs, arm="a", seed=0)
    assert row["validation_accuracy"] == "90.0"
    assert float(row["validation_loss"]) == pytest.approx(-numpy.log(own / exponentials.sum(axis=1)).mean())


def test_each_run_says_which_images_it_has_right(decided):
    decided.validate()
    path = decided.folder / "validation.safetensors"
    tensors = load_tensors(path)
    assert load_metadata(path) == {
        "runs": [["a", 0], ["a", 1], ["b", 0], ["b", 1]],
        "classes": decided.classes,
        "images": "validation",
    }
    assert tensors["labels"].tolist() == decided.split_labels["validation"].tolist()
    assert tensors["correct"].dtype == numpy.uint8
    assert [numpy.flatnonzero(own == 0).tolist() for own in tensors["correct"]] == [[0, 1, 2], [3], [], [0]]


def test_before_the_decision_no_test_image_is_read(decided):
    tables = decided.collect()
    (decided.folder / "data" / "test.safetensors").unlink()
    decided.validate("again/")
    decision = decided.decide("again/")
    assert decision == decided.decide()
    for name in OWN:
        file = f"tables/{name}.csv"
        assert (decided.folder / "again" / file).read_bytes() == (decided.folder / file).read_bytes(), name
    assert set(tables) > set(OWN)


@pytest.mark.parametrize("recipe", [{"keep": "best"}, {"keep": "best", "patience": 1}])
def test_images_that_choose_an_arms_epochs_do_not_choose_the_arm(make_experiment, recipe):
    experiment = make_experiment(**DECIDED)
    images = load_tensors(experiment.folder / "data" / "validation.safetensors")
    half = decision_half(images["images"], images["labels"])
    outside = numpy.flatnonzero(~half).tolist()
    experiment.add_arm("plain", wrong_validation=[outside, []]).add_arm("chosen", training=recipe)
    runs = experiment.collect()["runs"]
    tensors = load_tensors(experiment.folder / "validation.safetensors")
    assert tensors["correct"].shape == (4, half.sum()) and 0 < half.sum() < 30
    assert tensors["labels"].tolist() == images["labels"][half].tolist()
    assert only(runs, arm="plain", seed=0)["validation_accuracy"] == "100.0"
    assert only(experiment.collect()["history"], arm="plain", seed=0, epoch=2)["validation_accuracy"] != "100.0"


def test_without_validation_images_test_images_decide_where_they_are_seen_every_epoch(experiment):
    experiment.validate()
    assert load_metadata(experiment.folder / "validation.safetensors")["images"] == "test"
    correct = load_tensors(experiment.folder / "validation.safetensors")["correct"]
    assert (correct == 0).sum(axis=1).tolist() == [2, 2, 0, 1, 5, 4, 0, 0]


def test_without_validation_images_nothing_can_be_decided(make_experiment):
    experiment = make_experiment(test="after_decision").add_arm("a")
    with pytest.raises(InputError, match=r"validation\.safetensors: expected validation images .*found 0 images"):
        experiment.validate()


def test_curves_are_of_the_images_of_the_mode(make_experiment):
    every = make_experiment(epochs=6, test="every_epoch", images=(60, 30)).add_arm("a", first=30, last=90)
    by_mode = {}
    for mode in ("every_epoch", "after_decision"):
        every.configuration["test"] = mode
        every.validate(f"{mode}/")
        by_mode[mode] = pandas.read_csv(every.folder / mode / "tables" / "convergence.csv").iloc[0]
    history = (
        pandas.read_csv(every.folder / "every_epoch" / "tables" / "history.csv")
        .drop(columns=["arm", "label"])
        .groupby("epoch")
        .mean()
    )
    for mode, split in (("every_epoch", "test"), ("after_decision", "validation")):
        losses = history[f"{split}_loss"]
        assert by_mode[mode]["lowest_loss"] == pytest.approx(losses.min())
        gain = history[f"{split}_accuracy"][6] - history[f"{split}_accuracy"][4]
        assert by_mode[mode]["late_gain"] == pytest.approx(gain)


def test_weights_are_the_runs_own_rows(experiment):
    tables = experiment.collect()
    own = tables["weight_delta"].query("arm == 'poor' and seed == '1'").drop(columns=["arm", "seed"])
    assert own.to_csv(index=False, lineterminator="\n") == (experiment.run("poor", 1) / "weight_delta.csv").read_text()
    still = tables["weight_delta"].query("arm == 'poor' and kind == 'parameter' and not tensor.str.startswith('fc.')")
    assert len(still) == 2 * 60
    assert set(still["delta_norm"]) == {"0.0"}
    assert only(tables["kernel_change"], arm="poor", seed=0)["brightness_share"] == ""
    assert float(only(tables["kernel_change"], arm="good", seed=0)["brightness_share"]) > 0


def test_cost_is_what_was_measured(experiment):
    assert only(experiment.collect()["cost"], arm="good", seed=1) == {
        "arm": "good",
        "seed": "1",
        "device": "cpu",
        "device_name": "A Processor",
        "seconds": "20.5",
        "images_per_second": str(3000 / 20.5),
        "peak_memory_bytes": "610000000",
        "training_seconds": "10.25",
        "evaluation_seconds": "5.125",
        "features_seconds": "0.0",
        "of_peak": "",  # of a CPU it is not known
    }


def test_models_and_memory_follow_the_arms(make_experiment):
    experiment = make_experiment(seeds=[3])
    experiment.add_arm("a", [[]], model={"input_size": 64})
    experiment.add_arm("b", [[]], train="head").add_arm("c", [[]])
    experiment.add_arm("d", [[]], model={"architecture": "resnet34"})
    tables = experiment.collect()
    names = list(tables["models"][["architecture", "input_size"]].itertuples(index=False, name=None))
    assert names == [("resnet18", "64"), ("resnet18", "32"), ("resnet34", "32")]
    described = {model: experiment.folder / "models" / "_".join(model) for model in names}
    layers = [pandas.read_csv(folder / "layers.csv", dtype=str, keep_default_na=False) for folder in described.values()]
    assert tables["layers"].equals(pandas.concat(layers, ignore_index=True))
    size = (experiment.run("b", 3) / "trained.safetensors").stat().st_size  # of as many tensors, described alike
    assert only(tables["models"], architecture="resnet18", input_size=32)["file_bytes"] == str(size)
    columns = ["batch_size", "training_bytes", "inference_bytes"]
    for arm, model, train in (("a", 0, "all"), ("b", 1, "head"), ("c", 1, "all"), ("d", 2, "all")):
        memory = pandas.read_csv(described[names[model]] / "memory.csv", dtype=str)
        expected = memory.loc[memory["train"] == train, columns].to_numpy().tolist()
        assert tables["memory"].loc[tables["memory"]["arm"] == arm, columns].to_numpy().tolist() == expected
        assert [int(row[0]) for row in expected] == [2**power for power in range(9)]
    assert only(tables["memory"], arm="d", batch_size=1)["architecture"] == "resnet34"


def test_weight_files_are_not_read(experiment):
    """`keep_weights` may have deleted them."""
    tables = experiment.collect()
    for path in experiment.folder.rglob("trained.safetensors"):
        path.unlink()
    again = experiment.collect("again")
    assert all(again[name].equals(tables[name]) for name in tables)


# What is missing or does not fit


FILES = [
    "data/validation.safetensors",
    "data/sizes.csv",
    "models/resnet18_32/layers.csv",
    "models/resnet18_32/totals.json",
    "models/resnet18_32/memory.csv",
    *(
        f"runs/a/seed1/{name}"
        for name in (
            "history.csv",
            "predictions.safetensors",
            "weight_delta.csv",
            "kernel_change.csv",
            "weights.json",
            "cost.json",
        )
    ),
]


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(decided, name):
    (decided.folder / name).unlink()
    with pytest.raises(InputError, match=f"{name}: the file is missing"):
        decided.validate()
    assert not (decided.folder / "tables").exists() and not (decided.folder / "validation.safetensors").exists()


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00nonsense"])
def test_a_broken_file_is_named(decided, name, content):
    (decided.folder / name).write_bytes(content)
    with pytest.raises(InputError, match=f"{name}: "):
        decided.validate()
    assert not (decided.folder / "tables").exists() and not (decided.folder / "validation.safetensors").exists()


def test_more_training_images_than_there_are(make_experiment):
    experiment = make_experiment().add_arm("a", [[], []], training={"train_images": 61})
    with pytest.raises(InputError, match="train_images of the arm a: expected at most 60, found 61"):
        experiment.collect()


@pytest.mark.parametrize(("mode", "split"), [("after_decision", "validation"), ("every_epoch", "test")])
def test_sizes_of_another_data_set(make_experiment, mode, split):
    experiment = make_experiment(test=mode, images=(60, 30)).add_arm("a")
    path = experiment.folder / "data" / "sizes.csv"
    (line,) = (line for line in path.read_text().splitlines() if line.startswith(f"{split},NA,"))
    count = int(line.rpartition(",")[2])
    path.write_text(path.read_text().replace(line, f"{split},NA,{count + 1}"))
    there = 30 if split == "validation" else 10
    with pytest.raises(
        InputError, match=rf"sizes\.csv: expected {there} {split} images as in the data, found {there + 1}"
    ):
        experiment.validate()
    path.write_text(path.read_text().replace(f"{split},NA,{count + 1}", f"{split},NA,three"))
    with pytest.raises(InputError, match=r"sizes\.csv: column images should hold numbers"):
        experiment.validate()


def test_a_model_without_the_arms_regime(experiment):
    path = experiment.folder / "models" / "resnet18_32" / "memory.csv"
    path.write_text("\n".join(line for line in path.read_text().splitlines() if not line.startswith("head")) + "\n")
    with pytest.raises(InputError, match=r"memory\.csv: expected rows with train head, found none"):
        experiment.collect()


def test_options_that_are_no_json_and_an_unknown_mode(experiment, tmp_path):
    good = experiment.options() | {"tables": tmp_path / "t", "correct": tmp_path / "c"}
    for option in ("arms", "runs", "comparison"):
        with pytest.raises(InputError, match=f"{option}: expected JSON"):
            collect_validation(**good | {option: "{oops"})
    with pytest.raises(InputError, match="mode: expected after_decision or every_epoch, found 'never'"):
        collect_validation(**good | {"mode": "never"})


@pytest.mark.parametrize(
    ("seeds", "seconds"),
    [
        pytest.param(5, 12, marks=pytest.mark.slow),
        pytest.param(20, 45, marks=pytest.mark.long),  # last run: 2026-11-28, passed
    ],
)
def test_twenty_arms_with_many_runs(make_experiment, seeds, seconds):
    """Up to 400 runs with networks of 60 tensors, 5,000 validation images: seconds of the processor."""
    classes = tuple("0123456789")
    own = {
        **DECIDED,
        "images": (60, 5000),
        "classes": classes,
        "test_labels": numpy.arange(100) % 10,
    }
    experiment = make_experiment(seeds=range(seeds), epochs=10, **own)
    for number in range(20):
        experiment.add_arm(f"arm{number}", last=90 + 0.3 * number)
    start = time.process_time()
    experiment.validate()
    collected = time.process_time()
    decision = experiment.decide()
    decided = time.process_time()
    print(f"collect_validation {collected - start:.1f} s, decide {decided - collected:.1f} s")
    assert decided - start < seconds
    assert len(decision["pairs"]) == 190 and len(decision["ranking"]) == 20


def test_seeds_of_different_lengths_each_count_with_the_epoch_that_is_kept(make_experiment):
    experiment = make_experiment(epochs=9).add_arm(
        "long", [[0], [4, 7]], ran=[5, 9], kept=[3, 8], training={"keep": "best", "patience": 2}
    )
    tables = experiment.collect()
    history, runs, summary = (tables[name] for name in ("history", "runs", "summary"))
    assert history.groupby("seed").size().to_dict() == {"0": 6, "1": 10}
    assert history[history["kept"] == "1"][["seed", "epoch"]].to_numpy().tolist() == [["0", "3"], ["1", "8"]]
    assert runs[["epochs", "epochs_run", "kept_epoch"]].to_numpy().tolist() == [["9", "5", "3"], ["9", "9", "8"]]
    assert tables["test_results"]["test_accuracy"].tolist() == ["90.0", "80.0"]
    assert runs["train_accuracy"].tolist() == ["90.35", "97.181"]
    assert runs["fit_accuracy"].tolist() == ["95.5", "91.5"]
    assert float(summary["test_accuracy_mean"][0]) == 85
    assert tables["arms"][["patience", "keep"]].to_numpy().tolist() == [["2", "best"]]
