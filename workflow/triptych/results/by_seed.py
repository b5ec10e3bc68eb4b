"""Tables of runs with one row a seed: with folds, a seed has a run for each of them.

Analyses, figures and the report are about seeds, so they see means over folds. The files keep every run.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas

from triptych.results.schema import FOLD, TEXT, VALIDATED, Table
from triptych.results.tables import read_table

KEYS = ("arm", "seed", "epoch", "tensor", "convolution", "class")
"""What identifies a row of a seed, of the columns that a table has."""
VALIDATION = "validation_"
"""Is in the names of columns of validation images."""


def by_seed(frame: pandas.DataFrame, table: Table) -> pandas.DataFrame:
    """Return means over the folds of each seed; the same table without folds.

    Values of validation images are weighted by their number, so that each image counts once in a repeat. A mean that
    lacks a fold is NaN, and a text is that of the first fold. Learning curves end with the shortest run of
    a seed, and the epoch nearest to the mean kept one is marked as kept.

    Args:
        frame: rows of the table, numbers as numbers or as texts.
    """
    if FOLD.name not in frame:
        return frame
    whole, has_kept = frame, {"epoch", "kept"} <= set(frame)
    if has_kept:
        frame = _up_to_the_shortest(frame)
    keys = [key for key in KEYS if key in frame]
    kinds = {column.name: column.kind for column in table.columns}
    groups = frame.groupby(keys, sort=False)
    means = groups.first()
    for name in means.columns:
        if kinds[name] != TEXT:
            of_images = VALIDATED.name in frame and VALIDATION in name and name != VALIDATED.name
            weights = frame[VALIDATED.name] if of_images else pandas.Series(1.0, frame.index)
            means[name] = _mean(pandas.to_numeric(frame[name]), weights, [frame[key] for key in keys])
    if has_kept:
        ends = frame.groupby(["arm", "seed"], sort=False)["epoch"].max()
        means["kept"] = means.index.isin(_kept(whole, ends, keys)).astype(int)
    return means.reset_index()[[name for name in frame.columns if name not in (FOLD.name, VALIDATED.name)]]


def _mean(values: pandas.Series, weights: pandas.Series, keys: list[pandas.Series]) -> pandas.Series:
    """Return the weighted mean of each group; NaN where a value of some weight is."""
    weighted = (values * weights).where(weights != 0, 0.0).groupby(keys, sort=False)
    sums = weighted.sum().where(weighted.count() == weighted.size())
    means: pandas.Series = sums / weights.groupby(keys, sort=False).sum()
    return means


def _up_to_the_shortest(history: pandas.DataFrame) -> pandas.DataFrame:
    last = history.groupby(["arm", "seed", FOLD.name])["epoch"].max().groupby(["arm", "seed"]).min()
    ends = history[["arm", "seed"]].merge(last.rename("end").reset_index(), how="left", on=["arm", "seed"])["end"]
    return history[history["epoch"].to_numpy() <= ends.to_numpy()]


def _kept(history: pandas.DataFrame, ends: pandas.Series, keys: list[str]) -> list[tuple[object, ...]]:
    """Return the keys of the epoch nearest to the mean kept one, for each arm and seed, up to its last epoch."""
    kept = history[history["kept"] == 1].groupby(["arm", "seed"], sort=False)["epoch"].mean().round()
    marked = ends.to_frame("end").join(kept.rename("kept")).reset_index()
    marked["epoch"] = marked["kept"].fillna(marked["end"]).clip(upper=marked["end"])
    return list(marked[keys].itertuples(index=False, name=None))


def read_by_seed(
    path: Path, table: Table, columns: Sequence[str] = (), *, absent: Mapping[str, object] | None = None
) -> pandas.DataFrame:
    """Read a table as `read_table` does, with means over folds (`by_seed`).

    Raises:
        InputError: as `read_table`.
    """
    own = [column.name for column in table.columns if column.of_folds]
    frame = read_table(
        path, table, [*columns, *own] if columns else (), absent={**(absent or {}), **dict.fromkeys(own)}
    )
    return by_seed(frame, table) if frame[FOLD.name].notna().any() else frame.drop(columns=own)
