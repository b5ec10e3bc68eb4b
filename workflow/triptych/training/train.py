"""Train one run: one arm with one seed."""

import json
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import numpy
import pandas
import torch

from triptych.data.dataset import Split, load_splits
from triptych.data.folds import load_folds, of_fold
from triptych.data.halves import decision_half
from triptych.models.head import head_of
from triptych.models.initialise_model import run_metadata, starting_network
from triptych.models.networks import state_arrays
from triptych.results.run_names import fold_cells, run_in_words, run_name
from triptych.results.schema import AFTER_DECISION, EVERY_EPOCH, RUN_HISTORY
from triptych.results.tables import save_table
from triptych.storage.errors import InputError
from triptych.storage.files import append_line, read_json, write_json
from triptych.storage.tensors import save_tensors
from triptych.training.arithmetic import prepare
from triptych.training.batches import Transforms
from triptych.training.checkpoints import Checkpoints, run_key
from triptych.training.device import device_name, peak_memory_bytes
from triptych.training.extract_features import with_features
from triptych.training.loop import Wording, fit
from triptych.training.recipe import PLAIN, Execution, Recipe
from triptych.training.regime import Trainable, assert_unchanged, frozen_tensors, read_phases


def train(  # noqa: PLR0913
    *,
    arm: str = "training",
    architecture: str,
    input_size: int,
    normalisation: str,
    pretrained: Path | None = None,
    train_data: Path,
    validation_data: Path,
    test_data: Path | None = None,
    folds: Path | None = None,
    phases: str,
    seed: int,
    fold: int | None = None,
    recipe: Recipe,
    execution: Execution = PLAIN,
    features: Path | None = None,
    features_cost: Path | None = None,
    checkpoints: Path | None = None,
    runtime: float | None = None,
    openings: Path | None = None,
    trained: Path,
    history: Path,
    predictions: Path,
    cost: Path,
) -> None:
    """Train a network from its initial weights; save the weights, history, predictions and cost.

    Args:
        arm: the name of the arm, for messages: each printed line begins with it and the seed.
        architecture: a torchvision architecture.
        input_size: height and width of the network's input in pixels.
        normalisation: `none`; `imagenet`, the normalisation of torchvision's weights, else that of ImageNet; or
            `dataset`, the mean and standard deviation of the training images that are used.
        pretrained: weights of the same architecture for any classes; without it, random weights.
        train_data, validation_data: images and labels. Validation may be empty. If the recipe selects an epoch, half of
            the validation images do so (`triptych.data.halves`): with folds, half of all training images, where a fold
            holds them out.
        test_data: images and labels, to evaluate after every epoch; without it, no test image is read.
        folds: the folds of the training images (`triptych.data.folds`), with `fold`. The images that this fold holds
            out are the validation images, and the network is trained on the others; `validation_data` is empty then.
        phases: which tensors are trainable, as in `triptych.training.regime.read_phases`.
        seed: of the initial weights (all without `pretrained`, else the head), the order of the batches and dropout.
        fold: the number of a fold.
        recipe: everything else that affects the result.
        execution: what affects only speed.
        features: the inputs of the head, from `extract_features`, to train on instead of images.
        features_cost: the measurements of `extract_features`, whose time and memory count as those of the run.
        checkpoints: the folder for checkpoints, to resume from; removed when the job is done. Optional.
        runtime: the time limit of the job in minutes, as on a cluster; it shortens the checkpoint interval.
        openings: the log of openings, to which a line is appended before test images are read. Optional.
        trained: the weights of the kept epoch. The metadata describes the network, and in `run` (`run_metadata`) the
            initial weights, the recipe, and the names of the trainable parameters and statistics.
        history: CSV with one row per epoch, from 0 (before training); accuracies in percent; `kept` is 1 for the kept
            epoch, else 0. Without `test_data` it has no columns of it.
        predictions: `validation_logits` and, with `test_data`, `test_logits` of the kept epoch, float32 [images,
            classes].
        cost: the measurements: device, seconds, images per second, peak memory. They differ between executions.

    Raises:
        InputError: an input file is invalid, or the recipe cannot run on this machine.
        RuntimeError: training changed a frozen tensor.
    """
    (phase,) = read_phases(phases)
    arithmetic = prepare(recipe, execution, recipe.fused_optimizer)
    started = time.perf_counter()  # waiting for a GPU is not part of the cost
    chosen = arithmetic.device

    if test_data and openings:
        which = {"seed": seed} | ({} if fold is None else {"fold": fold})
        record = {"arm": arm, **which, "test": EVERY_EPOCH, "time": datetime.now(UTC).isoformat()}
        append_line(openings, json.dumps(record, sort_keys=True))
    loaded = load_splits(train_data, validation_data, test_data, recipe.train_images)
    held_out = held_out_of(folds, fold, loaded, validation_data)
    splits = with_fold(loaded, held_out)
    selection = selecting(loaded, held_out) if recipe.selects_epoch else None
    # one extraction of features serves all folds, so its normalisation is that of all training images
    normalised = (loaded if features else splits)[0].images
    network, metadata = starting_network(
        architecture, input_size, normalisation, seed, splits[0].classes, normalised, pretrained
    )
    before = state_arrays(network)
    trainable = Trainable.of(network, metadata["head"], phase)
    run = f"{arm} {run_in_words(run_name(seed, fold))}"
    print(
        f"{run} | training {phase.trainable} of {architecture} at {input_size} px on {device_name(chosen)} "
        f"({chosen.type}, {recipe.precision}), {len(splits[0])} {'features' if features else 'images'}, "
        f"from {pretrained or 'random weights'}, normalisation {metadata['normalisation']}",
        flush=True,
    )
    if metadata["transform_input"]:
        print(
            f"{run} | as in torchvision, the network first reverses ImageNet's normalisation of its input "
            "(transform_input)"
        )
    if features is None:
        transforms = Transforms.to_input(input_size, metadata["normalisation"], arithmetic, splits[0].crop)
        module, trainable_here = network, trainable
    else:
        splits, transforms = with_fold(with_features(features, loaded), held_out), Transforms.of_features()
        module = head_of(network, metadata["head"])
        trainable_here = Trainable.everything(module)
    files = {"pretrained": pretrained, "train": train_data, "validation": validation_data, "test": test_data}
    settings = {
        **asdict(phase),
        **recipe.in_effect(),
        "architecture": architecture,
        "input_size": input_size,
        "normalisation": normalisation,
        "seed": seed,
        "device": device_name(chosen),
    }
    if folds:
        files, settings = {**files, "folds": folds}, {**settings, "fold": fold}
    key = run_key("training.train", architecture, {**files, "features": features}, settings)
    run_checkpoints = Checkpoints(checkpoints, key, execution.checkpoint_minutes, runtime)
    waiting_since = time.perf_counter()
    with run_checkpoints.locked():
        started += time.perf_counter() - waiting_since  # waiting for a lock is not part of the cost either
        outcome = fit(
            module,
            trainable_here,
            recipe,
            seed,
            transforms,
            splits,
            arithmetic,
            selection,
            run_checkpoints,
            Wording(run),
        )

        after = state_arrays(network)
        assert_unchanged(before, after, frozen_tensors(network, trainable))
        logits = {"validation_logits": outcome.validation_logits}
        if test_data:
            logits["test_logits"] = outcome.test_logits
        classes = len(metadata["classes"])
        save_tensors(predictions, {name: tensor.view(-1, classes).numpy() for name, tensor in logits.items()})
        table = RUN_HISTORY.in_mode(EVERY_EPOCH if test_data else AFTER_DECISION)
        save_table(history, pandas.DataFrame(outcome.history, columns=table.names), table)
        extraction = {"extraction_seconds": 0.0, "peak_memory_bytes": 0}
        if features_cost:  # the cost of an arm includes its feature extraction
            extraction = read_json(features_cost, extraction)
        write_json(
            cost,
            {
                "device": chosen.type,
                "device_name": device_name(chosen),
                "num_threads": recipe.num_threads,
                "seconds": time.perf_counter() - started + outcome.earlier_seconds,
                "training_seconds": outcome.training_seconds,
                "evaluation_seconds": outcome.evaluation_seconds,
                "features_seconds": extraction["extraction_seconds"],
                "images_per_second": outcome.images_per_second,
                "peak_memory_bytes": max(
                    peak_memory_bytes(chosen), outcome.earlier_peak_bytes, extraction["peak_memory_bytes"]
                ),
                "torch": torch.__version__,
            },
        )
        settings = {"phases": [asdict(phase)], "recipe": asdict(recipe), "trained": trainable.as_json()}
        settings |= fold_cells(fold)
        described = metadata | ({"crop": True} if splits[0].crop else {})  # as in the split: how inputs are made
        save_tensors(trained, after, run_metadata(described, before, seed, settings))
        run_checkpoints.remove()


def held_out_of(
    folds: Path | None, fold: int | None, splits: tuple[Split, Split, Split], validation_data: Path
) -> numpy.ndarray | None:
    """Return which of the training images a fold holds out, bool [images]; None without folds.

    Raises:
        InputError: only one of the two is given, the file does not fit the images, there is no such fold, or there are
            validation images as well.
    """
    if folds is None and fold is None:
        return None
    if folds is None or fold is None:
        raise InputError("--folds and --fold: give both, or neither.")
    if len(splits[1]):
        raise InputError(f"{validation_data}: expected no image, since a fold validates; found {len(splits[1])}.")
    return load_folds(folds, len(splits[0])).held_out(fold)


def with_fold(splits: tuple[Split, Split, Split], held_out: numpy.ndarray | None) -> tuple[Split, Split, Split]:
    """Return the splits; with folds the images that a fold holds out are the validation images."""
    return splits if held_out is None else (*of_fold(splits[0], held_out), splits[2])


def selecting(splits: tuple[Split, Split, Split], held_out: numpy.ndarray | None) -> numpy.ndarray:
    """Return which of a run's validation images select the epoch: bool [validation images].

    With folds the half is one of all training images: an image decides in every repeat, or in none.

    Args:
        splits: before a fold is taken out.
    """
    if held_out is None:
        return ~decision_half(splits[1].images, splits[1].labels)
    half: numpy.ndarray = ~decision_half(splits[0].images, splits[0].labels)[held_out]
    return half
