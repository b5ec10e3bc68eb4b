"""The median relative change of an arm's weights, over tensors that the compared arms have in common."""

from collections.abc import Mapping

import numpy
import pandas

from triptych.results import schema


def median_change_table(tables: Mapping[str, pandas.DataFrame]) -> pandas.DataFrame:
    """Return the table `median_change` from the tables arms and weight_delta.

    A tensor that starts at zero and changes has no relative change. Medians over whatever each arm has would be over
    different tensors, so all arms with one network get the median over those that have a relative change in all of
    them, in every seed. Controls do not narrow these, unless only controls have the network.
    """
    arms, delta = tables["arms"], tables["weight_delta"]
    parameters = delta[delta["kind"] == "parameter"]
    changes = {  # NaN where a seed has no relative change
        arm: own.assign(change=pandas.to_numeric(own["relative_delta"]).astype(float))
        .pivot(index="tensor", columns="seed", values="change")
        .mean(axis="columns", skipna=False)
        for arm, own in parameters.groupby("arm", sort=False)
    }
    rows = []
    for _, arm in arms.iterrows():
        alike = arms[arms["architecture"] == arm["architecture"]]
        compared = alike[alike["role"] != "control"] if (alike["role"] != "control").any() else alike
        common = set.intersection(*(set(changes[name].dropna().index) for name in compared["arm"]))
        own = changes[arm["arm"]]
        values = own[own.index.isin(common)]
        rows.append(
            {
                "arm": arm["arm"],
                "label": arm["label"],
                "tensors": len(own),
                "common_tensors": len(common),
                "median_change": float(values.median()) if len(values) else numpy.nan,
            }
        )
    return pandas.DataFrame(rows, columns=schema.MEDIAN_CHANGE.names)
