"""The one training loop: the lecture's, with its faults 1 to 5 mended.

Losses are sums over images divided by the number of images (fault 3). `train_*` is the running figure over the batches
of an epoch, taken while the network moves, as in the lecture; `fit_*` is the same quantity measured like the test
set's, in one pass in eval mode of the network that is kept (fault 4). Only what trains has gradients (fault 5).
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from triptych.data.dataset import Split
from triptych.errors import InputError
from triptych.training.arithmetic import Arithmetic
from triptych.training.batches import epoch_order
from triptych.training.device import synchronize
from triptych.training.failures import explained
from triptych.training.regime import Regime, select_trainable, set_training_mode
from triptych.training.residency import Resident, choose_residency
from triptych.training.stopping import Stopping

HISTORY_COLUMNS = [
    "epoch",
    *(f"{split}_{what}" for split in ("train", "validation", "test", "fit") for what in ("loss", "accuracy")),
    "kept",
]


@dataclass(frozen=True)
class Recipe:
    """How long, in which steps, and from which random states a network trains. Adam with torch's other defaults.

    `keep` and `patience` are those of `Stopping`; with patience, `epochs` is the most.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    evaluation_batch_size: int
    seed: int
    keep: str = "last"
    patience: int | None = None


@dataclass
class Outcome:
    """What training gave besides the network itself.

    `history` has a row an epoch, from 0, with the keys of `HISTORY_COLUMNS` (accuracies in percent; None where a figure
    does not exist; `kept` is 1 for the epoch whose weights are the run's, else 0). Logits are those of the kept epoch,
    float32 [images, classes] on the CPU. `images_per_second` counts training steps only.
    """

    history: list[dict[str, Any]] = field(default_factory=list)
    validation_logits: torch.Tensor | None = None
    test_logits: torch.Tensor | None = None
    training_seconds: float = 0.0
    evaluation_seconds: float = 0.0
    images_trained: int = 0
    kept_epoch: int = 0

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
        network.load_state_dict(self.state)
        outcome.kept_epoch = self.epoch
        outcome.validation_logits, outcome.test_logits = self.validation_logits, self.test_logits


Transform = Callable[[torch.Tensor], torch.Tensor]


@torch.inference_mode()
def evaluate(
    network: torch.nn.Module, data: Resident, transform: Transform, batch_size: int, arithmetic: Arithmetic
) -> tuple[float | None, float | None, torch.Tensor]:
    """One pass in eval mode: mean loss, accuracy in percent (both None without images), logits float32 [N, classes]."""
    network.eval()
    logits = []
    for images, _ in data.batches(batch_size):
        with arithmetic.autocast():
            logits.append(network(transform(images)).float())
    if not logits:
        return None, None, torch.empty(0)
    logits = torch.cat(logits)
    loss = cross_entropy(logits.double(), data.labels).item()
    accuracy = 100 * (logits.argmax(1) == data.labels).sum().item() / len(data)
    return loss, accuracy, logits.cpu()


def train_epoch(
    network: torch.nn.Module,
    optimiser: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    data: Resident,
    transform: Transform,
    regime: Regime,
    recipe: Recipe,
    arithmetic: Arithmetic,
    epoch: int,
) -> tuple[float, float]:
    """One pass over the training images in the epoch's own order: running mean loss and accuracy in percent."""
    # Dropout and its like draw from the epoch's own stream, so that an epoch does not depend on how it was reached.
    torch.manual_seed(recipe.seed * 1_000_003 + epoch)
    set_training_mode(network, regime)
    # Summed on the device: asking for a number after each step would make a GPU wait for Python.
    loss_sum = torch.zeros((), dtype=torch.float64, device=data.device)
    correct = torch.zeros((), dtype=torch.int64, device=data.device)
    for images, labels in data.batches(recipe.batch_size, epoch_order(recipe.seed, epoch, len(data))):
        with arithmetic.autocast():
            logits = network(transform(images))
        loss = cross_entropy(logits.float(), labels)
        optimiser.zero_grad(set_to_none=True)
        scaler.scale(loss).backward()
        scaler.step(optimiser)
        scaler.update()
        loss_sum += loss.detach().double() * len(labels)
        correct += (logits.detach().argmax(1) == labels).sum()
    return loss_sum.item() / len(data), 100 * correct.item() / len(data)


def fit(
    network: torch.nn.Module,
    head: list[str],
    regime: Regime,
    recipe: Recipe,
    transform: Transform,
    train: Split,
    validation: Split,
    test: Split,
    arithmetic: Arithmetic,
    residency: str = "auto",
) -> Outcome:
    """Train `network` in place and evaluate it after each epoch; print a line an epoch.

    It is left as it was after the epoch that is kept. `transform` makes the network's input of a batch of images;
    `residency` is where these lie meanwhile (`choose_residency`).

    Raises:
        InputError: there is nothing to train on or to decide on, a batch is too small for BatchNorm, the loss is no
            longer finite, or the memory does not suffice.
    """
    with explained(recipe.batch_size, len(train), arithmetic):
        return _fit(network, head, regime, recipe, transform, (train, validation, test), arithmetic, residency)


def _fit(
    network: torch.nn.Module,
    head: list[str],
    regime: Regime,
    recipe: Recipe,
    transform: Transform,
    splits: tuple[Split, Split, Split],
    arithmetic: Arithmetic,
    residency: str,
) -> Outcome:
    device = arithmetic.device
    residency = choose_residency(residency, sum(split.images.nbytes for split in splits), device)
    train, validation, test = (Resident(split, device, residency) for split in splits)
    if not len(train):
        raise InputError("no training images")
    stopping = Stopping(recipe.keep, recipe.patience)
    stopping.check(len(validation))
    kept = None
    network.to(device, memory_format=arithmetic.memory_format)
    trainable = select_trainable(network, head, regime)
    optimiser = torch.optim.Adam(trainable, lr=recipe.learning_rate, fused=arithmetic.fused_optimizer or None)
    scaler = arithmetic.loss_scaler()
    outcome = Outcome()
    started = time.perf_counter()

    for epoch in range(recipe.epochs + 1):
        row: dict[str, Any] = dict.fromkeys(HISTORY_COLUMNS)
        row |= {"epoch": epoch, "kept": 0}
        if epoch > 0:
            clock = time.perf_counter()
            row["train_loss"], row["train_accuracy"] = train_epoch(
                network, optimiser, scaler, train, transform, regime, recipe, arithmetic, epoch
            )
            outcome.training_seconds += time.perf_counter() - clock  # the sums above have waited for the device
            outcome.images_trained += len(train)
            if not torch.isfinite(torch.tensor(row["train_loss"])):
                raise InputError(
                    f"the training loss is {row['train_loss']} in epoch {epoch}; "
                    f"lower training.learning_rate (now {recipe.learning_rate})"
                )
        clock = time.perf_counter()
        row["validation_loss"], row["validation_accuracy"], outcome.validation_logits = evaluate(
            network, validation, transform, recipe.evaluation_batch_size, arithmetic
        )
        row["test_loss"], row["test_accuracy"], outcome.test_logits = evaluate(
            network, test, transform, recipe.evaluation_batch_size, arithmetic
        )
        synchronize(device)
        outcome.evaluation_seconds += time.perf_counter() - clock
        outcome.history.append(row)
        outcome.kept_epoch = epoch
        print(progress_line(row, recipe.epochs, outcome, time.perf_counter() - started), flush=True)
        if stopping.update(epoch, row["validation_accuracy"]) and recipe.keep == "best":
            kept = Kept.of(epoch, network, outcome)
        if stopping.ends(epoch):
            print(f"validation accuracy highest in epoch {stopping.best_epoch}: stopped", flush=True)
            break

    if kept:
        kept.restore(network, outcome)
    clock = time.perf_counter()
    row = outcome.history[outcome.kept_epoch]
    row["kept"] = 1
    row["fit_loss"], row["fit_accuracy"], _ = evaluate(
        network, train, transform, recipe.evaluation_batch_size, arithmetic
    )
    synchronize(device)
    outcome.evaluation_seconds += time.perf_counter() - clock
    print(f"kept epoch {row['epoch']} | fit {row['fit_loss']:.4f} {row['fit_accuracy']:5.1f} %", flush=True)
    return outcome


def progress_line(row: dict[str, Any], epochs: int, outcome: Outcome, elapsed: float) -> str:
    """A line for the terminal: the epoch, losses and accuracies, images per second, time left."""
    parts = [f"epoch {row['epoch']:>{len(str(epochs))}}/{epochs}"]
    for split in ("train", "validation", "test"):
        if row[f"{split}_loss"] is not None:
            parts.append(f"{split} {row[f'{split}_loss']:.4f} {row[f'{split}_accuracy']:5.1f} %")
    if outcome.images_trained:
        parts.append(f"{outcome.images_per_second:,.0f} images/s")
        left = round(elapsed / (row["epoch"] + 1) * (epochs - row["epoch"]))
        parts.append(f"{left // 60}:{left % 60:02d} left")
    return " | ".join(parts)
