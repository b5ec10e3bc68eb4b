"""Which arms train their head on features that the trunk computed once, and which arms share these.

Features may be cached where nothing before the head changes or is drawn at random while the head trains: the trunk
and BatchNorm are frozen, the trunk has no dropout, and the images come unaugmented. Only pretrained arms share: their
trunk is the same for all seeds.
"""

from collections.abc import Mapping
from typing import Any

from triptych.architectures import CACHEABLE

DECIDES_FEATURES = ("precision", "channels_last", "evaluation_batch_size", "num_threads", "device", "train_images")
"""The keys of an arm's `training` that features depend on, beside its `model`."""


def caches_features(arm: Mapping[str, Any]) -> bool:
    """Whether an arm (of `configuration.effective`) trains its head on cached features."""
    return (
        arm["training"]["cache_features"]
        and arm["weights"] == "pretrained"
        and arm["train"] == "head"
        and arm["batchnorm"] == "frozen"
        and arm["model"]["architecture"] in CACHEABLE
    )


def _decides(arm: Mapping[str, Any]) -> tuple[Any, ...]:
    return (arm["model"], *(arm["training"][key] for key in DECIDES_FEATURES))


def arm_of_features(arms: Mapping[str, Mapping[str, Any]], name: str) -> str | None:
    """The first arm with the same features as the arm `name`, which has them extracted for all; None if it has none.

    Args:
        arms: the arms of an experiment of `configuration.effective`.
    """
    arm = arms[name]
    if not caches_features(arm):
        return None
    return next(other for other in arms if caches_features(arms[other]) and _decides(arms[other]) == _decides(arm))
