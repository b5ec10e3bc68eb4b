"""A fabricated experiment: what training would leave is made up, the package's own commands make all else of it.

Made up are images, predictions, histories, costs and weights, which fit together as those of real runs do. The rest
(index, sizes, descriptions of networks, weight changes, every table, the configuration) is what the commands write.
"""

import copy
import gc
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import cache, partial, reduce
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import numpy
import pandas

from triptych.analysis.collect_predictions import collect_predictions
from triptych.analysis.collect_results import collect_results
from triptych.analysis.collect_validation import collect_validation
from triptych.analysis.decide import decide
from triptych.analysis.weight_changes import write_changes
from triptych.configuration.effective import compared_networks, effective, resolved_arms
from triptych.configuration.keys import resolved
from triptych.configuration.loading import load_configuration
from triptych.configuration.pretraining import pretrains_on_letters
from triptych.configuration.training import KEYS
from triptych.data.dataset import Split, save_split
from triptych.data.prepare_dataset import index_table, size_table
from triptych.data.source import SourceImages
from triptych.report.write_configuration import write_configuration
from triptych.results.arm_styles import PALETTE
from triptych.results.decision import read_decision
from triptych.results.experiment import mode_of
from triptych.results.run_files import COST_KEYS
from triptych.results.schema import (
    AFTER_DECISION,
    EVERY_EPOCH,
    LEAKS,
    LEFT_OUT,
    REESTIMATED,
    RUN_HISTORY,
    WEIGHTS_HISTORY,
)
from triptych.results.tables import save_table
from triptych.storage.files import write_json, write_table
from triptych.storage.tensors import save_tensors
from triptych.wings import figures_with

DIGITS = tuple("0123456789")
SPLITS = ("train", "validation", "test")
ABOVE_TEST = {"train": 3.0, "validation": 0.4, "test": 0.0}
"""By how many points the accuracy of a split is above that of test images."""

QUESTION = "Does it pay to start from pretrained weights, and is it enough to train the last layer?"
SETTINGS = {
    "question": QUESTION,
    "dataset": {"source": "digits", "train_per_class": 30, "validation_per_class": 20, "test_per_class": 100},
    "model": {"input_size": 32},
    "weights": {"source": "letters", "epochs": 2},
    "arms": {"plain": {"weights": "pretrained"}},
}
LECTURE = (
    {"name": "scratch", "label": "net1", "weights": "random", "first": 30, "last": 91, "seconds": 21, "change": 0.2},
    {"name": "finetune", "label": "net2", "first": 84, "last": 97, "seconds": 20},
    {"name": "last_layer", "label": "net3", "train": "head", "first": 24, "last": 75, "seconds": 11},
)
OF_IMAGES = ("predictions", "mistakes", "suspected_labels", "calibration", "reliability")
"""The tables of `collect_predictions`."""
INDEX_NAMES = ["split", "row", "name", "class"]
WIDEST = 3
"""The most channels that a tensor of made-up weights has: names and kernels of a real network, a few kB a run."""

HARD = -2
"""The position of the class whose images are mistaken most: of the digits it is 8."""

SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="518" height="346" viewBox="0 0 518 346">'
    '<rect width="518" height="346" fill="#fff"/>'
    f'<path d="M40 300 L 480 {{y}}" stroke="{PALETTE[0]}" stroke-width="3"/></svg>\n'
)


@dataclass(frozen=True)
class Numbers:
    """What the runs of an arm are like; accuracies are in percent of the test images, means over seeds."""

    first: float = 80.0
    """After the first epoch."""
    last: float = 95.0
    """After the last epoch of the recipe."""
    wrong: Sequence[list[int]] = ()
    """The test images that each seed takes for the next class; by default as many as the accuracy says."""
    wrong_validation: Sequence[list[int]] = ()
    """The validation images, likewise."""
    ran: Sequence[int] = ()
    """The epochs that each seed ran; by default all."""
    kept: Sequence[int] = ()
    """The epoch that is kept of each seed; by default the last."""
    seconds: float = 20.0
    change: float = 0.05
    """Of what is trained, the norm of the change over that before; in the median layer, mean over seeds."""
    colour_share: float = 0.17
    lag: float = 0.0
    """The points by which BatchNorm's moving averages lower the accuracy after the first epoch, and half of it after
    each further one. Without, the history has no values with re-estimated statistics."""


class Experiment:
    """Writes `folder`: each `add_arm` makes an arm's runs, `collect` the tables, `complete` what else there is.

    Whether there are test results after every epoch or after the decision is what the setting `test` says.
    """

    def __init__(
        self,
        folder: Path,
        *,
        seeds=(0, 1, 2),
        classes=DIGITS,
        test_labels=None,
        images=(300, 200),
        image_size=8,
        whole_kernels=True,
        **settings,
    ):
        """`images` counts those for training and validation; `settings` are keys of the configuration.

        With `whole_kernels` the two convolutions that figures show are as large as the real network's.
        """
        self.folder, self.classes, self.whole_kernels = folder, list(classes), whole_kernels
        settings = {"dataset": {"validation_per_class": images[1] // len(classes)}, "seeds": list(seeds), **settings}
        self.configuration = {**merged(_effective(), settings), "arms": {}}
        self.runs: dict[str, list[int]] = {}
        counted = [numpy.arange(count) % len(classes) for count in (*images, 1000)]
        labels = dict(zip(SPLITS, counted, strict=True))
        if test_labels is not None:
            labels["test"] = numpy.array(test_labels)
        self.split_labels = {split: labels[split] for split in ("validation", "test")}
        self.test_logits: dict[tuple[str, int], numpy.ndarray] = {}
        self.write_data(labels, image_size)

    @property
    def arms(self) -> list[dict]:
        return resolved_arms(self.configuration)

    @property
    def labels(self) -> numpy.ndarray:
        """Of the test images."""
        return self.split_labels["test"]

    @property
    def mode(self) -> str:
        return self.configuration["test"]

    @property
    def comparison(self) -> dict:
        return self.configuration["comparison"]

    @property
    def tables(self) -> Path:
        return self.folder / "tables"

    def run(self, arm: str, seed: int) -> Path:
        return self.folder / "runs" / arm / f"seed{seed}"

    def copy(self, folder: Path, without: tuple[str, ...] = ()) -> "Experiment":
        """The same experiment in another folder; `without` names what is not copied."""
        other = copy.deepcopy(self)
        ignore = shutil.ignore_patterns(*without)
        other.folder = shutil.copytree(self.folder, folder, ignore=ignore, dirs_exist_ok=True)
        return other

    def write_data(self, labels: dict[str, numpy.ndarray], size: int) -> None:
        """Waves in grey, whose direction and phase depend on the class."""
        random = numpy.random.default_rng(20)
        every = numpy.concatenate(list(labels.values()))
        ends = numpy.cumsum([len(own) for own in labels.values()])
        rows = dict(zip(labels, numpy.split(numpy.arange(len(every)), ends[:-1]), strict=True))
        y, x = numpy.mgrid[0:size, 0:size] / size
        phase = every[:, None, None] * 2.4 + random.normal(0, 0.4, (len(every), 1, 1))
        waves = numpy.sin(y * (3 + every[:, None, None] % 5) + phase) + numpy.cos(6 * x - phase)
        grey = numpy.clip(127 + 55 * waves + random.normal(0, 6, waves.shape), 0, 255).astype(numpy.uint8)
        images = numpy.repeat(grey[..., None], 3, axis=-1)
        names = [f"digits-{row:04d}" for row in range(len(every))]
        found = SourceImages(images, every.astype(numpy.int64), self.classes, names, [""] * len(every))
        for name, own in rows.items():
            split = Split(images[own], found.labels[own], self.classes)
            save_split(self.folder / "data" / f"{name}.safetensors", split, {"source": "digits", "split": name})
        write_table(self.folder / "data" / "index.csv", index_table(rows, found))
        write_table(self.folder / "data" / "sizes.csv", size_table(rows, found.labels, found.classes))
        self.leave_out()
        self.leak()

    def leave_out(self, *files: tuple[str, str, str]) -> None:
        """Say that these files (path, class, problem) cannot be used and were left out."""
        table = pandas.DataFrame(files, columns=LEFT_OUT.names, dtype=object)
        save_table(self.folder / LEFT_OUT.file, table, LEFT_OUT)

    def leak(self, *leaks: tuple[str, int, str, str, int, str]) -> "Experiment":
        """Say that these images have counterparts: split, row, kind, other split, its row, its class (empty: own)."""
        index = pandas.read_csv(self.folder / "data" / "index.csv", dtype=str, keep_default_na=False)
        named = {(split, int(row)): (name, label) for split, row, name, label in index[INDEX_NAMES].to_numpy()}
        rows = []
        for split, row, kind, other, other_row, label in leaks:
            path, counterpart = named[other, other_row]
            rows.append((split, row, *named[split, row], kind, other, path, label or counterpart))
        save_table(self.folder / LEAKS.file, pandas.DataFrame(rows, columns=LEAKS.names), LEAKS)
        return self

    def add_arm(self, name: str, wrong: Sequence[list[int]] = (), **own) -> "Experiment":
        """Add an arm and its runs; `own` are its settings (keys of the configuration) and its `Numbers`."""
        chosen = {field.name: own.pop(field.name) for field in fields(Numbers) if field.name in own}
        arm = {"label": name, **{key: self.configuration[key] for key in ("model", "training")}}
        settings = merged(_effective()["arms"]["plain"], merged(arm, own))
        self.configuration["arms"][name] = settings | {"training": resolved(KEYS, settings["training"])}
        self.runs[name] = list(self.configuration["seeds"])
        for position, seed in enumerate(self.runs[name]):
            self.write_run(name, seed, Numbers(wrong=wrong, **chosen), position)
        return self

    def write_run(self, name: str, seed: int, numbers: Numbers, position: int) -> None:
        arm, folder = self.configuration["arms"][name], self.run(name, seed)
        away = position - (len(self.runs[name]) - 1) / 2  # from the mean of all seeds
        random = numpy.random.default_rng([seed, *name.encode()])
        history = self.history_of(arm, numbers, position, 0.3 * away)
        kept = history.index[history["kept"] == 1][0]
        recalibrated = numbers.lag and arm["training"]["recalibrate_batchnorm"] == "final"
        logits = {}
        for split, chosen in (("test", numbers.wrong), ("validation", numbers.wrong_validation)):
            labels, wrong = self.split_labels[split], chosen[position] if chosen else None
            if len(labels):
                column = f"{REESTIMATED if recalibrated else ''}{split}_accuracy"
                logits[split], history.loc[kept, column] = self.logits_of(
                    labels, wrong, history.loc[kept, column], random
                )
        test_accuracy = history.loc[kept, "test_accuracy"]
        history.loc[kept, ["fit_loss", "fit_accuracy"]] = [0.02, 59.5 + 0.4 * test_accuracy]
        self.test_logits[name, seed] = logits["test"]
        columns = RUN_HISTORY.in_mode(self.mode).names
        write_table(folder / "history.csv", history[columns])
        splits = SPLITS if self.mode == EVERY_EPOCH else ("validation",)
        predictions = {f"{split}_logits": own for split, own in logits.items() if split in splits}
        save_tensors(folder / "predictions.safetensors", predictions)
        threads = arm["training"]["num_threads"]
        write_json(folder / "cost.json", cost_of(numbers.seconds + away) | {"num_threads": threads})
        model = (arm["model"]["architecture"], arm["model"]["input_size"], tuple(self.classes))
        trained = (arm["train"] == "all", arm["batchnorm"] == "train")
        change = numbers.change * (1 + 0.1 * away)
        write_all(folder, _weights(model, self.whole_kernels, seed, change, numbers.colour_share, trained))
        write_all(self.folder / "models" / f"{model[0]}_{model[1]}", _description(*model[:2], len(model[2])))

    def logits_of(
        self, labels: numpy.ndarray, wrong: list[int] | None, accuracy: float, random: numpy.random.Generator
    ) -> tuple[numpy.ndarray, float]:
        """Logits whose largest is that of the predicted class, and the accuracy of these predictions (%).

        `wrong` are the images that are taken for the next class; None: as many as the accuracy says.
        """
        if wrong is None:
            right = round(accuracy * len(labels) / 100)
            wrong = mistaken(labels, len(labels) - right, len(self.classes), random)
        predicted = labels.copy()
        predicted[wrong] = (predicted[wrong] + 1) % len(self.classes)
        logits = random.normal(0, 1, (len(predicted), len(self.classes)))
        rows = numpy.arange(len(predicted))
        logits[rows, predicted] = logits.max(axis=1) + random.exponential(2, len(predicted)) + 0.01
        return logits.astype(numpy.float32), 100 * int((predicted == labels).sum()) / len(labels)

    def history_of(self, arm: dict, numbers: Numbers, position: int, away: float) -> pandas.DataFrame:
        """Accuracies approach `last` from `first`, each seed's `away` from the mean; losses follow them.

        It has the columns of every mode.
        """
        epochs = arm["training"]["epochs"]
        ran = numbers.ran[position] if numbers.ran else epochs
        kept = numbers.kept[position] if numbers.kept else ran
        epoch = numpy.arange(ran + 1)
        progress = numpy.maximum(0, epoch - 1) / max(1, epochs - 1)
        accuracy = numbers.first + (numbers.last - numbers.first) * progress**0.5
        accuracy = numpy.where(epoch == 0, 10.0, accuracy) + away
        history = pandas.DataFrame({"epoch": epoch, "kept": (epoch == kept).astype(int)}, columns=RUN_HISTORY.names)
        for split, shift in ABOVE_TEST.items():
            if len(self.split_labels.get(split, epoch)):
                history[f"{split}_loss"] = (2.4 * (1 - (accuracy + shift) / 105)).round(4)
                history[f"{split}_accuracy"] = numpy.minimum(100.0, (accuracy + shift).round(3))
                if numbers.lag and split != "train":
                    both, lags = [f"{split}_loss", f"{split}_accuracy"], numbers.lag / 2.0 ** (epoch - 1) * (epoch > 0)
                    history[[f"{REESTIMATED}{column}" for column in both]] = history[both].where(history["epoch"] > 0)
                    history[both] += numpy.outer(lags, [0.1, -1.0])
        history.loc[0, ["train_loss", "train_accuracy"]] = None
        if arm["training"]["keep"] == "best" or arm["training"]["patience"]:
            history["selection_accuracy"] = history["validation_accuracy"]
        return history

    def collect(self, part: str = "") -> dict[str, pandas.DataFrame]:
        """Make the tables and the decision and return the tables by name; cells are texts exactly as written.

        `part` is what the files of a partial report are called by, such as `partial/`: these are made from what `runs`
        has, and without test results unless these are there in every epoch.
        """
        self.validate(part)
        self.decide(part)
        if not part and self.mode == AFTER_DECISION:
            self.open_test()
        if not part or self.mode == EVERY_EPOCH:
            self.test(part)
        self.predict(part)
        files = sorted((self.folder / part / "tables").glob("*.csv"))
        return {file.stem: pandas.read_csv(file, dtype=str, keep_default_na=False) for file in files}

    def options(self, part: str = "") -> dict[str, object]:
        """The options that collect_validation and collect_results share."""
        return {
            "experiment_folder": self.folder,
            "arms": json.dumps([arm for arm in self.arms if arm["name"] in self.runs], sort_keys=True),
            "runs": json.dumps(self.runs),
            "comparison": json.dumps(self.comparison),
            "mode": self.mode,
            "index": self.folder / "data" / "index.csv",
            "tables": self.folder / part / "tables",
        }

    def validate(self, part: str = "") -> None:
        """Make the tables of the runs before the decision."""
        collect_validation(**self.options(part), correct=self.folder / part / "validation.safetensors")

    def decide(self, part: str = "", record: Path | None = None) -> dict:
        """Decide, and return what `decision.json` says; `record` is that of decisions."""
        folder = self.folder / part
        decide(
            correct=folder / "validation.safetensors",
            arms_table=folder / "tables" / "arms.csv",
            computed_cost=folder / "tables" / "computed_cost.csv",
            comparison=json.dumps(self.comparison),
            index=self.folder / "data" / "index.csv",
            record=record,
            decision=folder / "decision.json",
            table=folder / "tables" / "decision.csv",
        )
        return read_decision(folder / "decision.json")

    def open_test(self) -> None:
        """Leave what opening the test images of every run leaves."""
        digest = read_decision(self.folder / "decision.json")["digest"]
        for arm, seeds in self.runs.items():
            for seed in seeds:
                logits = {"test_logits": self.test_logits[arm, seed]}
                save_tensors(self.run(arm, seed) / "test.safetensors", logits, {"decision": digest})
                opened = {"decision": digest, "openings": 1, "decisions": [digest]}
                write_json(self.run(arm, seed) / "opened.json", opened)

    def test(self, part: str = "", logs: Path | None = None) -> None:
        """Make the tables of test results; `logs` holds those of openings."""
        openings = self.folder / part / "opened.json"
        made = {
            "decision": self.folder / part / "decision.json",
            "runs_table": self.folder / part / "tables" / "runs.csv",
        }
        collect_results(**self.options(part), **made, logs=logs, openings=openings)

    def predict(self, part: str = "") -> None:
        """Make the tables that name images."""
        collect_predictions(
            experiment_folder=self.folder,
            runs=json.dumps(list(self.runs.items())),
            arms=self.options(part)["arms"],
            comparison=json.dumps(self.comparison),
            mode=mode_of(self.configuration, {} if part else None),
            decision=self.folder / part / "decision.json",
            **{name: self.folder / part / "tables" / f"{name}.csv" for name in OF_IMAGES},
        )

    def compare(self) -> None:
        """Make the tables of networks on paper."""
        images = (self.folder / "data" / "sizes.csv").read_bytes()
        write_all(self.tables, _compared(json.dumps(compared_networks(self.configuration)), images))

    def complete(self, part: str = "", compared: bool = True) -> "Experiment":
        """Make all that the report reads, or a partial report (see `collect`); figures are stand-ins.

        Without `compared` the tables of networks on paper, which may take seconds, are left out.
        """
        self.collect(part)
        if compared:
            self.compare()
        settings = json.dumps(self.configuration)
        write_configuration(experiment="digits", configuration=settings, output=self.folder / "config.yaml")
        references, images = self.configuration["reference_models"], self.configuration["report"]["images"] == "all"
        figures = figures_with(
            mode=mode_of(self.configuration, {} if part else None),
            references=bool(references),
            images=images,
            letters=pretrains_on_letters(self.configuration),
        )
        names = [name for figure in figures for name in figure.names(self.runs)]
        for position, name in enumerate(names):
            image = {f"{name}.svg": SVG.format(y=20 + 7 * position).encode(), f"{name}.png": b"\x89PNG"}
            write_all(self.folder / part / "figures", image)
        accuracies = {"epoch": [0, 1, 2], "validation_accuracy": [3.9, 80, 93.4], "kept": [0, 0, 1]}
        pretrained = pandas.DataFrame(accuracies, columns=WEIGHTS_HISTORY.in_mode(AFTER_DECISION).names)
        for architecture in {arm["model"]["architecture"] for arm in self.arms}:
            write_all(self.folder / "weights", {f"{architecture}.safetensors": b"weights"})
            write_table(self.folder / "weights" / f"{architecture}_history.csv", pretrained)
        return self


class Shelf:
    """Complete experiments by their options, each made once; they are shared, so whoever changes one takes a copy."""

    def __init__(self, folder: Path):
        self.folder, self.made = folder, {}

    def __call__(self, arms=LECTURE, compared=True, **options) -> Experiment:
        key = repr((arms, compared, sorted(options.items())))
        if key not in self.made:
            experiment = Experiment(self.folder / str(len(self.made)) / "digits", **options)
            self.made[key] = reduce(lambda made, arm: made.add_arm(**arm), arms, experiment).complete(compared=compared)
        return self.made[key]


def merged(first: dict, second: dict) -> dict:
    """A copy of `first` with what `second` has, mappings inside mappings likewise."""
    both = {
        key: merged(first[key], value) if isinstance(value, dict) and isinstance(first.get(key), dict) else value
        for key, value in second.items()
    }
    return copy.deepcopy({**first, **both})


@cache
def _effective() -> dict:
    return effective(load_configuration({"experiments": {"digits": SETTINGS}}))["experiments"]["digits"]


def mistaken(labels: numpy.ndarray, number: int, classes: int, random: numpy.random.Generator) -> numpy.ndarray:
    """`number` rows of `labels`: of the class at `HARD` four times as many as of each other."""
    turn = numpy.empty(len(labels))
    for label in range(classes):
        own = random.permutation(numpy.flatnonzero(labels == label))
        turn[own] = numpy.arange(1, len(own) + 1) / (4 if label == classes + HARD else 1)
    return numpy.argsort(turn, kind="stable")[:number]


def cost_of(seconds: float) -> dict[str, float | str]:
    """What a run that took these seconds measured."""
    parts = {"training_seconds": 0.5 * seconds, "evaluation_seconds": 0.25 * seconds, "features_seconds": 0.0}
    cost = {"device": "cpu", "device_name": "A Processor", "torch": "2.15.0", "peak_memory_bytes": 610_000_000}
    return dict.fromkeys(COST_KEYS, 0.0) | cost | parts | {"seconds": seconds, "images_per_second": 3000 / seconds}


def write_all(folder: Path, contents: dict[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)


def _outputs(command: Callable, names: dict[str, str], **options) -> dict[str, bytes]:
    """The files that a command writes, by name; `names` are those by the command's options."""
    with TemporaryDirectory() as folder:
        files = {option: Path(folder) / name for option, name in names.items()}
        command(**options, **files)
        return {path.name: path.read_bytes() for path in files.values()}


@cache
def _description(architecture: str, input_size: int, classes: int) -> dict[str, bytes]:
    """The files of a network's folder in `models/`, which do not name the classes."""
    from triptych.models.describe_model import describe_model  # torch takes seconds to load

    names = {"layers": "layers.csv", "printout": "printout.txt", "totals": "totals.json", "memory": "memory.csv"}
    with TemporaryDirectory() as folder:
        data = Path(folder) / "train.safetensors"
        split = Split(
            numpy.zeros((1, 2, 2, 3), numpy.uint8),
            numpy.zeros(1, numpy.int64),
            [f"class {number}" for number in range(classes)],
        )
        save_split(data, split)
        return _outputs(describe_model, names, architecture=architecture, input_size=input_size, train_data=data)


@cache
def _compared(networks: str, images: bytes) -> dict[str, bytes]:
    """The tables of networks on paper; `images` is what sizes.csv says.

    The numbers of a network take a second, and most experiments have the same few networks: they are made once each.
    """
    from triptych.models import compare_architectures as module

    names = {"architectures": "architectures.csv", "largest_batch": "largest_batch.csv"}
    with TemporaryDirectory() as folder:
        sizes = Path(folder) / "sizes.csv"
        sizes.write_bytes(images)
        with patch.object(module, "compare_one", _once(module.compare_one)):
            return _outputs(module.compare_architectures, names, networks=networks, sizes=sizes)


_once = cache(cache)
"""A function that is called once for the same arguments."""


@cache
def _shapes(architecture: str, input_size: int, classes: int):
    """A network without weights, and the blocks and roles of its tensors."""
    from triptych.models.networks import build_shapes
    from triptych.models.tensor_layout import tensor_layout

    built = build_shapes(architecture, classes, input_size)
    gc.freeze()  # torch is imported by now: statsmodels would look at all of it, 0.4 s a correction
    return built, tensor_layout(built, architecture)


@cache
def network(architecture: str, input_size: int, classes: tuple[str, ...]) -> tuple[dict, dict, dict]:
    """What the files of a network's weights say about it, the shapes of its tensors, and their blocks and roles."""
    from triptych.models.networks import network_metadata

    built, layout = _shapes(architecture, input_size, len(classes))
    scaling = {"mean": [0, 0, 0], "std": [1, 1, 1]}
    about = {"architecture": architecture, "classes": list(classes), "input_size": input_size}
    metadata = network_metadata(built, **about, normalisation=scaling)
    shapes = {name: tuple(tensor.shape) for name, tensor in built.state_dict().items()}
    return metadata, shapes, layout


@cache
def _weights(
    model: tuple[str, int, tuple[str, ...]],
    whole_kernels: bool,
    seed: int,
    change: float,
    colour_share: float,
    trained: tuple[bool, bool],
) -> dict[str, bytes]:
    """The files of a run about its weights; `trained` are whether all is, and whether BatchNorm follows the data."""
    metadata, shapes, layout = network(*model)
    whole = {metadata["first_convolution"], metadata["first_3x3_convolution"]} if whole_kernels else set()
    random = numpy.random.default_rng(seed)
    before, after, moving, buffers = {}, {}, [], metadata["buffers"]
    for name, share in zip(metadata["tensors"], _shares(metadata), strict=True):
        channels = [size if name in whole else min(WIDEST, size) for size in shapes[name][:2]]
        buffer = name in buffers
        moves = trained[1] if buffer else trained[0] or name in metadata["head"]
        moving += [name] if moves else []
        if not shapes[name]:  # BatchNorm's count of its batches
            before[name], after[name] = numpy.array(0), numpy.array(100 * moves)
            continue
        start, step = random.normal(0, 0.05, (2, *channels, *shapes[name][2:]))
        if buffer:
            start = numpy.full_like(start, 0.5) if name.endswith("var") else 0.5 * numpy.sign(start)
        if name == metadata["first_convolution"]:
            step = _of_colour(step, colour_share)
        step *= change * share * numpy.linalg.norm(start) / numpy.linalg.norm(step)
        before[name] = start.astype(numpy.float32)
        after[name] = (start + step * moves).astype(numpy.float32)
    with TemporaryDirectory() as folder:
        file, parameters = Path(folder) / "trained.safetensors", [name for name in moving if name not in buffers]
        save_tensors(file, after, metadata)
        names = {"weight_delta": "weight_delta.csv", "kernels": "kernels.safetensors"}
        names |= {"kernel_change": "kernel_change.csv", "weights": "weights.json"}
        changed = partial(write_changes, metadata, layout, parameters, before, after)
        return _outputs(changed, names) | {file.name: file.read_bytes()}


def _shares(metadata: dict) -> list[float]:
    """How much more each tensor changes than the median: of every five layers two change less, and two more."""
    layers = {True: [], False: []}
    shares = []
    for name in metadata["tensors"]:
        own, layer = layers[name in metadata["buffers"]], name.rpartition(".")[0]
        if layer not in own:
            own.append(layer)
        shares.append(2.0 ** ((own.index(layer) + 2) % 5 - 2))
    return shares


def _of_colour(step: numpy.ndarray, share: float) -> numpy.ndarray:
    """A change of kernels [out, 3, height, width] of which this share is colour, the rest brightness."""
    grey = numpy.broadcast_to(step.mean(axis=1, keepdims=True), step.shape)
    colour = step - grey
    return (1 - share) ** 0.5 * grey / numpy.linalg.norm(grey) + share**0.5 * colour / numpy.linalg.norm(colour)
