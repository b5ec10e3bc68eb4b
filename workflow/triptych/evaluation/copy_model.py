"""Copy the chosen run's weights into a folder of their own."""

import shutil
from pathlib import Path

from triptych.results.decision import read_decision
from triptych.storage.errors import InputError
from triptych.storage.files import atomic_write

WEIGHTS = "model.safetensors"


def copy_model(*, decision: Path, trained: Path | None = None, model: Path) -> None:
    """Copy the chosen run's trained weights into the folder `model`, as `model.safetensors`.

    Args:
        decision: by `decide`.
        trained: the trained weights of the run that it chose; nothing if it chose none.
        model: the folder; it stays empty if no run was chosen.

    Raises:
        InputError: the decision is not readable or was changed, or weights are given and it chose none, or the reverse.
    """
    chosen = read_decision(decision)["chosen"]
    if (chosen is None) != (trained is None):
        expected = "no weights, since no arm was chosen" if chosen is None else "the weights of the chosen run"
        raise InputError(f"{decision}: expected {expected}, found {trained or 'none'}")
    model.mkdir(parents=True, exist_ok=True)
    if trained is None:
        print("no arm is better than guessing: no model is kept", flush=True)
        return
    with atomic_write(model / WEIGHTS) as temporary:
        try:
            shutil.copyfile(trained, temporary)
        except FileNotFoundError:
            raise InputError(f"{trained}: the file is missing") from None
    print(f"{chosen['arm']} with seed {chosen['seed']}: {model / WEIGHTS}", flush=True)
