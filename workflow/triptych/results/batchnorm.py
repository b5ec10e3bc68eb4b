"""How far BatchNorm's running statistics went, in units that can be compared between layers."""

import numpy
import pandas

MEAN, VARIANCE = ".running_mean", ".running_var"
STATISTICS = {MEAN: "running mean", VARIANCE: "running variance"}


def statistics_drift(weight_delta: pandas.DataFrame) -> pandas.DataFrame:
    """The drift of each BatchNorm layer's running statistics, mean over seeds, in the order of the table.

    A change of the means is told in standard deviations: the root mean square of the channels' changes over the square
    root of the root mean square of the channels' variances before training. (A mean is near zero in many layers, so its
    change relative to itself says nothing.) A change of the variances is told relative to them: the norm of the change
    over the norm before.

    Args:
        weight_delta: columns arm, seed, tensor, size, initial_norm, delta_norm (`tables/weight_delta.csv`).

    Returns:
        Columns arm, statistic (a key of STATISTICS), layer, drift; no row where there is no BatchNorm.
    """
    kept = weight_delta[weight_delta["tensor"].str.endswith(tuple(STATISTICS))].copy()
    parts = [tensor.rpartition(".") for tensor in kept["tensor"]]
    kept["layer"] = [layer for layer, _, _ in parts]
    kept["statistic"] = [f".{statistic}" for _, _, statistic in parts]
    keys = ["arm", "seed", "layer"]
    variances = kept[kept["statistic"] == VARIANCE].set_index(keys)["initial_norm"]
    before = variances.reindex(pandas.MultiIndex.from_frame(kept[keys])).to_numpy()
    root_of_size = numpy.sqrt(kept["size"].to_numpy(float))
    change = kept["delta_norm"].to_numpy(float)
    # for variances the numbers of channels cancel; where all were zero, any change is infinitely large
    with numpy.errstate(divide="ignore", invalid="ignore"):
        of_means = (change / root_of_size) / numpy.sqrt(before / root_of_size)
        drift = numpy.where(kept["statistic"] == MEAN, of_means, change / before)
    kept["drift"] = numpy.where(change == 0, 0.0, drift)
    return kept.groupby(["arm", "statistic", "layer"], sort=False)["drift"].mean().reset_index()
