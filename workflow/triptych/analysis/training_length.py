"""Whether an arm's validation curve supports more or fewer epochs. Test images never count.

The curve is the learning curve: with re-estimated BatchNorm statistics where these were recorded.

More epochs are supported if all of these hold:

1. at least `SEEDS_FOR_A_VERDICT` runs, and the last third of training has at least two epochs;
2. over the last third accuracy gains more than `least_difference`;
3. over the second half of the last third, which is closer to what follows, it still gains more than the margin;
4. neither gain is the spread of the seeds: the lower end of its interval over seeds is above 0;
5. patience ended no run, and the arm makes errors on its training images (`FITTED`): else little is left to learn.

Fewer epochs are supported, up to the first from which on every run stays within the margin of its last accuracy, if

1. there are as many runs, and the last epoch is kept of each;
2. the images can show it: two standard errors of a difference are within the margin;
3. it leaves out at least `LEAST_SAVED` of the epochs.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy
import pandas
from scipy import stats

from triptych.analysis.comparisons import SEEDS_FOR_A_VERDICT
from triptych.analysis.convergence import least_difference, stopped
from triptych.results import schema
from triptych.results.learning_curves import learning_curves

FITTED = 99.0
"""The accuracy on the training images (%) from which an arm fits them."""

LEAST_SAVED = 1 / 3
"""The share of the epochs from which fewer are worth a sentence."""


def training_length_table(
    tables: Mapping[str, pandas.DataFrame], images: int, margin: float, confidence: float
) -> pandas.DataFrame:
    """Return the table `training_length` from the tables arms, runs and history.

    Args:
        images: the number of validation images; with 0 the table is empty.
        margin: points within which accuracies count as equivalent.
        confidence: of the intervals over seeds, such as 0.95.
    """
    rows, histories = [], learning_curves(tables["history"])
    for _, arm in tables["arms"].iterrows() if images else ():
        runs, history = (table[table["arm"] == arm["arm"]] for table in (tables["runs"], histories))
        curves = history.pivot(index="epoch", columns="seed", values="validation_accuracy").dropna()
        found = {
            "arm": arm["arm"],
            "label": arm["label"],
            "n": len(curves.columns),
            "images": images,
            "epochs": int(curves.index[-1]),
            "fit_accuracy": float(runs["fit_accuracy"].mean()),
            **gains(curves, images, margin, confidence),
            "steady_epoch": steady_epoch(curves, margin),
        }
        complete = bool((runs["epochs_run"] == runs["kept_epoch"]).all()) and runs["epochs_run"].nunique() == 1
        found["longer"] = int(not stopped_early(arm, runs) and supports_more(found, margin))
        found["shorter"] = int(complete and supports_fewer(found, margin))
        rows.append(found)
    return pandas.DataFrame(rows, columns=schema.TRAINING_LENGTH.names)


def gains(curves: pandas.DataFrame, images: int, margin: float, confidence: float) -> dict[str, Any]:
    """Return the gains of the curves (%; [epochs, seeds]) at the end, with the lower ends of their intervals."""
    values = curves.to_numpy(dtype=float)
    late = max(1, round((len(values) - 1) / 3))
    spans = {"late": late, "last": max(1, late // 2)}
    found: dict[str, Any] = {}
    for name, epochs in spans.items():
        gain = values[-1] - values[-1 - epochs]
        found |= {
            f"{name}_epochs": epochs,
            f"{name}_gain": float(gain.mean()),
            f"{name}_gain_low": lower_end(gain, confidence),
        }
    mean = values.mean(axis=1)
    found["least_difference"] = least_difference(float(mean[-1]), float(mean[-1 - late]), images, margin)
    return found


def lower_end(values: numpy.ndarray, confidence: float) -> float:
    """Return the lower end of Student's t interval of a mean; NaN of a single value."""
    if len(values) < 2:
        return math.nan
    half = stats.t.ppf((1 + confidence) / 2, len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values))
    return float(values.mean() - half)


def steady_epoch(curves: pandas.DataFrame, margin: float) -> int:
    """Return the first epoch from which on every run stays within the margin of its last accuracy."""
    away = (curves - curves.iloc[-1]).abs().max(axis="columns")
    outside = away.index[away > margin]
    return int(outside.max()) + 1 if len(outside) else 0


def stopped_early(arm: pandas.Series, runs: pandas.DataFrame) -> bool:
    """Return whether patience ended any run of an arm."""
    return any(stopped(arm, runs.loc[[run]]) for run in runs.index)


def supports_more(found: Mapping[str, Any], margin: float) -> bool:
    """Return whether the gains support more epochs (conditions 1 to 4, and the errors on training images)."""
    return bool(
        found["n"] >= SEEDS_FOR_A_VERDICT
        and found["late_epochs"] >= 2
        and found["late_gain"] > found["least_difference"]
        and found["last_gain"] > margin
        and min(found["late_gain_low"], found["last_gain_low"]) > 0
        and found["fit_accuracy"] < FITTED
    )


def supports_fewer(found: Mapping[str, Any], margin: float) -> bool:
    """Return whether the curves support fewer epochs, if the last one is kept of every run."""
    return bool(
        found["n"] >= SEEDS_FOR_A_VERDICT
        and found["least_difference"] <= margin
        and 0 < found["steady_epoch"] <= (1 - LEAST_SAVED) * found["epochs"]
    )
