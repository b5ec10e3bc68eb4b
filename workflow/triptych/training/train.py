"""Train one arm with one seed: a run."""

import time
from dataclasses import asdict
from pathlib import Path

import pandas
import torch

from triptych.data.dataset import load_split
from triptych.models.head import head_of
from triptych.models.networks import load_network, state_arrays
from triptych.results.run_files import HISTORY_COLUMNS
from triptych.results.schema import RUN_HISTORY
from triptych.results.tables import save_table
from triptych.storage.files import read_json, write_json
from triptych.storage.tensors import save_tensors
from triptych.training.allocator import keep_freed_memory
from triptych.training.arithmetic import Arithmetic, check_precision
from triptych.training.batches import InputTransform
from triptych.training.checkpoints import Checkpoints, run_key
from triptych.training.device import choose_device, device_name, make_deterministic, peak_memory_bytes
from triptych.training.extract_features import with_features
from triptych.training.loop import Recipe, Transform, fit
from triptych.training.regime import Trainable, check_not_moved, must_not_move, read_phases


def train(  # noqa: PLR0913
    *,
    initial: Path,
    train_data: Path,
    validation_data: Path,
    test_data: Path,
    phases: str,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    evaluation_batch_size: int,
    num_threads: int,
    device: str,
    seed: int,
    precision: str = "float32",
    channels_last: bool = False,
    fused_optimizer: bool = False,
    cuda_graphs: str = "auto",
    residency: str = "auto",
    jobs_per_gpu: int | None = None,
    features: Path | None = None,
    features_cost: Path | None = None,
    train_images: int | None = None,
    keep: str = "last",
    patience: int | None = None,
    checkpoints: Path | None = None,
    checkpoint_minutes: float = 10.0,
    runtime: float | None = None,
    trained: Path,
    history: Path,
    predictions: Path,
    cost: Path,
) -> None:
    """Train one network from its initial weights and record what happened.

    Args:
        initial: the network's weights before training; the file says which network it is and how its input is made.
        train_data, validation_data, test_data: images and labels. Validation may be empty.
        phases: what of the network trains, as in `triptych.training.regime.read_phases`.
        epochs, batch_size, learning_rate, evaluation_batch_size: the recipe.
        num_threads: CPU threads; part of the recipe, since another number gives other bits.
        device: `auto`, `cpu` or `cuda`.
        seed: of the order of the batches and of dropout.
        precision: of the arithmetic, as in `triptych.training.arithmetic`.
        channels_last: keep images and weights as [N, H, W, C] in memory.
        fused_optimizer: Adam's arithmetic in one kernel.
        cuda_graphs: `auto` or `never`, as in `triptych.training.arithmetic`; decides no bit of the result.
        residency: where the images lie, as in `triptych.training.residency`; decides no bit of the result.
        jobs_per_gpu: claim a GPU that fewer than so many jobs have, as in `triptych.training.gpus`; by default none is
            claimed, and the first is used. Decides no bit of the result.
        features: the head's inputs, from `extract_features`, to train on in the place of images.
        features_cost: what `extract_features` measured; its time and memory count as the run's.
        train_images: use only the first so many training images (all by default).
        keep: `last` or `best`, the epoch whose weights are the run's; best: of the highest validation accuracy, the
            earliest of equals.
        patience: stop after so many epochs without a higher validation accuracy; `epochs` is then the most.
        checkpoints: a folder for what is needed to go on after a kill, gone when the job is done; none by default.
        checkpoint_minutes: the longest time between two checkpoints; there is one after each epoch in any case.
        runtime: minutes after which the job is ended, as on a cluster; checkpoints are then written often enough.
        trained: the weights of the kept epoch, with the metadata of `initial` and, as `trained`, the names of the
            parameters that trained and of the statistics that followed the batches.
        history: a CSV file with a row an epoch, from 0 (before training); accuracies in percent; `kept` is 1 for the
            epoch that is kept, else 0.
        predictions: `test_logits` and `validation_logits` of the kept epoch, float32 [images, classes].
        cost: device, seconds, images per second, peak memory: the measured part, which differs from time to time.

    Raises:
        InputError: a file is not what it should be, or the recipe cannot be followed here.
        RuntimeError: a tensor that this arm must not move has moved.
    """
    (phase,) = read_phases(phases)
    recipe = Recipe(epochs, batch_size, learning_rate, evaluation_batch_size, seed, keep, patience)
    make_deterministic(num_threads, precision == "tf32")
    keep_freed_memory()
    arithmetic = Arithmetic(choose_device(device, jobs_per_gpu), precision, channels_last, fused_optimizer, cuda_graphs)
    check_precision(arithmetic)
    started = time.perf_counter()  # waiting for a GPU is no cost of the arm
    chosen = arithmetic.device

    network, metadata = load_network(initial)
    before = state_arrays(network)
    trainable = Trainable.of(network, metadata["head"], phase)
    splits = (load_split(train_data).first(train_images), load_split(validation_data), load_split(test_data))
    print(
        f"training {phase.trainable} of {metadata['architecture']} at {metadata['input_size']} px on "
        f"{device_name(chosen)} ({chosen.type}, {precision}), {len(splits[0])} "
        f"{'features' if features else 'images'}, seed {seed}",
        flush=True,
    )
    if features is None:
        scale = metadata["normalisation"]
        transform: Transform = InputTransform(
            metadata["input_size"], scale["mean"], scale["std"], chosen, arithmetic.memory_format
        )
        trained_part, part = network, trainable
    else:
        splits, transform = with_features(features, splits), torch.nn.Identity()
        trained_part = head_of(network, metadata["head"])
        part = Trainable.everything(trained_part)
    files = {"initial": initial, "train": train_data, "validation": validation_data, "test": test_data}
    settings = {
        **asdict(phase),
        **asdict(recipe),
        "train_images": train_images,
        "num_threads": num_threads,
        "device": device_name(chosen),
        "precision": precision,
        "channels_last": channels_last,
        "fused_optimizer": fused_optimizer,
    }
    key = run_key("training.train", metadata["architecture"], {**files, "features": features}, settings)
    kept = Checkpoints(checkpoints, key, checkpoint_minutes, runtime)
    asked = time.perf_counter()
    with kept.locked():
        started += time.perf_counter() - asked  # nor is waiting for another process
        outcome = fit(trained_part, part, recipe, transform, splits, arithmetic, residency, kept)

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
                "num_threads": num_threads,
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
        save_tensors(trained, after, metadata | {"trained": trainable.as_json()})
        kept.remove()
