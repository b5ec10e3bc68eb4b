"""Shift and scale of a network's input: what is subtracted from each channel and by what the rest is divided."""

import math

import numpy

from triptych.storage.errors import InputError

# Of ImageNet's training images in 0..1, with which most of torchvision's weights were trained; the file of an
# architecture's weights says what it was for them (`triptych.models.convert_weights`).
_IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
_NONE = {"mean": [0.0, 0.0, 0.0], "std": [1.0, 1.0, 1.0]}


def normalisation_of(normalisation: str, images: numpy.ndarray) -> dict[str, list[float]]:
    """The mean and the standard deviation by which each channel is normalised.

    Args:
        normalisation: `none`; `imagenet`; or `dataset`: those of `images`, over all pixels, summed in integers and
            therefore the same on every machine.
        images: uint8 [N, H, W, 3].

    Returns:
        `mean` and `std`, three numbers each, in units of 0..1.

    Raises:
        InputError: another word; or `dataset` for images without contrast, or for none.
    """
    if normalisation == "none":
        return _NONE
    if normalisation == "imagenet":
        return _IMAGENET
    if normalisation != "dataset":
        raise InputError(f"normalisation {normalisation!r}: not known; known are none, imagenet, dataset")
    counts = [numpy.bincount(images[..., channel].reshape(-1), minlength=256).tolist() for channel in range(3)]
    mean, std = [], []
    for channel in counts:
        pixels = sum(channel)
        total = sum(value * count for value, count in enumerate(channel))
        squares = sum(value * value * count for value, count in enumerate(channel))
        # The variance times pixels^2, exact in Python's integers.
        spread = pixels * squares - total * total
        if spread == 0:
            raise InputError("normalisation 'dataset': the training images have a channel without any contrast")
        mean.append(total / (255 * pixels))
        std.append(math.sqrt(spread) / (255 * pixels))
    return {"mean": mean, "std": std}
