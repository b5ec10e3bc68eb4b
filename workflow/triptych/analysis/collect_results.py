"""Every table of an experiment, with intervals and comparisons of the arms."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pandas

from triptych.analysis.classes import confusion_counts, recall_and_precision, shares_of_rows
from triptych.analysis.comparisons import compare_arms
from triptych.analysis.convergence import convergence_table, loss_and_accuracy_table
from triptych.analysis.costs import computed_cost_table, shares_of_peak
from triptych.analysis.intervals import mean_interval, wilson_interval
from triptych.analysis.runs import Run, Truth, read_run, read_truth
from triptych.results import schema
from triptych.results.run_files import COST_KEYS, HISTORY_COLUMNS
from triptych.results.tables import cell, read_table, save_table
from triptych.storage.errors import InputError
from triptych.storage.files import read_json

MODEL_KEYS = [name for name in schema.MODELS.names if name != "file_bytes"]
"""Of totals.json."""

Arm = dict[str, Any]


def collect_results(*, experiment_folder: Path, arms: str, runs: str, comparison: str, tables: Path) -> None:
    """Write every table of an experiment from its data, models and runs.

    Accuracies are in percent, shares of a confusion matrix from 0 to 1. Rows are in the order of the configuration's
    arms, then of its seeds, then of epochs, classes or tensors. Where runs are missing, arms may have different seeds.

    Args:
        experiment_folder: holds `data/`, `models/` and `runs/`.
        arms: JSON, the arms of `triptych.configuration.effective.resolved_arms`.
        runs: JSON, the seeds of each arm by its name; at least one.
        comparison: JSON, `equivalence_margin`, `confidence`, `bootstrap_draws` and `seed`.
        tables: the folder to write `NAME.csv` into.

    Raises:
        InputError: a file is missing or broken, or does not fit the configuration or another file.
    """
    arm_list: list[Arm] = _parsed("arms", arms)
    seeds: dict[str, list[int]] = _parsed("runs", runs)
    settings: dict[str, Any] = _parsed("comparison", comparison)
    test = read_truth(experiment_folder / "data" / "test.safetensors")
    train_images = read_train_images(experiment_folder / "data" / "sizes.csv", test)
    read = {
        arm["name"]: [read_run(experiment_folder, arm, seed, test) for seed in seeds[arm["name"]]] for arm in arm_list
    }  # each file once: everything below works on these
    number = sum(len(own) for own in read.values())
    print(f"{number} runs of {len(arm_list)} arms, {len(test.labels)} test images", flush=True)

    summary = summary_table(arm_list, read, settings["confidence"])
    comparisons = comparison_table(arm_list, read, test, settings)
    written = {
        "arms": arms_table(arm_list, train_images),
        "history": history_table(arm_list, read),
        "runs": runs_table(arm_list, read, test, settings["confidence"]),
        "summary": summary,
        "comparisons": comparisons,
        "per_class": per_class_table(read, test),
        "confusion": confusion_table(read, test),
        "weight_delta": _stacked(read, lambda run: run.weight_delta),
        "kernel_change": _stacked(read, lambda run: run.kernel_change),
        "layers": layers_table(experiment_folder, arm_list),
        "models": models_table(experiment_folder, arm_list, read),
        "memory": memory_table(experiment_folder, arm_list),
        "cost": cost_table(read),
    }
    margin = settings["equivalence_margin"]
    written["computed_cost"] = computed_cost_table(written)
    written["convergence"] = convergence_table(written, len(test.labels), margin)
    written["loss_and_accuracy"] = loss_and_accuracy_table(written, len(test.labels), len(test.classes), margin)
    written["cost"]["of_peak"] = shares_of_peak(written["cost"], written)
    for name, table in written.items():
        save_table(tables / f"{name}.csv", table, schema.TABLES[name])
    print(summary[["arm", "n", "test_accuracy_mean", "test_accuracy_sd"]].to_string(index=False), flush=True)
    if len(comparisons):
        print(comparisons.to_string(index=False), flush=True)
    smallest = len(comparisons) * 2 / (settings["bootstrap_draws"] + 1)
    if smallest >= 1 - settings["confidence"]:
        print(
            f"note: with {settings['bootstrap_draws']} draws the smallest p-value corrected for {len(comparisons)} "
            f"pairs is {smallest:.2g}, so no verdict can be `better`: raise comparison.bootstrap_draws",
            flush=True,
        )


def read_train_images(path: Path, test: Truth) -> int:
    """The number of training images, from `data/sizes.csv`.

    Raises:
        InputError: the file is missing, or counts other test images than there are.
    """
    sizes = read_table(path, schema.SIZES)
    images = sizes.groupby("split")["images"].sum()
    if images.get("test", 0) != len(test.labels):
        raise InputError(
            f"{path}: expected {len(test.labels)} test images as in the data, found {images.get('test', 0)}"
        )
    return int(images.get("train", 0))


def arms_table(arms: list[Arm], train_images: int) -> pandas.DataFrame:
    """Everything that is in effect for each arm; `train_images` is a number also where the configuration says all."""
    rows = []
    for arm in arms:
        recipe = {key: cell(value) for key, value in arm["training"].items()}
        if (recipe["train_images"] or 0) > train_images:
            raise InputError(
                f"train_images of the arm {arm['name']}: expected at most {train_images}, "
                f"found {recipe['train_images']}"
            )
        rows.append(
            {
                "arm": arm["name"],
                **{key: arm[key] for key in ("label", "role", "weights", "train", "batchnorm")},
                **{key: arm["model"][key] for key in ("architecture", "input_size", "normalisation")},
                **recipe,
                "features": "cached" if arm["trunk"] else "computed",
                "train_images": recipe["train_images"] or train_images,
            }
        )
    return pandas.DataFrame(rows, columns=schema.ARMS.names)


def history_table(arms: list[Arm], runs: dict[str, list[Run]]) -> pandas.DataFrame:
    """Losses and accuracies of every run and epoch."""
    columns = [column for column in HISTORY_COLUMNS if not column.startswith("fit_")]
    table = _stacked(runs, lambda run: run.history[columns])
    labels = {arm["name"]: arm["label"] for arm in arms}
    table.insert(1, "label", table["arm"].map(labels))
    return table


def runs_table(arms: list[Arm], runs: dict[str, list[Run]], test: Truth, confidence: float) -> pandas.DataFrame:
    """Every run as it was after the epoch that is kept; the interval is Wilson's, of the run's own test accuracy."""
    rows = []
    for arm in arms:
        for run in runs[arm["name"]]:
            right = int((run.predicted == test.labels).sum())
            low, high = wilson_interval(right, len(test.labels), confidence)
            rows.append(
                {
                    "arm": run.arm,
                    "label": arm["label"],
                    "seed": run.seed,
                    "epochs": arm["training"]["epochs"],
                    "epochs_run": run.epochs_run,
                    "kept_epoch": run.kept_epoch,
                    "trainable_parameters": run.trainable_parameters,
                    "total_parameters": run.total_parameters,
                    **{
                        f"{split}_{what}": run.kept(f"{split}_{what}")
                        for split in ("train", "fit", "validation", "test")
                        for what in ("loss", "accuracy")
                    },
                    "test_accuracy_low": 100 * low,
                    "test_accuracy_high": 100 * high,
                }
            )
    return pandas.DataFrame(rows)


def summary_table(arms: list[Arm], runs: dict[str, list[Run]], confidence: float) -> pandas.DataFrame:
    """Every arm over its seeds. With one seed the standard deviation and the interval are empty."""
    rows = []
    for arm in arms:
        own = runs[arm["name"]]
        accuracy = mean_interval([run.kept("test_accuracy") for run in own], confidence)
        first = [float(run.history["test_accuracy"].iloc[1]) for run in own]
        rows.append(
            {
                "arm": arm["name"],
                "label": arm["label"],
                "n": accuracy.n,
                "test_accuracy_mean": accuracy.mean,
                "test_accuracy_sd": accuracy.sd,
                "test_accuracy_low": accuracy.low,
                "test_accuracy_high": accuracy.high,
                "first_epoch_accuracy_mean": float(numpy.mean(first)),
                "validation_accuracy_mean": float(numpy.mean([run.kept("validation_accuracy") for run in own])),
                "test_loss_mean": float(numpy.mean([run.kept("test_loss") for run in own])),
            }
        )
    return pandas.DataFrame(rows)


def comparison_table(
    arms: list[Arm], runs: dict[str, list[Run]], test: Truth, settings: dict[str, Any]
) -> pandas.DataFrame:
    """Every pair of arms that are no controls."""
    correct = {
        arm["name"]: numpy.stack([run.predicted == test.labels for run in runs[arm["name"]]])
        for arm in arms
        if arm["role"] != "control"
    }
    return compare_arms(
        correct,
        seeds={name: [run.seed for run in runs[name]] for name in correct},
        margin=settings["equivalence_margin"],
        confidence=settings["confidence"],
        draws=settings["bootstrap_draws"],
        seed=settings["seed"],
    )


def per_class_table(runs: dict[str, list[Run]], test: Truth) -> pandas.DataFrame:
    """Recall and precision of every run and class, in percent; empty where there is no image to count."""
    tables = []
    for own in runs.values():
        for run in own:
            counts = confusion_counts(test.labels, run.predicted, len(test.classes))
            recall, precision = recall_and_precision(counts)
            columns = {"class": test.classes, "images": counts.sum(axis=1), "recall": recall, "precision": precision}
            tables.append(pandas.DataFrame({"arm": run.arm, "seed": run.seed, **columns}))
    return pandas.concat(tables, ignore_index=True)


def confusion_table(runs: dict[str, list[Run]], test: Truth) -> pandas.DataFrame:
    """For every arm and true class the shares (0 to 1) of the classes it is taken for, mean over seeds."""
    names = numpy.array(test.classes, dtype=object)
    tables = []
    for arm, own in runs.items():
        counts = numpy.sum([confusion_counts(test.labels, run.predicted, len(names)) for run in own], axis=0)
        # Every run has the same test images, so the mean of the shares is the share of the sums.
        columns = {"true_class": names.repeat(len(names)), "predicted_class": numpy.tile(names, len(names))}
        tables.append(pandas.DataFrame({"arm": arm, **columns, "share": shares_of_rows(counts).ravel()}))
    return pandas.concat(tables, ignore_index=True)


def cost_table(runs: dict[str, list[Run]]) -> pandas.DataFrame:
    """What every run took: the measured table."""
    rows = [
        {"arm": run.arm, "seed": run.seed, **{key: run.cost[key] for key in COST_KEYS}}
        for own in runs.values()
        for run in own
    ]
    return pandas.DataFrame(rows)


def layers_table(experiment_folder: Path, arms: list[Arm]) -> pandas.DataFrame:
    """The layers of every network at every input size in use."""
    folders = [_model_folder(experiment_folder, *model) for model in _models(arms)]
    return pandas.concat(
        [read_table(folder / "layers.csv", schema.MODEL_LAYERS, verbatim=True) for folder in folders], ignore_index=True
    )


def models_table(experiment_folder: Path, arms: list[Arm], runs: dict[str, list[Run]]) -> pandas.DataFrame:
    """The totals of every network at every input size, and the size of the weight file of its first arm's first run."""
    rows = []
    for model, arm in _models(arms).items():
        totals = read_json(_model_folder(experiment_folder, *model) / "totals.json", MODEL_KEYS)
        rows.append({**{key: totals[key] for key in MODEL_KEYS}, "file_bytes": runs[arm["name"]][0].file_bytes})
    return pandas.DataFrame(rows, columns=schema.MODELS.names)


def memory_table(experiment_folder: Path, arms: list[Arm]) -> pandas.DataFrame:
    """The computed memory of every arm's training and inference by batch size."""
    files = {model: _model_folder(experiment_folder, *model) / "memory.csv" for model in _models(arms)}
    by_model = {model: read_table(path, schema.MODEL_MEMORY, verbatim=True) for model, path in files.items()}
    tables: list[pandas.DataFrame] = []
    for arm in arms:
        architecture, input_size = model = (arm["model"]["architecture"], arm["model"]["input_size"])
        own = by_model[model][by_model[model]["train"] == arm["train"]]
        if own.empty:
            raise InputError(f"{files[model]}: expected rows with train {arm['train']}, found none")
        table = own[["batch_size", "training_bytes", "inference_bytes"]].copy()
        first = {"arm": arm["name"], "label": arm["label"], "architecture": architecture, "input_size": input_size}
        for position, (column, value) in enumerate(first.items()):
            table.insert(position, column, value)
        tables.append(table)
    return pandas.concat(tables, ignore_index=True)


def _parsed(option: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise InputError(f"{option}: expected JSON, found something else ({error})") from None


def _models(arms: list[Arm]) -> dict[tuple[str, int], Arm]:
    """Each architecture and input size in use, with the first arm that uses it."""
    models: dict[tuple[str, int], Arm] = {}
    for arm in arms:
        models.setdefault((arm["model"]["architecture"], arm["model"]["input_size"]), arm)
    return models


def _model_folder(experiment_folder: Path, architecture: str, input_size: int) -> Path:
    return experiment_folder / "models" / f"{architecture}_{input_size}"


def _stacked(runs: dict[str, list[Run]], part: Callable[[Run], pandas.DataFrame]) -> pandas.DataFrame:
    """The rows that `part` picks of each run, under each other, with the arm and the seed before them."""
    names = [(run.arm, run.seed, part(run)) for own in runs.values() for run in own]
    table = pandas.concat([rows for _, _, rows in names], ignore_index=True)
    lengths = [len(rows) for _, _, rows in names]
    table.insert(0, "arm", numpy.repeat(numpy.array([arm for arm, _, _ in names], dtype=object), lengths))
    table.insert(1, "seed", numpy.repeat([seed for _, seed, _ in names], lengths))
    return table
