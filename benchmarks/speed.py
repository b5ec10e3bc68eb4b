"""Compare the training speed of the package with that of the lecture's loop on this machine.

    python benchmarks/speed.py --output benchmarks/speed-NAME

Each comparison alternates its two sides, so that a change in the load of the machine affects both. A line is the median
over `--repeats` measurements of a few training steps, and their ratio. The lecture's side is one net of the loop of
tests/lecture45 (float32, every image resized by Pillow in a DataLoader, nothing frozen). It runs in a separate process,
because the package keeps freed memory and requires determinism for the whole process. Images and weights are random,
which does not affect speed.
"""

import argparse
import multiprocessing
import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path

import numpy
import pandas
import torch
import torchvision
from PIL import Image
from torch.utils.data import DataLoader, Dataset

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "workflow")]

from tests.lecture45.lecture_loop import BATCH, RATE
from triptych.data.dataset import Split
from triptych.storage.files import write_table, write_text
from triptych.training.allocator import keep_freed_memory
from triptych.training.arithmetic import Arithmetic, check_precision
from triptych.training.batches import Transform, Transforms
from triptych.training.checkpoints import Checkpoints
from triptych.training.device import choose_device, device_name, make_deterministic, synchronize
from triptych.training.loop import Trainer
from triptych.training.recipe import PretrainingRecipe
from triptych.training.regime import Phase, Trainable
from triptych.training.residency import Resident

TRAIN_IMAGES, TEST_IMAGES, EPOCHS = 50_000, 10_000, 10
IMAGES = EPOCHS * (TRAIN_IMAGES + TEST_IMAGES)
CLASSES = [str(number) for number in range(10)]


@dataclass(frozen=True)
class Comparison:
    """Two measurements in images per second, taken alternately.

    Attributes:
        baseline: the lecture's loop; with `ours_alone`, both sides are of the package.
        wanted: the target ratio.
    """

    what: str
    baseline: Callable[[], float]
    ours: Callable[[], float]
    wanted: float | None
    ours_alone: bool = False


class Resized(Dataset):
    """The lecture's data set: each image is resized by Pillow and converted to a float tensor on access."""

    def __init__(self, split: Split, size: int):
        self.split, self.size = split, size

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
        image = Image.fromarray(self.split.images[row]).resize((self.size, self.size), Image.Resampling.BILINEAR)
        pixels = torch.from_numpy(numpy.array(image)).permute(2, 0, 1).float().div(255)
        return pixels, int(self.split.labels[row])


class Lecture:
    """One net of the lecture's loop; `trained` are the parameters of its optimiser."""

    def __init__(self, split: Split, size: int, device: torch.device, head_only: bool):
        self.net = torchvision.models.resnet18(num_classes=len(CLASSES)).to(device)
        parameters = self.net.fc.parameters() if head_only else self.net.parameters()
        self.adam = torch.optim.Adam(parameters, lr=RATE)
        self.loader = DataLoader(Resized(split, size), BATCH, shuffle=True)
        self.device, self.images = device, len(split)
        self.in_memory = list(self.loader)

    def step(self, x: torch.Tensor, y: torch.Tensor) -> float:
        x, y = x.to(self.device), y.to(self.device)
        self.adam.zero_grad()
        out = torch.log_softmax(self.net(x), 1)
        error = torch.nn.functional.nll_loss(out, y)
        error.backward()
        self.adam.step()
        return error.item() + int((out.max(1).indices == y).sum())

    def train(self, batches=None) -> float:
        """Measure training steps in images per second, including data loading unless the batches are given."""
        self.net.train()
        return self.timed(lambda: [self.step(x, y) for x, y in batches or self.loader])

    def test(self) -> float:
        self.net.eval()
        with torch.no_grad():
            return self.timed(lambda: [self.net(x.to(self.device)).max(1).indices.tolist() for x, _ in self.loader])

    def timed(self, work: Callable[[], object]) -> float:
        synchronize(self.device)
        clock = time.perf_counter()
        work()
        synchronize(self.device)
        return self.images / (time.perf_counter() - clock)


class Ours:
    """One run of the package; with `features` (float32 [N, F]) it trains only the head, without images."""

    def __init__(self, split: Split, size: int, phase: Phase, arithmetic: Arithmetic, features: bool = False):
        classes = len(CLASSES)
        network = torch.nn.Linear(512, classes) if features else torchvision.models.resnet18(num_classes=classes)
        head = list(network.state_dict()) if features else ["fc.weight", "fc.bias"]
        scale = {"mean": [0, 0, 0], "std": [1, 1, 1]}
        resize = Transforms.to_input(size, scale, arithmetic, crop=False)
        transforms = Transforms.of_features() if features else resize
        splits = (split, split.first(0), split.first(0))
        recipe = PretrainingRecipe(
            epochs=1,
            batch_size=BATCH,
            learning_rate=RATE,
            evaluation_batch_size=256,
            num_threads=torch.get_num_threads(),
            device="auto",
            precision=arithmetic.precision,
            channels_last=arithmetic.channels_last,
        )
        trainable, resident = Trainable.of(network, head, phase), replace(arithmetic, residency="device")
        self.trainer = Trainer(network, trainable, recipe, 0, transforms, splits, resident)

    def train(self) -> float:
        self.trainer.epoch, self.trainer.step = 1, 0
        return self.timed(lambda: self.trainer.train_epoch(Checkpoints(None, "", 0)))

    def test(self) -> float:
        return self.timed(lambda: self.trainer.evaluate(self.trainer.train))

    def timed(self, work: Callable[[], object]) -> float:
        device = self.trainer.arithmetic.device
        synchronize(device)
        clock = time.perf_counter()
        work()
        synchronize(device)
        return len(self.trainer.train) / (time.perf_counter() - clock)


class SameBatch:
    """A `Resident` that always yields the same batch, transformed and on the device."""

    def __init__(self, data: Resident, transform: Transform):
        self.device, self.labels, self.count = data.device, data.labels, len(data)
        self.images = transform(data.images[:BATCH])

    def __len__(self) -> int:
        return self.count

    def batches(self, batch_size: int, order: torch.Tensor | None = None):
        for start in range(0, self.count, batch_size):
            rows = slice(start, start + batch_size)
            yield self.images[: len(self.labels[rows])], self.labels[rows]


class ThreeNets:
    """The lecture's loop, which trains three nets on each batch, against three runs of the package."""

    def __init__(self, nets: list[Lecture], runs: list[Ours]):
        self.nets, self.runs = nets, runs

    def lecture(self) -> float:
        """Extrapolate ten epochs of training and testing, in images per second; all three nets see each image."""
        first = self.nets[0]
        for net in self.nets:
            net.net.train()
        train = first.timed(lambda: [net.step(x, y) for x, y in first.loader for net in self.nets])
        for net in self.nets:
            net.net.eval()
        with torch.no_grad():
            test = first.timed(
                lambda: [net.net(x.to(net.device)).argmax(1).tolist() for x, _ in first.loader for net in self.nets]
            )
        return IMAGES / lecture_seconds(train, test)

    def ours(self) -> float:
        return IMAGES / sum(lecture_seconds(run.train(), run.test()) for run in self.runs)


def random_split(images: int, width: int = 32) -> Split:
    generator = numpy.random.default_rng(0)
    pixels = generator.integers(0, 256, (images, width, width, 3), dtype=numpy.uint8)
    return Split(pixels, generator.integers(0, 10, images), CLASSES)


def lecture_seconds(train_rate: float, test_rate: float) -> float:
    """Return the seconds of the lecture's ten epochs of one net, from its rates."""
    return EPOCHS * (TRAIN_IMAGES / train_rate + TEST_IMAGES / test_rate)


def comparisons(size: int, batches: int, fast: Arithmetic) -> list[Comparison]:
    """Return all comparisons, with their networks."""
    device = fast.device
    split = random_split(BATCH * batches)
    plain = Arithmetic(device)
    everything, probe = Phase("all", "train"), Phase("head", "train")
    net2, net3 = Lecture(split, size, device, False), Lecture(split, size, device, True)
    finetune, last_layer = Ours(split, size, everything, fast), Ours(split, size, probe, fast)
    faithful = Ours(split, size, everything, plain)
    resident = Ours(split, size, everything, fast)
    resident.trainer.train = SameBatch(resident.trainer.train, resident.trainer.transforms.training)
    resident.trainer.transforms = Transforms.of_features()
    trunk = Ours(split, size, Phase("head", "frozen"), fast)
    features = numpy.random.default_rng(1).normal(0, 1, (TRAIN_IMAGES, 512)).astype(numpy.float32)
    labels = numpy.arange(TRAIN_IMAGES) % 10
    head = Ours(Split(features, labels, CLASSES), size, Phase("head", "frozen"), fast, features=True)

    def lecture_in_all() -> float:
        return IMAGES / lecture_seconds(net3.train(), net3.test())

    def cached_in_all() -> float:
        extraction = (TRAIN_IMAGES + TEST_IMAGES) / trunk.test()
        # a run of the package also evaluates the training images at the end
        evaluated = (EPOCHS + 1) * TEST_IMAGES + TRAIN_IMAGES
        return IMAGES / (extraction + EPOCHS * TRAIN_IMAGES / head.train() + evaluated / head.test())

    pairs = [
        Comparison("finetune or scratch", net2.train, finetune.train, 2.5),
        Comparison("last_layer, BatchNorm in train mode", net3.train, last_layer.train, 7),
        Comparison("last_layer from cached features, ten epochs, extrapolated", lecture_in_all, cached_in_all, 60),
        Comparison("feeding: against one resident batch", resident.train, finetune.train, 0.95, ours_alone=True),
        Comparison("finetune in float32, fed from memory", lambda: net2.train(net2.in_memory), faithful.train, 1),
    ]
    if device.type == "cpu":
        return pairs
    pairs[:3] = [replace(pair, wanted=None) for pair in pairs[:3]]  # targets for a CPU
    net1, scratch = Lecture(split, size, device, False), Ours(split, size, everything, fast)
    three = ThreeNets([net1, net2, net3], [scratch, finetune, last_layer])
    return [*pairs, Comparison("three nets, ten epochs, extrapolated", three.lecture, three.ours, 15)]


def markdown(table: pandas.DataFrame, about: dict[str, object]) -> str:
    """Return the table with the description of the machine."""
    lines = [f"- {key}: {value}" for key, value in about.items()]
    head = ["what", "baseline, images/s", "Triptych, images/s", "ratio (lowest to highest)", "to reach", "n"]
    lines += ["", "| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for row in table.itertuples():
        ratio = f"**{row.ratio}** ({row.lowest_ratio} to {row.highest_ratio})"
        wanted = "" if pandas.isna(row.wanted) else f"{row.wanted:g}"
        cells = [row.what, row.baseline_images_per_second, row.images_per_second, ratio, wanted, row.n]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines) + "\n"


class Side:
    """A process that measures one side of the comparisons, and waits while the other side is measured."""

    def __init__(self, lecture: bool, options: argparse.Namespace):
        context = multiprocessing.get_context("spawn")
        self.pipe, end = context.Pipe()
        self.process = context.Process(target=serve, args=(end, lecture, options), daemon=True)
        self.process.start()
        self.lines: list[dict[str, object]] = self.pipe.recv()

    def rate(self, number: int, which: str) -> float:
        """Measure the `baseline` or `ours` of a comparison."""
        self.pipe.send((number, which))
        return self.pipe.recv()


def serve(pipe: Connection, lecture: bool, options: argparse.Namespace) -> None:
    """Send the names of the comparisons, then answer each request with a rate."""
    pairs = comparisons(options.input_size, options.batches, settled(lecture, options))
    pipe.send([{"what": pair.what, "wanted": pair.wanted, "ours_alone": pair.ours_alone} for pair in pairs])
    while True:
        number, which = pipe.recv()
        pipe.send(getattr(pairs[number], which)())


def settled(lecture: bool, options: argparse.Namespace) -> Arithmetic:
    """Return the fast arithmetic, and set this process up for it; the lecture's loop uses torch's defaults."""
    make_deterministic(options.num_threads)
    if lecture:
        torch.use_deterministic_algorithms(False)
        torch.backends.cudnn.allow_tf32 = True
    else:
        keep_freed_memory()
    torch.manual_seed(0)
    return Arithmetic(choose_device(options.device), options.precision, channels_last=True, fused_optimizer=True)


def row(line: dict[str, object], rates: list[tuple[float, float]]) -> dict[str, object]:
    """Return the medians, the range of the ratio over the repeats, and the ratio of the medians."""
    baseline, ours = (statistics.median(side) for side in zip(*rates, strict=True))
    ratios = [second / first for first, second in rates]
    return {
        "what": line["what"],
        "baseline_images_per_second": round(baseline, 1),
        "images_per_second": round(ours, 1),
        "ratio": round(ours / baseline, 2),
        "lowest_ratio": round(min(ratios), 2),
        "highest_ratio": round(max(ratios), 2),
        "wanted": line["wanted"],
        "n": len(rates),
    }


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="where to write .csv and .md, without the ending")
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    parser.add_argument("--precision", default="bfloat16", help="of the fast side")
    parser.add_argument("--num-threads", type=int, default=2, help="of both sides, on the CPU")
    parser.add_argument("--input-size", type=int, default=224)
    parser.add_argument("--batches", type=int, default=4, help="batches of a measurement")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args(arguments)
    fast = settled(False, options)
    check_precision(fast)
    lecture, package = Side(True, options), Side(False, options)
    rates = [[] for _ in package.lines]
    for repeat in range(options.repeats + 1):
        for number, line in enumerate(package.lines):
            baseline = (package if line["ours_alone"] else lecture).rate(number, "baseline")
            ours = package.rate(number, "ours")
            if repeat:  # the first is a warm-up: memory is allocated and kernels are selected
                rates[number].append((baseline, ours))
                print(repeat, line["what"], f"{baseline:.1f} {ours:.1f}", flush=True)
    table = pandas.DataFrame([row(line, measured) for line, measured in zip(package.lines, rates, strict=True)])
    about = {
        "device": device_name(fast.device),
        "threads": options.num_threads,
        "input": f"{options.input_size} px, batches of {BATCH}, ResNet-18",
        "fast side": f"{options.precision}, channels_last, fused optimiser",
        "versions": (
            f"torch {torch.__version__}, torchvision {torchvision.__version__}, Python {platform.python_version()}"
        ),
    }
    for key, value in about.items():
        table[key.replace(" ", "_")] = value
    write_table(options.output.with_suffix(".csv"), table)
    write_text(options.output.with_suffix(".md"), markdown(table, about))
    print(options.output.with_suffix(".md").read_text())


if __name__ == "__main__":
    main()
