"""The names of cached features: after what decides them, so after no arm and no seed, and those that agree share."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from triptych.configuration.cached_features import caches_features
from triptych.configuration.keys import given
from triptych.configuration.training import RECIPE


def trunk_of(arm: Mapping[str, Any]) -> str | None:
    """The name of the features that an arm trains its head on: the network, and a digest of what decides them."""
    if not caches_features(arm):
        return None
    decides = [arm["model"], given(RECIPE, arm["training"], "extract_features")]
    digest = hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()
    return f"{arm['model']['architecture']}_{arm['model']['input_size']}_{digest[:8]}"


def trunks(arms: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Every trunk of an experiment's arms by its name, with an arm that has it (all agree in what decides it)."""
    return {name: arm for arm in arms.values() if (name := trunk_of(arm))}
