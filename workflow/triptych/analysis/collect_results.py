"""The tables of test results: accuracies with intervals, comparisons of the arms, classes."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import pandas

from triptych.analysis.balanced_accuracy import balanced_accuracy, sampling_of
from triptych.analysis.classes import confusion_counts, recall_and_precision, recall_intervals, shares_of_rows
from triptych.analysis.comparisons import compare_arms
from triptych.analysis.groups import read_groups
from triptych.analysis.intervals import accuracy_interval, wilson_interval
from triptych.analysis.leak_price import leak_price_table
from triptych.analysis.options import parsed_json, parsed_mode
from triptych.analysis.runs import Answers, Truth, read_answers, read_truth, run_folder
from triptych.analysis.variance_parts import Sampling
from triptych.data.folds import load_folds
from triptych.results import schema
from triptych.results.by_seed import by_seed
from triptych.results.decision import read_decision
from triptych.results.openings import Opening, is_of_training, recorded_openings
from triptych.results.run_names import fold_cells, run_in_words, run_name
from triptych.results.schema import EVERY_EPOCH
from triptych.results.tables import read_table, save_table
from triptych.storage.errors import InputError
from triptych.storage.files import read_json, write_json
from triptych.storage.tensors import load_metadata

Arm = dict[str, Any]
Key = tuple[int, int | None]
"""The seed and the fold of a run of an arm; the fold is None without folds."""
Tested = dict[str, dict[Key, Answers]]
"""What the runs say about the test images, by arm, and by seed and fold."""

OPENED_KEYS = ("decision", "openings", "decisions")
"""Of a run's opened.json."""


def collect_results(  # noqa: PLR0913
    *,
    experiment_folder: Path,
    arms: str,
    runs: str,
    comparison: str,
    mode: str,
    folds: Path | None = None,
    index: Path | None = None,
    decision: Path | None = None,
    runs_table: Path,
    tables: Path,
    logs: Path | None = None,
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
        folds: of the training images (`triptych.data.folds`); each seed has a network for each of them, and its
            accuracy is the mean of theirs.
        index: the table `index` of `prepare_dataset`, for the groups of the test images. Optional.
        decision: of the same runs (`decide`), for its look (`triptych.analysis.looks`): arms are compared on test
            images as often as on the images that decide, in the mode every_epoch, too. Without one it is the first.
        runs_table: `tables/runs.csv`, for the accuracies on validation images.
        tables: the folder to write `NAME.csv` into.
        logs: the folder with the logs of openings, for those of runs that are no longer in the configuration. Optional.
        openings: the file to write: how often the runs opened the test images after a decision (`openings`), under
            which `decisions` (digests), and under which one the logits of each of the `runs` were computed (arm, seed,
            digest; with folds a row for each). Openings of runs that are no longer in the configuration count, too, and
            are listed in `removed` (arm, seed, openings); `trainings` counts those that evaluated test images after
            every epoch. In the mode every_epoch there is none.

    Raises:
        InputError: a file is missing or broken, or does not fit the configuration or another file.
    """
    arm_list: list[Arm] = parsed_json("arms", arms)
    seeds: dict[str, list[int]] = parsed_json("runs", runs)
    settings: dict[str, Any] = parsed_json("comparison", comparison)
    known = parsed_mode(mode)
    test = read_truth(experiment_folder / "data" / "test.safetensors")
    groups = read_groups(index, "test", len(test.labels))
    labels = {arm["name"]: arm["label"] for arm in arm_list}
    numbers = [None] if folds is None else list(load_folds(folds).numbers)
    folders = {
        name: {
            (seed, fold): run_folder(experiment_folder, name, seed, fold) for seed in seeds[name] for fold in numbers
        }
        for name in labels
    }
    file = "predictions.safetensors" if known == EVERY_EPOCH else "test.safetensors"
    read = {
        name: {key: read_answers(folder / file, test) for key, folder in own.items()} for name, own in folders.items()
    }
    recorded = [] if logs is None or known == EVERY_EPOCH else recorded_openings(logs)
    opened = all_openings({} if known == EVERY_EPOCH else folders, recorded)
    number = sum(len(own) for own in read.values())
    print(f"{number} runs of {len(arm_list)} arms, {len(test.labels)} test images", flush=True)

    results = test_results_table(labels, read, test, settings["confidence"], groups)
    before = read_validation(runs_table, folders)
    summary = summary_table(labels, results, read, test, before, settings["confidence"], groups)
    compared = {arm["name"]: read[arm["name"]] for arm in arm_list if arm["role"] != "control"}
    look = 1 if decision is None else read_decision(decision).get("look", 1)
    comparisons = comparison_table(compared, test, settings, groups, look)
    written = {
        "test_results": results,
        "summary": summary,
        "comparisons": comparisons,
        "per_class": per_class_table(read, test, settings["confidence"], groups),
        "recall": recall_table(read, test, settings["confidence"], groups),
        "confusion": confusion_table(read, test),
        "leak_price": price_table(experiment_folder, folders, read, settings["confidence"]),
    }
    for name, table in written.items():
        save_table(tables / f"{name}.csv", table, schema.TABLES[name].in_mode(known, folds is not None))
    write_json(openings, opened)
    metric = f"test_{settings['metric']}"
    print(summary[["arm", "n", f"{metric}_mean", f"{metric}_sd"]].to_string(index=False), flush=True)
    if len(comparisons):
        print(comparisons.to_string(index=False), flush=True)


def all_openings(folders: Mapping[str, Mapping[Key, Path]], recorded: Sequence[Opening] = ()) -> dict[str, Any]:
    """Return the recorded openings of all runs: their number, and the decisions in the order in which they are found.

    A run that was opened under another decision is no error: the report says so. The images that a removed arm was
    tested on were looked at all the same, so its openings count.

    Args:
        folders: of the runs, by arm, and by seed and fold.
        recorded: the lines of the logs, of which those of other runs and of trainings count.

    Raises:
        InputError: a file is missing or broken, or a run's logits do not say under which decision they were computed.
    """
    openings, decisions, runs = 0, dict[str, None](), []
    for arm, own in folders.items():
        for (seed, _), folder in own.items():
            opened = read_json(folder / "opened.json", OPENED_KEYS)
            digest = load_metadata(folder / "test.safetensors").get("decision")
            if not isinstance(digest, str):
                raise InputError(f"{folder / 'test.safetensors'}: expected the digest of a decision, found {digest!r}")
            openings += opened["openings"]
            decisions |= dict.fromkeys(opened["decisions"])
            runs.append([arm, seed, digest])
    removed = Counter[tuple[str, int]]()
    for opening in recorded:
        arm, key = str(opening["arm"]), (opening.get("seed"), opening.get("fold"))
        if not is_of_training(opening) and key not in folders.get(arm, {}):
            removed[arm, opening.get("seed", 0)] += 1
            decisions |= dict.fromkeys([str(opening.get("decision"))])
    return {
        "openings": openings + removed.total(),
        "decisions": list(decisions),
        "runs": runs,
        "removed": [[arm, seed, number] for (arm, seed), number in sorted(removed.items())],
        "trainings": sum(map(is_of_training, recorded)),
    }


def read_validation(path: Path, folders: Mapping[str, Mapping[Key, Path]]) -> dict[str, dict[str, float]]:
    """Return the mean of each metric over each arm's runs on the validation images that decide; NaN without these.

    Raises:
        InputError: the file is missing, or is about other runs.
    """
    table = read_table(path, schema.RUNS)
    fold_numbers = table[schema.FOLD.name].astype(int) if schema.FOLD.name in table else [None] * len(table)
    runs = zip(table["arm"], table["seed"], fold_numbers, strict=True)
    found = [f"{arm}, {run_in_words(run_name(seed, fold))}" for arm, seed, fold in runs]
    expected = [f"{arm}, {run_in_words(run_name(*key))}" for arm, own in folders.items() for key in own]
    if found != expected:
        other = sorted(set(found) ^ set(expected)) or expected
        raise InputError(f"{path}: expected the runs that are collected, but {other[0]} differs")
    table = by_seed(table, schema.RUNS)
    return {
        arm: {
            metric: float(numpy.mean(table.loc[table["arm"] == arm, f"validation_{metric}"].astype(float).tolist()))
            for metric in schema.METRICS
        }
        for arm in folders
    }


def test_results_table(
    labels: Mapping[str, str], tested: Tested, test: Truth, confidence: float, groups: numpy.ndarray | None = None
) -> pandas.DataFrame:
    """Every run after the epoch that is kept; intervals are over images: Wilson's, of balanced accuracy a score one."""
    rows = []
    plain, sampling = (sampling_of(metric, test.labels, groups) for metric in ("accuracy", "balanced_accuracy"))
    for arm, own in tested.items():
        for (seed, fold), answers in own.items():
            low, high = accuracy_interval(answers.correct[None], confidence, plain)
            if groups is None:  # to the last digit
                ends = wilson_interval(int(answers.correct.sum()), len(answers.correct), confidence)
                low, high = (100 * end for end in ends)
            rows.append(
                {
                    "arm": arm,
                    "label": labels[arm],
                    "seed": seed,
                    **fold_cells(fold),
                    "test_loss": answers.loss,
                    "test_accuracy": answers.accuracy,
                    "test_accuracy_low": low,
                    "test_accuracy_high": high,
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
    groups: numpy.ndarray | None = None,
) -> pandas.DataFrame:
    """Every arm over its seeds. With one seed the standard deviation is empty, and the interval is over images alone.

    Args:
        results: the table `test_results`.
        validation: the mean of each metric over each arm's runs on validation images (%).
        groups: of the test images, int64 [images].
    """
    rows = []
    networks = rows_per_seed(tested)
    sampling = replace(sampling_of("balanced_accuracy", test.labels, groups), rows_per_seed=networks)
    of_seeds = by_seed(results, schema.TEST_RESULTS)
    for arm, label in labels.items():
        own, correct = of_seeds[of_seeds["arm"] == arm], correct_of(tested[arm])
        mean, before = float(own["test_accuracy"].mean()), validation[arm]["accuracy"]
        low, high = accuracy_interval(correct, confidence, Sampling(groups=groups, rows_per_seed=networks))
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


def comparison_table(
    tested: Tested, test: Truth, settings: Mapping[str, Any], groups: numpy.ndarray | None = None, look: int = 1
) -> pandas.DataFrame:
    """Every pair of these arms, by the metric that decides."""
    return compare_arms(
        {arm: correct_of(own) for arm, own in tested.items()},
        margin=settings["equivalence_margin"],
        confidence=settings["confidence"],
        look=look,
        sampling=replace(sampling_of(settings["metric"], test.labels, groups), rows_per_seed=rows_per_seed(tested)),
    )


def price_table(
    experiment_folder: Path, folders: Mapping[str, Mapping[Key, Path]], tested: Tested, confidence: float
) -> pandas.DataFrame:
    """Every arm on the test and validation images with and without those that have a counterpart in another split.

    Raises:
        InputError: a file is missing or broken, or does not fit another one.
    """
    leaks = read_table(experiment_folder / schema.LEAKS.file, schema.LEAKS)
    sampling = Sampling(rows_per_seed=rows_per_seed(tested))
    correct = {"test": {arm: sampling.by_seed(correct_of(own)) for arm, own in tested.items()}}
    if (leaks["split"] == "validation").any():
        validation = read_truth(experiment_folder / "data" / "validation.safetensors")
        correct["validation"] = {
            arm: correct_of(
                {key: read_answers(folder / "predictions.safetensors", validation) for key, folder in own.items()}
            )
            for arm, own in folders.items()
        }
    return leak_price_table(leaks, correct, confidence)


def correct_of(runs: Mapping[Key, Answers]) -> numpy.ndarray:
    """Return whether each of an arm's runs has each image right: bool [runs, images], those of a seed together."""
    return numpy.stack([answers.correct for answers in runs.values()])


def rows_per_seed(tested: Tested) -> int:
    """Return the number of runs of each seed: 1, or that of the folds."""
    return max((len({fold for _, fold in own}) for own in tested.values()), default=1)


def per_class_table(
    tested: Tested, test: Truth, confidence: float, groups: numpy.ndarray | None = None
) -> pandas.DataFrame:
    """Recall and precision of every run and class, in percent; empty where there is no image to count."""
    tables = []
    for arm, own in tested.items():
        for (seed, fold), answers in own.items():
            counts = confusion_counts(test.labels, answers.predicted, len(test.classes))
            recall, precision = recall_and_precision(counts)
            columns = {"class": test.classes, "images": counts.sum(axis=1), "recall": recall, "precision": precision}
            low, high = recall_intervals(
                answers.correct[None], test.labels, len(test.classes), confidence, groups=groups
            )
            columns |= {"recall_low": low, "recall_high": high}
            tables.append(pandas.DataFrame({"arm": arm, "seed": seed, **fold_cells(fold), **columns}))
    return pandas.concat(tables, ignore_index=True)


def recall_table(
    tested: Tested, test: Truth, confidence: float, groups: numpy.ndarray | None = None
) -> pandas.DataFrame:
    """Recall of every arm and class, mean over seeds, with its interval; in percent, empty without an image."""
    tables = []
    images = numpy.bincount(test.labels, minlength=len(test.classes))
    for arm, own in tested.items():
        correct = correct_of(own)
        low, high = recall_intervals(correct, test.labels, len(test.classes), confidence, rows_per_seed(tested), groups)
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
