"""A small experiment folder as the workflow leaves it, with numbers that are made up but fit together."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy
import pandas
import pytest
import yaml

from triptych.results.schema import TABLES

EPOCHS = 10
CLASSES = [str(digit) for digit in range(10)]
SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="518" height="346" viewBox="0 0 518 346">'
    '<rect width="518" height="346" fill="#fff"/>'
    '<path d="M40 300 L 480 {y}" stroke="{colour}" stroke-width="3"/></svg>\n'
)


@dataclass
class ArmNumbers:
    """What the made-up runs of an arm should look like."""

    name: str
    label: str
    weights: str = "pretrained"
    train: str = "all"
    batchnorm: str = "train"
    role: str = "arm"
    first: float = 80.0
    last: float = 95.0
    seconds: float = 20.0
    training_bytes: float = 3.0e8
    colour_share: float = 0.17
    training: dict = field(default_factory=dict)
    ran: tuple[int, ...] = ()
    """The epochs that each seed ran; by default all."""
    kept: tuple[int, ...] = ()
    """The epoch that is kept of each seed; by default the last."""


LECTURE = (
    ArmNumbers("scratch", "net1", weights="random", first=30, last=91, seconds=21),
    ArmNumbers("finetune", "net2", first=84, last=97, seconds=20),
    ArmNumbers("last_layer", "net3", train="head", first=24, last=75, seconds=11, training_bytes=1.2e8),
)


def _build_experiment(
    folder: Path,
    arms: tuple[ArmNumbers, ...] = LECTURE,
    seeds: tuple[int, ...] = (0, 1, 2),
    comparisons: list[tuple] | None = None,
    validation_images: int = 200,
    references: bool = False,
) -> Path:
    """Write an experiment's folder. `comparisons` are rows of that table; without them every difference is `better`."""
    random = numpy.random.default_rng(0)
    settings = [_settings(arm) for arm in arms]
    tables = {
        "arms": [
            {
                "arm": arm.name,
                **{key: setting[key] for key in ("label", "role")},
                **setting["model"],
                **{key: setting[key] for key in ("weights", "train", "batchnorm")},
                **{key: int(value) if isinstance(value, bool) else value for key, value in setting["training"].items()},
                "features": "computed",
                "train_images": setting["training"]["train_images"] or 300,
            }
            for arm, setting in zip(arms, settings, strict=True)
        ],
        **_learning(arms, seeds, random, validation_images),
        "comparisons": _comparisons(arms, comparisons),
        **_errors(arms, seeds),
        **_weights(arms, seeds),
        **_networks(arms, settings),
        **_compared(references),
        "cost": [
            {
                "arm": arm.name,
                "seed": seed,
                "device": "cpu",
                "device_name": "A Processor",
                "seconds": arm.seconds + seed,
                "images_per_second": 3000 / arm.seconds,
                "peak_memory_bytes": 6.1e8,
                "training_seconds": 0.6 * arm.seconds,
                "evaluation_seconds": 0.2 * arm.seconds,
                "features_seconds": 0.0,
            }
            for arm in arms
            for seed in seeds
        ],
    }
    for name, rows in tables.items():
        _write_table(folder / "tables" / f"{name}.csv", pandas.DataFrame(rows, columns=TABLES[name].names))
    _write_data(folder, validation_images)
    configuration = {
        "question": "Does it pay to start from pretrained weights, and is it enough to train the last layer?",
        "dataset": {"source": "digits", "train_per_class": 30},
        "model": settings[0]["model"],
        "weights": {"source": "letters", "epochs": 2},
        "training": settings[0]["training"],
        "comparison": {"equivalence_margin": 1.0, "confidence": 0.95, "bootstrap_draws": 10000, "seed": 0},
        "reference_models": [{"architecture": "inception_v3", "input_size": 299, "auxiliary": True}] * references,
        "seeds": list(seeds),
        "arms": {arm.name: setting for arm, setting in zip(arms, settings, strict=True)},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump({"experiments": {folder.name: configuration}}, sort_keys=False))
    names = ["samples", "train_loss", "test_loss", "test_accuracy", "relative_change", "cost_accuracy", "memory"]
    names += ["architectures"] if references else []
    names.append("batchnorm_drift")
    names += [f"{kind}_{arm.name}" for arm in arms for kind in ("loss", "accuracy", "kernels", "confusion")]
    for position, name in enumerate(names):
        path = folder / "figures" / f"{name}.svg"
        path.parent.mkdir(exist_ok=True)
        path.write_text(SVG.format(y=20 + 7 * position, colour="#0072B2"))
        path.with_suffix(".png").write_bytes(b"\x89PNG")
    return folder


def _settings(arm: ArmNumbers) -> dict:
    training = {
        "epochs": EPOCHS,
        "patience": None,
        "keep": "last",
        "batch_size": 32,
        "learning_rate": 1e-4,
        "evaluation_batch_size": 256,
        "num_threads": 2,
        "device": "auto",
        "precision": "float32",
        "channels_last": False,
        "fused_optimizer": False,
        "cuda_graphs": "auto",
        "residency": "auto",
        "cache_features": True,
        "train_images": None,
    }
    return {
        "label": arm.label,
        "role": arm.role,
        "weights": arm.weights,
        "train": arm.train,
        "batchnorm": arm.batchnorm,
        "model": {"architecture": "resnet18", "input_size": 32, "normalisation": "none"},
        "training": {**training, **arm.training},
    }


def _learning(arms, seeds, random, validation_images) -> dict[str, list[dict]]:
    """The tables history, runs and summary: accuracies approach `last` from `first`; the seeds lie around them."""
    history, runs, summary = [], [], []
    half_width = 2.5 / numpy.sqrt(len(seeds))
    for arm in arms:
        epochs = arm.training.get("epochs", EPOCHS)
        ends = []
        validated = []
        for position, seed in enumerate(seeds):
            ran = arm.ran[position] if arm.ran else epochs
            kept = arm.kept[position] if arm.kept else ran
            noise = 0.0 if len(seeds) == 1 else float(random.normal(0, 0.3))
            for epoch in range(ran + 1):
                progress = 0.0 if epochs < 2 else max(0, epoch - 1) / (epochs - 1)
                accuracy = 10.0 if epoch == 0 else arm.first + (arm.last - arm.first) * progress**0.5 + noise
                row = {"arm": arm.name, "label": arm.label, "seed": seed, "epoch": epoch}
                for split, shift in (("train", 3.0), ("validation", -0.4), ("test", 0.0)):
                    absent = (split == "train" and epoch == 0) or (split == "validation" and not validation_images)
                    row[f"{split}_loss"] = None if absent else round(2.4 * (1 - (accuracy + shift) / 105), 4)
                    row[f"{split}_accuracy"] = None if absent else min(100.0, round(accuracy + shift, 3))
                row["kept"] = int(epoch == kept)
                history.append(row)
            row = history[kept - ran - 1]
            validated.append(row["validation_accuracy"])
            ends.append(row["test_accuracy"])
            trained = 5130 if arm.train == "head" else 11181642
            runs.append(
                {
                    **{key: row[key] for key in ("arm", "label", "seed")},
                    "epochs": epochs,
                    "epochs_run": ran,
                    "kept_epoch": kept,
                    "trainable_parameters": trained,
                    "total_parameters": 11181642,
                    **{key: row[key] for key in ("train_loss", "train_accuracy")},
                    "fit_loss": 0.02,
                    "fit_accuracy": min(100.0, row["test_accuracy"] + 4),
                    **{
                        key: row[key]
                        for key in ("validation_loss", "validation_accuracy", "test_loss", "test_accuracy")
                    },
                    "test_accuracy_low": row["test_accuracy"] - 1.5,
                    "test_accuracy_high": row["test_accuracy"] + 1.2,
                }
            )
        several = len(seeds) > 1
        summary.append(
            {
                "arm": arm.name,
                "label": arm.label,
                "n": len(seeds),
                "test_accuracy_mean": numpy.mean(ends),
                "test_accuracy_sd": numpy.std(ends, ddof=1) if several else None,
                "test_accuracy_low": numpy.mean(ends) - half_width if several else None,
                "test_accuracy_high": numpy.mean(ends) + half_width if several else None,
                "first_epoch_accuracy_mean": arm.first,
                "validation_accuracy_mean": numpy.mean(validated) if validation_images else None,
                "test_loss_mean": row["test_loss"],
            }
        )
    return {"history": history, "runs": runs, "summary": summary}


def _comparisons(arms, rows) -> list[tuple]:
    if rows is not None:
        return rows
    ranked = sorted((arm for arm in arms if arm.role != "control"), key=lambda arm: -arm.last)
    return [
        (
            first.name,
            second.name,
            first.last - second.last,
            first.last - second.last - 2,
            first.last - second.last + 2,
            0.0003,
            "better",
        )
        for position, first in enumerate(ranked)
        for second in ranked[position + 1 :]
    ]


def _errors(arms, seeds) -> dict[str, list[dict]]:
    per_class, confusion = [], []
    for arm in arms:
        for position, name in enumerate(CLASSES):
            recall = arm.last - (10 if name == "8" else 0)
            per_class += [
                {
                    "arm": arm.name,
                    "seed": seed,
                    "class": name,
                    "images": 127 + position,
                    "recall": recall,
                    "precision": arm.last,
                }
                for seed in seeds
            ]
            wrong = {"1" if name != "1" else "2": 1 - recall / 100}
            confusion += [
                {
                    "arm": arm.name,
                    "true_class": name,
                    "predicted_class": other,
                    "share": recall / 100 if other == name else wrong.get(other, 0),
                }
                for other in CLASSES
            ]
    return {"per_class": per_class, "confusion": confusion}


def _weights(arms, seeds) -> dict[str, list[dict]]:
    """A network of five parameter tensors and two BatchNorm layers; head-only arms move the last two."""
    parameters = {"conv1.weight": 9408, "bn1.weight": 64, "bn1.bias": 64, "fc.weight": 5120, "fc.bias": 10}
    buffers = {
        f"{layer}.{buffer}": 1 if buffer == "num_batches_tracked" else 64
        for layer in ("bn1", "layer1.0.bn1")
        for buffer in ("running_mean", "running_var", "num_batches_tracked")
    }
    delta, kernel_change = [], []
    for arm in arms:
        for seed in seeds:
            for kind, tensors in (("parameter", parameters), ("buffer", buffers)):
                for tensor, size in tensors.items():
                    trained = arm.train == "all" or tensor.startswith("fc.")
                    moved = trained if kind == "parameter" else arm.batchnorm == "train"
                    delta.append(
                        {
                            "arm": arm.name,
                            "seed": seed,
                            "tensor": tensor,
                            "kind": kind,
                            "size": size,
                            "initial_norm": 4.0,
                            "delta_norm": 0.2 if moved else 0.0,
                            "relative_delta": 0.05 if moved else 0.0,
                            "cosine": 0.99 if moved else 1.0,
                            "max_abs_delta": 0.01 if moved else 0.0,
                            "unchanged_fraction": 0.0 if moved else 1.0,
                            "near_zero_fraction": 0.3 if moved else 1.0,
                        }
                    )
            moved = arm.train == "all"
            kernel_change.append(
                {
                    "arm": arm.name,
                    "seed": seed,
                    "convolution": "first_convolution",
                    "tensor": "conv1.weight",
                    "brightness_share": 1 - arm.colour_share if moved else None,
                    "colour_share": arm.colour_share if moved else None,
                }
            )
    return {"weight_delta": delta, "kernel_change": kernel_change}


def _networks(arms, settings) -> dict[str, list[dict]]:
    layers = [
        ("conv1", "Conv2d", "64x16x16", 9408, 2408448, 65536),
        ("bn1", "BatchNorm2d", "64x16x16", 128, 0, 65536),
        ("fc", "Linear", "10", 5130, 5120, 40),
    ]
    names = ["layer", "type", "output_shape", "parameters", "macs", "activation_bytes"]
    memory = [
        {
            "arm": arm.name,
            "label": arm.label,
            "architecture": "resnet18",
            "input_size": 32,
            "batch_size": 2**power,
            "training_bytes": round(arm.training_bytes * (0.6 + 0.0125 * 2**power)),
            "inference_bytes": 4.5e7 + 1e5 * 2**power,
        }
        for arm in arms
        for power in range(9)
    ]
    model = {
        "architecture": "resnet18",
        "input_size": 32,
        "parameters": 11181642,
        "head_parameters": 5130,
        "macs": 37222400,
        "activation_bytes": 1000000,
        "weight_bytes": 44765128,
        "file_bytes": 44780352,
    }
    return {
        "layers": [
            {"architecture": "resnet18", **dict(zip(names, layer, strict=True)), "input_size": 32} for layer in layers
        ],
        "models": [model],
        "memory": memory,
    }


def _compared(references: bool) -> dict[str, list[dict]]:
    """The tables architectures and largest_batch: of the arms' network, and of another with auxiliary heads."""
    networks, batches = [], []
    for factor, (name, size, role) in enumerate(
        (("resnet18", 32, "arm"), ("inception_v3", 299, "reference"))[: 1 + references], start=1
    ):
        key = {"architecture": name, "input_size": size, "auxiliary": factor - 1}
        networks.append({**key, "role": role, "parameters": factor * 11689512, "weight_bytes": factor * 46796608})
        networks[-1] |= {"macs": factor * 37222400, "activation_bytes": factor * 1000000}
        batches += [
            {**key, "train": train, "memory_gb": memory, "largest_batch": 100 * memory // factor}
            for train in ("all", "head")
            for memory in (4, 8, 16, 24, 80)
        ]
    together = {"architecture": "all arms at once", "input_size": None, "auxiliary": None, "train": "each its own"}
    batches += [{**together, "memory_gb": memory, "largest_batch": 10 * memory} for memory in (4, 8, 16, 24, 80)]
    batches = pandas.DataFrame(batches).astype({"input_size": "Int64", "auxiliary": "Int64"})
    return {"architectures": networks, "largest_batch": batches}


def _write_data(folder: Path, validation_images: int) -> None:
    images = {"train": 30, "validation": validation_images // 10, "test": 129}
    sizes = [{"split": split, "class": name, "images": count} for split, count in images.items() for name in CLASSES]
    _write_table(folder / "data" / "sizes.csv", pandas.DataFrame(sizes))
    (folder / "data" / "index.csv").write_text("split,row,name,sha256,class,group\n")
    for split in images:
        (folder / "data" / f"{split}.safetensors").write_bytes(f"images of {split}".encode())
    (folder / "weights").mkdir(exist_ok=True)
    (folder / "weights" / "resnet18.safetensors").write_bytes(b"weights")
    _write_table(
        folder / "weights" / "resnet18_history.csv",
        pandas.DataFrame({"epoch": [0, 1, 2], "test_accuracy": [3.9, 80, 93.4]}),
    )
    model = folder / "models" / "resnet18_32"
    model.mkdir(parents=True, exist_ok=True)
    (model / "printout.txt").write_text(
        "ResNet(\n  (conv1): Conv2d(3, 64, kernel_size=(7, 7))\n"
        "  (bn1): BatchNorm2d(64, eps=1e-05, momentum=0.1, affine=True)\n)\n<fc.weight> 10 x 512\n"
    )
    (model / "totals.json").write_text(json.dumps({"parameters": 11181642}))


def _write_table(path: Path, table: pandas.DataFrame) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, index=False, lineterminator="\n")


@pytest.fixture(scope="session")
def build_experiment() -> Callable[..., Path]:
    """The function that writes an experiment's folder."""
    return _build_experiment


@pytest.fixture
def experiment(tmp_path: Path) -> Callable[..., Path]:
    """Build an experiment's folder: by default the lecture's three arms with three seeds each.

    `arms` are mappings of `ArmNumbers`; the other options are those of `_build_experiment`.
    """

    def build(arms: list[dict] | None = None, **options) -> Path:
        if arms is not None:
            options["arms"] = tuple(ArmNumbers(**{"label": arm["name"], **arm}) for arm in arms)
        return _build_experiment(tmp_path / "digits", **options)

    return build
