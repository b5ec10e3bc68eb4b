"""The section `training`: every key of the recipe and of the execution, declared here and nowhere else.

Derived from a declaration: the check of the configuration and its documentation, the JSON that commands are given
(whose dataclasses are in `triptych.training.recipe`), the parameters that a run or its features depend on, the columns
of `tables/arms.csv`, the report's table of recipes, and its lists of what arms have in common.
It is not part of a command's code digest (`triptych.storage.code_digest`), so a new key reruns nothing.
"""

from collections.abc import Mapping
from typing import Any

from triptych.configuration.keys import AUTO, COMMANDS, MANY, Key

TRAINS = ("train", "pretrain_weights")

LARGEST_EVALUATION_BATCH = 64
"""The largest `evaluation_batch_size` that `auto` gives: more is hardly faster and takes more memory."""


def evaluation_batch_size(values: Mapping[str, Any]) -> int:
    """Return what `evaluation_batch_size: auto` stands for, given the other keys of the section."""
    return min(int(values["batch_size"]), LARGEST_EVALUATION_BATCH)


KEYS = {
    "epochs": Key(
        "whole number",
        10,
        "Passes over the training images. With patience, at most this many.",
        bounds={"ge": 1, "le": MANY},
        used_by=TRAINS,
        same_work=False,
    ),
    "patience": Key(
        "whole number",
        None,
        "Stop after this many epochs without a higher selection accuracy (also where balanced accuracy decides between "
        "arms); null to train all epochs. Needs validation images: half of them select, the other half decides between "
        "arms.",
        bounds={"ge": 1, "le": MANY},
        optional=True,
        neutral=None,
        same_work=False,
    ),
    "keep": Key(
        "choice",
        "last",
        "The epoch whose weights are kept: the last, or the one with the highest selection accuracy (of equals the "
        "earliest; never epoch 0), also where balanced accuracy decides between arms. best needs validation images: "
        "half of them select, the other half decides between arms.",
        title="epoch that is kept",
        choices=("last", "best"),
        neutral="last",
        same_work=False,
    ),
    "recalibrate_batchnorm": Key(
        "choice",
        "final",
        "final: the kept network's running statistics are re-estimated. They are cumulative averages over at most "
        "2,048 training images with the final weights; where an epoch is selected, it is selected with such "
        "statistics. never: keep the moving averages of training, which lag after few steps. Frozen BatchNorm is "
        "never changed.",
        title="BatchNorm recalibration",
        choices=("never", "final"),
        neutral="never",
        used_by=TRAINS,
        same_work=False,
    ),
    "batch_size": Key(
        "whole number",
        32,
        "Images in a training batch.",
        title="batch size",
        bounds={"ge": 1, "le": MANY},
        used_by=TRAINS,
    ),
    "learning_rate": Key(
        "number",
        1e-4,
        "Adam's learning rate.",
        title="learning rate",
        bounds={"gt": 0, "le": 10},
        used_by=TRAINS,
        same_work=False,
    ),
    "evaluation_batch_size": Key(
        "whole number",
        AUTO,
        f"Images in an evaluation batch. auto: as many as in a training batch, at most {LARGEST_EVALUATION_BATCH}.",
        title="evaluation batch size",
        bounds={"ge": 1, "le": MANY},
        automatic=evaluation_batch_size,
        used_by=COMMANDS,
        compared=False,
        same_work=False,
    ),
    "num_threads": Key(
        "whole number",
        2,
        "CPU threads that torch uses.",
        title="threads",
        bounds={"ge": 1, "le": 1024},
        used_by=COMMANDS,
        compared=False,
    ),
    "device": Key(
        "choice",
        "auto",
        "auto: a CUDA GPU if there is one, else the CPU.",
        choices=("auto", "cpu", "cuda"),
        used_by=COMMANDS,
        compared=False,
    ),
    "precision": Key(
        "choice",
        "float32",
        "float32: single precision. tf32 and bfloat16: faster on GPUs of compute capability 8 or more, bfloat16 also "
        "on CPUs that have it. float16 (with scaled losses): for older GPUs.",
        choices=("float32", "tf32", "bfloat16", "float16"),
        used_by=COMMANDS,
    ),
    "channels_last": Key(
        "flag",
        False,
        "Store images and weights as [N, H, W, C]. Faster on most hardware; changes the last bits of results.",
        used_by=COMMANDS,
    ),
    "fused_optimizer": Key(
        "flag",
        False,
        "Update all weights in one kernel. Faster with small batches; changes the last bits of results.",
        title="fused optimiser",
        neutral=False,
        used_by=TRAINS,
    ),
    "cuda_graphs": Key(
        "choice",
        "auto",
        "On a GPU, record a training step as a CUDA graph and replay it (except with float16). Faster with small "
        "batches. Does not affect results.",
        choices=("auto", "never"),
        affects="speed",
    ),
    "residency": Key(
        "choice",
        "auto",
        "Where the images are kept during training: in GPU memory (device), in main memory (host), or memory-mapped "
        "(mapped). auto: the first of these with room. Does not affect results.",
        choices=("auto", "device", "host", "mapped"),
        affects="speed",
    ),
    "checkpoint_minutes": Key(
        "number",
        10,
        "The longest time between two checkpoints. One also follows each epoch that ends more than ten seconds after "
        "the last. Does not affect results.",
        bounds={"gt": 0, "le": 10_000},
        affects="speed",
    ),
    "cache_features": Key(
        "flag",
        True,
        "Compute the features of each image once, for all epochs and seeds. Only where they are constant: pretrained "
        "weights, only the head trains, BatchNorm is frozen, and the network has no dropout before its head.",
        used_by=(),
        compared=False,
        same_work=False,
    ),
    "train_images": Key(
        "whole number",
        None,
        "Train on the first images only, as many as this; classes stay balanced. null for all.",
        title="training images",
        bounds={"ge": 1, "le": MANY},
        optional=True,
        used_by=("train", "extract_features"),
    ),
}

RECIPE = {name: key for name, key in KEYS.items() if key.affects == "result"}
EXECUTION = [name for name, key in KEYS.items() if key.affects == "speed"]
COMPARED = [name for name, key in RECIPE.items() if key.compared]
SHOWN = [name for name, key in RECIPE.items() if key.used_by]
"""The keys that the report shows of each arm; the others are shown by what follows from them."""


def title_of(name: str) -> str:
    """Return the title of a key in the report."""
    return KEYS[name].title or name
