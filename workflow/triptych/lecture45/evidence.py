"""Read the tables of one experiment, on which claims are tested and effects of faults are computed."""

import math
from dataclasses import dataclass
from pathlib import Path

import pandas

from triptych.analysis.intervals import wilson_interval
from triptych.configuration.training import COMPARED, RECIPE, title_of
from triptych.lecture45 import requirements
from triptych.results import schema
from triptych.results.experiment import Results, read_numbers, read_tables
from triptych.storage.errors import InputError

ARMS = tuple(requirements.ARMS)
"""The arms that are the lecture's net1, net2 and net3."""

NETS = dict(zip(ARMS, ("net1", "net2", "net3"), strict=True))

OPTIONAL_TABLES = ("architectures", "largest_batch")
TABLES = (
    "arms",
    "history",
    "runs",
    "test_results",
    "summary",
    "comparisons",
    "weight_delta",
    "kernel_change",
    "models",
    "memory",
)
"""The tables that every experiment with claims has."""

LECTURE: dict[str, tuple[str, str | float]] = {
    "architecture": ("network", "resnet18"),
    "input_size": ("input size in pixels", 224),
    "normalisation": ("normalisation", "none"),
    "batchnorm": ("BatchNorm", "train"),
    **{
        name: (title_of(name), value)
        for name, value in (("learning_rate", 1e-4), ("epochs", 10), ("batch_size", 32), ("train_images", 50_000))
    },
}
"""The lecture's recipe by the columns of `tables/arms.csv`."""

AS_GOOD = ("precision", "channels_last", "fused_optimizer", "keep", "patience")
"""Keys in which a run may differ from the lecture's and still be compared with it."""

NEWER = {
    name: (title_of(name), RECIPE[name].neutral)
    for name in COMPARED
    if name not in (*LECTURE, *AS_GOOD) and RECIPE[name].has_neutral
}
"""Keys that the lecture's recipe does not know, with the value at which they change nothing."""

TEST_IMAGES = 10_000


@dataclass(frozen=True)
class Evidence(Results):
    """The results of an experiment with claims, and whether the files of its data and weights are the published ones.

    Of its configuration it knows `dataset.source`, `weights.source`, `comparison.confidence` and
    `comparison.equivalence_margin`. The tables `architectures` (networks beside the arms') and `largest_batch` are
    empty where they were not made.
    """

    official_dataset: bool = True
    official_weights: bool = True

    def interval(self, accuracy: float) -> tuple[float, float]:
        """Wilson's interval in percent of an accuracy in percent, over the test images.

        Of a mean over seeds it is the interval of one run with that accuracy.
        """
        total = self.images("test")
        low, high = wilson_interval(round(accuracy * total / 100), total, self.confidence)
        return 100 * low, 100 * high

    def difference_interval(self, first: float, second: float) -> tuple[float, float]:
        """The interval in points of the difference of two accuracies in percent (Newcombe 1998, method 10).

        It takes the two for independent, and so is wider than the paired one of `tables/comparisons.csv`, which exists
        for the last epoch only.
        """
        low_1, high_1 = self.interval(first)
        low_2, high_2 = self.interval(second)
        difference = first - second
        return (
            difference - math.hypot(first - low_1, high_2 - second),
            difference + math.hypot(high_1 - first, second - low_2),
        )

    def reference(self, architecture: str, auxiliary: bool = False) -> pandas.Series | None:
        """A network of the table of architectures; None where there is no such row."""
        rows = self.tables["architectures"]
        rows = rows[(rows["architecture"] == architecture) & (rows["auxiliary"] == int(auxiliary))]
        return None if rows.empty else rows.iloc[0]

    def batch_that_fits(self, architecture: str, input_size: float, auxiliary: bool, memory: float) -> float | None:
        """The largest batch for training everything in `memory` bytes; None where no table says it."""
        rows = self.tables["largest_batch"]
        rows = rows[
            (rows["architecture"] == architecture)
            & (rows["input_size"] == input_size)
            & (rows["auxiliary"] == int(auxiliary))
            & (rows["memory_gb"] * 1e9 == memory)
        ]
        return None if rows.empty else float(rows["largest_batch"].min())

    def own_network(self) -> pandas.Series:
        """The row of `tables/models.csv` of the three arms' network."""
        arm, models = self.arms.loc["scratch"], self.tables["models"]
        rows = models[(models["architecture"] == arm["architecture"]) & (models["input_size"] == arm["input_size"])]
        if rows.empty:
            raise InputError(f"tables/models.csv: no row of {arm['architecture']} at {arm['input_size']:g} px")
        return rows.iloc[0]

    def comparable_parameters(self) -> float:
        """Parameters of the three arms' network as `tables/architectures.csv` counts them, so that its head has as many
        classes as those of the networks beside it; those of `tables/models.csv` where it is not there.
        """
        row = self.reference(self.arms["architecture"]["scratch"])
        return float(self.own_network()["parameters"] if row is None else row["parameters"])

    def unlike_the_lecture(self) -> str:
        """What of this run is not the lecture's, in words; empty where all is, so that its numbers can be compared."""
        different = []
        dataset, weights = (self.configuration[section]["source"] for section in ("dataset", "weights"))
        if dataset != "cifar10":
            different.append(f"the images are {dataset}, not cifar10")
        elif not self.official_dataset:
            different.append("the archive of the images is not the official file")
        if weights != "torchvision":
            different.append(f"the pretrained weights are from {weights}, not torchvision")
        elif not self.official_weights:
            different.append("the file of the pretrained weights is not torchvision’s")
        arms = self.arms.loc[list(ARMS)]
        for column, (name, value) in LECTURE.items():
            found = [other for other in dict.fromkeys(arms[column]) if other != value]
            if found:
                different.append(f"{name} {', '.join(_text(other) for other in found)}, not {_text(value)}")
        for column, (name, neutral) in NEWER.items():
            values = arms[column].unique()
            found = [other for other in values if not (pandas.isna(other) if neutral is None else other == neutral)]
            if found:
                different.append(f"{name} {', '.join(map(_text, found))}, not {_text(neutral)}")
        if self.images("test") != TEST_IMAGES:
            different.append(f"test images {_text(self.images('test'))}, not {_text(TEST_IMAGES)}")
        return "; ".join(different)


def _text(value: str | float | None) -> str:
    if isinstance(value, str):
        return value
    if value is None or math.isnan(value):
        return "none"
    return f"{value:,.0f}" if value == round(value) else f"{value:g}"


def read_evidence(
    tables: Path,
    sizes: Path,
    *,
    dataset: str,
    weights: str,
    official_dataset: bool,
    official_weights: bool,
    confidence: float,
    margin: float,
) -> Evidence:
    """Read the tables in a folder, and the numbers of images from `data/sizes.csv`.

    Raises:
        InputError: a file is missing or not what it should be, or an arm of the lecture is.
    """
    files = {name: tables / f"{name}.csv" for name in (*TABLES, *OPTIONAL_TABLES)}
    there = {name: path for name, path in files.items() if name in TABLES or path.is_file()}
    empty = {name: pandas.DataFrame(columns=schema.TABLES[name].names) for name in OPTIONAL_TABLES}
    read = empty | read_tables(there, schema.EVERY_EPOCH)
    missing = [arm for arm in ARMS if arm not in set(read["arms"]["arm"])]
    if missing:
        raise InputError(f"{tables / 'arms.csv'}: no arm {', '.join(missing)}; the claims are about {', '.join(ARMS)}")
    evidence = Evidence(
        folder=tables.parent,
        report_folder=tables.parent,
        configuration={
            "dataset": {"source": dataset},
            "weights": {"source": weights},
            "test": requirements.TEST,
            "comparison": {"confidence": confidence, "equivalence_margin": margin},
        },
        tables=read,
        sizes=read_numbers(sizes, schema.SIZES),
        official_dataset=official_dataset,
        official_weights=official_weights,
    )
    if not evidence.images("test"):
        raise InputError(f"{sizes}: no test images")
    return evidence
