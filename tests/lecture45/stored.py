"""What is stored with the full run and follows from its tables: `python -m tests.lecture45.stored` computes it anew.

Nothing is trained.
"""

from dataclasses import replace

from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportions_ztest

from triptych.lecture45.claims import claims_table
from triptych.lecture45.compare_full_run import FULL_RUN
from triptych.lecture45.evidence import read_stored_run
from triptych.lecture45.faults import faults_table
from triptych.lecture45.schema import CLAIMS, FAULTS
from triptych.results.schema import COMPARISONS
from triptych.results.tables import save_table


def comparisons(evidence):
    """The pairs of the run, with intervals and p-values as if of two sets of images: its predictions are not stored."""
    table, images = evidence.tables["comparisons"].copy(), evidence.images("test")
    accuracy = evidence.tables["summary"].set_index("arm")["test_accuracy_mean"]
    for row, pair in table.iterrows():
        both = accuracy[[pair["arm_a"], pair["arm_b"]]]
        right = (both * images / 100).round()
        table.loc[row, ["low", "high"]] = evidence.difference_interval(*both)
        table.loc[row, "p_value"] = proportions_ztest(right, [images, images])[1]
    table["p_value"] = multipletests(table["p_value"], method="holm")[1]
    return table[COMPARISONS.names]


def write(folder):
    """Write comparisons.csv, claims.csv and faults.csv of the full run into a folder."""
    evidence = read_stored_run(FULL_RUN)
    compared = comparisons(evidence)
    evidence = replace(evidence, tables={**evidence.tables, "comparisons": compared})
    save_table(folder / "comparisons.csv", compared, COMPARISONS)
    save_table(folder / "claims.csv", claims_table(evidence), CLAIMS)
    save_table(folder / "faults.csv", faults_table(evidence), FAULTS)


if __name__ == "__main__":
    write(FULL_RUN)
