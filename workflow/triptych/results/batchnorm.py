"""The drift of BatchNorm's running statistics, in units that are comparable between layers."""

import numpy
import pandas

MEAN, VARIANCE = ".running_mean", ".running_var"
STATISTICS = {MEAN: "running mean", VARIANCE: "running variance"}


def statistics_drift(weight_delta: pandas.DataFrame) -> pandas.DataFrame:
    """Return the drift of the running statistics of each BatchNorm layer, averaged over seeds, in table order.

    Compared are those of the kept network, which may be re-estimated, with those before training.

    The drift of the means is in standard deviations: the root mean square of the changes over channels, divided by the
    square root of the root mean square of the initial variances. (It is not relative to the means, because these are
    near zero in many layers.) The drift of the variances is relative: the norm of the change over the initial norm.

    Args:
        weight_delta: columns arm, seed, tensor, size, initial_norm, delta_norm (`tables/weight_delta.csv`).

    Returns:
        Columns arm, statistic (a key of STATISTICS), layer, drift; no rows without BatchNorm.
    """
    rows = weight_delta[weight_delta["tensor"].str.endswith(tuple(STATISTICS))].copy()
    parts = [tensor.rpartition(".") for tensor in rows["tensor"]]
    rows["layer"] = [layer for layer, _, _ in parts]
    rows["statistic"] = [f".{statistic}" for _, _, statistic in parts]
    keys = ["arm", "seed", "layer"]
    variances = rows[rows["statistic"] == VARIANCE].set_index(keys)["initial_norm"]
    before = variances.reindex(pandas.MultiIndex.from_frame(rows[keys])).to_numpy()
    root_of_size = numpy.sqrt(rows["size"].to_numpy(float))
    change = rows["delta_norm"].to_numpy(float)
    # For variances the numbers of channels cancel. If all variances were zero, the drift is infinite.
    with numpy.errstate(divide="ignore", invalid="ignore"):
        of_means = (change / root_of_size) / numpy.sqrt(before / root_of_size)
        drift = numpy.where(rows["statistic"] == MEAN, of_means, change / before)
    rows["drift"] = numpy.where(change == 0, 0.0, drift)
    return rows.groupby(["arm", "statistic", "layer"], sort=False)["drift"].mean().reset_index()
