"""The tables of one experiment, read once, and the look-ups that analysis and report share."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas
import yaml

from triptych.results import schema
from triptych.results.arm_styles import ArmStyle, arm_styles
from triptych.results.by_seed import by_seed
from triptych.results.decision import read_decision
from triptych.results.leaks import Leaked, leaked_splits
from triptych.results.learning_curves import learning_curves
from triptych.results.run_names import folds_of, has_no_test
from triptych.results.schema import AFTER_DECISION, EVERY_EPOCH, NO_TEST, UNOPENED, Mode
from triptych.results.tables import read_table
from triptych.storage.errors import InputError
from triptych.storage.files import read_json, read_text

OPENED_KEYS = ("openings", "decisions", "runs", "removed", "trainings")
"""Of an experiment's opened.json."""

CONFIGURATION_KEYS = (
    *("question", "dataset", "model", "weights", "training", "test", "comparison", "reference_models", "report"),
    *("seeds", "claims", "arms"),
)
"""The keys of the effective configuration of an experiment."""


@dataclass(frozen=True)
class Results:
    """An experiment: its effective configuration, its tables by name (every number a float), its numbers of images.

    Attributes:
        folder: of the experiment.
        report_folder: holds the tables and figures of its runs; a partial report has its own.
        tables: those that the mode has and that the report reads; `runs` has the columns of `test_results` as well,
            where there are such.
        sizes: `data/sizes.csv`.
        missing: the runs that a partial report lacks, as the seeds by arm; None for the whole.
        decision: the content of `decision.json`; None if it was not read.
        opened: the content of `opened.json`, the recorded openings of the test images; None where there is none.
        leaks: `data/leaks.csv`.
    """

    folder: Path
    report_folder: Path
    configuration: Mapping[str, Any]
    tables: dict[str, pandas.DataFrame]
    sizes: pandas.DataFrame
    missing: dict[str, list[int]] | None = None
    decision: Mapping[str, Any] | None = None
    opened: Mapping[str, Any] | None = None
    leaks: pandas.DataFrame = field(default_factory=lambda: pandas.DataFrame(columns=schema.LEAKS.names))

    @property
    def mode(self) -> Mode:
        """What is known about test images."""
        return mode_of(self.configuration, self.missing)

    @property
    def curve_split(self) -> str:
        """The split that learning curves are of: validation or test."""
        return schema.curve_split(self.mode)

    def curve_column(self, quantity: str) -> str:
        """The column of `tables/history.csv` with the `accuracy` or the `loss` of learning curves."""
        return f"{self.curve_split}_{quantity}"

    @property
    def is_tested(self) -> bool:
        """Whether there are test results."""
        return self.mode in schema.TESTED

    @property
    def is_provisional(self) -> bool:
        """Whether missing runs may change the answer: in a partial report without test results."""
        return self.missing is not None and not self.is_tested

    @property
    def folds(self) -> int | None:
        """Into how many parts the training images are dealt; None without folds."""
        folds: int | None = self.configuration["dataset"].get("folds")
        return folds

    @property
    def networks(self) -> int:
        """The number of networks that a seed of an arm has: 1, or one for each fold."""
        return len(folds_of(self.configuration["dataset"]))

    def _counted(self, split: str) -> str:
        """The split whose images are those of another one: with folds the training images validate."""
        return "train" if self.folds is not None and split == "validation" else split

    @property
    def arms(self) -> pandas.DataFrame:
        """One row an arm, by its name, in the order of the configuration."""
        return self.tables["arms"].set_index("arm", drop=False)

    @property
    def seeds(self) -> list[str]:
        return list(dict.fromkeys(self.tables["runs"]["seed"]))

    @property
    def numbers_of_runs(self) -> list[int]:
        """The different numbers of runs that arms have, rising: one number, unless runs are missing."""
        return sorted({int(n) for n in self.tables["runs"].groupby("arm").size()})

    @property
    def margin(self) -> float:
        """Points of the metric within which arms count as equivalent."""
        return float(self.configuration["comparison"]["equivalence_margin"])

    @property
    def metric(self) -> str:
        """What decides between arms: one of `schema.METRICS`."""
        return str(self.configuration["comparison"].get("metric", schema.METRICS[0]))

    @property
    def metric_name(self) -> str:
        """The same in words."""
        return self.metric.replace("_", " ")

    def metric_on(self, split: str, metric: str = "") -> str:
        """A metric (by default that which decides) on a split in words, such as `balanced test accuracy`."""
        return f"{'balanced ' * ((metric or self.metric) == 'balanced_accuracy')}{split} accuracy"

    def is_imbalanced(self, split: str) -> bool:
        """Whether the largest class of a split has far more images than the smallest (of those that have any)."""
        images = self.sizes.loc[(self.sizes["split"] == self._counted(split)) & (self.sizes["images"] > 0), "images"]
        return bool(len(images)) and bool(images.max() > schema.IMBALANCED * images.min())

    def metrics(self, split: str) -> list[str]:
        """The metrics to show of a split: that which decides, and the other one where they may differ much."""
        others = [metric for metric in schema.METRICS if metric != self.metric]
        return [self.metric, *(others if self.is_imbalanced(split) else [])]

    def decided_by(self, arm: str) -> tuple[float, float, float]:
        """The metric of an arm that is no control on the images that decide, and both ends of its interval."""
        entry = self.ranking[arm]
        keys = ("accuracy", "low", "high")
        if self.metric == "balanced_accuracy":
            keys = ("balanced_accuracy", "balanced_low", "balanced_high")
        value, low, high = (float(entry[key]) for key in keys)
        return value, low, high

    @property
    def confidence(self) -> float:
        """The confidence of the intervals of single arms, such as 0.95."""
        return float(self.configuration["comparison"]["confidence"])

    @property
    def look(self) -> int:
        """How often, with this decision, the same images decided with other seeds."""
        return int((self.decision or {}).get("look", 1))

    @property
    def level(self) -> float:
        """The level of comparisons of arms, such as 0.05; each look divides it."""
        return (1 - self.confidence) / self.look

    @property
    def confidence_of_differences(self) -> float:
        """The confidence of the intervals of differences between arms."""
        return 1 - self.level

    @property
    def ranking(self) -> dict[str, Mapping[str, Any]]:
        """What the decision says about each arm that is no control, by arm; the leader first."""
        return {} if self.decision is None else {entry["arm"]: entry for entry in self.decision["ranking"]}

    @property
    def contestants(self) -> list[str]:
        """The arms that are no controls, in the order of the decision's ranking."""
        return list(self.ranking)

    @property
    def controls(self) -> list[str]:
        return [name for name, role in zip(self.arms["arm"], self.arms["role"], strict=True) if role == "control"]

    @property
    def styles(self) -> dict[str, ArmStyle]:
        """The name and the look of each arm, as in every figure."""
        return arm_styles(self.tables["arms"])

    def name_of(self, arm: str) -> str:
        """The name that figures and texts use: label and name, or the name alone where they are the same."""
        return self.styles[arm].title

    def names_of(self, arms: Iterable[str]) -> list[str]:
        styles = self.styles
        return [styles[arm].title for arm in arms]

    @property
    def shows_images(self) -> bool:
        """Whether figures may show images of the data set."""
        return bool(self.configuration["report"]["images"] == "all")

    @property
    def caches_features(self) -> bool:
        """Whether the features of any arm's frozen layers are computed once for all seeds."""
        return bool((self.arms["features"] == "cached").any())

    def of(self, table: str, arm: str) -> pandas.DataFrame:
        """The rows of one arm."""
        rows = self.tables[table]
        return rows[rows["arm"] == arm]

    def one(self, table: str, arm: str) -> pandas.Series:
        """The row of one arm in a table that has one row an arm."""
        return self.of(table, arm).iloc[0]

    def summary(self, arm: str, column: str) -> float:
        """A number of `tables/summary.csv`."""
        return float(self.one("summary", arm)[column])

    def mean(self, table: str, arm: str, column: str) -> float:
        """The mean over an arm's rows."""
        return float(self.of(table, arm)[column].mean())

    def trains_everything(self, arm: str) -> bool:
        """Whether every parameter of an arm's network trains."""
        return self.mean("runs", arm, "trainable_parameters") == self.mean("runs", arm, "total_parameters")

    def images(self, split: str) -> int:
        """The number of images of a split; with folds, as many are validated as there are training images."""
        return int(self.sizes.loc[self.sizes["split"] == self._counted(split), "images"].sum())

    @property
    def leaked(self) -> list[Leaked]:
        """The splits with images that have a counterpart in another split, test first."""
        return leaked_splits(self.leaks, {split: self.images(split) for split in ("test", "validation")})

    def chance(self, split: str) -> float:
        """The accuracy (%) of naming the most frequent class of a split; NaN if it has no image."""
        images = self.sizes.loc[self.sizes["split"] == self._counted(split), "images"]
        return float(100 * images.max() / images.sum()) if images.sum() else float("nan")

    def guessing(self, split: str, metric: str) -> float:
        """The metric (%) of a guess that sees no image: the most frequent class, or 1 over the classes with images."""
        if metric == "accuracy":
            return self.chance(split)
        classes = int((self.sizes.loc[self.sizes["split"] == self._counted(split), "images"] > 0).sum())
        return 100 / classes if classes else float("nan")

    def metric_interval(self, arm: str, metric: str) -> tuple[float, float]:
        """The interval of an arm's metric on test images, over images and seeds."""
        return self.summary(arm, f"test_{metric}_low"), self.summary(arm, f"test_{metric}_high")

    def accuracy_interval(self, arm: str) -> tuple[float, float]:
        """The interval of an arm's test accuracy, over images and seeds; with one seed over images alone."""
        return self.summary(arm, "test_accuracy_low"), self.summary(arm, "test_accuracy_high")

    def curve(self, arm: str, column: str) -> pandas.Series:
        """A quantity of the learning curves by epoch, mean over seeds: as far as every seed was trained."""
        return mean_curve(learning_curves(self.of("history", arm)), column)

    def at(self, arm: str, column: str, epoch: int) -> float:
        """A quantity of the history after an epoch, mean over seeds; NaN where there is no such epoch."""
        return float(self.curve(arm, column).get(epoch, float("nan")))

    def last(self, arm: str, column: str) -> float:
        """A quantity of the history after the last epoch that every seed has, mean over seeds."""
        return float(self.curve(arm, column).iloc[-1])

    def tensor(self, arm: str, tensor: str) -> pandas.Series | None:
        """The changes of a tensor, mean over seeds; None where the network has no such tensor."""
        rows = self.of("weight_delta", arm)
        rows = rows[rows["tensor"] == tensor]
        return None if rows.empty else rows.mean(numeric_only=True)

    def keeps_last(self, arms: Iterable[str]) -> bool:
        """Whether the last epoch is the one that is kept, in every run of these arms."""
        runs = [self.of("runs", arm) for arm in arms]
        return all((run["kept_epoch"] == run["epochs_run"]).all() for run in runs)

    def comparison(self, first: str, second: str) -> pandas.Series:
        """The row of `tables/comparisons.csv` that compares two arms, in either order.

        Raises:
            InputError: the two arms are not compared.
        """
        rows = self.tables["comparisons"]
        match = rows[
            ((rows["arm_a"] == first) & (rows["arm_b"] == second))
            | ((rows["arm_a"] == second) & (rows["arm_b"] == first))
        ]
        if match.empty:
            raise InputError(
                f"{self.report_folder / 'tables' / 'comparisons.csv'}: {first} and {second} are not compared"
            )
        return match.iloc[0]

    def verdict(self, first: str, second: str) -> str:
        """`better`, `equivalent` or `undecided`.

        Raises:
            InputError: the two arms are not compared.
        """
        return str(self.comparison(first, second)["verdict"])

    def lead(self, first: str, second: str) -> tuple[float, float, float, str]:
        """Test metric of the first minus that of the second in points, its interval, and the verdict.

        Raises:
            InputError: the two arms are not compared.
        """
        row = self.comparison(first, second)
        sign = 1 if row["arm_a"] == first else -1
        low, high = sorted((sign * row["low"], sign * row["high"]))
        return sign * float(row["difference"]), float(low), float(high), str(row["verdict"])


def mean_curve(history: pandas.DataFrame, column: str) -> pandas.Series:
    """A column of one arm's history by epoch, mean over seeds: as far as every seed was trained."""
    shortest = history.groupby("seed")["epoch"].max().min()
    means: pandas.Series = history[history["epoch"] <= shortest].groupby("epoch")[column].mean()
    return means


def read_results(
    folder: Path, report_folder: Path | None = None, missing: dict[str, list[int]] | None = None
) -> Results:
    """Read an experiment's folder, with the tables in `report_folder` (by default the same folder); see `Results`.

    Raises:
        InputError: a file is missing or is not what it should be.
    """
    report_folder = report_folder or folder
    configuration = read_configuration(folder / "config.yaml")
    mode = mode_of(configuration, missing)
    there = schema.tables_of_mode(mode)
    tables = read_tables(
        {
            name: (report_folder if table.in_partial else folder) / table.file
            for name, table in there.items()
            if name in schema.EXPERIMENT_TABLES and not table.for_download
        },
        mode,
    )
    for name in ("history", "runs", "summary", "cost", "computed_cost", "convergence"):
        without = set(tables["arms"]["arm"]) - set(tables[name]["arm"]) if name in tables else ()
        if without:
            raise InputError(f"{report_folder / 'tables' / name}.csv: no row of {', '.join(sorted(without))}")
    return Results(
        folder=folder,
        report_folder=report_folder,
        missing=missing,
        configuration=configuration,
        tables=tables,
        sizes=read_numbers(folder / "data" / "sizes.csv", schema.SIZES),
        decision=read_decision(report_folder / "decision.json"),
        opened=read_json(folder / "opened.json", OPENED_KEYS) if mode == AFTER_DECISION else None,
        leaks=read_numbers(folder / schema.LEAKS.file, schema.LEAKS),
    )


def mode_of(configuration: Mapping[str, Any], missing: Mapping[str, list[int]] | None = None) -> Mode:
    """Return what is known about the test images of an experiment, or of its partial report (`missing` is not None)."""
    if has_no_test(configuration["dataset"]):
        return NO_TEST
    if configuration["test"] == EVERY_EPOCH:
        return EVERY_EPOCH
    return AFTER_DECISION if missing is None else UNOPENED


def read_tables(files: Mapping[str, Path], mode: Mode) -> dict[str, pandas.DataFrame]:
    """Read tables by their names in the schema; `runs` gets the columns of `test_results`, where that is among them.

    With folds, tables of runs have means over the folds of each seed.

    Raises:
        InputError: a file is missing or is not what it should be; a verdict is none of `schema.VERDICTS`; the tables
            `runs` and `test_results` are about different runs.
    """
    tables = {
        name: by_seed(read_numbers(path, schema.TABLES[name].in_mode(mode, folds=True)), schema.TABLES[name])
        for name, path in files.items()
    }
    if "comparisons" in tables:
        unknown = [verdict for verdict in tables["comparisons"]["verdict"] if verdict not in schema.VERDICTS]
        if unknown:
            raise InputError(f"{files['comparisons']}: verdict {unknown[0]!r} (allowed: {', '.join(schema.VERDICTS)})")
    if "test_results" in tables:
        keys = ["arm", "seed"]
        runs, results = tables["runs"], tables["test_results"].drop(columns="label")
        if not runs[keys].equals(results[keys]):
            raise InputError(f"{files['test_results']}: expected the runs of {files['runs'].name}, found others")
        tables["runs"] = runs.merge(results, on=keys, validate="one_to_one")
    return tables


def read_configuration(path: Path) -> dict[str, Any]:
    """Read the effective configuration of one experiment from the file that `write_configuration` makes.

    Raises:
        InputError: it is missing, holds no single experiment, or lacks a key, as an older one may.
    """
    try:
        content = yaml.safe_load(read_text(path))
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not readable YAML ({error})") from None
    experiments = content.get("experiments") if isinstance(content, dict) else None
    if not isinstance(experiments, dict) or len(experiments) != 1:
        raise InputError(f"{path}: expected the effective configuration of one experiment, under the key experiments")
    configuration: dict[str, Any] = next(iter(experiments.values()))
    missing = [key for key in CONFIGURATION_KEYS if key not in configuration]
    if missing:
        raise InputError(
            f"{path}: no {', '.join(missing)}: another version of Triptych wrote it. Delete the file and run the "
            "workflow again"
        )
    return configuration


def read_numbers(path: Path, table: schema.Table, columns: Sequence[str] = ()) -> pandas.DataFrame:
    """Read columns of a table (by default all); every number is a float.

    Raises:
        InputError: as `triptych.results.tables.read_table`.
    """
    frame = read_table(path, table, columns)
    numbers = [column.name for column in table.columns if column.name in frame and column.kind != schema.TEXT]
    return frame.astype(dict.fromkeys(numbers, float))
