"""The learning curves of runs, and the accuracies of the networks that they keep."""

import pandas

from triptych.results.schema import REESTIMATED


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
