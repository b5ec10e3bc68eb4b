"""Test the claims of lecture 45, and compute what each fault of its notebook changes."""

from pathlib import Path

from triptych.lecture45.claims import claims_table
from triptych.lecture45.evidence import read_evidence
from triptych.lecture45.faults import faults_table
from triptych.lecture45.schema import CLAIMS, FAULTS
from triptych.results.tables import save_table


def check_claims(
    *,
    tables: Path,
    sizes: Path,
    dataset: str,
    weights: str,
    confidence: float,
    margin: float,
    official_dataset: bool = False,
    official_weights: bool = False,
    claims: Path,
    faults: Path,
) -> None:
    """Test every claim of the lecture, and compute what each fault of its notebook changes.

    Args:
        tables: the folder with the tables of the experiment; `architectures.csv` and `largest_batch.csv` are optional.
            Beside it are the kernels of its runs: `runs/ARM/seedSEED/kernels.safetensors` of the lecture's three arms.
        sizes: the numbers of images, `data/sizes.csv`.
        dataset, weights: the sources of the images and of the pretrained weights, as the configuration names them.
        official_dataset, official_weights: whether the files of the images and of net2's weights are the published ones
            (true where no file is read).
        confidence: of the intervals, such as 0.95.
        margin: of equivalence, in points of accuracy.
        claims: a CSV file: at (minute:second of the film), claim, number (this run's result), verdict (agrees,
            disagrees, undecided, not tested here), reason, different (how this run is not the lecture's, for claims
            about the lecture's run).
        faults: a CSV file: fault (1 to 17), notebook, here, effect, and the number in it as value and unit.

    Raises:
        InputError: a table or a run's kernels are missing or invalid, or an arm of the lecture is missing.
    """
    evidence = read_evidence(
        tables,
        sizes,
        dataset=dataset,
        weights=weights,
        official_dataset=official_dataset,
        official_weights=official_weights,
        confidence=confidence,
        margin=margin,
    )
    claimed = claims_table(evidence)
    save_table(claims, claimed, CLAIMS)
    save_table(faults, faults_table(evidence), FAULTS)
    counts = claimed["verdict"].value_counts()
    print(", ".join(f"{count} {verdict}" for verdict, count in counts.items()), flush=True)
