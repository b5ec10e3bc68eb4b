"""Stand-in: decode an image to RGB. Replaced by the real module."""

import io
from dataclasses import dataclass

import numpy
from PIL import Image, ImageOps

IMAGE_ENDINGS = frozenset([".jpg", ".jpeg", ".png"])


@dataclass(frozen=True)
class DecodingRule:
    background: tuple[int, int, int] = (255, 255, 255)
    largest_pixels: int = 100_000_000
    largest_side: int = 30_000
    value_range: tuple[float, float] | None = None


class Undecodable(Exception):  # noqa: N818
    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.problem, self.remedy = problem, remedy


@dataclass(frozen=True)
class Decoded:
    image: Image.Image
    format: str
    mode: str
    width: int
    height: int
    changes: tuple[str, ...]


def decode(content: bytes, rule: DecodingRule, shortest: int | None = None) -> Decoded:
    try:
        opened = Image.open(io.BytesIO(content))
        width, height = opened.size
        mode, kind = opened.mode, str(opened.format)
        if shortest:
            opened.draft("RGB", (2 * shortest, 2 * shortest))
        opened.load()
        image = ImageOps.exif_transpose(opened).convert("RGB")
    except (OSError, ValueError, SyntaxError) as error:
        raise Undecodable(f"cannot be decoded ({error})", "replace or remove it") from None
    return Decoded(image, kind, mode, width, height, () if mode == "RGB" else ("grey",))


def fitted(image: Image.Image, size: int, fit: str, background: tuple[int, int, int]) -> numpy.ndarray:
    if fit == "squash":
        done = image.resize((size, size), Image.Resampling.BICUBIC, reducing_gap=2.0)
    elif fit == "pad":
        done = ImageOps.pad(image, (size, size), color=background)
    else:
        done = ImageOps.fit(image, (size, size), Image.Resampling.BICUBIC)
    return numpy.asarray(done)


def looks_like_image(head: bytes) -> bool:
    return head[:3] == b"\xff\xd8\xff" or head[:8] == b"\x89PNG\r\n\x1a\n"


def decoder_versions() -> str:
    from PIL import __version__

    return f"Pillow {__version__}"


CHANGES = {
    "orientation": "turned as its EXIF orientation says",
    "grey": "grey to RGB",
    "cmyk": "CMYK to RGB",
    "lab": "LAB to RGB",
    "palette": "palette to RGB",
    "bilevel": "black and white to RGB",
    "alpha": "transparent pixels put on the background",
    "sixteen_bit": "16 bits a channel to 8",
    "range": "scaled by value_range",
    "first_frame": "the first of several frames or pages",
}
