"""Options of the lecture's commands that follow from the configuration."""

from collections.abc import Mapping
from typing import Any

from triptych.configuration.downloads import official_weights
from triptych.configuration.sources.registry import source_of
from triptych.workflow.options import as_json

NET3 = "arms/last_layer"
"""The path of the arm that is the lecture's net3, in the settings of an experiment."""

FULL_RUN_READ = (
    *("about.json", "architectures.csv", "arms.csv", "comparisons.csv", "cost.csv", "earlier_verdicts.csv"),
    *("history.csv", "kernel_change.csv", "kernels.json", "largest_batch.csv", "memory.csv", "models.csv", "runs.csv"),
    *("sizes.csv", "summary.csv", "weight_delta.csv"),
)
"""The files of the stored full run that `compare_full_run` reads."""

TIMED = ("batch_size", "learning_rate", "num_threads", "device")
"""The keys of net3's recipe that decide the time of its steps."""


def official_flags(experiment: Mapping[str, Any]) -> str:
    """`--official-dataset` and `--official-weights`, each where the images, or the weights that net2 (the arm finetune)
    starts from, are the published files or no file at all."""
    net2 = experiment["arms"]["finetune"]["model"]["architecture"]
    flags = {
        "--official-dataset": source_of(experiment["dataset"]).is_official(),
        "--official-weights": official_weights(experiment["weights"], net2),
    }
    return " ".join(flag for flag, official in flags.items() if official)


def timing_recipe(experiment: Mapping[str, Any]) -> str:
    """The recipe of `time_backward`, as sorted JSON."""
    training = experiment["arms"]["last_layer"]["training"]
    return as_json({key: training[key] for key in TIMED})
