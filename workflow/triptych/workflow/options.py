"""Options of commands that follow from the effective configuration of an experiment."""

import json
from collections.abc import Mapping
from typing import Any

from triptych.configuration.downloads import official_weights
from triptych.configuration.sources.registry import source_of


def dataset_json(experiment: Mapping[str, Any]) -> str:
    """What decides how the images are prepared, as sorted JSON."""
    return json.dumps(source_of(experiment["dataset"]).deciding(), sort_keys=True)


def official_flags(experiment: Mapping[str, Any]) -> str:
    """`--official-dataset` and `--official-weights`, each where the images, or the weights that the lecture's net2 (the
    arm finetune) starts from, are the published files or no file at all."""
    net2 = experiment["arms"]["finetune"]["model"]["architecture"]
    flags = {
        "--official-dataset": source_of(experiment["dataset"]).is_official(),
        "--official-weights": official_weights(experiment["weights"], net2),
    }
    return " ".join(flag for flag, official in flags.items() if official)
