"""Train one arm with one seed: a run."""

import time
from dataclasses import asdict
from pathlib import Path

import pandas
import torch

from triptych.data.dataset import load_split
from triptych.models.head import head_of
from triptych.models.initialise_model import run_metadata, starting_network
from triptych.models.networks import state_arrays
from triptych.results.run_files import HISTORY_COLUMNS
from triptych.results.schema import RUN_HISTORY
from triptych.results.tables import save_table
from triptych.storage.files import read_json, write_json
from triptych.storage.tensors import save_tensors
from triptych.training.arithmetic import prepare
from triptych.training.batches import InputTransform
from triptych.training.checkpoints import Checkpoints, run_key
from triptych.training.device import device_name, peak_memory_bytes
from triptych.training.extract_features import with_features
from triptych.training.loop import Transform, fit
from triptych.training.recipe import PLAIN, Execution, Recipe
from triptych.training.regime import Trainable, check_not_moved, must_not_move, read_phases


def train(  # noqa: PLR0913
    *,
    architecture: str,
    input_size: int,
    normalisation: str,
    pretrained: Path | None = None,
    train_data: Path,
    validation_data: Path,
    test_data: Path,
    phases: str,
    seed: int,
    recipe: Recipe,
    execution: Execution = PLAIN,
    features: Path | None = None,
    features_cost: Path | None = None,
    checkpoints: Path | None = None,
    runtime: float | None = None,
    trained: Path,
    history: Path,
    predictions: Path,
    cost: Path,
) -> None:
    """Train one network from its initial weights and record what happened.

    Args:
        architecture: of torchvision.
        input_size: height and width in pixels of the network's input.
        normalisation: `none`; `imagenet`: of torchvision's weights what they were trained with, else ImageNet's; or
            `dataset`, of the training images that are used.
        pretrained: weights of the same architecture for any classes; random weights without it.
        train_data, validation_data, test_data: images and labels. Validation may be empty.
        phases: what of the network trains, as in `triptych.training.regime.read_phases`.
        seed: of the initial weights (without `pretrained` all of them, else the head), the order of the batches and
            dropout.
        recipe: the rest of what decides the result.
        execution: what decides the speed alone.
        features: the head's inputs, from `extract_features`, to train on in the place of images.
        features_cost: what `extract_features` measured; its time and memory count as the run's.
        checkpoints: a folder for what is needed to go on after a kill, gone when the job is done; none by default.
        runtime: minutes after which the job is ended, as on a cluster; checkpoints are then written often enough.
        trained: the weights of the kept epoch; the metadata describes the network, and under `run` how it began and
            was trained (`run_metadata`), with the names of the parameters that trained and of the statistics that
            followed the batches.
        history: a CSV file with a row an epoch, from 0 (before training); accuracies in percent; `kept` is 1 for the
            epoch that is kept, else 0.
        predictions: `test_logits` and `validation_logits` of the kept epoch, float32 [images, classes].
        cost: device, seconds, images per second, peak memory: the measured part, which differs from time to time.

    Raises:
        InputError: a file is not what it should be, or the recipe cannot be followed here.
        RuntimeError: a tensor that this arm must not move has moved.
    """
    (phase,) = read_phases(phases)
    arithmetic = prepare(recipe, execution, recipe.fused_optimizer)
    started = time.perf_counter()  # waiting for a GPU is no cost of the arm
    chosen = arithmetic.device

    splits = (load_split(train_data).first(recipe.train_images), load_split(validation_data), load_split(test_data))
    network, metadata = starting_network(
        architecture, input_size, normalisation, seed, splits[0].classes, splits[0].images, pretrained
    )
    before = state_arrays(network)
    trainable = Trainable.of(network, metadata["head"], phase)
    print(
        f"training {phase.trainable} of {architecture} at {input_size} px on {device_name(chosen)} "
        f"({chosen.type}, {recipe.precision}), {len(splits[0])} {'features' if features else 'images'}, seed {seed}, "
        f"from {pretrained or 'random weights'}, normalisation {metadata['normalisation']}",
        flush=True,
    )
    if metadata["transform_input"]:
        print("as in torchvision, the network first undoes ImageNet's normalisation of its input (transform_input)")
    if features is None:
        scale = metadata["normalisation"]
        transform: Transform = InputTransform(input_size, scale["mean"], scale["std"], chosen, arithmetic.memory_format)
        trained_part, part = network, trainable
    else:
        splits, transform = with_features(features, splits), torch.nn.Identity()
        trained_part = head_of(network, metadata["head"])
        part = Trainable.everything(trained_part)
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
    key = run_key("training.train", architecture, {**files, "features": features}, settings)
    kept = Checkpoints(checkpoints, key, execution.checkpoint_minutes, runtime)
    asked = time.perf_counter()
    with kept.locked():
        started += time.perf_counter() - asked  # nor is waiting for another process
        outcome = fit(trained_part, part, recipe, seed, transform, splits, arithmetic, kept)

        after = state_arrays(network)
        check_not_moved(before, after, must_not_move(network, trainable))
        logits = {"test_logits": outcome.test_logits, "validation_logits": outcome.validation_logits}
        classes = len(metadata["classes"])
        save_tensors(predictions, {name: tensor.view(-1, classes).numpy() for name, tensor in logits.items()})
        save_table(history, pandas.DataFrame(outcome.history, columns=HISTORY_COLUMNS), RUN_HISTORY)
        extraction = {"extraction_seconds": 0.0, "peak_memory_bytes": 0}
        if features_cost:  # what the arm needed in all
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
        save_tensors(trained, after, run_metadata(metadata, before, seed, settings))
        kept.remove()
