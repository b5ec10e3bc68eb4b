"""Which arms train their head on features that the trunk computed once (`triptych.configuration.trunks` names them).

Features may be cached where nothing before the head changes or is drawn at random while the head trains: the trunk
and BatchNorm are frozen, the trunk has no dropout, and the images come unaugmented. Only pretrained arms share: their
trunk is the same for all seeds.
"""

from collections.abc import Mapping
from typing import Any

from triptych.configuration.architectures import CACHEABLE


def caches_features(arm: Mapping[str, Any]) -> bool:
    """Whether an arm (of `configuration.effective`) trains its head on cached features."""
    return (
        arm["training"]["cache_features"]
        and arm["weights"] == "pretrained"
        and arm["train"] == "head"
        and arm["batchnorm"] == "frozen"
        and arm["model"]["architecture"] in CACHEABLE
    )
