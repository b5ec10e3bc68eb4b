"""Time training steps with and without an unused backward pass (fault 5 of the lecture's notebook)."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas
import torch
from torch.nn.functional import cross_entropy

from triptych.configuration.regime import HEAD
from triptych.data.dataset import load_split
from triptych.lecture45.schema import COST_BACKWARD
from triptych.models.networks import build_network, head_tensors
from triptych.results.tables import save_table
from triptych.storage.errors import InputError
from triptych.training.adam import Adam
from triptych.training.allocator import keep_freed_memory
from triptych.training.arithmetic import Arithmetic
from triptych.training.batches import TrainingTransform
from triptych.training.device import choose_device, device_name, make_deterministic, synchronize
from triptych.training.failures import translate_torch_errors
from triptych.training.recipe import Device, JsonOptions
from triptych.training.regime import Phase, Trainable, select_trainable, set_training_mode
from triptych.training.residency import Resident

REPEATS = 5
"""Measurements of each way. The two ways alternate, so that other load on the machine affects both alike."""

STEPS = {"cpu": 1, "cuda": 20}
"""Steps in one measurement: at least some tenths of a second. The whole timing takes less than a minute."""

PHASE = Phase(HEAD, "train")


@dataclass(frozen=True, kw_only=True)
class TimingRecipe(JsonOptions):
    """The keys of net3's recipe that affect the time of its steps; as in `Recipe`."""

    batch_size: int
    learning_rate: float
    num_threads: int
    device: Device


def time_backward(
    *,
    architecture: str,
    input_size: int,
    recipe: TimingRecipe,
    train_data: Path,
    output: Path,
) -> None:
    """Time training steps of the last layer, with gradients for the whole network (as in the notebook) and the head.

    Both ways train the same network in train mode; its optimiser updates only the head. Weights do not affect the time,
    so they are random. A GPU is shared with no other job.

    Args:
        architecture, input_size, recipe: of the arm that trains the last layer.
        train_data: images and labels; only the first batch is used.
        output: a CSV file of one row: images a second of both (medians of n measurements), `ratio` (here over the
            notebook: the median of neighbouring pairs) and the smallest and largest of these ratios.

    Raises:
        InputError: there are no training images, or the device is missing.
    """
    make_deterministic(recipe.num_threads)
    keep_freed_memory()
    chosen, batch_size = choose_device(recipe.device, jobs_per_gpu=1), recipe.batch_size
    split = load_split(train_data)
    split = split.first(min(batch_size, len(split)))
    if not len(split):
        raise InputError(f"{train_data}: no training images")
    data = Resident(split, chosen)
    transform = TrainingTransform(input_size, [0, 0, 0], [1, 1, 1], chosen)
    classes = len(split.classes)
    torch.manual_seed(0)
    network = build_network(architecture, classes, input_size).to(chosen)
    head = head_tensors(architecture, classes, input_size)
    trainable = Trainable.of(network, head, PHASE)
    optimiser = Adam(list(select_trainable(network, trainable).values()), lr=recipe.learning_rate)
    set_training_mode(network, trainable)
    steps = STEPS[chosen.type]

    def seconds(prepare: Callable[[], object]) -> float:
        prepare()
        synchronize(chosen)
        clock = time.perf_counter()
        for _ in range(steps):
            for stored, labels in data.batches(batch_size):
                step(network, optimiser, transform(stored), labels)
        synchronize(chosen)
        return time.perf_counter() - clock

    ways = {
        "notebook": lambda: network.requires_grad_(True),
        "here": lambda: select_trainable(network, trainable),
    }
    images = steps * len(data)
    speeds: dict[str, list[float]] = {way: [] for way in ways}
    with translate_torch_errors(batch_size, len(data), Arithmetic(chosen)):
        for prepare in ways.values():  # the first steps allocate memory and choose algorithms
            seconds(prepare)
        for _ in range(REPEATS):
            for way, prepare in ways.items():
                speeds[way].append(images / seconds(prepare))
    row = measured(speeds["notebook"], speeds["here"])
    about = {"device": chosen.type, "device_name": device_name(chosen), "batch_size": len(data)}
    save_table(output, pandas.DataFrame([{**about, **row}]), COST_BACKWARD)
    print(
        f"images a second: {row['images_per_second_notebook']:.1f} with the unused backward pass, "
        f"{row['images_per_second_here']:.1f} without: {row['ratio']:.2f} times",
        flush=True,
    )


def step(
    network: torch.nn.Module,
    optimiser: torch.optim.Optimizer,
    images: torch.Tensor,
    labels: torch.Tensor,
) -> None:
    """Run one training step. Only the optimiser's gradients are cleared; as in the notebook, the others accumulate."""
    loss = cross_entropy(network(images), labels)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()


def measured(notebook: list[float], here: list[float]) -> dict[str, float]:
    """Return the medians of the speeds, and the median, smallest and largest ratio of neighbouring pairs."""
    ratios = [fast / slow for slow, fast in zip(notebook, here, strict=True)]
    return {
        "images_per_second_notebook": statistics.median(notebook),
        "images_per_second_here": statistics.median(here),
        "ratio": statistics.median(ratios),
        "ratio_low": min(ratios),
        "ratio_high": max(ratios),
        "n": len(ratios),
    }
