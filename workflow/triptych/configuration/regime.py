"""What an arm trains: a list of phases, of which `train: all` and `train: head` each stand for one.

The words are compared here and where a run finds out what they mean for its network (`triptych.training.regime`), and
nowhere else: whoever comes later reads names and numbers of tensors.
"""

from collections.abc import Mapping
from typing import Any

ALL, HEAD = "all", "head"
TRAINABLE = {ALL: "all weights", HEAD: "the last layer only"}
"""What may be trainable in a phase."""


def phases_of(arm: Mapping[str, Any]) -> list[dict[str, str]]:
    """The phases of an arm of `triptych.configuration.effective`, as `train` takes them."""
    return [{"trainable": arm["train"], "batchnorm": arm["batchnorm"]}]


def trunk_rests(arm: Mapping[str, Any]) -> bool:
    """Whether nothing before the head changes while an arm trains."""
    return all(phase["trainable"] == HEAD and phase["batchnorm"] == "frozen" for phase in phases_of(arm))


def on_paper(parameters: set[str], head: set[str]) -> dict[str, set[str]]:
    """What each shorthand trains, for estimates that need no run: the names of the parameters."""
    return {ALL: parameters, HEAD: head}
