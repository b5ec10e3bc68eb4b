"""The tables of the report as they are shown: their columns with what each means, and their cells as text."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy
import pandas

from triptych.configuration.training import RECIPE, SHOWN, title_of
from triptych.report import formatting as words
from triptych.report import story
from triptych.report.peaks import OPERATIONS_OF_A_MAC, peak_flops
from triptych.report.results import Results
from triptych.results import schema


@dataclass(frozen=True)
class ArmName:
    """A cell that names an arm, with the colour that it has in every figure."""

    name: str
    label: str
    colour: str
    control: bool

    @property
    def title(self) -> str:
        return self.name if self.label in ("", self.name) else f"{self.label} · {self.name}"


@dataclass(frozen=True)
class Range:
    """A cell that draws an interval: places in percent of the cell's width."""

    text: str
    low: float
    middle: float
    high: float
    zero: float
    margin_low: float
    margin_high: float


@dataclass(frozen=True)
class Column:
    """The head of a column, what it holds, and how it is set: `number`, `text`, `code`, `arm`, `range` or
    `verdict`."""

    title: str
    meaning: str
    kind: str = "number"
    term: str = ""
    """What the explanation under the table names, where it explains more than this column."""


@dataclass(frozen=True)
class Table:
    """A table with the meaning of every column. `file` is the CSV file that it comes from, beside the report."""

    title: str
    columns: list[Column]
    rows: list[list[Any]]
    file: str = ""
    stacks: bool = False
    total: list[Any] = field(default_factory=list)
    explained: list[tuple[str, str]] = field(default_factory=list)
    """What the explanation under the table says, where it is not the meaning of each column."""

    @property
    def legend(self) -> list[tuple[str, str]]:
        """The terms to explain under the table, each with its meaning."""
        columns = [(column.term or column.title, column.meaning) for column in self.columns if column.meaning]
        return self.explained or columns


def declared(table: schema.Table, name: str, kind: str = "number") -> Column:
    """The column that shows a column of a table as it is, with its declared title and meaning."""
    column = table[name]
    return Column(column.heading, column.meaning, kind)


ARM = Column("arm", "The label and the name of the arm, in the colour that it has in every figure.", "arm")


def arm_names(results: Results, colours: dict[str, str]) -> dict[str, ArmName]:
    """The cell of each arm."""
    return {
        name: ArmName(name, label, colours[name], role == "control")
        for name, label, role in results.arms[["arm", "label", "role"]].itertuples(index=False)
    }


def in_order(results: Results) -> list[str]:
    """The arms from the best to the worst, controls last."""
    return [*results.contestants, *results.controls]


def summary(results: Results, arms: dict[str, ArmName]) -> Table:
    """What every arm reached and what it cost."""
    fewest, most = results.numbers_of_runs[0], results.numbers_of_runs[-1]
    covers = (
        f"its {results.confidence} interval over the {most if fewest == most else 'arm’s'} seeds"
        + (", of a single run over the test images (Wilson)" if fewest == 1 else "")
        if most > 1
        else f"its {results.confidence} interval over the test images (Wilson); with one seed there is none over seeds"
    )
    end = "last" if results.keeps_last(results.arms["arm"]) else "kept"
    validated = bool(results.tables["summary"]["validation_accuracy_mean"].notna().any())
    validation = Column(
        "validation",
        f"Validation images that are classified rightly after the {end} epoch, in percent: what choices are made by.",
    )
    columns = [
        ARM,
        Column(
            "test accuracy",
            f"Test images that are classified rightly after the {end} epoch, in percent; below it {covers}.",
        ),
        *([validation] if validated else []),
        Column("first epoch", "Test accuracy after the first epoch, in percent."),
        Column(
            "time",
            "Wall time of one run from the start of its command to the end of training, evaluations included, "
            "waiting for a GPU or another process not; other jobs may have run on the same cores.",
        ),
        Column("images/s", "Training images a second while it trains, measured: no start-up, no evaluation."),
        Column(
            "memory", "Most memory in use at once, measured: of the process on a CPU, of torch’s allocations on a GPU."
        ),
        Column("trains", "Parameters that are trained, of all that the network has."),
    ]
    rows = []
    for arm in in_order(results):
        trainable, total = (results.mean("runs", arm, f"{kind}_parameters") for kind in ("trainable", "total"))
        rows.append(
            [
                arms[arm],
                (
                    words.percent(results.summary(arm, "test_accuracy_mean")),
                    words.between(*results.accuracy_interval(arm)),
                ),
                *([words.percent(results.summary(arm, "validation_accuracy_mean"))] if validated else []),
                words.percent(results.summary(arm, "first_epoch_accuracy_mean")),
                words.duration(results.mean("cost", arm, "seconds")),
                words.count(results.mean("cost", arm, "images_per_second")),
                words.size(results.mean("cost", arm, "peak_memory_bytes")),
                (words.count(trainable), f"of {words.count(total)}"),
            ]
        )
    return Table("Accuracy and cost of every arm, means over seeds", columns, rows, "tables/summary.csv", stacks=True)


def comparisons(results: Results) -> Table:
    """Every pair of arms with its verdict."""
    table = results.tables["comparisons"]
    margin = results.margin
    reach = 1.08 * max(table[["low", "high"]].abs().to_numpy().max(initial=0), margin, 1e-9)
    left = -max(margin, -min(table["low"].min(), 0)) * 1.15 - 0.02 * reach

    def place(value: float) -> float:
        return round(float(numpy.clip(100 * (value - left) / (reach - left), 0, 100)), 2)

    resampled = "test images and seeds together" if len(results.seeds) > 1 else "test images (there is one seed)"
    if results.missing and any(results.missing.values()):
        resampled += "; of arms that do not have the same seeds, each arm’s by themselves"
    columns = [
        Column("arms", "The two arms; the one with the higher mean test accuracy stands first.", "text"),
        Column("difference", "How many points of test accuracy the first is ahead of the second."),
        Column(
            "interval",
            f"The {results.confidence} interval of that difference in points, from a paired bootstrap that resamples "
            f"{resampled}. The line is the interval, the dot the difference, the upright stroke zero, the grey band "
            f"the margin of {words.plural(margin, 'point')}.",
            "range",
        ),
        declared(schema.COMPARISONS, "p_value"),
        declared(schema.COMPARISONS, "verdict", "verdict"),
    ]
    rows = [
        [
            f"{row['arm_a']} against {row['arm_b']}",
            words.number(row["difference"]),
            Range(
                words.between(row["low"], row["high"]),
                *(place(row[column]) for column in ("low", "difference", "high")),
                *(place(value) for value in (0, -margin, margin)),
            ),
            words.p_value(row["p_value"]).removeprefix(f"={words.NO_BREAK}"),
            row["verdict"],
        ]
        for _, row in table.iterrows()
    ]
    return Table("Every pair of arms", columns, rows, "tables/comparisons.csv", stacks=True)


def weights(results: Results, arms: dict[str, ArmName]) -> Table:
    """What moved in each arm, counted."""
    columns = [
        ARM,
        Column("tensors moved", "Parameter tensors with at least one number that changed in any seed, of all of them."),
        Column("exactly equal", "Share of the single parameters that are bit for bit what they were."),
        Column(
            "nearly equal",
            "Share that changed by less than a thousandth of their tensor’s largest weight, equal ones included.",
        ),
        Column("median change", "Norm of the change by norm before training: the median over the parameter tensors."),
        Column("BatchNorm moved", "Running means and variances of BatchNorm that changed, of all of them."),
    ]
    rows = []
    for arm in in_order(results):
        delta = results.of("weight_delta", arm)
        parameters = delta[delta["kind"] == "parameter"]
        statistics = delta[(delta["kind"] == "buffer") & delta["tensor"].str.endswith(story.STATISTICS)]
        change = story.median_change(results, arm)
        rows.append(
            [
                arms[arm],
                _moved(parameters),
                *(
                    words.share(numpy.average(parameters[column], weights=parameters["size"]))
                    for column in ("unchanged_fraction", "near_zero_fraction")
                ),
                words.share(change) if change < 10 else words.times(change),
                _moved(statistics),
            ]
        )
    return Table("What moved, counted over all seeds", columns, rows, "tables/weight_delta.csv")


def _moved(tensors: pandas.DataFrame) -> str:
    moved = tensors.loc[tensors["unchanged_fraction"] < 1, "tensor"].nunique()
    return f"{moved} of {tensors['tensor'].nunique()}"


def per_class(results: Results, arms: dict[str, ArmName]) -> Table:
    """How many of each class every arm finds."""
    table = results.tables["per_class"]
    recall = table.groupby(["class", "arm"], sort=False)["recall"].mean()
    images = table.groupby("class", sort=False)["images"].first()
    names = in_order(results)
    columns = [
        declared(schema.PER_CLASS, "class", "text"),
        declared(schema.PER_CLASS, "images"),
        *(
            Column(
                arms[name].title,
                f"Recall of {name}: test images of the class that it finds, in percent, mean over seeds.",
            )
            for name in names
        ),
    ]
    rows = [
        [name, words.count(images[name]), *(words.percent(recall.get((name, arm), numpy.nan)) for arm in names)]
        for name in images.index
    ]
    return Table("Recall by class", columns, rows, "tables/per_class.csv")


def networks(results: Results) -> Table:
    """What the networks are, computed from their layers."""
    columns = [
        Column(
            "network",
            "torchvision’s name of the architecture, and the size of the images it is fed, in pixels.",
            "text",
        ),
        *(declared(schema.MODELS, name) for name in ("parameters", "head_parameters", "macs", "activation_bytes")),
        *(declared(schema.MODELS, name) for name in ("weight_bytes", "file_bytes")),
    ]
    rows = [
        [
            f"{row['architecture']}, {row['input_size']:.0f} px",
            words.count(row["parameters"]),
            words.count(row["head_parameters"]),
            words.operations(row["macs"]),
            words.size(row["activation_bytes"]),
            words.count(row["weight_bytes"]),
            words.count(row["file_bytes"]),
        ]
        for _, row in results.tables["models"].iterrows()
    ]
    return Table("The networks", columns, rows, "tables/models.csv")


def memory(results: Results, arms: dict[str, ArmName]) -> Table:
    """Memory by batch size for every arm."""
    table = results.tables["memory"]
    batch_sizes = sorted(set(table["batch_size"]))
    columns = [
        ARM,
        Column(
            "for", "Training (weights, gradients, optimiser, activations) or inference (weights, activations).", "text"
        ),
        *(
            Column(f"{batch:.0f}", "" if position else "Computed memory at this batch size.", term="numbers")
            for position, batch in enumerate(batch_sizes)
        ),
    ]
    rows = []
    for arm in in_order(results):
        by_batch = results.of("memory", arm).set_index("batch_size")
        rows += [
            [
                arms[arm],
                purpose,
                *(words.size(by_batch[f"{purpose}_bytes"].get(batch, numpy.nan)) for batch in batch_sizes),
            ]
            for purpose in ("training", "inference")
        ]
    return Table("Memory by batch size", columns, rows, "tables/memory.csv")


def cost(results: Results, arms: dict[str, ArmName]) -> Table:
    """What every run cost."""
    columns = [
        ARM,
        declared(schema.COST, "seed", "text"),
        declared(schema.COST, "device", "text"),
        *(declared(schema.COST, name) for name in ("seconds", "training_seconds", "evaluation_seconds")),
        Column("start-up and rest", "What is left: imports, reading, building the network."),
        *(declared(schema.COST, name) for name in ("features_seconds", "images_per_second")),
        Column(
            "of peak", "Arithmetic of training steps as a share of what the device can do at most, where that is known."
        ),
        declared(schema.COST, "peak_memory_bytes"),
    ]
    rows = [
        [
            arms[row["arm"]],
            row["seed"],
            row["device"],
            words.duration(row["seconds"]),
            words.duration(row["training_seconds"]),
            words.duration(row["evaluation_seconds"]),
            words.duration(max(0.0, row["seconds"] - row["training_seconds"] - row["evaluation_seconds"])),
            words.duration(row["features_seconds"]) if row["features_seconds"] else words.NOTHING,
            words.count(row["images_per_second"]),
            _of_peak(results, row),
            words.size(row["peak_memory_bytes"]),
        ]
        for _, row in results.tables["cost"].iterrows()
    ]
    return Table("Every run", columns, rows, "tables/cost.csv")


def _of_peak(results: Results, run: pandas.Series) -> str:
    """The share of the device's peak that a run's training steps reached."""
    own = results.arms.loc[run["arm"]]
    peak = peak_flops(run["device_name"], own["precision"])
    if peak is None or own["features"] == "cached":
        return words.NOTHING
    per_image = (
        OPERATIONS_OF_A_MAC
        * story.work(results, run["arm"])
        / (own["train_images"] * results.mean("runs", run["arm"], "epochs_run"))
    )
    return words.share(per_image * run["images_per_second"] / peak, 1)


def layers(results: Results) -> Table:
    """Every layer of every network."""
    columns = [
        Column("network", "The architecture, and the size of the images it is fed, in pixels.", "text"),
        *(declared(schema.LAYERS, name, "text") for name in ("layer", "type", "output_shape")),
        *(declared(schema.LAYERS, name) for name in ("parameters", "macs", "activation_bytes")),
    ]
    rows = [
        [
            f"{row['architecture']}, {row['input_size']:.0f} px",
            row["layer"],
            row["type"],
            row["output_shape"].replace("x", " × "),
            words.count(row["parameters"]),
            words.operations(row["macs"]),
            words.size(row["activation_bytes"]),
        ]
        for _, row in results.tables["layers"].iterrows()
    ]
    return Table("Layers", columns, rows, "tables/layers.csv")


def sizes(results: Results) -> Table:
    """Images by split and class."""
    table = results.sizes.pivot_table("images", "class", "split", "sum", sort=False, fill_value=0)
    table = table[list(dict.fromkeys(results.sizes["split"]))]
    meaning = {
        "train": "Images to train on.",
        "validation": "Images for choices.",
        "test": "Images that are only tested on.",
    }
    columns = [
        declared(schema.SIZES, "class", "text"),
        *(Column(split, meaning.get(split, f"Images of the split {split}.")) for split in table.columns),
    ]
    rows = [
        [name, *(words.count(value) for value in row)] for name, row in zip(table.index, table.to_numpy(), strict=True)
    ]
    total = ["all", *(words.count(value) for value in table.sum())]
    return Table("Images by class and split", columns, rows, "data/sizes.csv", total=total)


def recipe(results: Results, arms: dict[str, ArmName]) -> Table:
    """Everything in effect for every arm: a row a setting, since there are more settings than arms."""
    settings = [
        ("network", "Architecture, and the size of the images it is fed, in pixels."),
        ("starts from", "random: random weights. pretrained: pretrained ones with a new head."),
        ("trains", "all: every parameter. head: the last layer only."),
        ("BatchNorm", "train: uses and follows the statistics of the batches. frozen: keeps those it came with."),
        ("normalisation", "What is subtracted from and divides the pixels (0 to 1)."),
        *((title_of(name), f"{RECIPE[name].meaning}{IN_BRACKETS.get(name, '')}") for name in SHOWN),
        (
            "features",
            "cached: what is before the head was computed once for all epochs and seeds. computed: each time.",
        ),
    ]
    in_effect = [
        [
            f"{row['architecture']}, {row['input_size']:.0f} px",
            row["weights"],
            row["train"],
            row["batchnorm"],
            row["normalisation"],
            *(_in_effect(RECIPE[name].kind, row[name]) + _by_seed(results, row, name) for name in SHOWN),
            row["features"],
        ]
        for _, row in results.arms.iterrows()
    ]
    columns = [Column("setting", "", "text"), *(Column(name.title, "", "text") for name in arms.values())]
    rows = [[name, *values] for (name, _), values in zip(settings, zip(*in_effect, strict=True), strict=True)]
    return Table("The recipe of every arm", columns, rows, "tables/arms.csv", explained=settings)


IN_BRACKETS = {"epochs": " In brackets, those of each seed.", "keep": " In brackets, which that was, by seed."}
"""What is said of keys beside whose values stands what came of them."""


def _in_effect(kind: str, value: Any) -> str:
    """A value of a key of the recipe."""
    if kind == "flag":
        return "yes" if value else "no"
    if kind == "choice":
        return str(value)
    if pandas.isna(value):
        return "none"
    return words.count(value) if value == round(value) else f"{value:g}"


def _by_seed(results: Results, arm: pandas.Series, key: str) -> str:
    """How long an arm was trained where patience may have ended it, and which epoch is kept where that was chosen."""
    columns = {"epochs": "epochs_run"} if pandas.notna(arm["patience"]) else {}
    columns |= {"keep": "kept_epoch"} if arm["keep"] != "last" else {}
    if key not in columns:
        return ""
    return f" ({', '.join(words.count(epoch) for epoch in results.of('runs', arm['arm'])[columns[key]])})"


def checksums(files: Mapping[str, Mapping[str, Any]], in_manifest: bool) -> Table:
    """Files that everything else was made from; whether there is a manifest that lists them."""
    columns = [
        Column("file", "Its place in the experiment’s folder.", "text"),
        Column("bytes", "Its size."),
        Column("SHA-256", "Its checksum, as `sha256sum` prints it.", "code"),
    ]
    rows = [[name, words.count(record["bytes"]), record["sha256"]] for name, record in files.items()]
    return Table("Files that the runs read", columns, rows, "manifest.json" if in_manifest else "")


def versions(packages: Mapping[str, str | None]) -> Table:
    """The packages that were used."""
    columns = [
        Column("package", "Its name on PyPI.", "text"),
        Column("version", "The version installed where this report was made.", "text"),
    ]
    rows = [[name, version or "not installed"] for name, version in packages.items()]
    return Table("Packages", columns, rows)
