"""What the configuration knows of the lecture: what `claims: lecture45` does, and which arms it needs."""

DESCRIPTION = (
    "test what lecture 45 claims and show the faults of its notebook; it needs arms called scratch, finetune and "
    "last_layer that train as the lecture's three nets, and test: every_epoch"
)

TEST = "every_epoch"
"""When test images must be evaluated: the claims are about their curves."""

ARMS = {
    "scratch": {"weights": "random", "train": "all"},
    "finetune": {"weights": "pretrained", "train": "all"},
    "last_layer": {"weights": "pretrained", "train": "head"},
}
"""The lecture's net1, net2 and net3, by the names that the arms must have, with the settings that they must have."""
