"""The tables of test results: accuracies with intervals, comparisons of the arms, classes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy
import pandas

from triptych.analysis.balanced_accuracy import balanced_accuracy, sampling_of
from triptych.analysis.classes import confusion_counts, recall_and_precision, recall_intervals, shares_of_rows
from triptych.analysis.comparisons import compare_arms
from triptych.analysis.intervals import accuracy_interval, wilson_interval
from triptych.analysis.leak_price import leak_price_table
from triptych.analysis.options import parsed_json, parsed_mode
from triptych.analysis.runs import Answers, Truth, read_answers, read_truth, run_folder
from triptych.results import schema
from triptych.results.schema import EVERY_EPOCH
from triptych.results.tables import read_table, save_table
from triptych.storage.errors import InputError
from triptych.storage.files import read_json, write_json
from triptych.storage.tensors import load_metadata

Arm = dict[str, Any]
Tested = dict[str, dict[int, Answers]]
"""What the runs say about the test images, by arm and seed."""

OPENED_KEYS = ("decision", "openings", "decisions")
"""Of a run's opened.json."""


def collect_results(
    *,
    experiment_folder: Path,
    arms: str,
    runs: str,
    comparison: str,
    mode: str,
    runs_table: Path,
    tables: Path,
    openings: Path,
) -> None:
    """Write the tables of test results of an experiment, from its test images' labels and its runs' logits.

    Accuracies are in percent, shares of a confusion matrix from 0 to 1. Rows are in the order of the configuration's
    arms, then of its seeds, then of classes. Where runs are missing, arms may have different seeds.

    Args:
        experiment_folder: holds `data/` and `runs/`. The logits are in `runs/*/test.safetensors` in the mode
            after_decision, and in `runs/*/predictions.safetensors` in every_epoch.
        arms: JSON, the arms of `triptych.configuration.effective.resolved_arms`.
        runs: JSON, the seeds of each arm by its name; at least one.
        comparison: JSON, `equivalence_margin`, `confidence` and `metric`.
        mode: when test images are evaluated: after_decision or every_epoch.
        runs_table: `tables/runs.csv`, for the accuracies on validation images.
        tables: the folder to write `NAME.csv` into.
        openings: the file to write: how often the runs opened the test images after a decision (`openings`), under
            which `decisions` (digests), and under which one the logits of each of the `runs` were computed (arm, seed,
            digest). In the mode every_epoch there is none.

    Raises:
        InputError: a file is missing or broken, or does not fit the configuration or another file.
    """
    arm_list: list[Arm] = parsed_json("arms", arms)
    seeds: dict[str, list[int]] = parsed_json("runs", runs)
    settings: dict[str, Any] = parsed_json("comparison", comparison)
    known = parsed_mode(mode)
    test = read_truth(experiment_folder / "data" / "test.safetensors")
    labels = {arm["name"]: arm["label"] for arm in arm_list}
    folders = {name: {seed: run_folder(experiment_folder, name, seed) for seed in seeds[name]} for name in labels}
    file = "predictions.safetensors" if known == EVERY_EPOCH else "test.safetensors"
    read = {
        name: {seed: read_answers(folder / file, test) for seed, folder in own.items()} for name, own in folders.items()
    }
    opened = all_openings({} if known == EVERY_EPOCH else folders)
    number = sum(len(own) for own in read.values())
    print(f"{number} runs of {len(arm_list)} arms, {len(test.labels)} test images", flush=True)

    results = test_results_table(labels, read, test, settings["confidence"])
    before = read_validation(runs_table, folders)
    summary = summary_table(labels, results, read, test, before, settings["confidence"])
    compared = {arm["name"]: read[arm["name"]] for arm in arm_list if arm["role"] != "control"}
    comparisons = comparison_table(compared, test, settings)
    written = {
        "test_results": results,
        "summary": summary,
        "comparisons": comparisons,
        "per_class": per_class_table(read, test, settings["confidence"]),
        "recall": recall_table(read, test, settings["confidence"]),
        "confusion": confusion_table(read, test),
        "leak_price": price_table(experiment_folder, folders, read, settings["confidence"]),
    }
    for name, table in written.items():
        save_table(tables / f"{name}.csv", table, schema.TABLES[name].in_mode(known))
    write_json(openings, opened)
    metric = f"test_{settings['metric']}"
    print(summary[["arm", "n", f"{metric}_mean", f"{metric}_sd"]].to_string(index=False), flush=True)
    if len(comparisons):
        print(comparisons.to_string(index=False), flush=True)


def all_openings(folders: Mapping[str, Mapping[int, Path]]) -> dict[str, Any]:
    """Return the recorded openings of all runs: their number, and the decisions in the order in which they are found.

    A run that was opened under another decision is no error: the report says so.

    Args:
        folders: of the runs, by arm and seed.

    Raises:
        InputError: a file is missing or broken, or a run's logits do not say under which decision they were computed.
    """
    openings, decisions, runs = 0, dict[str, None](), []
    for arm, own in folders.items():
        for seed, folder in own.items():
            opened = read_json(folder / "opened.json", OPENED_KEYS)
            digest = load_metadata(folder / "test.safetensors").get("decision")
            if not isinstance(digest, str):
                raise InputError(f"{folder / 'test.safetensors'}: expected the digest of a decision, found {digest!r}")
            openings += opened["openings"]
            decisions |= dict.fromkeys(opened["decisions"])
            runs.append([arm, seed, digest])
    return {"openings": openings, "decisions": list(decisions), "runs": runs}


def read_validation(path: Path, folders: Mapping[str, Mapping[int, Path]]) -> dict[str, dict[str, float]]:
    """Return the mean of each metric over each arm's runs on the validation images that decide; NaN without these.

    Raises:
        InputError: the file is missing, or is about other runs.
    """
    table = read_table(path, schema.RUNS)
    found = list(zip(table["arm"], table["seed"], strict=True))
    expected = [(arm, str(seed)) for arm, own in folders.items() for seed in own]
    if found != expected:
        other = sorted(set(found) ^ set(expected)) or expected
        raise InputError(f"{path}: expected the runs that are collected, but {other[0][0]}, seed {other[0][1]} differs")
    return {
        arm: {
            metric: float(numpy.mean(table.loc[table["arm"] == arm, f"validation_{metric}"].astype(float).tolist()))
            for metric in schema.METRICS
        }
        for arm in folders
    }


def test_results_table(labels: Mapping[str, str], tested: Tested, test: Truth, confidence: float) -> pandas.DataFrame:
    """Every run after the epoch that is kept; intervals are over images: Wilson's, of balanced accuracy a score one."""
    rows = []
    sampling = sampling_of("balanced_accuracy", test.labels)
    for arm, own in tested.items():
        for seed, answers in own.items():
            low, high = wilson_interval(int(answers.correct.sum()), len(answers.correct), confidence)
            rows.append(
                {
                    "arm": arm,
                    "label": labels[arm],
                    "seed": seed,
                    "test_loss": answers.loss,
                    "test_accuracy": answers.accuracy,
                    "test_accuracy_low": 100 * low,
                    "test_accuracy_high": 100 * high,
                    "test_balanced_accuracy": balanced_accuracy(answers.correct, test.labels),
                }
            )
            ends = accuracy_interval(answers.correct[None], confidence, sampling)
            rows[-1] |= dict(zip(("test_balanced_accuracy_low", "test_balanced_accuracy_high"), ends, strict=True))
    return pandas.DataFrame(rows)


def summary_table(
    labels: Mapping[str, str],
    results: pandas.DataFrame,
    tested: Tested,
    test: Truth,
    validation: Mapping[str, Mapping[str, float]],
    confidence: float,
) -> pandas.DataFrame:
    """Every arm over its seeds. With one seed the standard deviation is empty, and the interval is over images alone.

    Args:
        results: the table `test_results`.
        validation: the mean of each metric over each arm's runs on validation images (%).
    """
    rows = []
    sampling = sampling_of("balanced_accuracy", test.labels)
    for arm, label in labels.items():
        own, correct = results[results["arm"] == arm], correct_of(tested[arm])
        mean, before = float(own["test_accuracy"].mean()), validation[arm]["accuracy"]
        low, high = accuracy_interval(correct, confidence)
        balanced, balanced_before = own["test_balanced_accuracy"], validation[arm]["balanced_accuracy"]
        balanced_low, balanced_high = accuracy_interval(correct, confidence, sampling)
        rows.append(
            {
                "arm": arm,
                "label": label,
                "n": len(own),
                "test_accuracy_mean": mean,
                "test_accuracy_sd": float(own["test_accuracy"].std(ddof=1)),
                "test_accuracy_low": low,
                "test_accuracy_high": high,
                "validation_accuracy_mean": before,
                "change_mean": mean - before,
                "test_loss_mean": float(own["test_loss"].mean()),
                "test_balanced_accuracy_mean": float(balanced.mean()),
                "test_balanced_accuracy_sd": float(balanced.std(ddof=1)),
                "test_balanced_accuracy_low": balanced_low,
                "test_balanced_accuracy_high": balanced_high,
                "validation_balanced_accuracy_mean": balanced_before,
                "balanced_change_mean": float(balanced.mean()) - balanced_before,
            }
        )
    return pandas.DataFrame(rows)


def comparison_table(tested: Tested, test: Truth, settings: Mapping[str, Any]) -> pandas.DataFrame:
    """Every pair of these arms, by the metric that decides."""
    return compare_arms(
        {arm: correct_of(own) for arm, own in tested.items()},
        margin=settings["equivalence_margin"],
        confidence=settings["confidence"],
        sampling=sampling_of(settings["metric"], test.labels),
    )


def price_table(
    experiment_folder: Path, folders: Mapping[str, Mapping[int, Path]], tested: Tested, confidence: float
) -> pandas.DataFrame:
    """Every arm on the test and validation images with and without those that have a counterpart in another split.

    Raises:
        InputError: a file is missing or broken, or does not fit another one.
    """
    leaks = read_table(experiment_folder / schema.LEAKS.file, schema.LEAKS)
    correct = {"test": {arm: correct_of(own) for arm, own in tested.items()}}
    if (leaks["split"] == "validation").any():
        validation = read_truth(experiment_folder / "data" / "validation.safetensors")
        correct["validation"] = {
            arm: correct_of(
                {key: read_answers(folder / "predictions.safetensors", validation) for key, folder in own.items()}
            )
            for arm, own in folders.items()
        }
    return leak_price_table(leaks, correct, confidence)


def correct_of(runs: Mapping[int, Answers]) -> numpy.ndarray:
    """Return whether each of an arm's runs has each image right: bool [seeds, images]."""
    return numpy.stack([answers.correct for answers in runs.values()])


def per_class_table(tested: Tested, test: Truth, confidence: float) -> pandas.DataFrame:
    """Recall and precision of every run and class, in percent; empty where there is no image to count."""
    tables = []
    for arm, own in tested.items():
        for seed, answers in own.items():
            counts = confusion_counts(test.labels, answers.predicted, len(test.classes))
            recall, precision = recall_and_precision(counts)
            columns = {"class": test.classes, "images": counts.sum(axis=1), "recall": recall, "precision": precision}
            low, high = recall_intervals(answers.correct[None], test.labels, len(test.classes), confidence)
            columns |= {"recall_low": low, "recall_high": high}
            tables.append(pandas.DataFrame({"arm": arm, "seed": seed, **columns}))
    return pandas.concat(tables, ignore_index=True)


def recall_table(tested: Tested, test: Truth, confidence: float) -> pandas.DataFrame:
    """Recall of every arm and class, mean over seeds, with its interval; in percent, empty without an image."""
    tables = []
    images = numpy.bincount(test.labels, minlength=len(test.classes))
    for arm, own in tested.items():
        correct = correct_of(own)
        low, high = recall_intervals(correct, test.labels, len(test.classes), confidence)
        right = numpy.bincount(test.labels, weights=correct.sum(axis=0), minlength=len(test.classes))
        recall = numpy.full(len(images), numpy.nan)
        numpy.divide(100 * right, len(correct) * images, out=recall, where=images > 0)
        columns = {"class": test.classes, "images": images, "recall": recall, "low": low, "high": high}
        tables.append(pandas.DataFrame({"arm": arm, **columns}))
    return pandas.concat(tables, ignore_index=True)


def confusion_table(tested: Tested, test: Truth) -> pandas.DataFrame:
    """For every arm and true class the shares (0 to 1) of the classes it is taken for, mean over seeds."""
    names = numpy.array(test.classes, dtype=object)
    tables = []
    for arm, own in tested.items():
        every = [confusion_counts(test.labels, answers.predicted, len(names)) for answers in own.values()]
        # Every run has the same test images, so the mean of the shares is the share of the sums.
        columns = {"true_class": names.repeat(len(names)), "predicted_class": numpy.tile(names, len(names))}
        shares = shares_of_rows(numpy.sum(every, axis=0)).ravel()
        tables.append(pandas.DataFrame({"arm": arm, **columns, "share": shares}))
    return pandas.concat(tables, ignore_index=True)
