"""Everything of an experiment that the report reads, and the few look-ups that its words and tables share."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas
import yaml

from triptych.figures.catalogue import FIGURES
from triptych.results import schema
from triptych.results.tables import read_table
from triptych.storage.errors import InputError
from triptych.storage.files import read_text

NEED_NO_RUN = (
    *(table.file for table in schema.EXPERIMENT_TABLES.values() if not table.needs_runs),
    *(f"figures/{name}.svg" for name, figure in FIGURES.items() if not figure.needs_runs),
)
"""What is made without the runs, so that a partial report shares it with the whole one."""

VERDICTS = ("better", "equivalent", "undecided")


@dataclass(frozen=True)
class Results:
    """An experiment: its effective configuration, its tables by name, its sizes, and the printouts of its networks.

    `place` is where the tables and figures of its runs lie. `missing` holds the runs that a partial report lacks, as
    the seeds by arm; it is None for the whole.
    """

    folder: Path
    place: Path
    configuration: dict[str, Any]
    tables: dict[str, pandas.DataFrame]
    sizes: pandas.DataFrame
    printouts: dict[str, str]
    missing: dict[str, list[int]] | None = None

    def link(self, file: str) -> str:
        """Where a file of the experiment lies, as seen from the report."""
        return f"../{file}" if self.missing is not None and not _of_runs(file) else file

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
        return sorted({int(n) for n in self.tables["summary"]["n"]})

    @property
    def margin(self) -> float:
        """Points of accuracy within which arms count as equivalent."""
        return float(self.configuration["comparison"]["equivalence_margin"])

    @property
    def confidence(self) -> str:
        """The confidence of the intervals, as `95 %`."""
        return f"{100 * self.configuration['comparison']['confidence']:g}\u00a0%"

    @property
    def contestants(self) -> list[str]:
        """The arms that are no controls, the highest mean test accuracy first (ties: in the configuration's order)."""
        names = [name for name, role in zip(self.arms["arm"], self.arms["role"], strict=True) if role != "control"]
        return sorted(names, key=lambda name: -self.summary(name, "test_accuracy_mean"))

    @property
    def controls(self) -> list[str]:
        return [name for name, role in zip(self.arms["arm"], self.arms["role"], strict=True) if role == "control"]

    def called(self, arm: str) -> str:
        """The name of an arm with its label, where that says something else."""
        label = self.arms["label"][arm]
        return arm if label in ("", arm) else f"{arm} ({label})"

    def of(self, table: str, arm: str) -> pandas.DataFrame:
        """The rows of one arm."""
        rows = self.tables[table]
        return rows[rows["arm"] == arm]

    def summary(self, arm: str, column: str) -> float:
        """A number of `tables/summary.csv`."""
        return float(self.of("summary", arm)[column].iloc[0])

    def mean(self, table: str, arm: str, column: str) -> float:
        """The mean over an arm's seeds."""
        return float(self.of(table, arm)[column].mean())

    def trains_everything(self, arm: str) -> bool:
        """Whether every parameter of an arm's network trains."""
        return self.mean("runs", arm, "trainable_parameters") == self.mean("runs", arm, "total_parameters")

    def images(self, split: str) -> int:
        """How many images a split has."""
        return int(self.sizes.loc[self.sizes["split"] == split, "images"].sum())

    def bytes_at(self, arm: str, column: str, batch_size: float) -> float:
        """A column of `tables/memory.csv` at any batch size: it is a straight line, of which the table has points."""
        table = self.of("memory", arm).sort_values("batch_size")
        first, last = table.iloc[0], table.iloc[-1]
        if first["batch_size"] == last["batch_size"]:
            return float(first[column])
        slope = (last[column] - first[column]) / (last["batch_size"] - first["batch_size"])
        return float(first[column] + slope * (batch_size - first["batch_size"]))

    def momenta(self, arm: str) -> set[float]:
        """The share of its running statistics that each BatchNorm of an arm's network replaces in a step."""
        own = self.arms.loc[arm]
        printout = self.printouts[f"{own['architecture']}_{own['input_size']:.0f}"]
        return {float(text) for text in re.findall(r"\bmomentum=([0-9.e-]+)", printout)}

    def accuracy_interval(self, arm: str) -> tuple[float, float]:
        """The interval of an arm's test accuracy: over seeds, or for one seed over images (Wilson's)."""
        if self.summary(arm, "n") > 1:
            return self.summary(arm, "test_accuracy_low"), self.summary(arm, "test_accuracy_high")
        run = self.of("runs", arm).iloc[0]
        return float(run["test_accuracy_low"]), float(run["test_accuracy_high"])

    def curve(self, arm: str, column: str) -> pandas.Series:
        """A quantity of `tables/history.csv` by epoch, mean over seeds: as far as every seed was trained."""
        by_epoch = self.of("history", arm).groupby("epoch")
        return by_epoch[column].mean()[by_epoch.size() == self.of("runs", arm)["seed"].nunique()]

    def keeps_last(self, arms: Iterable[str]) -> bool:
        """Whether the last epoch is the one that is kept, in every run of these arms."""
        runs = [self.of("runs", arm) for arm in arms]
        return all((run["kept_epoch"] == run["epochs_run"]).all() for run in runs)

    def comparison(self, first: str, second: str) -> pandas.Series:
        """The row of `tables/comparisons.csv` that compares two arms, whichever stands first there.

        Raises:
            InputError: the two arms are not compared.
        """
        rows = self.tables["comparisons"]
        match = rows[
            ((rows["arm_a"] == first) & (rows["arm_b"] == second))
            | ((rows["arm_a"] == second) & (rows["arm_b"] == first))
        ]
        if match.empty:
            raise InputError(f"{self.place / 'tables' / 'comparisons.csv'}: {first} and {second} are not compared")
        return match.iloc[0]

    def verdict(self, first: str, second: str) -> str:
        """`better`, `equivalent` or `undecided`.

        Raises:
            InputError: the two arms are not compared.
        """
        return str(self.comparison(first, second)["verdict"])


def read_results(folder: Path, place: Path | None = None, missing: dict[str, list[int]] | None = None) -> Results:
    """Read an experiment's folder, with the tables at `place` (by default in the same folder); see `Results`.

    Raises:
        InputError: a file is missing or is not what it should be.
    """
    place = folder if place is None else place
    tables = {
        name: read_numbers((place if table.in_partial else folder) / table.file, table)
        for name, table in schema.EXPERIMENT_TABLES.items()
        if not table.of_claims
    }
    for verdict in tables["comparisons"]["verdict"]:
        if verdict not in VERDICTS:
            raise InputError(
                f"{place / 'tables' / 'comparisons.csv'}: verdict {verdict!r} (allowed: {', '.join(VERDICTS)})"
            )
    for name in ("arms", "history", "runs", "summary", "cost"):
        without = set(tables["arms"]["arm"]) - set(tables[name]["arm"])
        if without:
            raise InputError(f"{place / 'tables' / name}.csv: no row of {', '.join(sorted(without))}")
    models = [
        f"{architecture}_{input_size:.0f}"
        for architecture, input_size in zip(
            tables["models"]["architecture"], tables["models"]["input_size"], strict=True
        )
    ]
    return Results(
        folder=folder,
        place=place,
        missing=missing,
        configuration=read_configuration(folder / "config.yaml"),
        tables=tables,
        sizes=read_numbers(folder / "data" / "sizes.csv", schema.SIZES),
        printouts={model: read_text(folder / "models" / model / "printout.txt") for model in models},
    )


def _of_runs(file: str) -> bool:
    """Whether a file is made of the runs: a partial report then has its own."""
    return file.startswith(("tables/", "figures/")) and file not in NEED_NO_RUN


def read_configuration(path: Path) -> dict[str, Any]:
    """Read the effective configuration of one experiment from the file that `write_configuration` makes.

    Raises:
        InputError: it is missing, or does not hold exactly one experiment.
    """
    try:
        content = yaml.safe_load(read_text(path))
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not readable YAML ({error})") from None
    experiments = content.get("experiments") if isinstance(content, dict) else None
    if not isinstance(experiments, dict) or len(experiments) != 1:
        raise InputError(f"{path}: expected the effective configuration of one experiment, under the key experiments")
    return next(iter(experiments.values()))


def read_numbers(path: Path, table: schema.Table, columns: Sequence[str] = ()) -> pandas.DataFrame:
    """Read columns of a table (by default all); every number is a float.

    Raises:
        InputError: as `triptych.results.tables.read_table`.
    """
    frame = read_table(path, table, columns)
    numbers = [column.name for column in table.columns if column.name in frame and column.kind != schema.TEXT]
    return frame.astype(dict.fromkeys(numbers, float))
