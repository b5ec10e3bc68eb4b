"""Pictures that are alike: of one scene, changed copies, and those of a fixed camera."""

import io
from functools import cache

import numpy
from PIL import Image

SIZE = (240, 180)


@cache
def picture(number: int) -> Image.Image:
    """Smooth shapes with some detail, different for each number."""
    generator = numpy.random.default_rng([number, 1])
    total = numpy.zeros((SIZE[1], SIZE[0], 3))
    for side in (4, 8, 16, 32):
        noise = Image.fromarray(generator.integers(0, 256, (side, side, 3), dtype=numpy.uint8))
        total += numpy.asarray(noise.resize(SIZE, Image.Resampling.BICUBIC)) * (4 / side)
    low, high = total.min(), total.max()
    return Image.fromarray(((total - low) / (high - low) * 255).astype(numpy.uint8))


def of_camera(number: int) -> Image.Image:
    """What a fixed camera sees: always the same scene, in which something small is elsewhere each time."""
    generator = numpy.random.default_rng([number, 2])
    pixels = numpy.asarray(picture(10_000)).astype(int)
    left, top = generator.integers(0, SIZE[0] - 20), generator.integers(0, SIZE[1] - 20)
    pixels[top : top + 20, left : left + 20] = generator.integers(0, 256, 3)
    pixels += generator.normal(0, 3, pixels.shape).astype(int)
    return Image.fromarray(pixels.clip(0, 255).astype(numpy.uint8))


def jpeg(image: Image.Image, quality: int = 90) -> bytes:
    """An image as the content of a JPEG file."""
    content = io.BytesIO()
    image.save(content, "JPEG", quality=quality)
    return content.getvalue()
