"""The names of runs, which are the names of their folders: `seed0`, and with folds `seed0_fold3`.

Fold numbers count through the repeats: with 5 folds, number 7 is part 2 of the second repeat.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

PATTERN = re.compile(r"seed([0-9]+)(?:_fold([0-9]+))?")


def run_name(seed: int | str, fold: int | None = None) -> str:
    """Return the name of a run; without folds it is that of its seed."""
    return f"seed{seed}" if fold is None else f"seed{seed}_fold{fold}"


def fold_cells(fold: int | None) -> dict[str, int]:
    """Return the cell `fold` of a run, after those of its arm and seed; none without folds."""
    return {} if fold is None else {"fold": fold}


def seed_and_fold(name: str) -> tuple[int, int | None]:
    """Return the seed and the fold of a run; the fold is None without folds.

    Raises:
        ValueError: it is no name of a run.
    """
    match = PATTERN.fullmatch(name)
    if not match:
        raise ValueError(f"{name!r} is no name of a run")
    seed, fold = match.groups()
    return int(seed), None if fold is None else int(fold)


def folds_of(dataset: Mapping[str, Any]) -> list[int | None]:
    """Return the fold numbers of every seed; one None without folds.

    Args:
        dataset: the effective section `dataset` of an experiment.
    """
    folds = dataset.get("folds")
    return [None] if folds is None else list(range(folds * dataset["repeats"]))


def has_no_test(dataset: Mapping[str, Any]) -> bool:
    """Whether there are no test images, which experiments with folds may do without.

    Args:
        dataset: the effective section `dataset` of an experiment.
    """
    return dataset.get("folds") is not None and not dataset["test"]


def runs_of(seeds: Iterable[int | str], dataset: Mapping[str, Any]) -> list[str]:
    """Return the names of the runs of seeds, seed by seed."""
    return [run_name(seed, fold) for seed in seeds for fold in folds_of(dataset)]


def run_in_words(name: str) -> str:
    """Return the name of a run in words, such as `seed 0, fold 3`."""
    seed, fold = seed_and_fold(name)
    return f"seed {seed}" if fold is None else f"seed {seed}, fold {fold}"


def seeds_in_words(names: Sequence[str]) -> str:
    """Return how many seeds runs have, and with folds how many networks these are."""
    seeds = len({seed_and_fold(name)[0] for name in names})
    text = f"{seeds} seeds" if seeds > 1 else "one seed"
    return text if seeds == len(names) else f"{text}, {len(names)} networks of folds"
