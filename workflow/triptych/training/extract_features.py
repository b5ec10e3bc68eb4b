"""Cache the outputs of a frozen trunk for every image, computed once for all epochs and seeds."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy
import torch

from triptych.data.dataset import Split, load_splits
from triptych.models.head import features_and_logits, head_of
from triptych.models.initialise_model import starting_network
from triptych.results.training_log import SECONDS_BETWEEN_LINES, Progress, progress_line
from triptych.storage.errors import InputError
from triptych.storage.files import write_json
from triptych.storage.tensors import load_tensors, save_tensors
from triptych.training.arithmetic import prepare
from triptych.training.batches import EvaluationTransform
from triptych.training.checkpoints import Checkpoints, run_key
from triptych.training.device import device_name, peak_memory_bytes
from triptych.training.evaluate import padded
from triptych.training.failures import translate_torch_errors
from triptych.training.recipe import PLAIN, Execution, FeaturesRecipe
from triptych.training.residency import Resident, choose_residency

SPLITS = ("train", "validation", "test")


def extract_features(  # noqa: PLR0913
    *,
    architecture: str,
    input_size: int,
    normalisation: str,
    pretrained: Path,
    train_data: Path,
    validation_data: Path,
    test_data: Path | None = None,
    recipe: FeaturesRecipe,
    execution: Execution = PLAIN,
    checkpoints: Path | None = None,
    runtime: float | None = None,
    features: Path,
    cost: Path,
) -> None:
    """Compute the input of a network's head for every image, in eval mode.

    Args:
        architecture, input_size, normalisation, pretrained: as for `train`; the head is ignored.
        train_data, validation_data: images and labels. Validation may be empty.
        test_data: images and labels; without it, no test image is read.
        recipe: everything else that affects the result.
        execution: what affects only speed.
        checkpoints: the folder for checkpoints, to resume from; removed when the job is done. Optional.
        runtime: the time limit of the job in minutes, as on a cluster; it shortens the checkpoint interval.
        features: `train`, `validation` and `test`, float32 [images, features], in the order of the images; those of an
            image do not depend on the others (`triptych.training.evaluate`). Without `test_data`, `test` is empty.
        cost: the measurements: device, seconds, images per second, peak memory.

    Raises:
        InputError: an input file is invalid, the head is not the last operation of the network, the precision is not
            available, or memory is exhausted.
    """
    arithmetic = prepare(recipe, execution)
    started = time.perf_counter()  # waiting for a GPU is not part of the cost
    chosen = arithmetic.device
    splits = load_splits(train_data, validation_data, test_data, recipe.train_images)
    network, metadata = starting_network(
        architecture, input_size, normalisation, 0, splits[0].classes, splits[0].images, pretrained
    )
    network.to(chosen).to(memory_format=arithmetic.memory_format).eval()
    head = head_of(network, metadata["head"])
    scale = metadata["normalisation"]
    transform = EvaluationTransform(
        input_size, scale["mean"], scale["std"], chosen, arithmetic.memory_format, splits[0].crop
    )
    count = sum(map(len, splits))
    print(
        f"features of {count} images from {architecture} at {input_size} px on {device_name(chosen)} ({chosen.type})",
        flush=True,
    )
    residency = choose_residency(arithmetic.residency, sum(split.images.nbytes for split in splits), chosen)
    width = next(head.parameters()).shape[1]
    files = {"pretrained": pretrained, "train": train_data, "validation": validation_data, "test": test_data}
    settings = {
        **recipe.in_effect(),
        "architecture": architecture,
        "input_size": input_size,
        "normalisation": normalisation,
        "device": device_name(chosen),
    }
    key = run_key("training.extract_features", architecture, files, settings)
    run_checkpoints = Checkpoints(checkpoints, key, execution.checkpoint_minutes, runtime)
    waiting_since = time.perf_counter()
    batch_size = recipe.evaluation_batch_size
    setting = "training.evaluation_batch_size"
    translated = translate_torch_errors(batch_size, len(splits[0]), arithmetic, setting=setting)
    with run_checkpoints.locked(), translated, torch.inference_mode():
        started += time.perf_counter() - waiting_since  # waiting for a lock is not part of the cost either
        done, state = run_checkpoints.load() or ({}, {"seconds": 0.0, "peak_memory_bytes": 0})
        found = {name: done.get(name, numpy.empty((0, width), numpy.float32)) for name in SPLITS}
        earlier, clock = state["seconds"], time.perf_counter()
        lines = Lines(architecture, batch_size, {name: len(split) for name, split in zip(SPLITS, splits, strict=True)})
        lines.resume({name: len(rows) for name, rows in found.items()})
        for name, split in zip(SPLITS, splits, strict=True):
            parts = [found[name]]
            rest = replace(split, images=split.images[len(parts[0]) :], labels=split.labels[len(parts[0]) :])
            for images, labels in Resident(rest, chosen, residency).batches(batch_size):
                with arithmetic.autocast():
                    given, _ = features_and_logits(network, head, transform(padded(images, batch_size)))
                parts.append(given[: len(labels)].float().cpu().numpy())
                lines.add(len(labels))
                if run_checkpoints.due():
                    parts = [numpy.concatenate(parts)]
                    spent = time.perf_counter() - clock + earlier
                    peak = max(state["peak_memory_bytes"], peak_memory_bytes(chosen))
                    run_checkpoints.save({**found, name: parts[0]}, {"seconds": spent, "peak_memory_bytes": peak})
            found[name] = numpy.concatenate(parts)
        seconds = time.perf_counter() - clock + earlier
        save_tensors(features, found, {"architecture": architecture})
        write_json(
            cost,
            {
                "device": chosen.type,
                "device_name": device_name(chosen),
                "num_threads": recipe.num_threads,
                "seconds": time.perf_counter() - started + earlier,
                "extraction_seconds": seconds,
                "images_per_second": count / seconds,
                "peak_memory_bytes": max(state["peak_memory_bytes"], peak_memory_bytes(chosen)),
                "torch": torch.__version__,
            },
        )
        run_checkpoints.remove()
    print(f"{count / seconds:,.0f} images/s", flush=True)


@dataclass
class Lines:
    """Prints how far the extraction is, every ten seconds.

    Attributes:
        name: begins each line.
        batch_size: images of a batch; the last one of a split may have fewer.
        images: the number of images of each split.
    """

    name: str
    batch_size: int
    images: Mapping[str, int]
    batches: int = 0
    waiting: int = 0
    added: int = 0
    started: float = field(default_factory=time.perf_counter)
    printed: float = field(default_factory=time.perf_counter)

    def resume(self, done: Mapping[str, int]) -> None:
        """Take over how many images of each split are done."""
        self.batches = self.batches_of(done)
        self.waiting = sum(self.images.values()) - sum(done.values())

    def batches_of(self, images: Mapping[str, int]) -> int:
        """Return how many batches some images of each split are."""
        return sum(math.ceil(count / self.batch_size) for count in images.values())

    def add(self, images: int) -> None:
        """Count a batch; print a line if the last one is old."""
        self.batches, self.added = self.batches + 1, self.added + images
        now = time.perf_counter()
        if now - self.printed < SECONDS_BETWEEN_LINES:
            return
        self.printed = now
        rate = self.added / (now - self.started)
        left = round((self.waiting - self.added) / rate)
        steps = self.batches_of(self.images)
        print(progress_line(Progress(self.name, 0, 0, self.batches, steps, None, rate, left)), flush=True)


def with_features(path: Path, splits: tuple[Split, Split, Split]) -> tuple[Split, Split, Split]:
    """Return the training, validation and test splits with features (float32 [N, F]) instead of images.

    Raises:
        InputError: the file does not hold the features of each split, one row per image.
    """
    found = load_tensors(path)
    for name, split in zip(SPLITS, splits, strict=True):
        found_rows = len(found.get(name, ()))
        if name not in found or found_rows != len(split):
            raise InputError(
                f"{path}: expected the features of {len(split)} {name} images, found {found_rows}; extract them again."
            )
    train, validation, test = (
        Split(found[name], split.labels, split.classes) for name, split in zip(SPLITS, splits, strict=True)
    )
    return train, validation, test
