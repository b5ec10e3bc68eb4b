import json
import os
import subprocess
import sys
import time

import numpy
import pandas
import pytest
from scipy import stats

from triptych.analysis.collect_results import collect_results
from triptych.analysis.intervals import wilson_interval
from triptych.storage.errors import InputError

COLUMNS = {
    "arms": "arm,label,role,architecture,input_size,normalisation,weights,train,batchnorm,learning_rate,epochs,"
    "patience,keep,batch_size,evaluation_batch_size,num_threads,device,precision,"
    "channels_last,fused_optimizer,features,train_images,cache_features",
    "history": "arm,label,seed,epoch,train_loss,train_accuracy,validation_loss,validation_accuracy,test_loss,"
    "test_accuracy,kept",
    "runs": "arm,label,seed,epochs,epochs_run,kept_epoch,trainable_parameters,total_parameters,train_loss,"
    "train_accuracy,fit_loss,fit_accuracy,validation_loss,validation_accuracy,test_loss,test_accuracy,test_accuracy_low,test_accuracy_high",
    "summary": "arm,label,n,test_accuracy_mean,test_accuracy_sd,test_accuracy_low,test_accuracy_high,"
    "first_epoch_accuracy_mean,validation_accuracy_mean,test_loss_mean",
    "comparisons": "arm_a,arm_b,difference,low,high,p_value,verdict",
    "per_class": "arm,seed,class,images,recall,precision",
    "confusion": "arm,true_class,predicted_class,share",
    "weight_delta": "arm,seed,tensor,kind,size,initial_norm,delta_norm,relative_delta,cosine,max_abs_delta,"
    "unchanged_fraction,near_zero_fraction",
    "kernel_change": "arm,seed,convolution,tensor,brightness_share,colour_share",
    "layers": "architecture,layer,type,output_shape,parameters,macs,activation_bytes,input_size,output_height,"
    "output_width",
    "models": "architecture,input_size,parameters,head_parameters,macs,activation_bytes,weight_bytes,file_bytes,"
    "batchnorm_momentum",
    "memory": "arm,label,architecture,input_size,batch_size,training_bytes,inference_bytes",
    "cost": "arm,seed,device,device_name,seconds,images_per_second,peak_memory_bytes,training_seconds,"
    "evaluation_seconds,features_seconds,of_peak",
    "computed_cost": "arm,label,macs,training_bytes,peak_bytes,same_work",
    "convergence": "arm,label,stopped,late_epochs,late_gain,least_difference,rising,steady_epoch,lowest_epoch,"
    "lowest_loss,overfits",
    "loss_and_accuracy": "arm_a,arm_b,train_loss_a,train_loss_b,test_accuracy_a,test_accuracy_b,least_difference",
}
ARMS = ["middle", "good", "poor", "sanity"]


def only(table, **values):
    """The one row with these values, as a mapping of texts."""
    for column, value in values.items():
        table = table[table[column] == str(value)]
    (row,) = table.to_dict("records")
    return row


def test_every_table_has_its_columns_and_its_rows_in_the_configurations_order(experiment):
    tables = experiment.collect()
    assert {name: ",".join(table.columns) for name, table in tables.items()} == COLUMNS
    runs = [(arm, seed) for arm in ARMS for seed in "01"]
    assert tables["arms"]["arm"].tolist() == tables["summary"]["arm"].tolist() == ARMS
    for name, repeated in {
        "runs": 1,
        "cost": 1,
        "kernel_change": 1,
        "history": 3,
        "per_class": 3,
        "weight_delta": 122,
    }.items():
        expected = [run for run in runs for _ in range(repeated)]
        assert list(tables[name][["arm", "seed"]].itertuples(index=False, name=None)) == expected, name
    assert tables["history"]["epoch"].tolist() == ["0", "1", "2"] * 8
    assert tables["confusion"]["arm"].tolist() == [arm for arm in ARMS for _ in range(9)]
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
        "evaluation_batch_size": "256",
        "num_threads": "2",
        "device": "auto",
        "precision": "float32",
        "channels_last": "0",
        "fused_optimizer": "0",
        "features": "computed",
        "train_images": "30",
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
    assert (row["test_loss"], row["test_accuracy"]) == ("1.032", "50.0")
    low, high = wilson_interval(5, 10, 0.95)
    assert (float(row["test_accuracy_low"]), float(row["test_accuracy_high"])) == (100 * low, 100 * high)
    assert float(row["test_accuracy_low"]) == pytest.approx(
        23.66, abs=0.01
    )  # (5 + z²/2 - z sqrt(2.5 + z²/4)) / (10 + z²)


def test_summary(experiment):
    row = only(experiment.collect()["summary"], arm="poor")
    assert (row["label"], row["n"], row["test_accuracy_mean"]) == ("label of poor", "2", "55.0")
    assert float(row["test_accuracy_sd"]) == pytest.approx(50**0.5)
    half = stats.t.ppf(0.975, 1) * 5
    assert float(row["test_accuracy_low"]) == pytest.approx(55 - half)
    assert float(row["test_accuracy_high"]) == pytest.approx(55 + half)
    assert float(row["first_epoch_accuracy_mean"]) == 20
    assert float(row["test_loss_mean"]) == pytest.approx((1.032 + 1.0251) / 2)


def test_the_confidence_is_the_configurations(experiment):
    wide = experiment.collect()
    experiment.comparison["confidence"] = 0.8
    narrow = experiment.collect()
    for name, key in (("summary", {"arm": "poor"}), ("runs", {"arm": "poor", "seed": 1})):
        ends = [only(tables[name], **key) for tables in (wide, narrow)]
        assert float(ends[0]["test_accuracy_low"]) < float(ends[1]["test_accuracy_low"])
    half = stats.t.ppf(0.9, 1) * 5
    assert float(only(narrow["summary"], arm="poor")["test_accuracy_low"]) == pytest.approx(55 - half)


def test_comparisons_leave_controls_out_and_put_the_better_first(experiment):
    comparisons = experiment.collect()["comparisons"]
    pairs = list(comparisons[["arm_a", "arm_b", "difference"]].itertuples(index=False, name=None))
    assert pairs == [("good", "middle", "15.0"), ("middle", "poor", "25.0"), ("good", "poor", "40.0")]
    assert set(comparisons["verdict"]) <= {"better", "equivalent", "undecided"}


def test_verdicts_of_a_larger_test_set(make_experiment):
    # fewer than 368 could not show that two arms are equivalent
    experiment = make_experiment(test_labels=[0, 1, 2] * 130)
    experiment.comparison["bootstrap_draws"] = 2000
    half = list(range(0, 390, 2))
    experiment.add_arm("a", [[], []]).add_arm("b", [[], []]).add_arm("c", [half, half[1:]])
    comparisons = experiment.collect()["comparisons"]
    assert comparisons["verdict"].tolist() == ["equivalent", "better", "better"]
    assert comparisons["arm_a"].tolist() == ["a", "a", "b"]


def test_one_seed_leaves_the_seeds_columns_empty(make_experiment):
    experiment = make_experiment(seeds=[7]).add_arm("a", [[]]).add_arm("b", [[0, 1, 2, 3]])
    tables = experiment.collect()
    row = only(tables["summary"], arm="b")
    assert (row["n"], row["test_accuracy_mean"]) == ("1", "60.0")
    assert (row["test_accuracy_sd"], row["test_accuracy_low"], row["test_accuracy_high"]) == ("", "", "")
    assert float(only(tables["runs"], arm="b", seed=7)["test_accuracy_low"]) > 0
    comparison = only(tables["comparisons"], arm_a="a")
    assert float(comparison["low"]) < 40.0 == float(comparison["difference"]) < float(comparison["high"])


def test_one_arm_has_nothing_to_be_compared_with(make_experiment):
    experiment = make_experiment().add_arm("alone", [[], [1]])
    tables = experiment.collect()
    assert (experiment.folder / "tables" / "comparisons.csv").read_text() == COLUMNS["comparisons"] + "\n"
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
    layers = [pandas.read_csv(folder / "layers.csv", dtype=str) for folder in described.values()]
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
    again = experiment.collect("again")
    assert all(again[name].equals(tables[name]) for name in tables)


def test_two_processes_write_the_same_bytes(experiment):
    experiment.collect()
    command = [sys.executable, "-m", "triptych", "collect-results", "--experiment-folder", experiment.folder]
    command += [
        "--arms",
        json.dumps(experiment.arms),
        "--runs",
        json.dumps(experiment.runs),
    ]
    command += ["--comparison", json.dumps(experiment.comparison), "--tables", experiment.folder / "again"]
    run = subprocess.run(
        command, env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONHASHSEED": "7"}, capture_output=True, text=True
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert "10 test images" in run.stdout
    for name in COLUMNS:
        file = experiment.folder / "tables" / f"{name}.csv"
        assert file.read_bytes() == (experiment.folder / "again" / f"{name}.csv").read_bytes(), name


def test_too_few_draws_for_any_verdict_are_told(experiment, capsys):
    experiment.comparison["bootstrap_draws"] = 100
    experiment.collect()
    assert "raise comparison.bootstrap_draws" in capsys.readouterr().out
    experiment.comparison["bootstrap_draws"] = 1000
    experiment.collect()
    assert "bootstrap_draws" not in capsys.readouterr().out


# What is missing or does not fit


FILES = [
    "data/test.safetensors",
    "data/sizes.csv",
    "models/resnet18_32/layers.csv",
    "models/resnet18_32/totals.json",
    "models/resnet18_32/memory.csv",
    *(
        f"runs/good/seed1/{name}"
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
def test_a_missing_file_is_named(experiment, name):
    (experiment.folder / name).unlink()
    with pytest.raises(InputError, match=f"{name}: the file is missing"):
        experiment.collect()
    assert not (experiment.folder / "tables").exists()


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00nonsense"])
def test_a_broken_file_is_named(experiment, name, content):
    (experiment.folder / name).write_bytes(content)
    with pytest.raises(InputError, match=f"{name}: "):
        experiment.collect()
    assert not (experiment.folder / "tables").exists()


def test_more_training_images_than_there_are(make_experiment):
    experiment = make_experiment().add_arm("a", [[], []], training={"train_images": 61})
    with pytest.raises(InputError, match="train_images of the arm a: expected at most 60, found 61"):
        experiment.collect()


def test_sizes_of_another_data_set(experiment):
    path = experiment.folder / "data" / "sizes.csv"
    path.write_text(path.read_text().replace("test,NA,3", "test,NA,4"))
    with pytest.raises(InputError, match=r"sizes\.csv: expected 10 test images as in the data, found 11"):
        experiment.collect()
    path.write_text(path.read_text().replace("test,NA,4", "test,NA,three"))
    with pytest.raises(InputError, match=r"sizes\.csv: column images should hold numbers"):
        experiment.collect()


def test_a_model_without_the_arms_regime(experiment):
    path = experiment.folder / "models" / "resnet18_32" / "memory.csv"
    path.write_text("\n".join(line for line in path.read_text().splitlines() if not line.startswith("head")) + "\n")
    with pytest.raises(InputError, match=r"memory\.csv: expected rows with train head, found none"):
        experiment.collect()


def test_options_that_are_no_json(experiment, tmp_path):
    good = {"arms": json.dumps(experiment.arms), "runs": "{}", "comparison": json.dumps(experiment.comparison)}
    for option in good:
        with pytest.raises(InputError, match=f"{option}: expected JSON"):
            collect_results(experiment_folder=experiment.folder, tables=tmp_path / "t", **good | {option: "{oops"})


def test_it_starts_without_torch():
    code = "import sys, triptych.analysis.collect_results; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "triptych.analysis.comparisons" in modules
    assert not {"torch", "torchvision", "matplotlib", "sklearn"} & set(modules)


@pytest.mark.slow
def test_four_hundred_runs(make_experiment):
    """20 arms x 20 seeds with networks of 60 tensors and 1,300 images, few draws: reading alone takes seconds."""
    generator = numpy.random.default_rng(0)
    experiment = make_experiment(seeds=range(20), epochs=10, test_labels=numpy.arange(1300) % 3)
    for number in range(20):
        wrong = [numpy.flatnonzero(generator.random(1300) < 0.05 + 0.01 * number) for _ in range(20)]
        experiment.add_arm(f"arm{number}", wrong)
    start = time.perf_counter()
    tables = experiment.collect()
    assert time.perf_counter() - start < 40
    assert len(tables["runs"]) == 400
    assert len(tables["comparisons"]) == 190


def test_seeds_of_different_lengths_each_count_with_the_epoch_that_is_kept(make_experiment):
    experiment = make_experiment(epochs=9).add_arm(
        "long", [[0], [4, 7]], ran=[5, 9], kept=[3, 8], training={"keep": "best", "patience": 2}
    )
    tables = experiment.collect()
    history, runs, summary = (tables[name] for name in ("history", "runs", "summary"))
    assert history.groupby("seed").size().to_dict() == {"0": 6, "1": 10}
    assert history[history["kept"] == "1"][["seed", "epoch"]].to_numpy().tolist() == [["0", "3"], ["1", "8"]]
    assert runs[["epochs", "epochs_run", "kept_epoch"]].to_numpy().tolist() == [["9", "5", "3"], ["9", "9", "8"]]
    assert runs["test_accuracy"].tolist() == ["90.0", "80.0"]
    assert runs["train_accuracy"].tolist() == ["90.35", "97.181"]
    assert runs["fit_accuracy"].tolist() == ["95.5", "91.5"]
    assert float(summary["test_accuracy_mean"][0]) == 85
    assert tables["arms"][["patience", "keep"]].to_numpy().tolist() == [["2", "best"]]


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
