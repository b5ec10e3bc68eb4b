"""What the report says of the drift of BatchNorm's running statistics."""

from triptych.report import formatting as words
from triptych.report.results import Results
from triptych.results.batchnorm import MEAN, VARIANCE, statistics_drift


def batchnorm_drift(results: Results) -> str:
    """How far BatchNorm's statistics went in each arm, for every experiment; the figure's text."""
    drift = statistics_drift(results.tables["weight_delta"])
    if drift.empty:
        return "These networks have no BatchNorm."
    median = drift.groupby(["arm", "statistic"], sort=False)["drift"].median()
    phrases, still = [], []
    for arm in results.arms["arm"]:
        if (arm, MEAN) not in median.index:
            continue
        mean, variance = median[arm, MEAN], median[arm, VARIANCE]
        if mean == variance == 0:
            still.append(arm)
        else:
            phrases.append(
                f"{arm} {words.small(mean)} and {words.share(variance) if variance < 10 else words.times(variance)}"
            )
    text = (
        "Left, how far the running means went, in standard deviations of their layer before training; right, the "
        "running variances, relative to themselves. "
    )
    if phrases:
        text += f"In the median layer: {words.listing(phrases)}. "
    if still:
        text += f"Nothing drifted in {words.listing(still)}. "
    return text + "A layer whose weights are not trained drifts as well, and pictures of weights do not show it."
