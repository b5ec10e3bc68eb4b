"""What is predicted for each image: all predictions, the mistakes and suspected labels by name, and the calibration."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy
import pandas

from triptych.analysis.calibration import ERROR_DECIMALS, Measured, calibration_of, measure
from triptych.analysis.intervals import wilson_interval
from triptych.analysis.label_errors import ranked_labels
from triptych.analysis.options import parsed_json
from triptych.analysis.runs import Truth, read_logits, read_truth, read_truths, run_folder
from triptych.data.dataset import Split, load_split
from triptych.data.folds import Folds, load_folds, of_fold
from triptych.data.halves import decision_half
from triptych.results import schema
from triptych.results.decision import read_decision
from triptych.results.mistakes import DECIMALS, mistakes_of, softmax
from triptych.results.run_names import fold_cells, run_name
from triptych.results.schema import AFTER_DECISION, EVERY_EPOCH, MODES, Mode
from triptych.results.tables import read_table, save_table
from triptych.storage.errors import InputError


@dataclass(frozen=True)
class Named:
    """A split with the names of its images [images]."""

    truth: Truth
    names: numpy.ndarray


def collect_predictions(  # noqa: PLR0913
    *,
    experiment_folder: Path,
    runs: str,
    arms: str,
    comparison: str,
    mode: str,
    folds: Path | None = None,
    decision: Path,
    predictions: Path,
    mistakes: Path,
    suspected_labels: Path,
    calibration: Path,
    reliability: Path,
) -> None:
    """Write what every run predicts for each validation and test image, and what follows for single images.

    That is: the mistakes, and the labels that are suspected to be wrong, of the chosen arm; and how well the chosen
    run's probabilities are calibrated on test images.

    Probabilities are from 0 to 1, with `DECIMALS` decimals. Mistakes are of test images, or of validation images where
    no test image was evaluated; of the chosen arm, or of every arm where none is chosen.

    Args:
        experiment_folder: holds `data/` and `runs/`. Test logits are in `runs/*/test.safetensors` in the mode
            after_decision, and in `runs/*/predictions.safetensors` in every_epoch.
        runs: JSON, pairs of an arm and the seeds of its runs, at least one; rows are in their order.
        arms: JSON, the arms of `triptych.configuration.effective.resolved_arms`.
        comparison: JSON, with `confidence`.
        mode: when test images are evaluated: after_decision or every_epoch; unopened, if they were not; or no_test, if
            there are none.
        folds: of the training images (`triptych.data.folds`); each seed has a run for each of them, with predictions of
            the images that it holds out (out_of_fold).
        decision: from `decide`.
        predictions, mistakes, suspected_labels, calibration, reliability: the tables to write.

    Raises:
        InputError: a file is missing or broken, or does not fit another one.
    """
    seeds: dict[str, list[int]] = dict(parsed_json("runs", runs))
    known = next((one for one in MODES if one == mode), None)
    if known is None:
        raise InputError(f"mode: expected one of {', '.join(MODES)}, found {mode!r}.")
    dealt = None if folds is None else load_folds(folds)
    splits = named_splits(experiment_folder, known, dealt)
    numbers: list[int | None] = [None] if dealt is None else list(dealt.numbers)
    read = {
        arm: [
            read_predictions(experiment_folder, arm, seed, fold, splits, known, dealt)
            for seed, fold in product(own, numbers)
        ]
        for arm, own in seeds.items()
    }
    chosen = read_decision(decision)["chosen"]
    model = None if chosen is None else chosen_run(read[chosen["arm"]], chosen)
    of_arms = [chosen["arm"]] if chosen else list(seeds)
    split = list(splits)[-1]
    of_model = None if model is None else model.of_split(split, splits[split], dealt)
    wrong = [
        row
        for arm in of_arms
        for row in mistake_rows(arm, whole_logits(read[arm], split, dealt), splits[split], of_model)
    ]
    labels: Iterable[dict[str, object]] = ()
    if chosen and "validation" in splits:
        logits_of_runs = whole_logits(read[chosen["arm"]], "validation", dealt)
        labels = label_rows(chosen["arm"], logits_of_runs, splits["validation"])
    measured: list[Measured] = []
    confidence = float(parsed_json("comparison", comparison)["confidence"])
    if model is not None and "test" in splits:
        recipe = next(arm["training"] for arm in parsed_json("arms", arms) if arm["name"] == model.arm)
        predictions_file, images_of_model, decides = calibrating(experiment_folder, model, dealt)
        fitted = calibration_of([predictions_file], images_of_model, recipe, decides)
        logits, test = model.predictions["test"]
        measured = measure(logits, test.truth.labels, fitted.temperature, confidence)
    every = [
        predictions_of(logits, one)
        | {"arm": run.arm, "run": run.seed, **fold_cells(run.fold), "split": one.truth.split}
        for own in read.values()
        for run in own
        for logits, one in run.predictions.values()
    ]
    table = pandas.concat([pandas.DataFrame(one) for one in every], ignore_index=True)
    save_table(predictions, table, schema.PREDICTIONS.in_mode(known, folds is not None))
    save_rows(mistakes, wrong, schema.MISTAKES)
    save_rows(suspected_labels, labels, schema.SUSPECTED_LABELS)
    save_rows(calibration, (error_row(one, model) for one in measured if model is not None), schema.CALIBRATION)
    save_rows(reliability, (row for one in measured for row in bin_rows(one, confidence)), schema.RELIABILITY)
    images = splits[split].truth.split.replace("_", "-")
    print(
        f"{len(table):,} predictions; {len(wrong):,} misclassified {images} images of {', '.join(of_arms)}", flush=True
    )


@dataclass(frozen=True)
class Predictions:
    """What a run predicts: by split the logits, [images, classes], and the images."""

    arm: str
    seed: int
    fold: int | None
    predictions: dict[str, tuple[numpy.ndarray, Named]]

    def of_split(self, split: str, images: Named, folds: Folds | None) -> numpy.ndarray:
        """Return the probabilities of all images of a split, [images, classes]; NaN for those that it trained on."""
        logits = self.predictions[split][0]
        if folds is None or self.fold is None or split == "test":
            return softmax(logits)
        found = numpy.full((len(images.truth.labels), logits.shape[1]), numpy.nan)
        found[folds.held_out(self.fold)] = softmax(logits)
        return found


def read_predictions(
    experiment_folder: Path,
    arm: str,
    seed: int,
    fold: int | None,
    splits: Mapping[str, Named],
    mode: Mode,
    folds: Folds | None,
) -> Predictions:
    """Read the logits of a run; with folds those of validation are of the images that it holds out.

    Raises:
        InputError: as `read_logits`.
    """
    folder, found = run_folder(experiment_folder, arm, seed, fold), {}
    for split, one in splits.items():
        own, held_out = one, None if folds is None or fold is None or split == "test" else folds.held_out(fold)
        if held_out is not None:
            own = Named(replace(one.truth, labels=one.truth.labels[held_out]), one.names[held_out])
        truth = replace(own.truth, split=split)
        found[split] = (read_logits(logits_file(folder, split, mode), truth), own)
    return Predictions(arm, seed, fold, found)


def whole_logits(runs: Sequence[Predictions], split: str, folds: Folds | None) -> list[numpy.ndarray]:
    """Return the logits of all images of a split, [images, classes], of each run; out of fold of each repeat."""
    if folds is None or split == "test":
        return [run.predictions[split][0] for run in runs]
    by_seed: dict[int, dict[int, numpy.ndarray]] = defaultdict(dict)
    for run in runs:
        by_seed[run.seed][run.fold or 0] = run.predictions[split][0]
    return [folds.put_together(own, repeat) for own in by_seed.values() for repeat in range(folds.repeats)]


def named_splits(experiment_folder: Path, mode: Mode, folds: Folds | None = None) -> dict[str, Named]:
    """Return the splits with predictions, test last, with the names of `data/index.csv`.

    With folds that of validation has the training images, and is called out_of_fold in tables.

    Raises:
        InputError: a file is missing or broken, or the index has other images than a split.
    """
    truths = read_truths(experiment_folder, mode, folds)
    if mode == AFTER_DECISION:
        truths["test"] = read_truth(experiment_folder / "data" / "test.safetensors")
    path = experiment_folder / schema.INDEX.file
    index = read_table(path, schema.INDEX, ["split", "row", "name"])
    named = {}
    for split, truth in truths.items():
        of_folds = folds is not None and split == "validation"
        listed = "train" if of_folds else split
        own = index[index["split"] == listed].sort_values("row")
        if own["row"].tolist() != list(range(len(truth.labels))):
            raise InputError(f"{path}: expected the {len(truth.labels)} {listed} images of the data, found {len(own)}.")
        called = replace(truth, split=schema.OUT_OF_FOLD) if of_folds else truth
        named[split] = Named(called, own["name"].to_numpy(dtype=object))
    return named


def logits_file(folder: Path, split: str, mode: Mode) -> Path:
    """Return the file in a run's folder with the logits of a split."""
    return folder / ("predictions.safetensors" if split != "test" or mode == EVERY_EPOCH else "test.safetensors")


def predictions_of(logits: numpy.ndarray, split: Named) -> dict[str, object]:
    """Return the columns path, class, predicted and probability of one run."""
    classes = numpy.array(split.truth.classes, dtype=object)
    probability = softmax(logits).max(axis=1)
    return {
        "path": split.names,
        "class": classes[split.truth.labels],
        "predicted": classes[logits.argmax(axis=1)],
        "probability": probability.round(DECIMALS),
    }


def chosen_run(runs: Iterable[Predictions], chosen: Mapping[str, Any]) -> Predictions | None:
    """Return the run of an arm that the decision chose; None if it is not among them."""
    return next((run for run in runs if (run.seed, run.fold) == (chosen["seed"], chosen.get("fold"))), None)


def calibrating(
    experiment_folder: Path, run: Predictions, folds: Folds | None
) -> tuple[Path, Split, numpy.ndarray | None]:
    """Return what calibrates a run: its predictions, the images that they are of, and which of these decide."""
    data, folder = experiment_folder / "data", run_folder(experiment_folder, run.arm, run.seed, run.fold)
    predictions = folder / "predictions.safetensors"
    if folds is None or run.fold is None:
        return predictions, load_split(data / "validation.safetensors"), None
    train, held_out = load_split(data / "train.safetensors"), folds.held_out(run.fold)
    return predictions, of_fold(train, held_out)[1], decision_half(train.images, train.labels)[held_out]


def save_rows(path: Path, rows: Iterable[dict[str, object]], table: schema.Table) -> None:
    """Write a table that may have no rows."""
    save_table(path, pandas.DataFrame(list(rows), columns=table.names), table)


def mistake_rows(
    arm: str, logits: list[numpy.ndarray], split: Named, model: numpy.ndarray | None = None
) -> Iterator[dict[str, object]]:
    """Yield the rows of `MISTAKES` of one arm, the most confident first.

    Args:
        logits: of each of its runs, [images, classes].
        model: the probabilities of the chosen run, [images, classes]; NaN where it has none.
    """
    truth = split.truth
    for mistake in mistakes_of(numpy.stack([softmax(run) for run in logits]), truth.labels):
        label, predicted, probability = truth.labels[mistake.row], "", None
        if model is not None and numpy.isfinite(model[mistake.row]).all():
            likeliest = model[mistake.row].argmax()
            if likeliest != label:
                predicted = truth.classes[likeliest]
                probability = round(float(model[mistake.row, likeliest]), DECIMALS)
        yield {
            "path": split.names[mistake.row],
            "class": truth.classes[label],
            "predicted": truth.classes[mistake.predicted],
            "probability": round(mistake.probability, DECIMALS),
            "runs": mistake.runs,
            "arm": arm,
            "split": truth.split,
            "row": mistake.row,
            "model_predicted": predicted,
            "model_probability": probability,
        }


def label_rows(arm: str, logits: list[numpy.ndarray], split: Named) -> Iterator[dict[str, object]]:
    """Yield the rows of `SUSPECTED_LABELS`, by the mean of the probabilities of an arm's networks.

    Args:
        logits: of networks that did not train on the images, [images, classes] each.
    """
    truth = split.truth
    if len(truth.classes) < 2:
        return
    mean = numpy.mean([softmax(run) for run in logits], axis=0)
    for rank, doubt in enumerate(ranked_labels(mean, truth.labels), 1):
        yield {
            "rank": rank,
            "path": split.names[doubt.row],
            "class": truth.classes[truth.labels[doubt.row]],
            "suspected": int(doubt.suspected),
            "other_class": truth.classes[doubt.other],
            "probability_of_class": round(doubt.probability_of_label, DECIMALS),
            "probability_of_other": round(doubt.probability_of_other, DECIMALS),
            "networks": len(logits),
            "arm": arm,
            "split": truth.split,
            "row": doubt.row,
        }


def error_row(measured: Measured, run: Predictions) -> dict[str, object]:
    """Return the row of `CALIBRATION` of one kind of probabilities of a run."""
    bins, error = measured.bins, measured.error
    images = int(bins.images.sum())
    shares = {
        "accuracy": bins.correct.sum() / images,
        "probability": (bins.probability * bins.images).sum() / images,
        "error": error.counted,
        **{name: getattr(error, name) for name in ("by_chance", "corrected", "low", "high")},
    }
    return {
        "probabilities": measured.probabilities,
        "temperature": measured.temperature,
        "images": images,
        "bins": len(bins.images),
        **{name: in_percent(share) for name, share in shares.items()},
        "arm": run.arm,
        "run": run_name(run.seed, run.fold),
    }


def bin_rows(measured: Measured, confidence: float) -> Iterator[dict[str, object]]:
    """Yield the rows of `RELIABILITY` of one kind of probabilities."""
    bins = measured.bins
    for number, (images, correct) in enumerate(zip(bins.images.tolist(), bins.correct.tolist(), strict=True)):
        low, high = wilson_interval(correct, images, confidence)
        yield {
            "probabilities": measured.probabilities,
            "bin": number + 1,
            "images": images,
            "probability": in_percent(bins.probability[number]),
            "accuracy": in_percent(correct / images),
            "low": in_percent(low),
            "high": in_percent(high),
        }


def in_percent(share: float) -> float:
    """Return a share from 0 to 1 in percent, rounded."""
    return round(100 * float(share), ERROR_DECIMALS)
