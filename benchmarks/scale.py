"""Measure the time of the graph, tables, figures and report of a large experiment.

For the options see `python benchmarks/scale.py --help`. Trainings are not run: their outputs are fabricated in the real
formats (`fabricate_runs`), and all later jobs run for real. With `--only opening` the test images are opened after the
decision: the decision and the evaluation of each run are timed.
"""

import argparse
import itertools
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy
import pandas
import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "workflow"))

from triptych.analysis.runs import run_folder
from triptych.analysis.weight_changes import brightness_and_colour
from triptych.configuration.effective import effective, resolved_arms
from triptych.configuration.loading import load_configuration
from triptych.configuration.regime import phases_of
from triptych.data.dataset import Split, load_split
from triptych.results import schema
from triptych.results.run_files import HISTORY_COLUMNS
from triptych.storage.files import write_json, write_table, write_text
from triptych.storage.tensors import save_tensors

EXPERIMENT = "scale"
EPOCHS = 10
REGIMES = {
    "scratch": ({"weights": "random", "train": "all"}, 88.0),
    "finetune": ({"weights": "pretrained", "train": "all"}, 96.0),
    "last_layer": ({"weights": "pretrained", "train": "head"}, 76.0),
    "frozen": ({"weights": "pretrained", "train": "head", "batchnorm": "frozen"}, 70.0),
}
"""The settings of the fabricated arms, and the mean accuracy of their runs in percent."""
RATES = ("3e-5", "1e-4", "3e-4", "1e-3", "3e-3")
BATCHES = (32, 64, 128)


def configuration_of(arms: int, seeds: int, test: str = "every_epoch") -> dict[str, Any]:
    """Return a configuration with `arms` arms (at most 60) and `seeds` seeds: regimes x learning rates x batch sizes.

    Raises:
        ValueError: there are fewer different arms.
    """
    chosen = {}
    for batch_size, rate, regime in itertools.product(BATCHES, RATES, REGIMES):
        name = f"{regime}_{rate}" + (f"_batch{batch_size}" if batch_size != BATCHES[0] else "")
        training = {"learning_rate": float(rate), "batch_size": batch_size}
        # 1 in 20 arms is a control
        role = {"role": "control"} if len(chosen) % 20 == 19 else {}
        chosen[name] = {**REGIMES[regime][0], **role, "training": training}
    if not 1 <= arms <= len(chosen):
        raise ValueError(f"arms: expected 1 to {len(chosen)}, found {arms}")
    experiment = {
        "dataset": {"source": "digits", "train_per_class": 20, "validation_per_class": 20},
        "model": {"architecture": "resnet18", "input_size": 24},
        "weights": {"source": "letters", "train_images": 260, "validation_images": 52, "epochs": 1},
        "training": {"epochs": EPOCHS, "evaluation_batch_size": 64, "device": "cpu", "num_threads": 1},
        "test": test,
        "seeds": list(range(seeds)),
        "arms": dict(itertools.islice(chosen.items(), arms)),
    }
    return {"keep_weights": "trained", "experiments": {EXPERIMENT: experiment}}


def fabricate_runs(folder: Path, configuration: dict[str, Any]) -> None:
    """Write fabricated outputs of pretraining, `train` and `extract_weight_delta` to the folder of an experiment.

    `data/` must exist. The accuracies in the histories agree with the logits. The accuracies of runs vary around that
    of their arm, the same images are hard for all arms, and frozen tensors are unchanged. The output is deterministic.
    """
    test, validation = (load_split(folder / "data" / f"{split}.safetensors") for split in ("test", "validation"))
    random = numpy.random.default_rng(0)
    tensors = network_tensors(len(test.classes))
    hardness = random.normal(size=len(test)), random.normal(size=len(validation))
    initial = {name: random.normal(0, 0.05, shape).astype(numpy.float32) for name, shape in kernel_shapes(tensors)}
    settings = effective(load_configuration(configuration))["experiments"][EXPERIMENT]
    for number, arm in enumerate(resolved_arms(settings)):
        regime = arm["name"].split("_1e")[0].split("_3e")[0]
        level = REGIMES[regime][1] + 1.5 * numpy.sin(number)
        for seed in settings["seeds"]:
            write_run(
                run_folder(folder, arm["name"], seed),
                numpy.random.default_rng([number, seed]),
                arm,
                level,
                (test, validation),
                hardness,
                tensors,
                initial,
                settings["test"],
            )
    weights = folder / "weights" / f"{settings['model']['architecture']}"
    save_tensors(weights.with_suffix(".safetensors"), initial)
    epochs = {"epoch": [0, 1], "validation_accuracy": [3.9, 88.0], "kept": [0, 1]}
    history = pandas.DataFrame(epochs, columns=schema.WEIGHTS_HISTORY.names)
    write_table(weights.with_name(f"{weights.name}_history.csv"), history)


class Tensor(NamedTuple):
    """A tensor of a network: name, kind, shape, block and role."""

    name: str
    kind: str
    shape: tuple[int, ...]
    block: str
    role: str


def network_tensors(classes: int) -> list[Tensor]:
    """Return all tensors of a ResNet-18 in definition order."""
    import torch
    import torchvision

    from triptych.models.tensor_layout import tensor_layout

    with torch.device("meta"):
        network = torchvision.models.resnet18(num_classes=classes)
    parameters = dict(network.named_parameters())
    layout = tensor_layout(network, "resnet18")
    return [
        Tensor(
            name,
            "parameter" if name in parameters else "buffer",
            tuple(tensor.shape),
            layout[name].block,
            layout[name].role,
        )
        for name, tensor in network.state_dict().items()
    ]


def kernel_shapes(tensors: list[Tensor]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield the names and shapes of the two convolutions that figures show."""
    shapes = {tensor.name: tensor.shape for tensor in tensors}
    yield "first_convolution", shapes["conv1.weight"]
    yield "first_3x3_convolution", shapes["layer1.0.conv1.weight"]


def write_run(
    folder: Path,
    random: numpy.random.Generator,
    arm: dict[str, Any],
    level: float,
    splits: tuple[Split, Split],
    hardness: tuple[numpy.ndarray, numpy.ndarray],
    tensors: list[Tensor],
    initial: dict[str, numpy.ndarray],
    test: str,
) -> None:
    """Write the files of a random run with an accuracy near `level` percent; `after_decision` has no test logits."""
    skill = level + random.normal(0, 0.5)
    logits = [made_up_logits(random, split, hard, skill) for split, hard in zip(splits, hardness, strict=True)]
    predicted = dict(zip(("test_logits", "validation_logits"), logits, strict=True))
    if test == "after_decision":
        del predicted["test_logits"]
    save_tensors(folder / "predictions.safetensors", predicted)
    described = {
        **{key: arm["model"][key] for key in ("architecture", "input_size")},
        "classes": splits[0].classes,
        "normalisation": {"mean": [0.0] * 3, "std": [1.0] * 3},
        "transform_input": False,
        "run": {"recipe": arm["training"], "phases": phases_of(arm), "torch": "made up"},
    }
    if test == "after_decision":
        described["run"] |= {"seed": int(folder.name.removeprefix("seed")), "arm": arm["name"]}
        write_sparse_network(folder / "trained.safetensors", tensors, described)
    else:
        save_tensors(folder / "trained.safetensors", {"made.up": numpy.zeros(1, numpy.float32)}, described)
    correct = [
        100 * int((guess.argmax(axis=1) == split.labels).sum()) / len(split)
        for guess, split in zip(logits, splits, strict=True)
    ]
    table = history(random, *correct)
    if test == "after_decision":
        table[["test_accuracy", "test_loss"]] = numpy.nan
    write_table(folder / "history.csv", table)
    seconds = (20.0 if arm["train"] == "all" else 9.0) * random.uniform(0.9, 1.2)
    write_json(
        folder / "cost.json",
        {
            "device": "cpu",
            "device_name": "made up",
            "num_threads": 1,
            "seconds": 1.6 * seconds,
            "training_seconds": seconds,
            "evaluation_seconds": 0.4 * seconds,
            "images_per_second": 2000 / seconds,
            "features_seconds": 0.0,
            "peak_memory_bytes": 1_000_000_000,
            "torch": "made up",
        },
    )
    moves = arm["train"] == "all"
    change = {name: before * (1 + moves * random.normal(0, 0.05, before.shape)) for name, before in initial.items()}
    kernels = {f"{name}_initial": before for name, before in initial.items()}
    kernels |= {f"{name}_trained": after.astype(numpy.float32) for name, after in change.items()}
    named = {"first_convolution": "conv1.weight", "first_3x3_convolution": "layer1.0.conv1.weight"}
    save_tensors(folder / "kernels.safetensors", kernels, named)
    first = "first_convolution"
    shares = brightness_and_colour(kernels[f"{first}_initial"], kernels[f"{first}_trained"])
    columns = dict(zip(("brightness_share", "colour_share"), ([share] for share in shares), strict=True))
    write_table(
        folder / "kernel_change.csv",
        pandas.DataFrame({"convolution": [first], "tensor": [named[first]], **columns}),
    )
    delta = [weight_change(random, arm, tensor) for tensor in tensors]
    write_table(folder / "weight_delta.csv", pandas.DataFrame(delta))
    sizes = {kind: sum(row["size"] for row in delta if row["kind"] == kind) for kind in ("parameter", "buffer")}
    head = sum(row["size"] for row in delta if row["tensor"].startswith("fc."))
    write_json(
        folder / "weights.json",
        {
            "file_bytes": 44_781_936,
            "parameters": sizes["parameter"],
            "head_parameters": head,
            "buffer_elements": sizes["buffer"],
            "trained_parameters": sizes["parameter"] if moves else head,
        },
    )


def write_sparse_network(path: Path, tensors: list[Tensor], described: dict[str, Any]) -> None:
    """Write the weights of a network, all zero, as a file that takes no room: 400 of ResNet-18 would be 18 GB."""
    integers = {tensor.name for tensor in tensors if tensor.name.endswith("num_batches_tracked")}
    zeros = {
        tensor.name: numpy.zeros(tensor.shape, numpy.int64 if tensor.name in integers else numpy.float32)
        for tensor in tensors
    }
    save_tensors(path, zeros, described)
    subprocess.run(["fallocate", "--dig-holes", str(path)], check=True)


def made_up_logits(
    random: numpy.random.Generator, split: Split, hardness: numpy.ndarray, accuracy: float
) -> numpy.ndarray:
    """Return logits, float32 [N, K], with about `accuracy` percent of the images correct, mostly the easy ones."""
    hard = hardness + 0.4 * random.normal(size=len(split))
    correct = hard <= numpy.quantile(hard, accuracy / 100)
    logits = random.normal(size=(len(split), len(split.classes)))
    best = logits.max(axis=1)
    logits[numpy.arange(len(split)), split.labels] = numpy.where(correct, best + 1.5, best - 1.5)
    return logits.astype(numpy.float32)


def history(random: numpy.random.Generator, test: float, validation: float) -> pandas.DataFrame:
    """Return the history of a run that ends at these accuracies in percent."""
    rows = []
    for epoch in range(EPOCHS + 1):
        reached = 1 - 0.9 * numpy.exp(-0.6 * epoch) + (random.normal(0, 0.004) if epoch < EPOCHS else 0.0)
        reached = reached if epoch < EPOCHS else 1.0
        row = {"epoch": epoch, "kept": int(epoch == EPOCHS)}
        for split, end in (("train", min(100.0, test + 3)), ("validation", validation), ("test", test)):
            if split == "train" and epoch == 0:
                continue
            row[f"{split}_accuracy"] = end if epoch == EPOCHS else float(numpy.clip(end * reached, 0, 100))
            row[f"{split}_loss"] = 2.4 * (1.02 - row[f"{split}_accuracy"] / 100)
        if epoch == EPOCHS:
            row |= {"fit_loss": 0.05, "fit_accuracy": min(100.0, test + 2)}
        rows.append(row)
    return pandas.DataFrame(rows, columns=HISTORY_COLUMNS)


def weight_change(random: numpy.random.Generator, arm: dict[str, Any], tensor: Tensor) -> dict[str, Any]:
    """Return a row of `weight_delta.csv`: the change of a tensor."""
    name, kind, shape, block, role = tensor
    size = int(numpy.prod(shape, dtype=int))
    moves = arm["batchnorm"] == "train" if kind == "buffer" else arm["train"] == "all" or name.startswith("fc.")
    norm = 0.05 * size**0.5
    relative = float(random.lognormal(-3.5, 0.3)) if moves else 0.0
    return {
        "tensor": name,
        "kind": kind,
        "size": size,
        "initial_norm": norm,
        "delta_norm": relative * norm,
        "relative_delta": relative,
        "cosine": 1 - relative**2 / 2,
        "max_abs_delta": 0.1 * relative,
        "unchanged_fraction": 0.0 if moves else 1.0,
        "near_zero_fraction": float(random.uniform(0.02, 0.1)) if moves else 1.0,
        "block": block,
        "role": role,
    }


class Tree:
    """A folder in which Snakemake runs an experiment with several arms and seeds."""

    def __init__(self, folder: Path, arms: int, seeds: int, test: str = "every_epoch"):
        self.folder = folder
        self.configuration = configuration_of(arms, seeds, test)
        self.file = folder / "scale.yaml"
        write_text(self.file, yaml.safe_dump(self.configuration, sort_keys=False))

    def snakemake(self, *arguments: str, checkout: Path = ROOT) -> tuple[float, float, str]:
        """Run `snakemake ARGUMENTS` of a checkout here; return its wall and CPU seconds, and its output.

        CPU seconds are those of Snakemake and all its jobs: they say more than wall time where the machine is shared.

        Raises:
            RuntimeError: it failed.
        """
        call = [sys.executable, "-m", "snakemake", "--snakefile", checkout / "Snakefile", "--directory", self.folder]
        call += [*arguments, "--configfile", self.file]
        environment = {**os.environ, "PYTHONPATH": str(checkout / "workflow")}
        before, started = cpu_seconds(), time.perf_counter()
        result = subprocess.run(
            call, cwd=self.folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        wall, cpu = time.perf_counter() - started, cpu_seconds() - before
        if result.returncode:
            raise RuntimeError(f"snakemake {' '.join(arguments)} failed:\n{result.stdout[-5000:]}")
        return wall, cpu, result.stdout

    def fill(self) -> None:
        """Make all files up to the runs: cheap ones by their rules, others fabricated, all in Snakemake's metadata."""
        results = f"results/{EXPERIMENT}"
        cheap = ("data/test.safetensors", "models/resnet18_24/layers.csv", "weights/letters/train.safetensors")
        self.snakemake(*(f"{results}/{path}" for path in cheap), "--cores", "2")
        fabricate_runs(self.folder / results, self.configuration)
        experiment = self.configuration["experiments"][EXPERIMENT]
        runs = itertools.product(experiment["arms"], experiment["seeds"])
        made_up = [f"{results}/runs/{arm}/seed{seed}/weight_delta.csv" for arm, seed in runs]
        made_up.append(f"{results}/{cheap[1]}")
        self.snakemake(*made_up, "--cores", "2", "--touch", "--forceall")


def cpu_seconds() -> float:
    """Return the CPU seconds, user and system, of all finished child processes and their children."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


Measurement = tuple[str, float, float]
"""A step, and its wall and CPU seconds."""


def dry_runs(tree: Tree, repeats: int, baseline: Path | None) -> Iterator[Measurement]:
    """Measure dry runs of an empty folder, alternating with those of another checkout."""
    for _ in range(repeats):
        if baseline:
            yield "dry run, empty (baseline)", *tree.snakemake("--dry-run", "--quiet", checkout=baseline)[:2]
        yield "dry run, empty", *tree.snakemake("--dry-run", "--quiet")[:2]


def finished(tree: Tree, repeats: int) -> Iterator[Measurement]:
    """Measure everything after the runs, and dry runs of the finished folder."""
    yield "collect, plot, report, manifest", *tree.snakemake("--cores", "2")[:2]
    for _ in range(repeats):
        wall, cpu, said = tree.snakemake("--dry-run")
        if "Nothing to be done" not in said:
            raise RuntimeError(f"the tree should be finished:\n{said[-5000:]}")
        yield "dry run, finished", wall, cpu
    logs = tree.folder / "logs" / "benchmarks"
    for rule in (
        "collect_validation",
        "decide",
        "collect_results",
        "collect_predictions",
        *sorted(path.name for path in logs.glob("plot_*")),
        "report",
        "write_manifest",
    ):
        for path in sorted(logs.glob(f"{rule}/**/*.tsv")) + sorted(logs.glob(f"{rule}.tsv")):
            row = pandas.read_csv(path, sep="\t").iloc[0]
            yield f"rule {rule}", row["s"], row["cpu_time"]


def opening(tree: Tree) -> Iterator[Measurement]:
    """Measure the decision, and the evaluation of each run on the test images, each in a process of its own."""
    results = f"results/{EXPERIMENT}"
    yield "collect_validation, decide", *tree.snakemake(f"{results}/decision.json", "--cores", "2", "--notemp")[:2]
    experiment = tree.configuration["experiments"][EXPERIMENT]
    runs = itertools.product(experiment["arms"], experiment["seeds"])
    opened = [f"{results}/runs/{arm}/seed{seed}/opened.json" for arm, seed in runs]
    yield "open_test of all runs", *tree.snakemake(*opened, "--cores", "2", "--notemp")[:2]
    if not all(json.loads((tree.folder / path).read_text())["openings"] == 1 for path in opened):
        raise RuntimeError("each run should have been opened once")
    for path in sorted((tree.folder / "logs" / "benchmarks" / "open_test").rglob("*.tsv")):
        row = pandas.read_csv(path, sep="\t").iloc[0]
        yield "rule open_test", row["s"], row["cpu_time"]


def table_of(measured: list[Measurement], arms: int, seeds: int) -> pandas.DataFrame:
    """Return the count, and the median, minimum and maximum of the wall and CPU seconds, of each step."""
    rows = []
    for what in dict.fromkeys(what for what, _, _ in measured):
        row = {"arms": arms, "seeds": seeds, "what": what}
        times = [times for name, *times in measured if name == what]
        row["n"] = len(times)
        for kind, seconds in zip(("wall", "cpu"), zip(*times, strict=True), strict=True):
            row[f"{kind}_median"] = statistics.median(seconds)
            row[f"{kind}_least"], row[f"{kind}_most"] = min(seconds), max(seconds)
        rows.append(row)
    return pandas.DataFrame(rows).round(1)


def machine() -> str:
    """Return the name of the processor, the number of cores, and the relevant versions."""
    processor = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.is_file():
        lines = [line for line in information.read_text().splitlines() if line.startswith("model name")]
        processor = lines[0].partition(":")[2].strip() if lines else processor
    import matplotlib
    from snakemake import __version__ as snakemake_version

    return (
        f"{processor}, {os.cpu_count()} cores; Python {platform.python_version()}, snakemake {snakemake_version}, "
        f"pandas {pandas.__version__}, matplotlib {matplotlib.__version__}"
    )


def main() -> None:
    """Read the options, measure, print the table, and write it if requested."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arms", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=5, help="how often each dry run is timed")
    parser.add_argument("--folder", type=Path, help="a folder to work in, kept afterwards (else a temporary one)")
    parser.add_argument("--only", choices=("dry", "fill", "finished", "opening"), help="a part alone")
    parser.add_argument("--baseline", type=Path, help="another checkout, whose dry runs are timed in turn with these")
    parser.add_argument("--csv", type=Path, help="where to write the table")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        test = "after_decision" if options.only == "opening" else "every_epoch"
        tree = Tree((options.folder or Path(temporary)).resolve(), options.arms, options.seeds, test)
        measured = []
        if options.only in (None, "dry"):
            measured += dry_runs(tree, options.repeats, options.baseline)
        if options.only in (None, "fill", "opening"):
            tree.fill()
        if options.only == "opening":
            measured += opening(tree)
        if options.only in (None, "finished"):
            measured += finished(tree, options.repeats)
            size = (tree.folder / "results" / EXPERIMENT / "report.html").stat().st_size
            print(f"report.html: {size / 1e6:.1f} MB")
    table = table_of(measured, options.arms, options.seeds)
    print(machine())
    print(table.to_string(index=False))
    if options.csv:
        write_table(options.csv, table)


if __name__ == "__main__":
    main()
