"""The section `training`: the recipe, and how it is executed."""

from typing import Literal

from pydantic import Field

from triptych.configuration.values import MANY, Number, OptionalWhole, Section, Whole


class Training(Section):
    """The recipe: Adam on the cross-entropy. The number of threads and the device change the last bits of a result."""

    epochs: Whole = Field(10, ge=1, le=MANY, description="Passes over the training images; with patience, the most.")
    patience: OptionalWhole = Field(
        None,
        description="Stop after so many epochs without a higher validation accuracy; null to train all epochs. Needs "
        "validation images.",
    )
    keep: Literal["last", "best"] = Field(
        "last",
        description="The epoch whose weights are the run's: the last, or the one with the highest validation accuracy "
        "(the earliest of equals; never epoch 0). best needs validation images.",
    )
    batch_size: Whole = Field(32, ge=1, le=MANY, description="Images in a batch of training.")
    learning_rate: Number = Field(1e-4, gt=0, le=10, description="Adam's learning rate.")
    evaluation_batch_size: Whole = Field(256, ge=1, le=MANY, description="Images in a batch of evaluation.")
    num_threads: Whole = Field(2, ge=1, le=1024, description="Threads that torch computes with on the CPU.")
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="auto: a CUDA GPU where there is one, else the CPU."
    )
    precision: Literal["float32", "tf32", "bfloat16", "float16"] = Field(
        "float32",
        description="float32: the lecture's. tf32 and bfloat16: faster on GPUs of compute capability 8 or more, "
        "bfloat16 also on CPUs that have it. float16 (with scaled losses): for older GPUs.",
    )
    channels_last: bool = Field(
        False, description="Keep images and weights as [N, H, W, C] in memory: faster for most, other last bits."
    )
    fused_optimizer: bool = Field(
        False, description="Adam's arithmetic in one kernel: faster where batches are small, other last bits."
    )
    cuda_graphs: Literal["auto", "never"] = Field(
        "auto",
        description="On a GPU, record a training step once and replay it (except with float16): at small batches "
        "Python is slower than the GPU. Decides no bit of a result.",
    )
    residency: Literal["auto", "device", "host", "mapped"] = Field(
        "auto",
        description="Where the images lie while training: on the GPU, in the computer's memory, or in their file; "
        "auto: the first of them with room. Decides no bit of a result.",
    )
    checkpoint_minutes: Number = Field(
        10,
        gt=0,
        le=10_000,
        description="The longest time between two checkpoints, from which a killed training goes on; there is one "
        "after each epoch in any case. Decides no bit of a result.",
    )
    cache_features: bool = Field(
        True,
        description="Compute what the trunk makes of every image once, for all epochs and seeds, where nothing changes "
        "it: pretrained weights, only the head trains, BatchNorm is frozen, and nothing in the trunk is random.",
    )
    train_images: OptionalWhole = Field(
        None, description="Train on the first so many images only (classes stay balanced); null for all."
    )
