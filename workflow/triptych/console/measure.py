"""Time some steps of an arm, in a process of its own, whose peak memory is the arm's and which the kernel may end.

    python -m triptych.console.measure < request.json

The request is the JSON of `Request`, the answer the JSON of `Measured` on the last line. The images are noise of the
stored size, and the weights random: neither affects time or memory.
"""

import json
import math
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy
import torch

from triptych.data.dataset import Split
from triptych.models.head import features_and_logits, head_of
from triptych.models.memory import live_activations, training_bytes
from triptych.models.networks import build_network, build_shapes, head_tensors
from triptych.storage.errors import InputError
from triptych.training.arithmetic import Arithmetic, prepare
from triptych.training.batches import Transforms
from triptych.training.checkpoints import LEAST_SECONDS, Checkpoints
from triptych.training.device import available_memory_bytes, device_name, peak_memory_bytes, synchronize
from triptych.training.evaluate import padded
from triptych.training.failures import translate_torch_errors
from triptych.training.loop import Trainer
from triptych.training.recipe import Execution, Recipe
from triptych.training.reestimation import every_kth
from triptych.training.regime import Phase, Trainable, set_training_mode
from triptych.training.residency import Resident, choose_residency

STEPS = 20
WARM_UP = 4
"""Steps before those that are timed: on a GPU the fourth captures the CUDA graph."""
EVALUATED = 4
"""The most evaluation batches that are timed."""
NOISE = 256
"""The images that are made, if a batch is not larger."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is measured.

    Attributes:
        architecture, input_size: the network.
        trainable, batchnorm: as those of `triptych.training.regime.Phase`.
        recipe, execution: JSON, as `train` is given them.
        train, validation, test: images of the splits; test is 0 where it is not evaluated in training.
        classes: their number.
        side, crop: of the stored images.
        features: whether the head trains on cached features.
        memory: bytes of the device: do not train, but say which batch would fit into them; None to train.
    """

    architecture: str
    input_size: int
    trainable: str
    batchnorm: str
    recipe: str
    execution: str
    train: int
    validation: int
    test: int
    classes: int
    side: int
    crop: bool
    features: bool
    memory: int | None = None


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What came of it.

    Attributes:
        device: `cpu` or `cuda`; device_name: its model.
        seconds: of a run from its first epoch to its last file, with all epochs.
        extraction_seconds: to compute the features of all images that training reads; 0 without cached features.
        images_per_second: of training.
        evaluation_seconds: for each image that is evaluated.
        memory_bytes: the peak of the process, or of the GPU; device_memory_bytes: free on the device before it.
        weight_bytes: of a file of its weights; checkpoint_bytes: of a checkpoint.
        feature_bytes: of the cached features of an image.
        measuring_seconds: that the measurement took, without the start of the process.
        largest_batch: with `memory`: of how many images a batch would fit, by what can be computed.
    """

    device: str = ""
    device_name: str = ""
    seconds: float = 0.0
    extraction_seconds: float = 0.0
    images_per_second: float = 0.0
    evaluation_seconds: float = 0.0
    memory_bytes: int = 0
    device_memory_bytes: int = 0
    weight_bytes: int = 0
    checkpoint_bytes: int = 0
    feature_bytes: int = 0
    measuring_seconds: float = 0.0
    largest_batch: int = 0


def measure(request: Request) -> Measured:
    """Time steps of training, evaluation and checkpoints, and compute the time of a run from them.

    Raises:
        InputError: the device or the precision is not available, or memory is exhausted.
    """
    recipe = Recipe.from_json(request.recipe, "recipe")
    execution = Execution.from_json(request.execution, "execution")
    if request.memory is not None:
        return Measured(largest_batch=largest_batch(request, request.memory))
    arithmetic = prepare(recipe, execution, recipe.fused_optimizer)
    started, free = time.perf_counter(), available_memory_bytes(arithmetic.device)
    torch.manual_seed(0)
    network = build_network(request.architecture, request.classes, request.input_size)
    head = head_tensors(request.architecture, request.classes, request.input_size)
    setting = "training.batch_size"
    with translate_torch_errors(recipe.batch_size, request.train, arithmetic, setting=setting):
        found = Arm(request, recipe, arithmetic, network, head).measured()
    return replace(found, device_memory_bytes=free, measuring_seconds=time.perf_counter() - started)


class Arm:
    """An arm whose steps are timed."""

    def __init__(
        self, request: Request, recipe: Recipe, arithmetic: Arithmetic, network: torch.nn.Module, head: list[str]
    ):
        self.request, self.network, self.head = request, network, head
        self.train_images = min(request.train, recipe.train_images or request.train)
        self.recipe = replace(recipe, batch_size=min(recipe.batch_size, self.train_images), train_images=None)
        images = self.train_images + request.validation + request.test
        self.image_bytes = images * 3 * request.side**2
        residency = choose_residency(arithmetic.residency, self.image_bytes, arithmetic.device)
        self.arithmetic = replace(arithmetic, residency=residency)
        self.transforms = Transforms.to_input(
            request.input_size, {"mean": [0.5] * 3, "std": [0.25] * 3}, arithmetic, request.crop
        )

    def measured(self) -> Measured:
        """Return what the run costs."""
        request, device = self.request, self.arithmetic.device
        noise = numpy.random.default_rng(0).integers(
            0, 256, (self._count(), request.side, request.side, 3), numpy.uint8
        )
        extraction, width = 0.0, 0
        module, trainable = self.network, Trainable.of(self.network, self.head, self._phase())
        transforms = self.transforms
        if request.features:
            module = head_of(self.network, self.head)
            width = int(next(module.parameters()).shape[1])
            extraction = self._extraction(noise, module)
            noise = numpy.random.default_rng(0).standard_normal((self._count(), width), numpy.float32)
            trainable, transforms = Trainable.everything(module), Transforms.of_features()
        trainer = self._trainer(module, trainable, transforms, noise)
        seconds, rate, evaluation, checkpoint = self._run(trainer)
        stored = 0 if self.arithmetic.residency == "mapped" or request.features else self.image_bytes - noise.nbytes
        return Measured(
            device=device.type,
            device_name=device_name(device),
            seconds=seconds,
            extraction_seconds=extraction,
            images_per_second=rate,
            evaluation_seconds=evaluation,
            memory_bytes=peak_memory_bytes(device) + max(0, stored),
            weight_bytes=sum(tensor.nbytes for tensor in self.network.state_dict().values()),
            checkpoint_bytes=checkpoint,
            feature_bytes=4 * width,
        )

    def _phase(self) -> Phase:
        return Phase(self.request.trainable, self.request.batchnorm)

    def _count(self) -> int:
        """How many images are made: at least two batches, so that they are not always the same."""
        return max(NOISE, 2 * self.recipe.batch_size, self.recipe.evaluation_batch_size)

    def _trainer(
        self, module: torch.nn.Module, trainable: Trainable, transforms: Transforms, noise: numpy.ndarray
    ) -> Trainer:
        classes = [str(number) for number in range(self.request.classes)]
        split = Split(noise, numpy.arange(len(noise), dtype=numpy.int64) % len(classes), classes)
        held_out = split.first(min(len(split), max(1, self.request.validation)))
        selection = numpy.arange(len(held_out)) % 2 == 0
        splits = (split, held_out, split.first(0))
        recipe = replace(self.recipe, keep="last", patience=None)  # the steps are the same
        return Trainer(module, trainable, recipe, 0, transforms, splits, self.arithmetic, selection)

    def _extraction(self, noise: numpy.ndarray, head: torch.nn.Module) -> float:
        """Return the seconds to compute the features of all images."""
        size, device = self.recipe.evaluation_batch_size, self.arithmetic.device
        self.network.to(device).to(memory_format=self.arithmetic.memory_format).eval()
        batch = torch.from_numpy(noise[:size])

        def extract() -> None:
            with torch.inference_mode(), self.arithmetic.autocast():
                images = self.transforms.evaluation(padded(batch, size).to(device))
                features_and_logits(self.network, head, images)[0].float().cpu()

        extract()
        batches = sum(math.ceil(images / size) for images in self._images())
        return batches * self._timed(extract, EVALUATED)

    def _images(self) -> tuple[int, int, int]:
        return self.train_images, self.request.validation, self.request.test

    def _timed(self, function: Callable[[], object], times: int) -> float:
        """Return the seconds of one call, as the mean of several."""
        synchronize(self.arithmetic.device)
        clock = time.perf_counter()
        for _ in range(times):
            function()
        synchronize(self.arithmetic.device)
        return (time.perf_counter() - clock) / times

    def _run(self, trainer: Trainer) -> tuple[float, float, float, int]:
        """Return the seconds of a run, its images a second, seconds an evaluated image, and bytes of a checkpoint."""
        recipe, (train, validation, test) = self.recipe, self._images()
        size = recipe.evaluation_batch_size
        step = self._step(trainer)
        batch = self._batch(trainer.train, size)
        trainer.evaluate(batch)
        evaluated = self._timed(lambda: trainer.evaluate(batch), EVALUATED)
        batches = math.ceil(validation / size) + math.ceil(test / size)
        again = 0.0
        if trainer.batchnorm:
            rows = len(every_kth(len(trainer.train), self.request.classes))
            once = self._timed(
                lambda: trainer.batchnorm.reestimate(trainer.train, self.request.classes, recipe.batch_size), 1
            )
            again = once / rows * len(every_kth(train, self.request.classes)) + batches * evaluated
        saving, checkpoint = self._checkpoint(trainer)
        steps = math.ceil(train / recipe.batch_size)
        each = train / recipe.batch_size * step + batches * evaluated
        saved = math.ceil(recipe.epochs / math.ceil(LEAST_SECONDS / each))
        reestimated = sum(trainer.reestimates_after(epoch * steps) for epoch in range(1, recipe.epochs + 1))
        seconds = recipe.epochs * train / recipe.batch_size * step
        seconds += (recipe.epochs + 1) * batches * evaluated + reestimated * again
        seconds += math.ceil(train / size) * evaluated + (saved + 1) * saving
        return seconds, recipe.batch_size / step, evaluated / size, checkpoint

    def _step(self, trainer: Trainer) -> float:
        """Return the seconds of a training step."""
        set_training_mode(trainer.network, trainer.trainable)
        size = self.recipe.batch_size

        def steps(count: int) -> None:
            order = torch.from_numpy(numpy.random.default_rng(count).integers(0, len(trainer.train), count * size))
            for images, labels in trainer.train.batches(size, order):
                trainer.take_step(images, labels)
                if self.arithmetic.device.type == "cpu":
                    trainer.loss_sum.item()

        steps(WARM_UP)
        return self._timed(lambda: steps(STEPS), 1) / STEPS

    def _batch(self, data: Resident, size: int) -> Resident:
        """Return one evaluation batch of a split, which stays where it is."""
        images, labels = data.images[:size].cpu().numpy(), data.labels[:size].cpu().numpy()
        split = Split(images, labels, [str(number) for number in range(self.request.classes)])
        return Resident(split, self.arithmetic.device, self.arithmetic.residency)

    def _checkpoint(self, trainer: Trainer) -> tuple[float, int]:
        """Return the seconds and the bytes of a checkpoint."""
        with tempfile.TemporaryDirectory() as folder:
            checkpoints = Checkpoints(Path(folder), "estimate", 1e6)
            seconds = self._timed(lambda: checkpoints.save(*trainer.state()), 1)
            return seconds, sum(path.stat().st_size for path in Path(folder).iterdir())


def largest_batch(request: Request, memory: int) -> int:
    """Return the largest batch whose computed memory is within `memory` bytes; 0 if not even one image fits."""
    network = build_shapes(request.architecture, request.classes, request.input_size)
    head = head_tensors(request.architecture, request.classes, request.input_size)
    need = training_bytes(network, head, request.input_size, live_activations(network, request.input_size))
    return need[request.trainable].total.largest_batch(memory)


def main() -> int:
    """Answer the request on the standard input; return the exit status."""
    given: dict[str, Any] = json.load(sys.stdin)
    try:
        found = measure(Request(**given))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(json.dumps(asdict(found)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
