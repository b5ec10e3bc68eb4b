"""The training images that BatchNorm's statistics are re-estimated on. Without torch, since tables count their work."""

import math

MOST_IMAGES = 2048
"""The most training images that statistics are re-estimated on."""


def every_kth(images: int, classes: int) -> range:
    """Return the rows of the training images that are used: every k-th, at most `MOST_IMAGES`.

    Stored images take turns by class, so k has no common divisor with the number of classes.
    """
    step = math.ceil(images / MOST_IMAGES)
    while math.gcd(step, classes) > 1:
        step += 1
    return range(0, images, step)
