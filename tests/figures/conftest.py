"""A made-up results folder with everything that figures read, in the shape that training gives it."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy
import pandas
import pytest

from triptych.data.dataset import Split, save_split
from triptych.results.schema import TABLES
from triptych.storage.files import write_table
from triptych.storage.tensors import save_tensors

LECTURE_ARMS = (("scratch", "net1", "arm"), ("finetune", "net2", "arm"), ("last_layer", "net3", "arm"))


def tensors_of_residual_network(blocks=(2, 2, 2, 2), convolutions=2):
    """Name, kind and size of each tensor of a ResNet in definition order: by default ResNet-18's."""

    def batch_norm(name, width):
        yield f"{name}.weight", "parameter", width
        yield f"{name}.bias", "parameter", width
        yield f"{name}.running_mean", "buffer", width
        yield f"{name}.running_var", "buffer", width
        yield f"{name}.num_batches_tracked", "buffer", 1

    yield "conv1.weight", "parameter", 9408
    yield from batch_norm("bn1", 64)
    for stage, depth in enumerate(blocks, start=1):
        width = 32 * 2**stage
        for block in range(depth):
            name = f"layer{stage}.{block}"
            for number in range(1, convolutions + 1):
                yield f"{name}.conv{number}.weight", "parameter", width * width * 9
                yield from batch_norm(f"{name}.bn{number}", width)
            if block == 0 and (stage > 1 or convolutions == 3):
                yield f"{name}.downsample.0.weight", "parameter", width * width
                yield from batch_norm(f"{name}.downsample.1", width)
    yield "fc.weight", "parameter", 5120
    yield "fc.bias", "parameter", 10


def tables_of_networks():
    """Rows of `tables/architectures.csv` and `tables/largest_batch.csv`; into 4 GB the largest does not fit."""
    known = (
        ("resnet18", 224, 0, "arm", 11_689_512, 1_814_073_344, 20_678_560, 44_352_000),
        ("inception_v3", 299, 1, "reference", 27_161_264, 5_718_899_296, 74_092_864, 98_000_000),
        ("googlenet", 224, 0, "reference", 6_624_904, 1_498_376_192, 31_487_264, 48_000_000),
        ("shufflenet_v2_x0_5_with_a_long_name", 32, 0, "reference", 1_366_792, 891_000, 130_000, 200_000),
        ("regnet_y_128gf", 384, 0, "reference", 644_812_894, 374_569_893_888, 4_400_000_000, 5_000_000_000),
    )
    networks, batches = [], []
    for architecture, size, auxiliary, role, parameters, macs, activations, each in known:
        key = {"architecture": architecture, "input_size": size, "auxiliary": auxiliary}
        counts = {"parameters": parameters, "weight_bytes": 4 * parameters, "macs": macs}
        networks.append({**key, "role": role, **counts, "activation_bytes": activations})
        for train, part in (("all", 1), ("head", 4)):
            for memory in (4, 8, 16, 24, 80):
                fits = max(0, memory * 10**9 - 16 * parameters // part) * part // each
                batches.append({**key, "train": train, "memory_gb": memory, "largest_batch": fits})
    return {"architectures": networks, "largest_batch": batches}


@dataclass
class Results:
    """Writes `folder/{data,runs,tables}` of an experiment; every value is drawn from one seeded generator."""

    folder: Path
    arms: Sequence = LECTURE_ARMS
    seeds: Sequence[int] = (0, 1, 2)
    epochs: int = 10
    classes: Sequence[str] = tuple("0123456789")
    test_images: int = 1000
    image_size: int = 8
    validation: bool = True
    tensors: Iterable | None = None
    kernels: tuple[int, ...] = (64, 3, 7, 7)
    second_kernels: tuple[int, ...] = (64, 64, 3, 3)
    networks_differ: bool = False
    frozen: Sequence[str] = ("last_layer",)
    ran: dict = field(default_factory=dict)
    kept: dict = field(default_factory=dict)

    def __post_init__(self):
        self.classes = list(self.classes)
        self.shares_of = {}
        self.random = numpy.random.default_rng(20)
        self.final = {
            name: 90.5 + 6.5 * (i == 1) - 17 * (i == 2) - 2.3 * (i > 2) * i for i, (name, *_) in enumerate(self.arms)
        }
        self.write_data(self.test_images, self.image_size)
        self.write_runs(self.kernels, self.second_kernels, self.frozen)
        tensors = list(self.tensors or tensors_of_residual_network())
        self.write_tables(self.validation, tensors, self.frozen, self.networks_differ)

    @property
    def tables(self):
        return self.folder / "tables"

    def table(self, name, rows):
        write_table(self.tables / f"{name}.csv", pandas.DataFrame(rows).reindex(columns=TABLES[name].names))

    def write_data(self, test_images, size):
        index = []
        grid = numpy.mgrid[0:size, 0:size] / size
        first = 0
        for split, count in (("train", 3 * max(100, len(self.classes) * 2)), ("test", test_images)):
            labels = numpy.arange(count) % len(self.classes)
            phase = labels[:, None, None] * 2.4 + self.random.normal(0, 0.4, (count, 1, 1))
            waves = numpy.sin(grid[0] * (3 + labels[:, None, None] % 5) + phase) + numpy.cos(6 * grid[1] - phase)
            grey = 127 + 55 * waves + self.random.normal(0, 6, (count, size, size))
            images = numpy.repeat(numpy.clip(grey, 0, 255).astype(numpy.uint8)[..., None], 3, axis=-1)
            split_of = Split(images, labels.astype(numpy.int64), self.classes)
            save_split(self.folder / "data" / f"{split}.safetensors", split_of, {"source": "digits", "split": split})
            for row, label in enumerate(labels):
                name = f"digits-{first + row:04d}"
                index.append({"split": split, "row": row, "name": name, "sha256": "", "class": self.classes[label]})
            first += count
            if split == "test":
                self.test_labels = labels
        write_table(self.folder / "data" / "index.csv", pandas.DataFrame(index).assign(group=""))
        sizes = pandas.DataFrame(index).groupby(["split", "class"]).size().rename("images").reset_index()
        write_table(self.folder / "data" / "sizes.csv", sizes)

    def write_runs(self, kernels, second_kernels, frozen):
        angle = numpy.linspace(0, numpy.pi, kernels[0])[:, None, None]
        y, x = numpy.mgrid[0 : kernels[2], 0 : kernels[3]] - kernels[2] // 2
        wave = numpy.sin(1.1 * (numpy.cos(angle) * x + numpy.sin(angle) * y)) * numpy.exp(-(x**2 + y**2) / 8)
        gabors = 0.16 * wave[:, None] * self.random.normal(1, 0.3, (kernels[0], kernels[1], 1, 1))
        for position, (arm, *_) in enumerate(self.arms):
            for seed in self.seeds:
                folder = self.folder / "runs" / arm / f"seed{seed}"
                before = self.random.normal(0, 0.03, kernels) + (0 if position == 0 else gabors)
                change = 0 if arm in frozen else self.random.normal(0, 0.004, kernels) * (2 if position == 0 else 1)
                pair = {"first_convolution": (before, before + change)}
                if second_kernels:
                    before = self.random.normal(0, 0.04, second_kernels)
                    change = 0 if arm in frozen else self.random.normal(0, 0.003, second_kernels)
                    pair["first_3x3_convolution"] = (before, before + change)
                tensors = {}
                for name, (initial, trained) in pair.items():
                    tensors[f"{name}_initial"] = initial.astype(numpy.float32)
                    tensors[f"{name}_trained"] = trained.astype(numpy.float32)
                names = {"first_convolution": "conv1.weight", "first_3x3_convolution": "layer1.0.conv1.weight"}
                save_tensors(folder / "kernels.safetensors", tensors, {key: names[key] for key in pair})
                logits = self.random.normal(0, 1, (len(self.test_labels), len(self.classes)))
                logits[numpy.arange(len(logits)), self.test_labels] += self.final[arm] / 25
                logits[:, 1] += 2.0 * (self.test_labels == 8)
                taken = numpy.eye(len(self.classes))[logits.argmax(axis=1)]
                self.shares_of[arm, seed] = numpy.stack(
                    [taken[self.test_labels == label].mean(axis=0) for label in range(len(self.classes))]
                )
                predictions = {
                    "test_logits": logits.astype(numpy.float32),
                    "validation_logits": numpy.zeros((0, len(self.classes)), numpy.float32),
                }
                save_tensors(folder / "predictions.safetensors", predictions)

    def write_tables(self, validation, tensors, frozen, networks_differ):
        arms, history, summary, cost, memory, confusion, delta = [], [], [], [], [], [], []
        for position, (arm, label, role) in enumerate(self.arms):
            names = {"arm": arm, "label": label}
            architecture = f"resnet{18 + 16 * position}" if networks_differ else "resnet18"
            arms.append({**names, "role": role, "architecture": architecture, "input_size": 32, "batch_size": 32})
            arms[-1]["train_images"] = 300
            finals = []
            for seed in self.seeds:
                rate, wobble = (1.2 if position == 1 else 0.35), self.random.normal(0, 1.0)
                ran = self.ran.get((arm, seed), self.epochs)
                for epoch in range(ran + 1):
                    learnt = 1 - numpy.exp(-rate * epoch)
                    accuracy = 9.0 + (self.final[arm] + wobble - 9.0) * learnt + self.random.normal(0, 0.5)
                    loss = 2.4 * (1 - 0.9 * learnt) + abs(self.random.normal(0, 0.05)) + 0.1 * position
                    row = {**names, "seed": seed, "epoch": epoch}
                    row["kept"] = int(epoch == self.kept.get((arm, seed), ran))
                    row["train_loss"] = numpy.nan if epoch == 0 else 0.8 * loss
                    row["train_accuracy"] = numpy.nan if epoch == 0 else min(100.0, accuracy + 3 * learnt)
                    row["validation_loss"] = 1.05 * loss if validation else numpy.nan
                    row["validation_accuracy"] = accuracy - 0.7 if validation else numpy.nan
                    history.append({**row, "test_loss": loss, "test_accuracy": min(100.0, accuracy)})
                finals.append(accuracy)
                seconds = (4.3 if arm in frozen else 12.5) + self.random.normal(0, 0.3)
                cost.append(
                    {
                        "arm": arm,
                        "seed": seed,
                        "device": "cpu",
                        "device_name": "a processor of 2 cores",
                        "seconds": seconds + 6,
                        "images_per_second": 3000 / seconds,
                        "peak_memory_bytes": 9e8,
                        "training_seconds": seconds,
                        "evaluation_seconds": 3.0,
                        "features_seconds": 0.0,
                    }
                )
                norm = numpy.random.default_rng(seed)
                for tensor, kind, size in tensors:
                    moves = kind == "buffer" or arm not in frozen or tensor.startswith("fc.")
                    initial = 0.03 * numpy.sqrt(size)
                    change = initial * 10 ** norm.normal(-2.2 + 0.5 * (position == 0), 0.2) if moves else 0.0
                    row = {"arm": arm, "seed": seed, "tensor": tensor, "kind": kind, "size": size}
                    delta.append({**row, "initial_norm": initial, "delta_norm": change})
            half = 0.9 if len(self.seeds) > 1 else 1.6
            mean = float(numpy.mean(finals))
            summary.append({**names, "n": len(self.seeds), "test_accuracy_mean": mean})
            summary[-1] |= {"test_accuracy_low": mean - half, "test_accuracy_high": mean + half}
            shares = numpy.mean([self.shares_of[arm, seed] for seed in self.seeds], axis=0)
            for row, true in enumerate(self.classes):
                for column, predicted in enumerate(self.classes):
                    pair = {"true_class": true, "predicted_class": predicted}
                    confusion.append({"arm": arm, **pair, "share": shares[row, column]})
            for batch_size in 2 ** numpy.arange(9):
                scale = (1 + position) if networks_differ else 1
                image = scale * (200_000 if arm in frozen else 2_600_000)
                fixed = 45_000_000 * scale
                memory.append({**names, "architecture": architecture, "input_size": 32, "batch_size": batch_size})
                memory[-1]["training_bytes"] = fixed * (1 if arm in frozen else 4) + image * batch_size
                memory[-1]["inference_bytes"] = fixed + 350_000 * scale * batch_size
        content = {
            "arms": arms,
            "history": history,
            "summary": summary,
            "cost": cost,
            "memory": memory,
            "confusion": confusion,
            "weight_delta": delta,
            "full_run": [
                {
                    "run": run,
                    "arm": row["arm"],
                    "seed": row["seed"],
                    "epoch": row["epoch"],
                    "images_seen": images * row["epoch"],
                    "test_accuracy": row["test_accuracy"],
                }
                for run, images in (("this run", 300), ("full run", 50_000))
                for row in history
                if row["arm"] in [arm for arm, *_ in self.arms[:3]]
            ],
            **tables_of_networks(),
        }
        for name, rows in content.items():
            self.table(name, rows)

    def commands(self, output: Path, arm: str):
        """Every figure command as (name, options by name), writing into `output`."""
        tables, arms = self.tables, self.tables / "arms.csv"

        def files(name):
            return {"svg": output / f"{name}.svg", "png": output / f"{name}.png"}

        yield (
            "plot_samples",
            {
                "data": self.folder / "data" / "train.safetensors",
                "index": self.folder / "data" / "index.csv",
                **files("samples"),
            },
        )
        curves = {"history": tables / "history.csv", "arms": arms}
        loss, accuracy = files(f"loss_{arm}"), files(f"accuracy_{arm}")
        yield (
            "plot_arm_curves",
            {
                **curves,
                "arm": arm,
                "loss_svg": loss["svg"],
                "loss_png": loss["png"],
                "accuracy_svg": accuracy["svg"],
                "accuracy_png": accuracy["png"],
            },
        )
        for quantity in ("train_loss", "test_loss", "test_accuracy"):
            yield "plot_curves", {**curves, "quantity": quantity, **files(quantity)}
        seed = self.seeds[0]
        seeds = json.dumps(dict.fromkeys(pandas.read_csv(arms)["arm"], seed))
        one = {"arms": arms, "arm": arm, "experiment_folder": self.folder}
        yield "plot_kernels", {**one, "seeds": seeds, **files(f"kernels_{arm}")}
        yield (
            "plot_confusion",
            {
                **one,
                "confusion": tables / "confusion.csv",
                "seeds": json.dumps(list(self.seeds)),
                **files(f"confusion_{arm}"),
            },
        )
        delta = {"weight_delta": tables / "weight_delta.csv", "arms": arms}
        yield "plot_weight_delta", {**delta, **files("relative_change")}
        yield "plot_batchnorm_drift", {**delta, **files("batchnorm_drift")}
        yield "plot_full_run", {"full_run": tables / "full_run.csv", "arms": arms, **files("full_run")}
        yield "plot_notebook_loss", {**curves, "sizes": self.folder / "data" / "sizes.csv", **files("notebook_loss")}
        yield "plot_notebook_kernels", {**one, "seed": seed, **files("notebook_kernels")}
        cost = {"cost": tables / "cost.csv", "summary": tables / "summary.csv", "arms": arms}
        yield "plot_cost", {**cost, **files("cost_accuracy")}
        yield "plot_memory", {"memory": tables / "memory.csv", "arms": arms, **files("memory")}
        networks = {"architectures": tables / "architectures.csv", "largest_batch": tables / "largest_batch.csv"}
        yield "plot_architectures", {**networks, **files("architectures")}


@pytest.fixture(scope="session")
def results(tmp_path_factory):
    """The lecture's three arms, three seeds, ten epochs."""
    return Results(tmp_path_factory.mktemp("results"))


@pytest.fixture
def make_results(tmp_path):
    """A function that writes another results folder, with the options of `Results`."""
    return lambda **options: Results(tmp_path / "results", **options)


@pytest.fixture
def residual_tensors():
    """The function that lists the tensors of a ResNet."""
    return tensors_of_residual_network
