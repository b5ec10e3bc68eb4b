"""The training loop of every arm.

Losses are means over images. `train_*` is the running mean over the batches of an epoch, while the weights change.
`fit_*` is the loss or accuracy on the training images in eval mode, with the weights of the kept epoch. Only trainable
parameters have gradients.
"""

import math
import time
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy
import torch
from torch.nn.functional import cross_entropy

from triptych.data.dataset import Split
from triptych.models.networks import load_state
from triptych.results.run_files import HISTORY_COLUMNS
from triptych.results.schema import REESTIMATED
from triptych.results.training_log import SECONDS_BETWEEN_LINES, Progress, progress_line
from triptych.storage.errors import InputError
from triptych.training.adam import Adam
from triptych.training.allocator import release_freed_memory
from triptych.training.arithmetic import Arithmetic
from triptych.training.batches import Transform, Transforms, epoch_order
from triptych.training.batchnorm import FollowingBatchNorm
from triptych.training.checkpoints import Checkpoints
from triptych.training.device import peak_memory_bytes, synchronize
from triptych.training.evaluate import evaluate
from triptych.training.failures import not_finite, translate_torch_errors
from triptych.training.recipe import PretrainingRecipe
from triptych.training.regime import Trainable, select_trainable, set_training_mode
from triptych.training.residency import Resident, choose_residency
from triptych.training.steps import with_cuda_graph
from triptych.training.stopping import Stopping


@dataclass
class Outcome:
    """The results of a training, without the network.

    `history` has one row per epoch, from 0, with the keys of `HISTORY_COLUMNS`: accuracies in percent, None for a value
    that does not exist, `kept` 1 for the kept epoch and 0 for others. The logits are those of the kept network,
    float32 [images, classes] on the CPU. `images_per_second` counts training steps only.
    """

    history: list[dict[str, Any]] = field(default_factory=list)
    validation_logits: torch.Tensor = field(default_factory=lambda: torch.empty(0))
    test_logits: torch.Tensor = field(default_factory=lambda: torch.empty(0))
    training_seconds: float = 0.0
    evaluation_seconds: float = 0.0
    images_trained: int = 0
    kept_epoch: int = 0
    earlier_seconds: float = 0.0
    """Seconds of training and evaluation before the checkpoint that the run resumed from."""
    earlier_peak_bytes: int = 0
    """The peak memory of the processes before that checkpoint."""

    @property
    def images_per_second(self) -> float:
        return self.images_trained / self.training_seconds

    def validation_accuracy(self, labels: numpy.ndarray, chosen: numpy.ndarray | slice = slice(None)) -> float:
        """Return the accuracy in percent of the logits on some of the validation images, which have these labels."""
        correct = (self.validation_logits.argmax(1).numpy() == labels)[chosen]
        return 100 * int(correct.sum()) / len(correct)


@dataclass(frozen=True)
class Wording:
    """What messages call a training.

    Attributes:
        run: the name of the run, with which each printed line begins.
        section: the section of the configuration that has the batch size and the learning rate.
    """

    run: str = "training"
    section: str = "training"


@dataclass(frozen=True)
class Snapshot:
    """The network (copies on the CPU) and logits of one epoch, to restore it later."""

    epoch: int
    state: dict[str, torch.Tensor]
    validation_logits: torch.Tensor
    test_logits: torch.Tensor

    @classmethod
    def of(cls, epoch: int, network: torch.nn.Module, outcome: Outcome) -> "Snapshot":
        state = {name: tensor.to("cpu", copy=True) for name, tensor in network.state_dict().items()}
        return cls(epoch, state, outcome.validation_logits, outcome.test_logits)

    def restore(self, network: torch.nn.Module, outcome: Outcome) -> None:
        load_state(network, self.state)
        outcome.kept_epoch = self.epoch
        outcome.validation_logits, outcome.test_logits = self.validation_logits, self.test_logits


def fit(
    network: torch.nn.Module,
    trainable: Trainable,
    recipe: PretrainingRecipe,
    seed: int,
    transforms: Transforms,
    splits: tuple[Split, Split, Split],
    arithmetic: Arithmetic,
    selection: numpy.ndarray | None = None,
    checkpoints: Checkpoints | None = None,
    wording: Wording = Wording(),
) -> Outcome:
    """Train `network` in place, evaluate it after each epoch, and print one line per epoch (and every ten seconds).

    At the end the network has the weights of the kept epoch.

    Args:
        seed: of the order of the batches and of dropout.
        transforms: from a batch of images to the input of the network.
        splits: for training, validation and testing; the last two may be empty.
        selection: which validation images select the epoch, bool [validation images]; needed if the recipe selects one.
        checkpoints: resume from the newest one, with the same result as without interruption.
        wording: what messages call the training.

    Raises:
        InputError: there are no training images, no image selects the epoch and the recipe needs one, a batch is too
            small for BatchNorm, the loss is not finite, or memory is exhausted.
    """
    checkpoints = checkpoints or Checkpoints(None, "", 0)
    images, setting = len(splits[0]), f"{wording.section}.batch_size"
    with translate_torch_errors(recipe.batch_size, images, arithmetic, setting=setting):
        trainer = Trainer(network, trainable, recipe, seed, transforms, splits, arithmetic, selection, wording)
    with translate_torch_errors(recipe.batch_size, images, arithmetic, lambda: trainer.progress(checkpoints), setting):
        return trainer.run(checkpoints)


class Trainer:
    """The state of a training, with everything that a checkpoint saves. For the parameters see `fit`."""

    def __init__(
        self,
        network: torch.nn.Module,
        trainable: Trainable,
        recipe: PretrainingRecipe,
        seed: int,
        transforms: Transforms,
        splits: tuple[Split, Split, Split],
        arithmetic: Arithmetic,
        selection: numpy.ndarray | None = None,
        wording: Wording = Wording(),
    ):
        self.wording, self.seed = wording, seed
        self.recipe, self.transforms, self.arithmetic = recipe, transforms, arithmetic
        device = arithmetic.device
        residency = choose_residency(arithmetic.residency, sum(split.images.nbytes for split in splits), device)
        self.train, self.validation, self.test = (Resident(split, device, residency) for split in splits)
        if not len(self.train):
            raise InputError("there are no training images; give at least one.")
        self.stopping = Stopping(recipe.keep, recipe.patience)
        self.selection = numpy.zeros(len(self.validation), bool) if selection is None else selection
        self.stopping.check(int(self.selection.sum()), len(self.validation))
        self.validation_labels = splits[1].labels
        self.network = network.to(device).to(memory_format=arithmetic.memory_format)
        self.trainable = trainable
        self.parameters = select_trainable(network, trainable)
        self.counts_on_device = arithmetic.fused_optimizer or device.type == "cuda"
        self.optimiser = Adam(
            list(self.parameters.values()),
            lr=recipe.learning_rate,
            fused=arithmetic.fused_optimizer or None,
            capturable=device.type == "cuda",  # also without a CUDA graph, so that results do not depend on it
        )
        self.scaler = arithmetic.loss_scaler()
        self.outcome = Outcome()
        self.batchnorm = FollowingBatchNorm(network, trainable, partial(self.predict, transforms.evaluation))
        self.recalibrates = bool(self.batchnorm) and recipe.recalibrate_batchnorm == "final"
        self.classes = len(splits[0].classes)
        self.steps_per_epoch = math.ceil(len(self.train) / recipe.batch_size)
        self.snapshot: Snapshot | None = None
        """The network to keep, if it is not the one after the last step."""
        self.epoch = 0
        """The current epoch; 0 is the evaluation before training."""
        self.step = 0
        """The number of finished steps of the epoch."""
        self.finite_steps = 0
        """The number of these steps that are known to have a finite loss."""
        # Summed on the device: reading a number after each step would make the GPU wait for Python.
        self.loss_sum = torch.zeros((), dtype=torch.float64, device=device)
        self.correct = torch.zeros((), dtype=torch.int64, device=device)
        self.last_line = time.perf_counter()
        """When the last line about a step was printed."""
        self.take_step = with_cuda_graph(self.train_batch, recipe.batch_size, arithmetic)

    def run(self, checkpoints: Checkpoints) -> Outcome:
        """Train to the end, from the newest checkpoint if there is one."""
        evaluating = partial(
            translate_torch_errors,
            self.recipe.evaluation_batch_size,
            len(self.train),
            self.arithmetic,
            lambda: self.progress(checkpoints),
            "training.evaluation_batch_size",
        )
        found = checkpoints.load()
        if found:
            self.restore(*found)
            self.say(f"resuming from a checkpoint: epoch {self.epoch}, step {self.step}")
        while not self.ends_after(self.epoch - 1):
            row: dict[str, Any] = dict.fromkeys(HISTORY_COLUMNS)
            row |= {"epoch": self.epoch, "kept": 0}
            if self.epoch > 0:
                row["train_loss"], row["train_accuracy"] = self.train_epoch(checkpoints)
                release_freed_memory()
            with evaluating():
                self.evaluate_epoch(row)
            release_freed_memory()
            for split in ("validation", "test"):
                for name in (split, REESTIMATED + split):
                    self.check_finite(split, row[f"{name}_loss"] or 0.0, checkpoints)
            self.epoch, self.step = self.epoch + 1, 0
            if checkpoints.due_after_epoch():
                checkpoints.save(*self.state())
        if self.epoch <= self.recipe.epochs:
            self.say(f"early stopping: best selection accuracy in epoch {self.stopping.best_epoch}")
        with evaluating():
            self.keep()
        return self.outcome

    def ends_after(self, epoch: int) -> bool:
        """Whether the training ends after this epoch."""
        return epoch >= self.recipe.epochs or self.stopping.ends(epoch)

    def train_epoch(self, checkpoints: Checkpoints) -> tuple[float, float]:
        """Train the rest of an epoch; return its running mean loss and accuracy (%)."""
        recipe = self.recipe
        if self.step == 0:
            # Seeded per epoch: the random numbers of dropout are then the same in a resumed run.
            torch.manual_seed(self.seed * 1_000_003 + self.epoch)
            self.loss_sum.zero_()
            self.correct.zero_()
        self.finite_steps = self.step
        set_training_mode(self.network, self.trainable)
        order = epoch_order(self.seed, self.epoch, len(self.train))[self.step * recipe.batch_size :]
        clock = time.perf_counter()
        for images, labels in self.train.batches(recipe.batch_size, order):
            self.take_step(images, labels)
            self.outcome.images_trained += len(labels)
            self.step += 1
            if self.arithmetic.device.type == "cpu":  # on a GPU this check would block
                self.check_finite("training", self.loss_sum.item(), checkpoints)
            if time.perf_counter() - self.last_line > SECONDS_BETWEEN_LINES:
                self.print_step(time.perf_counter() - clock)
            if checkpoints.due():
                synchronize(self.arithmetic.device)
                self.check_finite("training", self.loss_sum.item(), checkpoints)
                self.outcome.training_seconds += time.perf_counter() - clock
                checkpoints.save(*self.state())
                clock = time.perf_counter()
        loss, correct = self.loss_sum.item(), self.correct.item()  # synchronises with the device
        self.check_finite("training", loss, checkpoints)
        self.outcome.training_seconds += time.perf_counter() - clock
        return loss / len(self.train), 100 * correct / len(self.train)

    def say(self, text: str) -> None:
        """Print a line that begins with the name of the run."""
        print(f"{self.wording.run} | {text}", flush=True)

    def print_step(self, seconds: float) -> None:
        """Print how far the epoch is; `seconds` of it are not in the outcome yet. Does not wait for a GPU."""
        if self.step < self.steps_per_epoch:
            print(progress_line(self.how_far(seconds, self.step, self.steps_per_epoch)), flush=True)
        self.last_line = time.perf_counter()

    def how_far(self, seconds: float = 0.0, step: int | None = None, steps: int | None = None) -> Progress:
        """Return the progress after the epoch or a step of it; see `progress_of`."""
        begun = Progress(self.wording.run, self.epoch, self.recipe.epochs, step, steps)
        return progress_of(begun, self.outcome, seconds)

    def train_batch(self, images: torch.Tensor, labels: torch.Tensor) -> None:
        """Run one optimiser step, entirely on the device."""
        logits = self.predict(self.transforms.training, images)
        loss = cross_entropy(logits.float(), labels)
        self.optimiser.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.loss_sum += loss.detach().double() * len(labels)
        self.correct += (logits.detach().argmax(1) == labels).sum()

    def predict(self, transform: Transform, images: torch.Tensor) -> torch.Tensor:
        """Return the logits of stored images."""
        with self.arithmetic.autocast():
            logits: torch.Tensor = self.network(transform(images))
        return logits

    def check_finite(self, what: str, loss: float, checkpoints: Checkpoints) -> None:
        """Raise an error if a loss is not finite, before a checkpoint saves the state that caused it."""
        if not math.isfinite(loss):
            since = self.finite_steps + 1 if what == "training" else None
            progress = self.progress(checkpoints, since)
            precision = self.arithmetic.precision
            raise not_finite(what, loss, progress, self.recipe.learning_rate, precision, self.wording.section)
        self.finite_steps = self.step

    def progress(self, checkpoints: Checkpoints, since: int | None = None) -> str:
        """Return the current epoch and step (or step range) and the last checkpoint, for error messages."""
        if since is not None:
            step = f"step {self.step}" if since == self.step else f"steps {since} to {self.step}"
        elif self.epoch == 0:
            step = "before training"
        elif self.step * self.recipe.batch_size >= len(self.train):
            step = "after its last step"
        else:
            step = f"step {self.step + 1}"
        if self.ends_after(self.epoch - 1):
            return f"the evaluation after the last epoch ({checkpoints.describe_last()})"
        return f"epoch {self.epoch}, {step} ({checkpoints.describe_last()})"

    def evaluate_epoch(self, row: dict[str, Any]) -> None:
        """Evaluate the network, fill the row of the epoch, and keep a snapshot if it is the network to keep."""
        outcome, clock = self.outcome, time.perf_counter()
        self.evaluate_splits(row)
        statistics = self.batchnorm.statistics()
        if self.reestimates_after(self.epoch * self.steps_per_epoch):
            logits = outcome.validation_logits, outcome.test_logits
            self.batchnorm.reestimate(self.train, self.classes, self.recipe.batch_size)
            self.evaluate_splits(row, REESTIMATED)
            if not self.recalibrates:
                self.batchnorm.load(statistics)
                outcome.validation_logits, outcome.test_logits = logits
        synchronize(self.arithmetic.device)
        outcome.evaluation_seconds += time.perf_counter() - clock
        outcome.history.append(row)
        outcome.kept_epoch = self.epoch
        self.select(row)
        self.batchnorm.load(statistics)
        print(progress_line(self.how_far(), row), flush=True)

    def evaluate_splits(self, row: dict[str, Any], prefix: str = "") -> None:
        """Evaluate the network as it is on validation and test images; columns of the row begin with `prefix`."""
        for split, data in (("validation", self.validation), ("test", self.test)):
            loss, accuracy, logits = self.evaluate(data)
            row[f"{prefix}{split}_loss"], row[f"{prefix}{split}_accuracy"] = loss, accuracy
            setattr(self.outcome, f"{split}_logits", logits)

    def reestimates_after(self, steps: int) -> bool:
        """Whether the network is also evaluated with re-estimated BatchNorm statistics after an epoch.

        Where the kept network has these, every epoch has them, so that epochs are comparable.

        Args:
            steps: from the start of the training to the end of the epoch.
        """
        return steps > 0 and bool(self.batchnorm) and (self.recalibrates or self.batchnorm.lags(steps))

    def select(self, row: dict[str, Any]) -> None:
        """Update model selection with an epoch, and keep a snapshot if it is the network to keep."""
        row["selection_accuracy"] = self.selection_accuracy()
        is_best = self.stopping.update(self.epoch, row["selection_accuracy"])
        # the network of the last epoch needs a snapshot only if its statistics are not those after the last step
        is_last = self.recalibrates and self.ends_after(self.epoch)
        if is_best if self.recipe.keep == "best" else is_last:
            self.snapshot = Snapshot.of(self.epoch, self.network, self.outcome)

    def selection_accuracy(self) -> float | None:
        """Return the accuracy in percent on the validation images that select; None if the recipe selects no epoch."""
        if not self.recipe.selects_epoch:
            return None
        return self.outcome.validation_accuracy(self.validation_labels, self.selection)

    def evaluate(self, data: Resident) -> tuple[float | None, float | None, torch.Tensor]:
        size = self.recipe.evaluation_batch_size
        return evaluate(self.network, data, self.transforms.evaluation, size, self.arithmetic)

    def keep(self) -> None:
        """Restore the kept epoch, and evaluate it on the training images."""
        outcome = self.outcome
        if self.snapshot:
            self.snapshot.restore(self.network, outcome)
        clock = time.perf_counter()
        row = outcome.history[outcome.kept_epoch]
        row["kept"] = 1
        row["fit_loss"], row["fit_accuracy"], _ = self.evaluate(self.train)
        synchronize(self.arithmetic.device)
        outcome.evaluation_seconds += time.perf_counter() - clock
        self.say(f"kept epoch {row['epoch']} | fit {row['fit_loss']:.4f} {row['fit_accuracy']:5.1f} %")

    def state(self) -> tuple[dict[str, numpy.ndarray], dict[str, Any]]:
        """Return the complete state of the training: arrays by name, and JSON values."""
        tensors = {f"network.{name}": tensor for name, tensor in self.network.state_dict().items()}
        for parameter_name, parameter in self.parameters.items():
            for name, tensor in self.optimiser.state.get(parameter, {}).items():
                tensors[f"adam.{parameter_name}.{name}"] = tensor
        tensors |= {"sum.loss": self.loss_sum, "sum.correct": self.correct, "random.cpu": torch.get_rng_state()}
        if self.arithmetic.device.type == "cuda":
            tensors["random.cuda"] = torch.cuda.get_rng_state(self.arithmetic.device)
        for name in ("validation_logits", "test_logits"):
            tensors[f"last.{name}"] = getattr(self.outcome, name)
            if self.snapshot:
                tensors[f"kept.{name}"] = getattr(self.snapshot, name)
        if self.snapshot:
            tensors |= {f"kept.network.{name}": tensor for name, tensor in self.snapshot.state.items()}
        numbers = ("history", "training_seconds", "evaluation_seconds", "images_trained", "kept_epoch")
        state = {
            "epoch": self.epoch,
            "step": self.step,
            "outcome": {name: getattr(self.outcome, name) for name in numbers},
            "best": [self.stopping.best_epoch, self.stopping.best_accuracy],
            "kept": self.snapshot.epoch if self.snapshot else None,
            "scaler": self.scaler.state_dict(),
            "peak_memory_bytes": max(self.outcome.earlier_peak_bytes, peak_memory_bytes(self.arithmetic.device)),
        }
        return {name: tensor.detach().cpu().numpy() for name, tensor in tensors.items()}, state

    def restore(self, arrays: dict[str, numpy.ndarray], state: dict[str, Any]) -> None:
        """Restore the state of a checkpoint."""
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}

        def below(prefix: str) -> dict[str, torch.Tensor]:
            return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}

        load_state(self.network, below("network."))
        for parameter_name, parameter in self.parameters.items():
            moments = {name: tensor for name, tensor in below(f"adam.{parameter_name}.").items() if "." not in name}
            for name, tensor in moments.items():
                if name == "step":  # Adam's step counter
                    moments[name] = tensor.to(parameter.device if self.counts_on_device else "cpu")
                else:  # in the memory format of the parameter, as the fused kernel requires
                    moments[name] = torch.empty_like(parameter).copy_(tensor)
            if moments:
                self.optimiser.state[parameter] = moments
        self.loss_sum.copy_(tensors["sum.loss"])
        self.correct.copy_(tensors["sum.correct"])
        torch.set_rng_state(tensors["random.cpu"])
        if "random.cuda" in tensors:
            torch.cuda.set_rng_state(tensors["random.cuda"], self.arithmetic.device)
        self.epoch, self.step = state["epoch"], state["step"]
        for name, value in state["outcome"].items():
            setattr(self.outcome, name, value)
        self.outcome.earlier_seconds = self.outcome.training_seconds + self.outcome.evaluation_seconds
        self.outcome.earlier_peak_bytes = state["peak_memory_bytes"]
        self.outcome.validation_logits, self.outcome.test_logits = (
            tensors["last.validation_logits"],
            tensors["last.test_logits"],
        )
        self.stopping.best_epoch, self.stopping.best_accuracy = state["best"]
        if state["kept"] is not None:
            logits = (tensors["kept.validation_logits"], tensors["kept.test_logits"])
            self.snapshot = Snapshot(state["kept"], below("kept.network."), *logits)
        self.scaler.load_state_dict(state["scaler"])


def progress_of(progress: Progress, outcome: Outcome, seconds: float = 0.0) -> Progress:
    """Return the progress with its speed and the time left; `seconds` are not in the outcome yet."""
    training_seconds = outcome.training_seconds + seconds
    if not outcome.images_trained or not training_seconds:
        return progress
    evaluations = progress.epoch + (progress.step is None)  # one before training, and one after each epoch
    evaluation_seconds = outcome.evaluation_seconds / evaluations * (progress.epochs + 1 - evaluations)
    left = training_seconds * (1 / progress.share - 1) + evaluation_seconds
    return replace(progress, images_per_second=outcome.images_trained / training_seconds, seconds_left=round(left))
