"""The training loop of every arm.

Losses are sums over images divided by the number of images. `train_*` is the running mean over the batches of an epoch,
taken while the weights change; `fit_*` is the same quantity measured as on the test set: in one pass in eval mode, with
the weights that are kept. Only trainable parameters have gradients.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy
import torch
from torch.nn.functional import cross_entropy

from triptych.data.dataset import Split
from triptych.models.networks import load_state
from triptych.results.run_files import HISTORY_COLUMNS
from triptych.storage.errors import InputError
from triptych.training.allocator import release_freed_memory
from triptych.training.arithmetic import Arithmetic
from triptych.training.batches import epoch_order
from triptych.training.checkpoints import Checkpoints
from triptych.training.device import peak_memory_bytes, synchronize
from triptych.training.failures import explained, not_finite
from triptych.training.recipe import PretrainingRecipe
from triptych.training.regime import Trainable, select_trainable, set_training_mode
from triptych.training.residency import Resident, choose_residency
from triptych.training.steps import recorded
from triptych.training.stopping import Stopping


@dataclass
class Outcome:
    """What training gave besides the network itself.

    `history` has a row an epoch, from 0, with the keys of `HISTORY_COLUMNS` (accuracies in percent; None where a figure
    does not exist; `kept` is 1 for the epoch whose weights are the run's, else 0). Logits are those of the kept epoch,
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
    """Of training and evaluation before the checkpoint that it went on from."""
    earlier_peak_bytes: int = 0
    """The most memory of the processes before that checkpoint."""

    @property
    def images_per_second(self) -> float:
        return self.images_trained / self.training_seconds


@dataclass(frozen=True)
class Kept:
    """An epoch as it can be brought back: the weights (copies on the CPU) and the logits of that epoch."""

    epoch: int
    state: dict[str, torch.Tensor]
    validation_logits: torch.Tensor
    test_logits: torch.Tensor

    @classmethod
    def of(cls, epoch: int, network: torch.nn.Module, outcome: Outcome) -> "Kept":
        state = {name: tensor.to("cpu", copy=True) for name, tensor in network.state_dict().items()}
        return cls(epoch, state, outcome.validation_logits, outcome.test_logits)

    def restore(self, network: torch.nn.Module, outcome: Outcome) -> None:
        load_state(network, self.state)
        outcome.kept_epoch = self.epoch
        outcome.validation_logits, outcome.test_logits = self.validation_logits, self.test_logits


Transform = Callable[[torch.Tensor], torch.Tensor]


@torch.inference_mode()
def evaluate(
    network: torch.nn.Module, data: Resident, transform: Transform, batch_size: int, arithmetic: Arithmetic
) -> tuple[float | None, float | None, torch.Tensor]:
    """One pass in eval mode: mean loss, accuracy in percent (both None without images), logits float32 [N, classes]."""
    network.eval()
    parts = []
    for images, _ in data.batches(batch_size):
        with arithmetic.autocast():
            parts.append(network(transform(images)).float())
    if not parts:
        return None, None, torch.empty(0)
    logits = torch.cat(parts)
    loss = cross_entropy(logits.double(), data.labels).item()
    accuracy = 100 * (logits.argmax(1) == data.labels).sum().item() / len(data)
    return loss, accuracy, logits.cpu()


def fit(
    network: torch.nn.Module,
    trainable: Trainable,
    recipe: PretrainingRecipe,
    seed: int,
    transform: Transform,
    splits: tuple[Split, Split, Split],
    arithmetic: Arithmetic,
    checkpoints: Checkpoints | None = None,
    section: str = "training",
) -> Outcome:
    """Train `network` in place and evaluate it after each epoch; print a line an epoch.

    It is left as it was after the epoch that is kept. `seed` is of the order of the batches and of dropout; `splits`
    are for training, validation and testing; `transform` makes the network's input of a batch of images. With
    `checkpoints` it goes on from the newest one, and gives the same bits as if it had never stopped. `section` is where
    the configuration has the batch size and the learning rate, for messages.

    Raises:
        InputError: there is nothing to train on or to decide on, a batch is too small for BatchNorm, the loss is no
            longer finite, or the memory does not suffice.
    """
    checkpoints = checkpoints or Checkpoints(None, "", 0)
    images, setting = len(splits[0]), f"{section}.batch_size"
    with explained(recipe.batch_size, images, arithmetic, setting=setting):
        fitting = Fitting(network, trainable, recipe, seed, transform, splits, arithmetic, section)
    with explained(recipe.batch_size, images, arithmetic, lambda: fitting.place(checkpoints), setting):
        return fitting.run(checkpoints)


class Fitting:
    """A training on its way, with all that a checkpoint has to hold. The options are those of `fit`."""

    def __init__(
        self,
        network: torch.nn.Module,
        trainable: Trainable,
        recipe: PretrainingRecipe,
        seed: int,
        transform: Transform,
        splits: tuple[Split, Split, Split],
        arithmetic: Arithmetic,
        section: str = "training",
    ):
        self.section, self.seed = section, seed
        self.recipe, self.transform, self.arithmetic = recipe, transform, arithmetic
        device = arithmetic.device
        residency = choose_residency(arithmetic.residency, sum(split.images.nbytes for split in splits), device)
        self.train, self.validation, self.test = (Resident(split, device, residency) for split in splits)
        if not len(self.train):
            raise InputError("no training images")
        self.stopping = Stopping(recipe.keep, recipe.patience)
        self.stopping.check(len(self.validation))
        self.network = network.to(device).to(memory_format=arithmetic.memory_format)
        self.trainable = trainable
        self.parameters = select_trainable(network, trainable)
        self.counts_on_device = arithmetic.fused_optimizer or device.type == "cuda"
        self.optimiser = torch.optim.Adam(
            list(self.parameters.values()),
            lr=recipe.learning_rate,
            fused=arithmetic.fused_optimizer or None,
            capturable=device.type == "cuda",  # whether or not a graph is recorded: the same bits
        )
        self.scaler = arithmetic.loss_scaler()
        self.outcome = Outcome()
        self.kept: Kept | None = None
        self.epoch = 0
        """The epoch that comes or is under way; 0 is the evaluation before training."""
        self.step = 0
        """How many steps of it are done."""
        self.finite_steps = 0
        """How many of them are known to have a finite loss."""
        # Summed on the device: asking for a number after each step would make a GPU wait for Python.
        self.loss_sum = torch.zeros((), dtype=torch.float64, device=device)
        self.correct = torch.zeros((), dtype=torch.int64, device=device)
        self.take_step = recorded(self.train_batch, recipe.batch_size, arithmetic)

    def run(self, checkpoints: Checkpoints) -> Outcome:
        """Train from wherever it stands to the end."""
        evaluating = partial(
            explained,
            self.recipe.evaluation_batch_size,
            len(self.train),
            self.arithmetic,
            lambda: self.place(checkpoints),
            "training.evaluation_batch_size",
        )
        found = checkpoints.load()
        if found:
            self.restore(*found)
            print(f"going on from a checkpoint: epoch {self.epoch}, step {self.step}", flush=True)
        while self.epoch <= self.recipe.epochs and not self.stopping.ends(self.epoch - 1):
            row: dict[str, Any] = dict.fromkeys(HISTORY_COLUMNS)
            row |= {"epoch": self.epoch, "kept": 0}
            if self.epoch > 0:
                row["train_loss"], row["train_accuracy"] = self.train_epoch(checkpoints)
                release_freed_memory()
            with evaluating():
                self.evaluate_epoch(row)
            release_freed_memory()
            for split in ("validation", "test"):
                self.check_finite(split, row[f"{split}_loss"] or 0.0, checkpoints)
            self.epoch, self.step = self.epoch + 1, 0
            checkpoints.save(*self.state())
        if self.epoch <= self.recipe.epochs:
            print(f"validation accuracy highest in epoch {self.stopping.best_epoch}: stopped", flush=True)
        with evaluating():
            self.keep()
        return self.outcome

    def train_epoch(self, checkpoints: Checkpoints) -> tuple[float, float]:
        """The rest of a pass over the training images in the epoch's own order: running mean loss and accuracy (%)."""
        recipe = self.recipe
        if self.step == 0:
            # Dropout and its like draw from the epoch's own stream, so an epoch does not depend on how it was reached.
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
            if self.arithmetic.device.type == "cpu":  # a GPU would have to wait
                self.check_finite("training", self.loss_sum.item(), checkpoints)
            if checkpoints.due():
                synchronize(self.arithmetic.device)
                self.check_finite("training", self.loss_sum.item(), checkpoints)
                self.outcome.training_seconds += time.perf_counter() - clock
                checkpoints.save(*self.state())
                clock = time.perf_counter()
        loss, correct = self.loss_sum.item(), self.correct.item()  # waits for the device
        self.check_finite("training", loss, checkpoints)
        self.outcome.training_seconds += time.perf_counter() - clock
        return loss / len(self.train), 100 * correct / len(self.train)

    def train_batch(self, images: torch.Tensor, labels: torch.Tensor) -> None:
        """One step of the optimiser, all of it on the device."""
        with self.arithmetic.autocast():
            logits = self.network(self.transform(images))
        loss = cross_entropy(logits.float(), labels)
        self.optimiser.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.loss_sum += loss.detach().double() * len(labels)
        self.correct += (logits.detach().argmax(1) == labels).sum()

    def check_finite(self, what: str, loss: float, checkpoints: Checkpoints) -> None:
        """Stop where a loss is no longer finite, before a checkpoint holds what it came from."""
        if not math.isfinite(loss):
            since = self.finite_steps + 1 if what == "training" else None
            place = self.place(checkpoints, since)
            precision = self.arithmetic.precision
            raise not_finite(what, loss, place, self.recipe.learning_rate, precision, self.section)
        self.finite_steps = self.step

    def place(self, checkpoints: Checkpoints, since: int | None = None) -> str:
        """How far it has come (or, with `since`, from which step on to here), and the last good checkpoint."""
        if since is not None:
            step = f"step {self.step}" if since == self.step else f"one of its steps {since} to {self.step}"
        elif self.epoch == 0:
            step = "before training"
        elif self.step * self.recipe.batch_size >= len(self.train):
            step = "after its last step"
        else:
            step = f"step {self.step + 1}"
        if self.epoch > self.recipe.epochs or self.stopping.ends(self.epoch - 1):
            return f"the evaluation after the last epoch ({checkpoints.last_good()})"
        return f"epoch {self.epoch}, {step} ({checkpoints.last_good()})"

    def evaluate_epoch(self, row: dict[str, Any]) -> None:
        """Fill the epoch's row with what the network gets right now, and take note of it."""
        outcome, clock = self.outcome, time.perf_counter()
        row["validation_loss"], row["validation_accuracy"], outcome.validation_logits = self.evaluate(self.validation)
        row["test_loss"], row["test_accuracy"], outcome.test_logits = self.evaluate(self.test)
        synchronize(self.arithmetic.device)
        outcome.evaluation_seconds += time.perf_counter() - clock
        outcome.history.append(row)
        outcome.kept_epoch = self.epoch
        print(progress_line(row, self.recipe.epochs, outcome), flush=True)
        if self.stopping.update(self.epoch, row["validation_accuracy"]) and self.recipe.keep == "best":
            self.kept = Kept.of(self.epoch, self.network, outcome)

    def evaluate(self, data: Resident) -> tuple[float | None, float | None, torch.Tensor]:
        return evaluate(self.network, data, self.transform, self.recipe.evaluation_batch_size, self.arithmetic)

    def keep(self) -> None:
        """Bring back the epoch that is kept, and evaluate it on the training images."""
        outcome = self.outcome
        if self.kept:
            self.kept.restore(self.network, outcome)
        clock = time.perf_counter()
        row = outcome.history[outcome.kept_epoch]
        row["kept"] = 1
        row["fit_loss"], row["fit_accuracy"], _ = self.evaluate(self.train)
        synchronize(self.arithmetic.device)
        outcome.evaluation_seconds += time.perf_counter() - clock
        print(f"kept epoch {row['epoch']} | fit {row['fit_loss']:.4f} {row['fit_accuracy']:5.1f} %", flush=True)

    def state(self) -> tuple[dict[str, numpy.ndarray], dict[str, Any]]:
        """Everything that the rest depends on: arrays by name, and what JSON can hold."""
        tensors = {f"network.{name}": tensor for name, tensor in self.network.state_dict().items()}
        for parameter_name, parameter in self.parameters.items():
            for name, tensor in self.optimiser.state.get(parameter, {}).items():
                tensors[f"adam.{parameter_name}.{name}"] = tensor
        tensors |= {"sum.loss": self.loss_sum, "sum.correct": self.correct, "random.cpu": torch.get_rng_state()}
        if self.arithmetic.device.type == "cuda":
            tensors["random.cuda"] = torch.cuda.get_rng_state(self.arithmetic.device)
        for name in ("validation_logits", "test_logits"):
            tensors[f"last.{name}"] = getattr(self.outcome, name)
            if self.kept:
                tensors[f"kept.{name}"] = getattr(self.kept, name)
        if self.kept:
            tensors |= {f"kept.network.{name}": tensor for name, tensor in self.kept.state.items()}
        numbers = ("history", "training_seconds", "evaluation_seconds", "images_trained", "kept_epoch")
        state = {
            "epoch": self.epoch,
            "step": self.step,
            "outcome": {name: getattr(self.outcome, name) for name in numbers},
            "best": [self.stopping.best_epoch, self.stopping.best_accuracy],
            "kept": self.kept.epoch if self.kept else None,
            "scaler": self.scaler.state_dict(),
            "peak_memory_bytes": max(self.outcome.earlier_peak_bytes, peak_memory_bytes(self.arithmetic.device)),
        }
        return {name: tensor.detach().cpu().numpy() for name, tensor in tensors.items()}, state

    def restore(self, arrays: dict[str, numpy.ndarray], state: dict[str, Any]) -> None:
        """Stand where `state` was taken."""
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}

        def below(prefix: str) -> dict[str, torch.Tensor]:
            return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}

        load_state(self.network, below("network."))
        for parameter_name, parameter in self.parameters.items():
            moments = {name: tensor for name, tensor in below(f"adam.{parameter_name}.").items() if "." not in name}
            for name, tensor in moments.items():
                if name == "step":  # Adam's own count
                    moments[name] = tensor.to(parameter.device if self.counts_on_device else "cpu")
                else:  # as the parameter lies in memory: a fused kernel runs through both alike
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
            self.kept = Kept(state["kept"], below("kept.network."), *logits)
        self.scaler.load_state_dict(state["scaler"])


def progress_line(row: dict[str, Any], epochs: int, outcome: Outcome) -> str:
    """A line for the terminal: the epoch, losses and accuracies, images per second, time left."""
    parts = [f"epoch {row['epoch']:>{len(str(epochs))}}/{epochs}"]
    for split in ("train", "validation", "test"):
        if row[f"{split}_loss"] is not None:
            parts.append(f"{split} {row[f'{split}_loss']:.4f} {row[f'{split}_accuracy']:5.1f} %")
    if outcome.images_trained:
        parts.append(f"{outcome.images_per_second:,.0f} images/s")
        spent = outcome.training_seconds + outcome.evaluation_seconds
        left = round(spent / (row["epoch"] + 1) * (epochs - row["epoch"]))
        parts.append(f"{left // 60}:{left % 60:02d} left")
    return " | ".join(parts)
