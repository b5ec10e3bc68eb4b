"""The section `weights`: where pretrained weights come from."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from triptych.configuration.keys import MANY
from triptych.configuration.values import Number, OptionalPath, OptionalSha256, OptionalUrls, Section, Seed, Whole


class NoWeights(Section):
    """No pretrained weights: every arm starts from random ones."""

    source: Literal["none"] = Field("none", description="No pretrained weights.")


class LettersWeights(Section):
    """Weights pretrained here, on letters rendered in the fonts that matplotlib ships, warped, shifted and blurred."""

    source: Literal["letters"] = Field("letters", description="Pretrain on rendered letters A to Z; needs no network.")
    train_images: Whole = Field(11_000, ge=26, le=MANY, description="Letters to train on.")
    test_images: Whole = Field(1_000, ge=26, le=MANY, description="Other letters, for the held-out accuracy.")
    epochs: Whole = Field(2, ge=1, le=MANY, description="Passes over the letters.")
    batch_size: Whole = Field(128, ge=1, le=MANY, description="Letters in a batch.")
    learning_rate: Number = Field(1e-3, gt=0, le=10, description="Adam's learning rate.")
    seed: Seed = Field(0, description="Decides the letters, the first weights and the order of the batches.")


class TorchvisionWeights(Section):
    """torchvision's weights, trained on ImageNet-1k, for any architecture; downloaded."""

    source: Literal["torchvision"] = Field("torchvision", description="torchvision's ImageNet weights, downloaded.")
    urls: OptionalUrls = Field(
        None, description="Where the file is, tried in order; https, http or file. null for torchvision's own address."
    )
    sha256: OptionalSha256 = Field(
        None,
        description="The file's SHA-256; null for torchvision's own (where only its first digits are known, those).",
    )
    path: OptionalPath = Field(
        None,
        description="The weights as a file of one's own (give its SHA-256), taken instead of any address: as "
        "torch.save or safetensors wrote it, nested or with a prefix before the names, with any head or none; null to "
        "download them.",
    )


def _with_source(value: Any) -> Any:
    return {"source": "none", **value} if isinstance(value, dict) else value


Weights = Annotated[
    NoWeights | LettersWeights | TorchvisionWeights, Field(discriminator="source"), BeforeValidator(_with_source)
]
