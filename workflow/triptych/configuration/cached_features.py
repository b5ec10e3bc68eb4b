"""Which arms train their head on cached features, and which arms share them.

Features are cached if they are constant while the head trains: trunk and BatchNorm are frozen, the trunk has no
dropout, and images are not augmented. Only pretrained arms share features, since their trunk is the same for all seeds.
The name of the features is a digest of the settings they depend on, so it depends on no arm and no seed.
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
    """Return the name of the cached features that an arm of `configuration.effective` trains on, None if it trains on
    images: the network and a digest of the settings they depend on."""
    if not _caches_features(arm):
        return None
    decides = [arm["model"], given(RECIPE, arm["training"], "extract_features")]
    digest = hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()
    return f"{arm['model']['architecture']}_{arm['model']['input_size']}_{digest[:8]}"


def trunks(arms: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return every trunk of an experiment's arms by its name, with one of the arms that share it."""
    return {name: arm for arm in arms.values() if (name := trunk_of(arm))}
