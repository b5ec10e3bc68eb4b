"""The section `training`: every key of the recipe and of the execution, declared here and nowhere else.

What follows from a declaration: the check of the configuration and its documentation, the JSON that commands are given
(whose dataclasses are in `triptych.training.recipe`), what decides a run or its features, the columns of
`tables/arms.csv`, the report's table of recipes, and its lists of what arms have in common.
It is no part of a command's code digest (`triptych.storage.code_digest`), so that a new key makes nothing again.
"""

from triptych.configuration.keys import COMMANDS, MANY, Key

TRAINS = ("train", "pretrain_weights")

KEYS = {
    "epochs": Key(
        "whole number",
        10,
        "Passes over the training images; with patience, the most.",
        bounds={"ge": 1, "le": MANY},
        used_by=TRAINS,
        same_work=False,
    ),
    "patience": Key(
        "whole number",
        None,
        "Stop after so many epochs without a higher validation accuracy; null to train all epochs. Needs validation "
        "images.",
        bounds={"ge": 1, "le": MANY},
        optional=True,
        neutral=None,
        same_work=False,
    ),
    "keep": Key(
        "choice",
        "last",
        "The epoch whose weights are the run's: the last, or the one with the highest validation accuracy (the "
        "earliest of equals; never epoch 0). best needs validation images.",
        title="epoch that is kept",
        choices=("last", "best"),
        neutral="last",
        same_work=False,
    ),
    "batch_size": Key(
        "whole number",
        32,
        "Images in a batch of training.",
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
        256,
        "Images in a batch of evaluation.",
        title="evaluation batch size",
        bounds={"ge": 1, "le": MANY},
        used_by=COMMANDS,
        compared=False,
        same_work=False,
    ),
    "num_threads": Key(
        "whole number",
        2,
        "Threads that torch computes with on the CPU.",
        title="threads",
        bounds={"ge": 1, "le": 1024},
        used_by=COMMANDS,
        compared=False,
    ),
    "device": Key(
        "choice",
        "auto",
        "auto: a CUDA GPU where there is one, else the CPU.",
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
        "Keep images and weights as [N, H, W, C] in memory: faster for most, other last bits.",
        used_by=COMMANDS,
    ),
    "fused_optimizer": Key(
        "flag",
        False,
        "Adam's arithmetic in one kernel: faster where batches are small, other last bits.",
        title="fused optimiser",
        neutral=False,
        used_by=TRAINS,
    ),
    "cuda_graphs": Key(
        "choice",
        "auto",
        "On a GPU, record a training step once and replay it (except with float16): at small batches Python is slower "
        "than the GPU. Decides no bit of a result.",
        choices=("auto", "never"),
        affects="speed",
    ),
    "residency": Key(
        "choice",
        "auto",
        "Where the images lie while training: on the GPU, in the computer's memory, or in their file; auto: the first "
        "of them with room. Decides no bit of a result.",
        choices=("auto", "device", "host", "mapped"),
        affects="speed",
    ),
    "checkpoint_minutes": Key(
        "number",
        10,
        "The longest time between two checkpoints, from which a killed training goes on; there is one after each epoch "
        "in any case. Decides no bit of a result.",
        bounds={"gt": 0, "le": 10_000},
        affects="speed",
    ),
    "cache_features": Key(
        "flag",
        True,
        "Compute what the trunk makes of every image once, for all epochs and seeds, where nothing changes it: "
        "pretrained weights, only the head trains, BatchNorm is frozen, and nothing in the trunk is random.",
        used_by=(),
        compared=False,
        same_work=False,
    ),
    "train_images": Key(
        "whole number",
        None,
        "Train on the first so many images only (classes stay balanced); null for all.",
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
    """How the report calls a key."""
    return KEYS[name].title or name
