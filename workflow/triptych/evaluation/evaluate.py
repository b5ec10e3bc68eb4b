"""Measure a model on other labelled images: a later delivery, another camera, another site."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import pandas

from triptych.analysis.classes import confusion_counts, recall_and_precision, recall_intervals
from triptych.analysis.independent import Sample, difference_of_samples
from triptych.data.class_checks import ONE_CLASS
from triptych.data.found import DATASET, Found, Item
from triptych.data.source import file_source_of
from triptych.data.user_files import escaped, quoted
from triptych.evaluation.model_folder import Model, load_model
from triptych.evaluation.predict import columns_of, tell
from triptych.evaluation.tables import OF_LABELLED
from triptych.results.tables import save_table
from triptych.storage.errors import InputError

MOST_COLUMNS = 12
"""Classes of a confusion matrix that is printed whole; of a larger one the most frequent confusions are."""
MOST_CONFUSIONS = 20


@dataclass(frozen=True, eq=False)
class Labelled:
    """Images that could be used, with what a model says of them.

    Attributes:
        labels, predicted: class numbers, int64 [images].
        rows: of the table, for each image.
    """

    labels: numpy.ndarray
    predicted: numpy.ndarray
    rows: list[dict[str, object]]


def evaluate(model: Path, folder: Path, *, csv: Path | None = None, device: str = "auto") -> None:
    """Print accuracy, recall and confusion of a model on labelled images, and whether it differs from the tested one.

    The tested accuracy is that on the experiment's test images. The difference is beyond doubt if its interval leaves
    out 0. If the classes have other shares than in the test images, the accuracy may differ for that alone: the mean of
    the recalls is compared as well. A file that cannot be used is named and skipped.

    Args:
        model: the folder of the model, such as results/EXPERIMENT/model. Nothing in it is changed.
        folder: a folder of images for each class; a class of the model may be missing. Nothing in it is changed.
        csv: a table to write: path, class, predicted, probability, calibrated, unsure (1 or 0).
        device: cpu, cuda, or auto (default): as where the model was tested, if that is there.

    Raises:
        InputError: the model's files do not belong together, the folder has no such form or a class that the model does
            not know, or some files could not be used; the others are then evaluated.
    """
    found = file_source_of("folder").found(folder)
    check_whole(found, folder)
    loaded = load_model(model, device)
    check_classes(found, loaded.classes, folder)
    tell(loaded)
    unusable = [problem for problem in found.problems if problem.kind != DATASET]
    for one in unusable:
        print(f"{quoted(one.path)}: {one.problem}; skipped", file=sys.stderr, flush=True)
    labelled = predictions_of(loaded, found.items)
    for line in summary(loaded.about, labelled, str(folder)):
        print(line, flush=True)
    if csv is not None:
        save_table(csv, pandas.DataFrame(labelled.rows, columns=OF_LABELLED.names), OF_LABELLED)
    failed = len(unusable) + len(found.items) - len(labelled.rows)
    if failed:
        files = failed + len(labelled.rows)
        raise InputError(f"{failed:,} of {files:,} files could not be used; they are named above.")


def check_whole(found: Found, folder: Path) -> None:
    """Check that a folder has a folder of images for each of its classes.

    Raises:
        InputError: it has not.
    """
    wrong = [one for one in found.problems if one.kind == DATASET and not one.problem.startswith(ONE_CLASS)]
    if wrong:
        first = wrong[0]
        where = f" {quoted(first.path)}:" if first.path else ""
        raise InputError(f"{folder}:{where} {first.problem}; {first.remedy}.")
    splits = sorted({item.split for item in found.items if item.split})
    if splits:
        raise InputError(f"{folder}: it has the splits {', '.join(splits)}; give the folder of one of them.")


def check_classes(found: Found, classes: Sequence[str], folder: Path) -> None:
    """Check that a model knows all classes of a folder.

    Raises:
        InputError: it does not.
    """
    unknown = [label for label in found.classes if label not in classes]
    if unknown:
        raise InputError(
            f"{folder}: the model has no class {', '.join(map(quoted, unknown))}; its classes are "
            f"{', '.join(map(quoted, classes))}. Rename the folder, or move it away."
        )


def predictions_of(model: Model, items: Sequence[Item]) -> Labelled:
    """Predict every image; name those that cannot be used.

    Raises:
        InputError: none can be used.
    """
    numbers = {name: number for number, name in enumerate(model.classes)}
    labels, predicted, rows = [], [], []
    for item, prediction in zip(items, model.predict(item.file for item in items), strict=True):
        if prediction.logits is None:
            print(f"{quoted(item.path)}: {prediction.problem}; skipped", file=sys.stderr, flush=True)
            continue
        answer = model.answer(prediction.logits)
        labels.append(numbers[item.label])
        predicted.append(numbers[answer.predicted])
        rows.append({"path": escaped(item.path), "class": item.label, **columns_of(answer)})
    if not rows:
        raise InputError("none of the files can be used.")
    return Labelled(numpy.array(labels), numpy.array(predicted), rows)


def summary(about: Mapping[str, Any], labelled: Labelled, where: str) -> Iterator[str]:
    """Yield the lines that say how well a model does, and whether that differs from its test results."""
    tested, classes = about["tested"], about["classes"]
    confidence = tested["confidence"]
    before = _tested_sample(tested)
    now = Sample(labelled.labels, labelled.predicted == labelled.labels)
    yield f"{where}: {len(now.labels):,} images of {len(numpy.unique(now.labels)):,} of {len(classes):,} classes"
    in_groups = ""
    if before.groups is not None:
        in_groups = f" in {len(numpy.unique(before.groups)):,} groups, over which its interval is"
    yield (
        f"In parentheses: {100 * confidence:g} % confidence intervals over images. Tested: on {tested['images']:,} "
        f"test images{in_groups}."
    )
    yield ""
    if not tested["images"]:
        reached = _percent(*now.metric("accuracy", confidence))
        yield f"accuracy {reached}; not tested, since there were no test images"
    else:
        yield from _compared("accuracy", "accuracy", now, before, confidence)
    both = numpy.intersect1d(now.labels, before.labels)
    if len(both) > 1:
        what = "mean recall" if len(both) == len(classes) else f"mean recall of {len(both)} classes"
        yield from _compared(what, "balanced_accuracy", now.of_classes(both), before.of_classes(both), confidence)
    yield ""
    counts = confusion_counts(labelled.labels, labelled.predicted, len(classes))
    yield from _recalls(counts, now, tested, classes, confidence)
    yield ""
    yield from _confusion(counts, classes)


def _tested_sample(tested: Mapping[str, Any]) -> Sample:
    """Return the answers about the test images, from the key `tested` of `model.json`."""
    if "groups" in tested:
        return Sample.of_counts(*numpy.array(tested["groups"], dtype=numpy.int64).T)
    images, correct = (numpy.array([one[key] for one in tested["classes"]]) for key in ("images", "correct"))
    return Sample.of_counts(numpy.arange(len(images)), images, correct)


def _compared(what: str, metric: str, now: Sample, before: Sample, confidence: float) -> Iterator[str]:
    here, there = now.metric(metric, confidence), before.metric(metric, confidence)
    difference, low, high = difference_of_samples(now, before, confidence, metric)
    verdict = "it differs beyond doubt" if low > 0 or high < 0 else "a difference is not shown"
    yield f"{what} {_percent(*here)}, tested {_percent(*there)}"
    yield f"  difference {difference:+.1f} points ({low:+.1f} to {high:+.1f}): {verdict}"


def _percent(value: float, low: float, high: float) -> str:
    return "-" if numpy.isnan(value) else f"{value:.1f} % ({low:.1f} to {high:.1f})"


def _recalls(
    counts: numpy.ndarray, now: Sample, tested: Mapping[str, Any], classes: Sequence[str], confidence: float
) -> Iterator[str]:
    recall, precision = recall_and_precision(counts)
    low, high = recall_intervals(now.correct[None], now.labels, len(classes), confidence)
    rows = [
        {
            "class": quoted(name),
            "images": int(counts[number].sum()),
            "recall": _percent(recall[number], low[number], high[number]),
            "tested recall": "-" if one["recall"] is None else f"{one['recall']:.1f} %",
            "precision": "-" if numpy.isnan(precision[number]) else f"{precision[number]:.1f} %",
        }
        for number, (name, one) in enumerate(zip(classes, tested["classes"], strict=True))
    ]
    yield from pandas.DataFrame(rows).to_string(index=False).splitlines()


def _confusion(counts: numpy.ndarray, classes: Sequence[str]) -> Iterator[str]:
    if len(classes) <= MOST_COLUMNS:
        names = [quoted(name) for name in classes]
        yield "Confusion matrix: images by true class (row) and predicted class (column)"
        yield from pandas.DataFrame(counts, index=names, columns=names).to_string().splitlines()
        return
    wrong = counts * (1 - numpy.eye(len(classes), dtype=counts.dtype))
    pairs = sorted(numpy.argwhere(wrong).tolist(), key=lambda pair: -wrong[pair[0], pair[1]])
    yield f"Most frequent confusions, {len(pairs):,} pairs in all" if pairs else "No image was confused"
    for true, predicted in pairs[:MOST_CONFUSIONS]:
        yield f"  {wrong[true, predicted]:,} {quoted(classes[true])} predicted as {quoted(classes[predicted])}"
