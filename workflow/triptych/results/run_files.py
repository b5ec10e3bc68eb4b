"""What a run's files hold, for those who write them and those who read them."""

HISTORY_COLUMNS = [
    "epoch",
    *(f"{split}_{what}" for split in ("train", "validation", "test", "fit") for what in ("loss", "accuracy")),
    "kept",
]
"""Of history.csv, a row an epoch from 0; accuracies in percent."""

COST_KEYS = [
    "device",
    "device_name",
    "seconds",
    "images_per_second",
    "peak_memory_bytes",
    "training_seconds",
    "evaluation_seconds",
    "features_seconds",
]
"""Of cost.json, those that every run has."""

WEIGHT_DELTA_COLUMNS = [
    "tensor",
    "kind",
    "size",
    "initial_norm",
    "delta_norm",
    "relative_delta",
    "cosine",
    "max_abs_delta",
    "unchanged_fraction",
    "near_zero_fraction",
]
"""Of weight_delta.csv, a row a tensor."""

KERNEL_CHANGE_COLUMNS = ["convolution", "tensor", "brightness_share", "colour_share"]
"""Of kernel_change.csv, a row for the first convolution."""

WEIGHTS_KEYS = ["file_bytes", "parameters", "head_parameters", "buffer_elements"]
"""Of weights.json: bytes of a file of initial weights, and numbers of elements; `parameters` includes the head's."""
