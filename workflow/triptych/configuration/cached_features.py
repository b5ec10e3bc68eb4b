"""Which arms train their head on features that the trunk computed once, and which arms share these.

Features may be cached where nothing before the head changes or is drawn at random while the head trains: the trunk
and BatchNorm are frozen, the trunk has no dropout, and the images come unaugmented. Only pretrained arms share: their
trunk is the same for all seeds. Their place is named after what decides them, so that it depends on no arm and no seed.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from triptych.configuration.backbones.registry import ARCHITECTURES
from triptych.configuration.keys import given
from triptych.configuration.regime import trunk_rests
from triptych.configuration.training import RECIPE


def _caches_features(arm: Mapping[str, Any]) -> bool:
    return (
        arm["training"]["cache_features"]
        and arm["weights"] == "pretrained"
        and trunk_rests(arm)
        and ARCHITECTURES[arm["model"]["architecture"]].cacheable
    )


def trunk_of(arm: Mapping[str, Any]) -> str | None:
    """The name of the cached features that an arm (of `configuration.effective`) trains its head on, if any: the
    network, and a digest of what decides them."""
    if not _caches_features(arm):
        return None
    decides = [arm["model"], given(RECIPE, arm["training"], "extract_features")]
    digest = hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()
    return f"{arm['model']['architecture']}_{arm['model']['input_size']}_{digest[:8]}"


def trunks(arms: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Every trunk of an experiment's arms by its name, with an arm that has it (all agree in what decides it)."""
    return {name: arm for arm in arms.values() if (name := trunk_of(arm))}
