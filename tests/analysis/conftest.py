"""A small experiment on disk, in the shape that data, models and training give it, with chosen predictions."""

import json
from pathlib import Path

import numpy
import pandas
import pytest

from triptych.analysis.collect_results import MEMORY_COLUMNS, MODEL_COLUMNS, collect_results
from triptych.analysis.extract_weight_delta import extract_weight_delta
from triptych.data.dataset import Split, save_split
from triptych.results.run_files import HISTORY_COLUMNS
from triptych.storage.files import write_json, write_table
from triptych.storage.tensors import save_tensors

CLASSES = ["01", "NA", "a, b"]
LABELS = [0, 0, 0, 0, 1, 1, 1, 2, 2, 2]
SHAPES = {
    "conv1.weight": (4, 3, 3, 3),
    "bn1.running_mean": (4,),
    "bn1.num_batches_tracked": (),
    "conv2.weight": (5, 4, 3, 3),
    "fc.weight": (3, 5),
    "fc.bias": (3,),
}
BUFFERS = ["bn1.running_mean", "bn1.num_batches_tracked"]


def network_metadata(**changes):
    return {
        "architecture": "resnet18",
        "classes": CLASSES,
        "input_size": 32,
        "normalisation": {"mean": [0, 0, 0], "std": [1, 1, 1]},
        "tensors": list(SHAPES),
        "buffers": BUFFERS,
        "head": ["fc.weight", "fc.bias"],
        "first_convolution": "conv1.weight",
        "first_3x3_convolution": "conv2.weight",
        **changes,
    }


def network_arrays(seed):
    generator = numpy.random.default_rng(seed)
    arrays = {name: generator.normal(size=shape).astype(numpy.float32) for name, shape in SHAPES.items()}
    return arrays | {"bn1.num_batches_tracked": numpy.array(seed, dtype=numpy.int64)}


class Experiment:
    """Writes `folder/{data,models,runs}`; `collect()` makes `folder/tables`."""

    def __init__(self, folder: Path, seeds=(0, 1), epochs=2, labels=LABELS):
        self.folder, self.seeds, self.epochs, self.labels = folder, list(seeds), epochs, numpy.array(labels)
        self.arms = []
        self.comparison = {"equivalence_margin": 1.0, "confidence": 0.95, "bootstrap_draws": 200, "seed": 0}
        images = numpy.zeros((len(self.labels), 2, 2, 3), numpy.uint8)
        save_split(folder / "data" / "test.safetensors", Split(images, self.labels, CLASSES))
        sizes = [("train", name, 20) for name in CLASSES]
        sizes += [("validation", name, 0) for name in CLASSES]
        sizes += [("test", name, int((self.labels == number).sum())) for number, name in enumerate(CLASSES)]
        write_table(folder / "data" / "sizes.csv", pandas.DataFrame(sizes, columns=["split", "class", "images"]))
        self.write_model("resnet18", 32)

    def write_model(self, architecture, input_size):
        folder = self.folder / "models" / f"{architecture}_{input_size}"
        layer = {"layer": "conv1", "type": "Conv2d", "output_shape": "4x16x16", "parameters": 108, "macs": 27648}
        row = {"architecture": architecture, **layer, "activation_bytes": 4096, "input_size": input_size}
        write_table(folder / "layers.csv", pandas.DataFrame([row, row | {"layer": "fc", "type": "Linear"}]))
        totals = dict.fromkeys(MODEL_COLUMNS, 7) | {"architecture": architecture, "input_size": input_size}
        write_json(folder / "totals.json", totals | {"num_classes": 3, "buffers_elements": 5})
        memory = [
            {"train": train, "batch_size": size, "training_bytes": scale * size, "inference_bytes": size}
            for train, scale in (("all", 100), ("head", 10))
            for size in (1, 2)
        ]
        write_table(folder / "memory.csv", pandas.DataFrame(memory, columns=MEMORY_COLUMNS))

    def add_arm(self, name, wrong, role="arm", train="all", model=None, ran=None, kept=None, **training):
        """An arm whose runs are right but for the images `wrong[seed]` (rows), which are taken for the next class.

        `ran` and `kept` are the epochs that each seed ran and the one that is kept: by default all, and the last.
        """
        arm = {"name": name, "label": f"label of {name}", "role": role, "weights": "random", "train": train}
        arm |= {"batchnorm": "train", "trunk": None}
        arm["model"] = {"architecture": "resnet18", "input_size": 32, "normalisation": "none", **(model or {})}
        recipe = {"epochs": self.epochs, "batch_size": 32, "learning_rate": 1e-4, "evaluation_batch_size": 256}
        recipe |= {"patience": None, "keep": "last"}
        recipe |= {"precision": "float32", "channels_last": False, "fused_optimizer": False, "cache_features": True}
        arm["training"] = {**recipe, "num_threads": 2, "device": "auto", "train_images": None, **training}
        self.arms.append(arm)
        ran = ran or [arm["training"]["epochs"]] * len(self.seeds)
        for seed, rows, last, end in zip(self.seeds, wrong, ran, kept or ran, strict=True):
            predicted = self.labels.copy()
            predicted[rows] = (predicted[rows] + 1) % len(CLASSES)
            self.write_run(arm, seed, predicted, last, end)
        return self

    def run(self, arm, seed):
        return self.folder / "runs" / arm / f"seed{seed}"

    def write_run(self, arm, seed, predicted, epochs, kept):
        folder = self.run(arm["name"], seed)
        logits = {"test_logits": numpy.eye(len(CLASSES), dtype=numpy.float32)[predicted]}
        logits["validation_logits"] = numpy.zeros((0, len(CLASSES)), numpy.float32)
        save_tensors(folder / "predictions.safetensors", logits)
        history = pandas.DataFrame({"epoch": range(epochs + 1)}, columns=HISTORY_COLUMNS, dtype=object)
        history["test_accuracy"] = [10.0 + 5 * epoch + seed for epoch in range(epochs + 1)]
        history["kept"] = [int(epoch == kept) for epoch in range(epochs + 1)]
        history.loc[kept, "test_accuracy"] = 100 * float((predicted == self.labels).sum()) / len(predicted)
        history["test_loss"] = [3.0 / (epoch + 1) + 0.1 * seed for epoch in range(epochs + 1)]
        history.loc[1:, "train_loss"] = [2.0 / epoch for epoch in range(1, epochs + 1)]
        history.loc[1:, "train_accuracy"] = [20.0 * epoch for epoch in range(1, epochs + 1)]
        history.loc[kept, ["fit_loss", "fit_accuracy"]] = [0.5, 90.0]
        write_table(folder / "history.csv", history)
        metadata = network_metadata(**{key: arm["model"][key] for key in ("architecture", "input_size")})
        before = network_arrays(seed)
        after = network_arrays(100 + seed)
        if arm["train"] == "head":
            after |= {name: before[name] for name in before if not name.startswith("fc.")}
        save_tensors(folder / "initial.safetensors", before, metadata)
        save_tensors(folder / "trained.safetensors", after, metadata)
        extract_weight_delta(
            initial=folder / "initial.safetensors",
            trained=folder / "trained.safetensors",
            weight_delta=folder / "weight_delta.csv",
            kernels=folder / "kernels.safetensors",
            kernel_change=folder / "kernel_change.csv",
            weights=folder / "weights.json",
        )
        cost = {"device": "cpu", "device_name": "a processor", "num_threads": 2, "seconds": 12.5 + seed}
        cost |= {
            "training_seconds": 8.25,
            "evaluation_seconds": 1.5,
            "features_seconds": 0.0,
            "images_per_second": 123.4,
        }
        write_json(folder / "cost.json", cost | {"peak_memory_bytes": 2**29, "torch": "2.15.0"})

    def collect(self, tables="tables"):
        """Make the tables and return them by name; cells are texts exactly as written."""
        collect_results(
            experiment_folder=self.folder,
            arms=json.dumps(self.arms, sort_keys=True),
            runs=json.dumps({arm["name"]: arm.get("seeds", self.seeds) for arm in self.arms}),
            comparison=json.dumps(self.comparison),
            tables=self.folder / tables,
        )
        files = sorted((self.folder / tables).glob("*.csv"))
        return {file.stem: pandas.read_csv(file, dtype=str, keep_default_na=False) for file in files}


@pytest.fixture
def make_experiment(tmp_path):
    """A function that starts an experiment without arms, with the options of `Experiment`."""
    return lambda **options: Experiment(tmp_path / "experiment", **options)


@pytest.fixture
def experiment(make_experiment):
    """Three arms and a control, two seeds, two epochs, ten test images of three classes.

    Right of the ten: good 10 and 9, middle 8 and 8, poor 5 and 6, the control 10 and 10.
    """
    return (
        make_experiment()
        .add_arm("middle", [[0, 4], [0, 4]])
        .add_arm("good", [[], [9]])
        .add_arm("poor", [[0, 1, 4, 7, 8], [0, 1, 4, 7]], train="head", train_images=30)
        .add_arm("sanity", [[], []], role="control")
    )
