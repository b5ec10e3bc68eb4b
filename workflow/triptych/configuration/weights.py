"""The section `weights`: where pretrained weights come from."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from triptych.configuration.keys import MANY
from triptych.configuration.values import Number, OptionalPath, OptionalSha256, OptionalUrls, Section, Seed, Whole


class NoWeights(Section):
    """No pretrained weights: every arm starts from random weights."""

    source: Literal["none"] = Field("none", description="No pretrained weights.")


class LettersWeights(Section):
    """Weights pretrained by the workflow on rendered letters: matplotlib's fonts, warped, shifted and blurred."""

    source: Literal["letters"] = Field("letters", description="Pretrain on rendered letters A to Z; needs no download.")
    train_images: Whole = Field(11_000, ge=26, le=MANY, description="Letters in the training set.")
    validation_images: Whole = Field(1_000, ge=26, le=MANY, description="Letters in the validation set.")
    epochs: Whole = Field(2, ge=1, le=MANY, description="Passes over the letters.")
    batch_size: Whole = Field(128, ge=1, le=MANY, description="Letters in a batch.")
    learning_rate: Number = Field(1e-3, gt=0, le=10, description="Adam's learning rate.")
    seed: Seed = Field(0, description="Seed of the letters, the initial weights and the order of the batches.")


class TorchvisionWeights(Section):
    """torchvision's weights, trained on ImageNet-1k, for any architecture; downloaded."""

    source: Literal["torchvision"] = Field("torchvision", description="torchvision's ImageNet weights, downloaded.")
    urls: OptionalUrls = Field(
        None, description="Addresses of the file, tried in order: https, http or file. null for torchvision's."
    )
    sha256: OptionalSha256 = Field(
        None,
        description="The file's SHA-256; null for torchvision's, of which the first digits may be known alone.",
    )
    path: OptionalPath = Field(
        None,
        description="Your own weights file, used instead of a download; give its sha256, too. Written by torch.save or "
        "safetensors, in any nesting, with any prefix of the names, with any head or none. null to download.",
    )


def _with_source(value: Any) -> Any:
    return {"source": "none", **value} if isinstance(value, dict) else value


Weights = Annotated[
    NoWeights | LettersWeights | TorchvisionWeights, Field(discriminator="source"), BeforeValidator(_with_source)
]
