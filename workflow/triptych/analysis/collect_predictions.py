"""The tables that name images: every prediction, and the mistakes of the chosen arm."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy
import pandas

from triptych.analysis.options import parsed_json
from triptych.analysis.runs import Truth, read_logits, read_truth, read_truths, run_folder
from triptych.data.folds import Folds, load_folds
from triptych.results import schema
from triptych.results.decision import read_decision
from triptych.results.mistakes import DECIMALS, mistakes_of, softmax
from triptych.results.run_names import fold_cells
from triptych.results.schema import AFTER_DECISION, EVERY_EPOCH, MODES, Mode
from triptych.results.tables import read_table, save_table
from triptych.storage.errors import InputError


@dataclass(frozen=True)
class Named:
    """A split with the names of its images [images]."""

    truth: Truth
    names: numpy.ndarray


def collect_predictions(
    *,
    experiment_folder: Path,
    runs: str,
    mode: str,
    folds: Path | None = None,
    decision: Path,
    predictions: Path,
    mistakes: Path,
) -> None:
    """Write what every run predicts for each validation and test image, and the mistakes of the chosen arm.

    Probabilities are from 0 to 1, with `DECIMALS` decimals. Mistakes are of test images, or of validation images where
    no test image was evaluated; of the chosen arm, or of every arm where none is chosen.

    Args:
        experiment_folder: holds `data/` and `runs/`. Test logits are in `runs/*/test.safetensors` in the mode
            after_decision, and in `runs/*/predictions.safetensors` in every_epoch.
        runs: JSON, pairs of an arm and the seeds of its runs, at least one; rows are in their order.
        mode: when test images are evaluated: after_decision or every_epoch; unopened, if they were not; or no_test, if
            there are none.
        folds: of the training images (`triptych.data.folds`); each seed has a run for each of them, with predictions of
            the images that it holds out (out_of_fold).
        decision: from `decide`.
        predictions, mistakes: the tables to write.

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
    of_arms = [chosen["arm"]] if chosen else list(seeds)
    split = list(splits)[-1]
    wrong = pandas.DataFrame(
        [row for arm in of_arms for row in mistake_rows(arm, whole_logits(read[arm], split, dealt), splits[split])],
        columns=schema.MISTAKES.names,
    )
    every = [
        predictions_of(logits, one)
        | {"arm": run.arm, "run": run.seed, **fold_cells(run.fold), "split": one.truth.split}
        for own in read.values()
        for run in own
        for logits, one in run.predictions.values()
    ]
    table = pandas.concat([pandas.DataFrame(one) for one in every], ignore_index=True)
    save_table(predictions, table, schema.PREDICTIONS.in_mode(known, folds is not None))
    save_table(mistakes, wrong, schema.MISTAKES)
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


def mistake_rows(arm: str, logits: list[numpy.ndarray], split: Named) -> Iterator[dict[str, object]]:
    """Yield the rows of `MISTAKES` of one arm, the most confident first.

    Args:
        logits: of each of its runs, [images, classes].
    """
    truth = split.truth
    for mistake in mistakes_of(numpy.stack([softmax(run) for run in logits]), truth.labels):
        yield {
            "path": split.names[mistake.row],
            "class": truth.classes[truth.labels[mistake.row]],
            "predicted": truth.classes[mistake.predicted],
            "probability": round(mistake.probability, DECIMALS),
            "runs": mistake.runs,
            "arm": arm,
            "split": truth.split,
        }
