"""Copy the weights of one run of the chosen arm: a member of an ensemble."""

import shutil
from pathlib import Path

from triptych.results.decision import read_decision
from triptych.results.run_names import run_in_words, run_name
from triptych.storage.errors import InputError
from triptych.storage.files import atomic_write


def copy_member(
    *, seed: int, fold: int | None = None, decision: Path, trained: Path | None = None, member: Path
) -> None:
    """Copy the trained weights of one run of the arm that the decision chose.

    Args:
        seed, fold: the run.
        decision: by `decide`.
        trained: the trained weights of the run; needed if an arm is chosen.
        member: the copy.

    Raises:
        InputError: the decision was changed by hand or chose no arm, or the weights are missing or not given.
    """
    chosen, run = read_decision(decision)["chosen"], run_in_words(run_name(seed, fold))
    if chosen is None:
        raise InputError(f"{decision}: no run was chosen, so there is no model.")
    if trained is None:
        raise InputError(f"--trained is missing; give the weights of {chosen['arm']}, {run}.")
    with atomic_write(member) as temporary:
        try:
            shutil.copyfile(trained, temporary)
        except FileNotFoundError:
            raise InputError(f"{trained}: the file is missing.") from None
    print(f"{chosen['arm']}, {run}: {member}", flush=True)
