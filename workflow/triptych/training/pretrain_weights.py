"""Pretrain weights on another data set, for use without a download."""

from pathlib import Path

import pandas
import torch

from triptych.data.dataset import load_splits
from triptych.data.halves import decision_half
from triptych.models.networks import build_network, network_metadata, state_arrays
from triptych.models.normalisation import normalisation_of
from triptych.results.schema import WEIGHTS_HISTORY
from triptych.results.tables import save_table
from triptych.storage.tensors import save_tensors
from triptych.training.arithmetic import prepare
from triptych.training.batches import Transforms
from triptych.training.checkpoints import Checkpoints, run_key
from triptych.training.device import device_name
from triptych.training.loop import Wording, fit
from triptych.training.recipe import PLAIN, Execution, PretrainingRecipe
from triptych.training.regime import Trainable


def pretrain_weights(  # noqa: PLR0913
    *,
    architecture: str,
    input_size: int,
    normalisation: str,
    seed: int,
    recipe: PretrainingRecipe,
    execution: Execution = PLAIN,
    train_data: Path,
    validation_data: Path,
    checkpoints: Path | None = None,
    runtime: float | None = None,
    weights: Path,
    history: Path,
) -> None:
    """Train a network from random weights on a source data set; save the weights and the held-out accuracy.

    Args:
        architecture, input_size: the network.
        normalisation: `none`, `imagenet` or `dataset`, of the network's input.
        seed: of the initial weights, the order of the batches and dropout.
        recipe: everything else that affects the result.
        execution: what affects only speed.
        train_data, validation_data: the source data set and its held-out part.
        checkpoints: the folder for checkpoints, to resume from; removed when the job is done. Optional.
        runtime: the time limit of the job in minutes, as on a cluster; it shortens the checkpoint interval.
        weights: all tensors of the network, including the head; the metadata has the held-out accuracy in percent.
        history: CSV with one row per epoch.

    Raises:
        InputError: an input file is invalid, or the recipe cannot run on this machine.
    """
    arithmetic = prepare(recipe, execution, recipe.fused_optimizer)
    chosen = arithmetic.device
    splits = load_splits(train_data, validation_data, None, None)
    source, held_out = splits[:2]
    selection = ~decision_half(held_out.images, held_out.labels) if recipe.selects_epoch else None
    torch.manual_seed(seed)
    network = build_network(architecture, len(source.classes), input_size)
    scale = normalisation_of(normalisation, source.images)
    run = f"pretraining {architecture}"
    print(
        f"{run} | pretraining {architecture} on {device_name(chosen)} ({chosen.type}), {len(source)} images", flush=True
    )
    settings = {
        **recipe.in_effect(),
        "architecture": architecture,
        "input_size": input_size,
        "normalisation": normalisation,
        "seed": seed,
        "device": device_name(chosen),
    }
    files = {"train": train_data, "validation": validation_data}
    key = run_key("training.pretrain_weights", architecture, files, settings)
    run_checkpoints = Checkpoints(checkpoints, key, execution.checkpoint_minutes, runtime)
    with run_checkpoints.locked():
        outcome = fit(
            network,
            Trainable.everything(network),
            recipe,
            seed,
            Transforms.to_input(input_size, scale, arithmetic, source.crop),
            splits,
            arithmetic,
            selection,
            run_checkpoints,
            Wording(run, section="weights"),
        )
        rows = pandas.DataFrame(outcome.history, columns=WEIGHTS_HISTORY.names)
        save_table(history, rows, WEIGHTS_HISTORY)
        metadata = network_metadata(
            network, architecture=architecture, classes=source.classes, input_size=input_size, normalisation=scale
        )
        accuracy = outcome.validation_accuracy(held_out.labels)
        save_tensors(weights, state_arrays(network), metadata | {"held_out_accuracy": accuracy})
        print(f"{run} | held-out accuracy {accuracy:.1f} % on {len(held_out)} images", flush=True)
        run_checkpoints.remove()
