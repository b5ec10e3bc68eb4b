"""The normalisation of the input of a network: (x - mean) / std per channel."""

import math

import numpy

from triptych.storage.errors import InputError

# The normalisation of most of torchvision's weights, from ImageNet's training images in 0..1. A file of weights has its
# own (`triptych.models.convert_weights`).
_IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
_NONE = {"mean": [0.0, 0.0, 0.0], "std": [1.0, 1.0, 1.0]}


def normalisation_of(normalisation: str, images: numpy.ndarray) -> dict[str, list[float]]:
    """Return the mean and standard deviation with which each channel is normalised.

    Args:
        normalisation: `none`; `imagenet`; or `dataset`: those of all pixels of `images`, summed in integers and so
            identical on every machine.
        images: uint8 [N, H, W, 3].

    Returns:
        `mean` and `std`, three numbers each, in units of 0..1.

    Raises:
        InputError: `normalisation` is not allowed, or it is `dataset` without images or with a constant channel.
    """
    if normalisation == "none":
        return _NONE
    if normalisation == "imagenet":
        return _IMAGENET
    if normalisation != "dataset":
        raise InputError(f"normalisation: {normalisation!r} is not allowed; give none, imagenet or dataset.")
    counts = [numpy.bincount(images[..., channel].reshape(-1), minlength=256).tolist() for channel in range(3)]
    mean, std = [], []
    for channel in counts:
        pixels = sum(channel)
        total = sum(value * count for value, count in enumerate(channel))
        squares = sum(value * value * count for value, count in enumerate(channel))
        # The variance times pixels^2, exact in integers.
        spread = pixels * squares - total * total
        if spread == 0:
            raise InputError("normalisation: dataset is not allowed: a channel of the training images is constant.")
        mean.append(total / (255 * pixels))
        std.append(math.sqrt(spread) / (255 * pixels))
    return {"mean": mean, "std": std}
