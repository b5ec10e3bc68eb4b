"""Which weights of an experiment are pretrained, and on what."""

from collections.abc import Mapping
from typing import Any


def pretrained_architectures(experiment: Mapping[str, Any]) -> list[str]:
    """Return the networks of an experiment's pretrained arms, in their order."""
    arms = experiment["arms"].values()
    return list(dict.fromkeys(arm["model"]["architecture"] for arm in arms if arm["weights"] == "pretrained"))


def pretrains_on_letters(experiment: Mapping[str, Any]) -> bool:
    """Return whether the workflow pretrains weights on rendered letters for an arm of the experiment."""
    return bool(pretrained_architectures(experiment)) and experiment["weights"]["source"] == "letters"
