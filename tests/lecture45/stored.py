"""The verdicts and effects that are stored with the full run: `python -m tests.lecture45.stored` computes them anew.

They follow from its tables alone; nothing is trained.
"""

from triptych.lecture45.claims import claims_table
from triptych.lecture45.compare_full_run import FULL_RUN
from triptych.lecture45.evidence import read_stored_run
from triptych.lecture45.faults import faults_table
from triptych.lecture45.schema import CLAIMS, FAULTS
from triptych.results.tables import save_table


def write(folder):
    """Write claims.csv and faults.csv of the full run into a folder."""
    evidence = read_stored_run(FULL_RUN)
    save_table(folder / "claims.csv", claims_table(evidence), CLAIMS)
    save_table(folder / "faults.csv", faults_table(evidence), FAULTS)


if __name__ == "__main__":
    write(FULL_RUN)
