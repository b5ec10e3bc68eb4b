"""Copy the weights of the chosen run."""

import shutil
from pathlib import Path

from triptych.results.decision import read_decision
from triptych.storage.errors import InputError
from triptych.storage.files import atomic_write


def copy_model(*, decision: Path, trained: Path | None = None, model: Path) -> None:
    """Copy the trained weights of the run that the decision chose.

    Args:
        decision: by `decide`.
        trained: the trained weights of the chosen run; needed if one is chosen.
        model: the copy.

    Raises:
        InputError: the decision was changed by hand or chose no run, or the weights are missing or not given.
    """
    chosen = read_decision(decision)["chosen"]
    if chosen is None:
        raise InputError(f"{decision}: no run was chosen, so there is no model.")
    if trained is None:
        raise InputError(f"--trained is missing; give the weights of {chosen['arm']} with seed {chosen['seed']}.")
    with atomic_write(model) as temporary:
        try:
            shutil.copyfile(trained, temporary)
        except FileNotFoundError:
            raise InputError(f"{trained}: the file is missing.") from None
    print(f"{chosen['arm']} with seed {chosen['seed']}: {model}", flush=True)
