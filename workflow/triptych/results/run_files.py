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
