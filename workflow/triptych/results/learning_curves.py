"""The learning curves of runs, and the accuracies of the networks that they keep."""

import pandas

from triptych.results.schema import REESTIMATED

VISIBLE = {"accuracy": 1.0, "loss": 0.1}
"""The differences, in points and nats, above which figures draw a curve with the moving averages as well."""


def learning_curves(history: pandas.DataFrame) -> pandas.DataFrame:
    """Return a history whose losses and accuracies are those of the learning curves.

    They are the values with re-estimated BatchNorm statistics, where these were recorded: the moving averages of
    training lag after few steps, and hide what the weights have learnt.

    Args:
        history: rows of `tables/history.csv` or of a run's `history.csv`.
    """
    recorded = [column for column in map(str, history) if column.startswith(REESTIMATED)]
    plain = {column: column.removeprefix(REESTIMATED) for column in recorded}
    return history.assign(**{plain[column]: history[column].fillna(history[plain[column]]) for column in recorded})


def shows_lag(history: pandas.DataFrame, column: str) -> bool:
    """Whether the moving averages of BatchNorm visibly change a learning curve, in any epoch (mean over seeds).

    Args:
        history: of one arm.
        column: such as `validation_accuracy`; those of training have no re-estimated statistics.
    """
    if f"{REESTIMATED}{column}" not in history:
        return False
    gaps = (learning_curves(history)[column] - history[column]).groupby(history["epoch"]).mean().abs()
    return bool(gaps.max() > VISIBLE[column.rpartition("_")[2]])


def kept_value(history: pandas.DataFrame, column: str, recalibrate: str) -> pandas.Series:
    """Return a loss or accuracy of the network that each run keeps, which may have re-estimated statistics.

    Args:
        history: as in `learning_curves`.
        column: such as `validation_accuracy`.
        recalibrate: `training.recalibrate_batchnorm` of these runs.
    """
    kept = history[history["kept"] == 1]
    if recalibrate != "final" or f"{REESTIMATED}{column}" not in kept:
        return kept[column]
    return kept[f"{REESTIMATED}{column}"].fillna(kept[column])  # without BatchNorm, or with frozen one
