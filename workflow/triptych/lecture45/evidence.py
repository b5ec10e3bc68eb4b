"""Read the tables of one experiment, on which claims are tested and effects of faults are computed."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas

from triptych.analysis.intervals import wilson_interval
from triptych.configuration.training import COMPARED, RECIPE, title_of
from triptych.lecture45 import requirements
from triptych.lecture45.kernels import Kernels, read_kernels, read_stored_kernels
from triptych.lecture45.rules import Claim, Clause, decided
from triptych.lecture45.verdicts import ANOTHER_RUN, NOT_TESTED
from triptych.results import schema
from triptych.results.experiment import Results, read_numbers, read_tables
from triptych.results.run_names import run_name
from triptych.results.tables import cell, read_table
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

NEUTRAL = {name: cell(RECIPE[name].neutral) for name in COMPARED if RECIPE[name].has_neutral}
"""The value of a column of arms.csv that a table from before its key lacks."""

TEST_IMAGES = 10_000

CONFIDENCE, MARGIN = 0.95, 1.0
"""Of the stored run's intervals, and its margin of equivalence in points."""


@dataclass(frozen=True)
class Evidence(Results):
    """The results of an experiment with claims, and whether the files of its data and weights are the published ones.

    Of its configuration it knows `dataset.source`, `weights.source`, `comparison.confidence` and
    `comparison.equivalence_margin`. The tables `architectures` (networks beside the arms') and `largest_batch` are
    empty where they were not made. `kernels` has the measured kernels of each of the three arms, a run each; none where
    they are not known.
    """

    official_dataset: bool = True
    official_weights: bool = True
    kernels: Mapping[str, Sequence[Kernels]] = field(default_factory=dict)

    def interval(self, accuracy: float, images: int | None = None) -> tuple[float, float]:
        """Wilson's interval in percent of an accuracy in percent, over so many images (by default the test images).

        Of a mean over seeds it is the interval of one run with that accuracy.
        """
        total = images or self.images("test")
        low, high = wilson_interval(round(accuracy * total / 100), total, self.confidence)
        return 100 * low, 100 * high

    def difference_interval(
        self, first: float, second: float, images: tuple[int | None, int | None] = (None, None)
    ) -> tuple[float, float]:
        """The interval in points of the difference of two accuracies in percent (Newcombe 1998, method 10).

        It takes the two for independent, and so is wider than a paired one, which `tables/comparisons.csv` of a new run
        has for the last epoch only. `images` are those of either accuracy, by default the test images.
        """
        low_1, high_1 = self.interval(first, images[0])
        low_2, high_2 = self.interval(second, images[1])
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

    def other_recipe(self) -> str:
        """What of this run's data and recipe is not the lecture's, in words: claims about ten epochs of the lecture are
        not about such a run. Empty where all is the lecture's.
        """
        different = []
        dataset, weights = (self.configuration[section]["source"] for section in ("dataset", "weights"))
        if dataset != "cifar10":
            different.append(f"the images are {dataset}, not cifar10")
        if weights != "torchvision":
            different.append(f"the pretrained weights are from {weights}, not torchvision")
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

    def other_files(self) -> str:
        """Which files of this run are not the published ones, in words. Its verdicts are about its own files: it may
        disagree as well as agree. Empty where all are published ones, or no file is read.
        """
        different = []
        if self.configuration["dataset"]["source"] == "cifar10" and not self.official_dataset:
            different.append("the archive of the images is not the official file")
        if self.configuration["weights"]["source"] == "torchvision" and not self.official_weights:
            different.append("the file of the pretrained weights is not torchvision’s")
        return "; ".join(different)


def of_the_lecture(evidence: Evidence, at: str, claim: str, number: str, clauses: Sequence[Clause]) -> Claim:
    """The verdict of a run with the lecture's recipe, also on files that are not the published ones; for any other run
    its numbers, and what makes it another.
    """
    recipe, files = evidence.other_recipe(), evidence.other_files()
    different = "; ".join(filter(None, (files, recipe)))
    if recipe:
        return Claim(at, claim, number, NOT_TESTED, ANOTHER_RUN, different)
    return Claim(at, claim, number, *decided(clauses), different)


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
    """Read the tables in a folder, the numbers of images from `data/sizes.csv`, and the kernels of the three arms'
    runs, which are beside the folder.

    Raises:
        InputError: a file is missing or not what it should be, or an arm of the lecture is.
    """
    files = {name: tables / f"{name}.csv" for name in (*TABLES, *OPTIONAL_TABLES)}
    there = {name: path for name, path in files.items() if name in TABLES or path.is_file()}
    empty = {name: pandas.DataFrame(columns=schema.TABLES[name].names) for name in OPTIONAL_TABLES}
    read = empty | read_tables(there, schema.EVERY_EPOCH)
    _check_arms(read["arms"], tables)
    measured = {
        arm: [
            read_kernels(tables.parent / "runs" / arm / run_name(seed) / "kernels.safetensors")
            for seed in read["runs"].loc[read["runs"]["arm"] == arm, "seed"]
        ]
        for arm in ARMS
    }
    evidence = Evidence(
        folder=tables.parent,
        report_folder=tables.parent,
        configuration=_configuration(dataset, weights, confidence, margin),
        tables=read,
        sizes=read_numbers(sizes, schema.SIZES),
        official_dataset=official_dataset,
        official_weights=official_weights,
        kernels={arm: [run for run in runs if run is not None] for arm, runs in measured.items()},
    )
    if not evidence.images("test"):
        raise InputError(f"{sizes}: no test images")
    return evidence


def read_stored_run(folder: Path) -> Evidence:
    """Read a stored run of the lecture: a folder with its tables, sizes.csv and kernels.json (`read_stored_kernels`).

    Its files are not the published ones (about.json). What newer tables have more is empty, or neutral in a recipe; its
    test results are in runs.csv.

    Raises:
        InputError: a table is missing or not what it should be.
    """
    found = {
        name: _read_older(folder / f"{name}.csv", name)
        for name in (*TABLES, *OPTIONAL_TABLES)
        if name not in ("runs", "test_results")
    }
    runs, results = (_read_older(folder / "runs.csv", name) for name in ("runs", "test_results"))
    found["runs"] = runs.merge(results.drop(columns="label"), on=["arm", "seed"], validate="one_to_one")
    _check_arms(found["arms"], folder)
    return Evidence(
        folder=folder,
        report_folder=folder,
        configuration=_configuration("cifar10", "torchvision", CONFIDENCE, MARGIN),
        tables=found,
        sizes=read_numbers(folder / "sizes.csv", schema.SIZES),
        official_dataset=False,
        official_weights=False,
        kernels=read_stored_kernels(folder / "kernels.json"),
    )


def _read_older(path: Path, name: str) -> pandas.DataFrame:
    """Read a table that may lack columns of today's; every number is a float."""
    table = schema.TABLES[name].in_mode(schema.EVERY_EPOCH)
    frame = read_table(path, table, absent=dict.fromkeys(table.names) | NEUTRAL)
    return frame.astype({column.name: float for column in table.columns if column.kind != schema.TEXT})


def _check_arms(arms: pandas.DataFrame, folder: Path) -> None:
    missing = [arm for arm in ARMS if arm not in set(arms["arm"])]
    if missing:
        raise InputError(f"{folder / 'arms.csv'}: no arm {', '.join(missing)}; the claims are about {', '.join(ARMS)}")


def _configuration(dataset: str, weights: str, confidence: float, margin: float) -> dict[str, object]:
    """What `Results` needs of a configuration."""
    return {
        "dataset": {"source": dataset},
        "weights": {"source": weights},
        "test": requirements.TEST,
        "comparison": {"confidence": confidence, "equivalence_margin": margin},
    }
