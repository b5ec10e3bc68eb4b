"""Make pretrained weights where none can be downloaded: train the network on another data set."""

from dataclasses import asdict
from pathlib import Path

import pandas
import torch

from triptych.data.dataset import load_split
from triptych.models.networks import build_network, network_metadata, state_arrays
from triptych.models.normalisation import normalisation_of
from triptych.results.run_files import HISTORY_COLUMNS
from triptych.results.schema import WEIGHTS_HISTORY
from triptych.results.tables import save_table
from triptych.storage.tensors import save_tensors
from triptych.training.allocator import keep_freed_memory
from triptych.training.arithmetic import Arithmetic, check_precision
from triptych.training.batches import InputTransform
from triptych.training.checkpoints import Checkpoints, run_key
from triptych.training.device import choose_device, device_name, make_deterministic
from triptych.training.loop import Recipe, fit
from triptych.training.regime import Trainable


def pretrain_weights(  # noqa: PLR0913
    *,
    architecture: str,
    input_size: int,
    normalisation: str,
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
    jobs_per_gpu: int | None = None,
    train_data: Path,
    test_data: Path,
    checkpoints: Path | None = None,
    checkpoint_minutes: float = 10.0,
    runtime: float | None = None,
    weights: Path,
    history: Path,
) -> None:
    """Train a network from random weights on a source data set and keep its weights, with its held-out accuracy.

    Args:
        architecture, input_size: the network.
        normalisation: `none`, `imagenet` or `dataset`, of the network's input.
        epochs, batch_size, learning_rate, evaluation_batch_size, seed: the recipe.
        num_threads, device, precision, channels_last, fused_optimizer, cuda_graphs, jobs_per_gpu:
            as for `train`.
        train_data, test_data: the source data set and its held-out part.
        checkpoints: a folder for what is needed to go on after a kill, gone when the job is done; none by default.
        checkpoint_minutes: the longest time between two checkpoints; there is one after each epoch in any case.
        runtime: minutes after which the job is ended, as on a cluster; checkpoints are then written often enough.
        weights: every tensor of the network, head included; the metadata names the held-out accuracy in percent.
        history: a CSV file with a row an epoch.

    Raises:
        InputError: a file is not what it should be, or the recipe cannot be followed here.
    """
    recipe = Recipe(epochs, batch_size, learning_rate, evaluation_batch_size, seed)
    make_deterministic(num_threads, precision == "tf32")
    keep_freed_memory()
    arithmetic = Arithmetic(choose_device(device, jobs_per_gpu), precision, channels_last, fused_optimizer, cuda_graphs)
    check_precision(arithmetic)
    chosen = arithmetic.device
    source, held_out = load_split(train_data), load_split(test_data)
    torch.manual_seed(seed)
    network = build_network(architecture, len(source.classes), input_size)
    scale = normalisation_of(normalisation, source.images)
    print(f"pretraining {architecture} on {device_name(chosen)} ({chosen.type}), {len(source)} images", flush=True)
    settings = {
        **asdict(recipe),
        "architecture": architecture,
        "input_size": input_size,
        "normalisation": normalisation,
        "num_threads": num_threads,
        "device": device_name(chosen),
        "precision": precision,
        "channels_last": channels_last,
        "fused_optimizer": fused_optimizer,
    }
    files = {"train": train_data, "test": test_data}
    key = run_key("training.pretrain_weights", architecture, files, settings)
    kept = Checkpoints(checkpoints, key, checkpoint_minutes, runtime)
    with kept.locked():
        outcome = fit(
            network,
            Trainable.everything(network),
            recipe,
            InputTransform(input_size, scale["mean"], scale["std"], chosen, arithmetic.memory_format),
            (source, held_out.first(0), held_out),
            arithmetic,
            checkpoints=kept,
            section="weights",
        )
        save_table(history, pandas.DataFrame(outcome.history, columns=HISTORY_COLUMNS), WEIGHTS_HISTORY)
        metadata = network_metadata(
            network, architecture=architecture, classes=source.classes, input_size=input_size, normalisation=scale
        )
        accuracy = outcome.history[-1]["test_accuracy"]
        save_tensors(weights, state_arrays(network), metadata | {"held_out_accuracy": accuracy})
        print(f"held-out accuracy {accuracy:.1f} % on {len(held_out)} images", flush=True)
        kept.remove()
