"""The section `training`: the recipe, and how it is executed. Each key is declared here and nowhere else."""

from typing import Annotated, Literal

from pydantic import Field

from triptych.configuration.keys import COMMANDS, Key, declared
from triptych.configuration.values import MANY, Number, OptionalWhole, Section, Whole

TRAINS = ("train", "pretrain_weights")


class Training(Section):
    """The recipe: Adam on the cross-entropy. The number of threads and the device change the last bits of a result."""

    epochs: Annotated[Whole, Key(used_by=TRAINS, same_work=False)] = Field(
        10, ge=1, le=MANY, title="epochs", description="Passes over the training images; with patience, the most."
    )
    patience: Annotated[OptionalWhole, Key(neutral=None, same_work=False)] = Field(
        None,
        title="patience",
        description="Stop after so many epochs without a higher validation accuracy; null to train all epochs. Needs "
        "validation images.",
    )
    keep: Annotated[Literal["last", "best"], Key(neutral="last", same_work=False)] = Field(
        "last",
        title="epoch that is kept",
        description="The epoch whose weights are the run's: the last, or the one with the highest validation accuracy "
        "(the earliest of equals; never epoch 0). best needs validation images.",
    )
    batch_size: Annotated[Whole, Key(used_by=(*TRAINS, "time_backward"))] = Field(
        32, ge=1, le=MANY, title="batch size", description="Images in a batch of training."
    )
    learning_rate: Annotated[Number, Key(used_by=(*TRAINS, "time_backward"), same_work=False)] = Field(
        1e-4, gt=0, le=10, title="learning rate", description="Adam's learning rate."
    )
    evaluation_batch_size: Annotated[Whole, Key(used_by=COMMANDS, compared=False, same_work=False)] = Field(
        256, ge=1, le=MANY, title="evaluation batch size", description="Images in a batch of evaluation."
    )
    num_threads: Annotated[Whole, Key(used_by=(*COMMANDS, "time_backward"), compared=False)] = Field(
        2, ge=1, le=1024, title="threads", description="Threads that torch computes with on the CPU."
    )
    device: Annotated[Literal["auto", "cpu", "cuda"], Key(used_by=(*COMMANDS, "time_backward"), compared=False)] = (
        Field("auto", title="device", description="auto: a CUDA GPU where there is one, else the CPU.")
    )
    precision: Annotated[Literal["float32", "tf32", "bfloat16", "float16"], Key(used_by=COMMANDS)] = Field(
        "float32",
        title="precision",
        description="float32: the lecture's. tf32 and bfloat16: faster on GPUs of compute capability 8 or more, "
        "bfloat16 also on CPUs that have it. float16 (with scaled losses): for older GPUs.",
    )
    channels_last: Annotated[bool, Key(used_by=COMMANDS)] = Field(
        False,
        title="channels_last",
        description="Keep images and weights as [N, H, W, C] in memory: faster for most, other last bits.",
    )
    fused_optimizer: Annotated[bool, Key(neutral=False, used_by=TRAINS)] = Field(
        False,
        title="fused optimiser",
        description="Adam's arithmetic in one kernel: faster where batches are small, other last bits.",
    )
    cuda_graphs: Annotated[Literal["auto", "never"], Key(affects="speed")] = Field(
        "auto",
        description="On a GPU, record a training step once and replay it (except with float16): at small batches "
        "Python is slower than the GPU. Decides no bit of a result.",
    )
    residency: Annotated[Literal["auto", "device", "host", "mapped"], Key(affects="speed")] = Field(
        "auto",
        description="Where the images lie while training: on the GPU, in the computer's memory, or in their file; "
        "auto: the first of them with room. Decides no bit of a result.",
    )
    checkpoint_minutes: Annotated[Number, Key(affects="speed")] = Field(
        10,
        gt=0,
        le=10_000,
        description="The longest time between two checkpoints, from which a killed training goes on; there is one "
        "after each epoch in any case. Decides no bit of a result.",
    )
    cache_features: Annotated[bool, Key(used_by=(), compared=False, same_work=False)] = Field(
        True,
        title="cached features",
        description="Compute what the trunk makes of every image once, for all epochs and seeds, where nothing changes "
        "it: pretrained weights, only the head trains, BatchNorm is frozen, and nothing in the trunk is random.",
    )
    train_images: Annotated[OptionalWhole, Key(used_by=("train", "extract_features"))] = Field(
        None,
        title="training images",
        description="Train on the first so many images only (classes stay balanced); null for all.",
    )


KEYS = declared(Training)
RECIPE = {name: one for name, one in KEYS.items() if one.key.affects == "result"}
COMPARED = {name: one for name, one in RECIPE.items() if one.key.compared}
EXECUTION = [name for name, one in KEYS.items() if one.key.affects == "speed"]
