"""The tables that name images: every prediction, and the mistakes of the chosen arm."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy
import pandas

from triptych.analysis.options import parsed_json
from triptych.analysis.runs import Truth, read_logits, read_truth, read_truths, run_folder
from triptych.results import schema
from triptych.results.decision import read_decision
from triptych.results.mistakes import DECIMALS, mistakes_of, softmax
from triptych.results.schema import AFTER_DECISION, EVERY_EPOCH, MODES, Mode
from triptych.results.tables import read_table, save_table
from triptych.storage.errors import InputError


@dataclass(frozen=True)
class Named:
    """A split with the names of its images [images]."""

    truth: Truth
    names: numpy.ndarray


def collect_predictions(
    *, experiment_folder: Path, runs: str, mode: str, decision: Path, predictions: Path, mistakes: Path
) -> None:
    """Write what every run predicts for each validation and test image, and the mistakes of the chosen arm.

    Probabilities are from 0 to 1, with `DECIMALS` decimals. Mistakes are of test images, or of validation images where
    no test image was evaluated; of the chosen arm, or of every arm where none is chosen.

    Args:
        experiment_folder: holds `data/` and `runs/`. Test logits are in `runs/*/test.safetensors` in the mode
            after_decision, and in `runs/*/predictions.safetensors` in every_epoch.
        runs: JSON, pairs of an arm and the seeds of its runs, at least one; rows are in their order.
        mode: when test images are evaluated: after_decision or every_epoch; or unopened, if they were not.
        decision: from `decide`.
        predictions, mistakes: the tables to write.

    Raises:
        InputError: a file is missing or broken, or does not fit another one.
    """
    seeds: dict[str, list[int]] = dict(parsed_json("runs", runs))
    known = next((one for one in MODES if one == mode), None)
    if known is None:
        raise InputError(f"mode: expected one of {', '.join(MODES)}, found {mode!r}.")
    splits = named_splits(experiment_folder, known)
    logits = {
        arm: [
            {split: read_logits(logits_file(folder, split, known), one.truth) for split, one in splits.items()}
            for folder in (run_folder(experiment_folder, arm, seed) for seed in own)
        ]
        for arm, own in seeds.items()
    }
    chosen = read_decision(decision)["chosen"]
    of_arms = [chosen["arm"]] if chosen else list(seeds)
    split = list(splits)[-1]
    wrong = pandas.DataFrame(
        [row for arm in of_arms for row in mistake_rows(arm, [run[split] for run in logits[arm]], splits[split])],
        columns=schema.MISTAKES.names,
    )
    every = [
        predictions_of(run[split], one) | {"arm": arm, "run": seed, "split": split}
        for arm, own in seeds.items()
        for seed, run in zip(own, logits[arm], strict=True)
        for split, one in splits.items()
    ]
    table = pandas.concat([pandas.DataFrame(one) for one in every], ignore_index=True)
    save_table(predictions, table, schema.PREDICTIONS)
    save_table(mistakes, wrong, schema.MISTAKES)
    print(
        f"{len(table):,} predictions; {len(wrong):,} misclassified {split} images of {', '.join(of_arms)}", flush=True
    )


def named_splits(experiment_folder: Path, mode: Mode) -> dict[str, Named]:
    """Return the splits with predictions, test last, with the names of `data/index.csv`.

    Raises:
        InputError: a file is missing or broken, or the index has other images than a split.
    """
    truths = read_truths(experiment_folder, mode)
    if mode == AFTER_DECISION:
        truths["test"] = read_truth(experiment_folder / "data" / "test.safetensors")
    path = experiment_folder / schema.INDEX.file
    index = read_table(path, schema.INDEX, ["split", "row", "name"])
    named = {}
    for split, truth in truths.items():
        own = index[index["split"] == split].sort_values("row")
        if own["row"].tolist() != list(range(len(truth.labels))):
            raise InputError(f"{path}: expected the {len(truth.labels)} {split} images of the data, found {len(own)}.")
        named[split] = Named(truth, own["name"].to_numpy(dtype=object))
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
