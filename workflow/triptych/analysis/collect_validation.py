"""Every table of an experiment that needs no test result, and whether each run has each image that decides right."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy
import pandas

from triptych.analysis.balanced_accuracy import balanced_accuracy
from triptych.analysis.convergence import Curves, convergence_table, loss_and_accuracy_table
from triptych.analysis.costs import computed_cost_table, cost_savings_table, shares_of_peak
from triptych.analysis.groups import of_images, read_groups
from triptych.analysis.median_change import median_change_table
from triptych.analysis.options import parsed_json, parsed_mode
from triptych.analysis.runs import Run, Truth, of_fold, read_run, read_truths
from triptych.analysis.training_length import training_length_table
from triptych.data.folds import Folds, load_folds
from triptych.data.halves import decision_half, selects_epoch
from triptych.results import schema
from triptych.results.by_seed import by_seed
from triptych.results.run_files import COST_KEYS
from triptych.results.schema import OUT_OF_FOLD
from triptych.results.tables import cell, read_table, save_table
from triptych.storage.errors import InputError
from triptych.storage.files import read_json
from triptych.storage.tensors import map_tensor, save_tensors

MODEL_KEYS = [name for name in schema.MODELS.names if name != "file_bytes"]
"""Of totals.json."""

Arm = dict[str, Any]


def collect_validation(
    *,
    experiment_folder: Path,
    arms: str,
    runs: str,
    comparison: str,
    mode: str,
    folds: Path | None = None,
    index: Path | None = None,
    tables: Path,
    correct: Path,
) -> None:
    """Write the tables of an experiment's runs before the decision, from its data, models and runs.

    Accuracies are in percent. Rows are in the order of the configuration's arms, then of its seeds, then of epochs or
    tensors. Where runs are missing, arms may have different seeds.

    The images that decide are the validation images; half of them (`decision_half`), if the other half chose the epochs
    of any arm. Without validation images they are the test images, which are read in the mode every_epoch alone. With
    folds they are the training images, each as the networks predict it that were not trained on it (out of fold).

    Args:
        experiment_folder: holds `data/`, `models/` and `runs/`.
        arms: JSON, the arms of `triptych.configuration.effective.resolved_arms`.
        runs: JSON, the seeds of each arm by its name; at least one.
        comparison: JSON, with `equivalence_margin` and `confidence`.
        mode: when test images are evaluated: after_decision or every_epoch.
        folds: of the training images (`triptych.data.folds`); each seed has a run for each of them.
        index: the table `index` of `prepare_dataset`, for the groups of the images that decide. Optional.
        tables: the folder to write `NAME.csv` into.
        correct: the file to write: `correct` uint8 [runs, images], 1 where a run has an image that decides right;
            `labels` int64 [images]; in its metadata `runs` as pairs of arm and seed, `classes`, and `images`, the split
            that decides. Where images have groups, `groups` int64 [images]. With folds a row is a repeat of a seed,
            `runs` are arm, seed and repeat, `folds` is the number of parts, and `images` is out_of_fold.

    Raises:
        InputError: a file is missing or broken, or does not fit the configuration or another file.
    """
    arm_list: list[Arm] = parsed_json("arms", arms)
    seeds: dict[str, list[int]] = parsed_json("runs", runs)
    settings = parsed_json("comparison", comparison)
    margin, confidence = float(settings["equivalence_margin"]), float(settings["confidence"])
    known = parsed_mode(mode)
    dealt = None if folds is None else load_folds(folds)
    truths = read_truths(experiment_folder, known, dealt)
    train_images = read_train_images(experiment_folder / "data" / "sizes.csv", truths, dealt)
    decides, deciding = images_that_decide(experiment_folder, truths, arm_list, dealt)
    read = {
        arm["name"]: [
            read_run(
                experiment_folder,
                arm,
                seed,
                {split: of_fold(truth, dealt, fold) for split, truth in truths.items()},
                known,
                fold,
            )
            for seed in seeds[arm["name"]]
            for fold in (dealt.numbers if dealt else [None])
        ]
        for arm in arm_list
    }  # each file once: everything below works on these
    every = [run for own in read.values() for run in own]
    named = "out-of-fold" if dealt else decides
    print(f"{len(every)} runs of {len(arm_list)} arms; {deciding.sum()} {named} images decide", flush=True)

    written = {
        "arms": arms_table(arm_list, train_images),
        "history": history_table(arm_list, read, known),
        "runs": runs_table(
            arm_list, read, truths.get("validation"), deciding if decides == "validation" else None, dealt
        ),
        "weight_delta": _stacked(read, lambda run: run.weight_delta),
        "kernel_change": _stacked(read, lambda run: run.kernel_change),
        "layers": layers_table(experiment_folder, arm_list),
        "models": models_table(experiment_folder, arm_list, read),
        "memory": memory_table(experiment_folder, arm_list),
        "cost": cost_table(read),
    }
    shown = truths[schema.curve_split(known)]
    curves = Curves(shown.split, len(shown.labels), len(shown.classes))
    evaluated = sum(len(truth.labels) for truth in truths.values()) if dealt is None else held_out_images(dealt)
    written["computed_cost"] = computed_cost_table(written, evaluated, len(shown.classes))
    written["cost_savings"] = cost_savings_table(written)
    of_seeds = {name: by_seed(table, schema.TABLES[name]) for name, table in written.items()}
    written["median_change"] = median_change_table(of_seeds)
    written["convergence"] = convergence_table(of_seeds, curves, margin)
    written["loss_and_accuracy"] = loss_and_accuracy_table(of_seeds, curves, margin)
    validation_images = len(truths["validation"].labels) if "validation" in truths else 0
    written["training_length"] = training_length_table(of_seeds, validation_images, margin, confidence)
    written["cost"]["of_peak"] = shares_of_peak(written["cost"], written)
    for name, table in written.items():
        save_table(tables / f"{name}.csv", table, schema.TABLES[name].in_mode(known, dealt is not None))
    truth = truths[decides]
    if dealt is None:
        of_rows = [[run.arm, run.seed] for run in every]
        rows = [run.answers[decides].correct for run in every]
        metadata: dict[str, Any] = {"images": decides}
    else:
        of_rows, rows = out_of_fold(every, dealt)
        metadata = {"images": OUT_OF_FOLD, "folds": dealt.count}
    tensors = {"correct": numpy.stack(rows)[:, deciding].astype(numpy.uint8), "labels": truth.labels[deciding]}
    groups = of_images(read_groups(index, "train" if dealt else decides, len(truth.labels)), deciding)
    save_tensors(
        correct,
        tensors if groups is None else tensors | {"groups": groups},
        {"runs": of_rows, "classes": truth.classes, **metadata},
    )
    columns = ["arm", "seed", "kept_epoch", "fit_accuracy", "validation_accuracy"]
    print(of_seeds["runs"][columns].to_string(index=False), flush=True)


def out_of_fold(runs: Sequence[Run], folds: Folds) -> tuple[list[list[Any]], list[numpy.ndarray]]:
    """Return the arm, seed and repeat of each row, and which training images are right out of fold: bool [images]."""
    by_arm_and_seed: dict[tuple[str, int], dict[int, numpy.ndarray]] = {}
    for run in runs:
        by_arm_and_seed.setdefault((run.arm, run.seed), {})[run.fold or 0] = run.answers["validation"].correct
    repeats = range(folds.repeats)
    named = [[arm, seed, repeat] for arm, seed in by_arm_and_seed for repeat in repeats]
    return named, [folds.put_together(own, repeat) for own in by_arm_and_seed.values() for repeat in repeats]


def held_out_images(folds: Folds) -> int:
    """Return how many images a fold holds out, on average over its repeat."""
    return round(int(folds.parts.shape[1]) / folds.count)


def images_that_decide(
    experiment_folder: Path, truths: dict[str, Truth], arms: list[Arm], folds: Folds | None = None
) -> tuple[str, numpy.ndarray]:
    """Return the split whose images decide, and which of them do: bool [images].

    With folds that split is called validation, too: each training image is one in some fold.

    Raises:
        InputError: no validation image is left.
    """
    if "validation" not in truths:
        return "test", numpy.ones(len(truths["test"].labels), bool)
    truth = truths["validation"]
    if not any(selects_epoch(arm["training"]["keep"], arm["training"]["patience"]) for arm in arms):
        return "validation", numpy.ones(len(truth.labels), bool)
    path = experiment_folder / "data" / f"{'train' if folds else 'validation'}.safetensors"
    deciding = decision_half(map_tensor(path, "images"), truth.labels)
    if not deciding.any():
        raise InputError(
            f"{path}: {len(truth.labels)} validation images are too few: half of them choose epochs, and none is "
            "left to choose an arm"
        )
    return "validation", deciding


def read_train_images(path: Path, truths: dict[str, Truth], folds: Folds | None = None) -> int:
    """The number of images that a run trains on, from `data/sizes.csv`; with folds on average over those of a repeat.

    Raises:
        InputError: the file is missing, or counts other images than there are.
    """
    sizes = read_table(path, schema.SIZES)
    images = sizes.groupby("split")["images"].sum()
    for split, truth in truths.items():
        counted = "train" if folds else split
        found = images.get(counted, 0)
        if found != len(truth.labels):
            raise InputError(f"{path}: expected {len(truth.labels)} {counted} images as in the data, found {found}")
    return int(images.get("train", 0)) - (0 if folds is None else held_out_images(folds))


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


def history_table(arms: list[Arm], runs: dict[str, list[Run]], mode: schema.Mode) -> pandas.DataFrame:
    """Losses and accuracies of every run and epoch."""
    columns = [name for name in schema.RUN_HISTORY.in_mode(mode).names if not name.startswith("fit_")]
    table = _stacked(runs, lambda run: run.history[columns])
    labels = {arm["name"]: arm["label"] for arm in arms}
    table.insert(1, "label", table["arm"].map(labels))
    if schema.FOLD.name in table:
        every = [run for own in runs.values() for run in own]
        counts = [len(run.answers["validation"].correct) for run in every]
        table[schema.VALIDATED.name] = numpy.repeat(counts, [len(run.history) for run in every])
    return table


def runs_table(
    arms: list[Arm],
    runs: dict[str, list[Run]],
    truth: Truth | None,
    deciding: numpy.ndarray | None,
    folds: Folds | None = None,
) -> pandas.DataFrame:
    """Every run as it was after the epoch that is kept.

    Args:
        truth: of the validation images, if there are any.
        deciding: those that decide; None if test images do.
        folds: of the training images, which are the validation images then.
    """
    rows = []
    for arm in arms:
        for run in runs[arm["name"]]:
            validation, balanced = None, numpy.nan
            if truth is not None and deciding is not None:
                own = slice(None) if folds is None or run.fold is None else folds.held_out(run.fold)
                labels = truth.labels[own][deciding[own]]
                if len(labels):
                    validation = run.answers["validation"].of(deciding[own])
                    balanced = balanced_accuracy(validation.correct, labels)
            rows.append(
                {
                    "arm": run.arm,
                    "label": arm["label"],
                    **run.names,
                    "epochs": arm["training"]["epochs"],
                    "epochs_run": run.epochs_run,
                    "kept_epoch": run.kept_epoch,
                    "trainable_parameters": run.trainable_parameters,
                    "total_parameters": run.total_parameters,
                    **{
                        f"{split}_{what}": run.kept(f"{split}_{what}")
                        for split in ("train", "fit")
                        for what in ("loss", "accuracy")
                    },
                    "validation_loss": numpy.nan if validation is None else validation.loss,
                    "validation_accuracy": numpy.nan if validation is None else validation.accuracy,
                    "validation_balanced_accuracy": balanced,
                }
            )
            if folds is not None:
                rows[-1][schema.VALIDATED.name] = 0 if validation is None else len(validation.correct)
    return pandas.DataFrame(rows)


def cost_table(runs: dict[str, list[Run]]) -> pandas.DataFrame:
    """What every run took: the measured table."""
    rows = [{**run.names, **{key: run.cost[key] for key in COST_KEYS}} for own in runs.values() for run in own]
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


def _models(arms: list[Arm]) -> dict[tuple[str, int], Arm]:
    """Each architecture and input size in use, with the first arm that uses it."""
    models: dict[tuple[str, int], Arm] = {}
    for arm in arms:
        models.setdefault((arm["model"]["architecture"], arm["model"]["input_size"]), arm)
    return models


def _model_folder(experiment_folder: Path, architecture: str, input_size: int) -> Path:
    return experiment_folder / "models" / f"{architecture}_{input_size}"


def _stacked(runs: dict[str, list[Run]], part: Callable[[Run], pandas.DataFrame]) -> pandas.DataFrame:
    """The rows that `part` picks of each run, under each other, with what names the run before them."""
    parts = [(run.names, part(run)) for own in runs.values() for run in own]
    table = pandas.concat([rows for _, rows in parts], ignore_index=True)
    lengths = [len(rows) for _, rows in parts]
    for position, name in enumerate(parts[0][0]):
        values = [names[name] for names, _ in parts]
        cells = numpy.array(values, dtype=object) if name == "arm" else values
        table.insert(position, name, numpy.repeat(cells, lengths))
    return table
