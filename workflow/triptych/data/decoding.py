"""Stand-in: decode an image to RGB. Replaced by the real module."""

import io
from dataclasses import dataclass

import numpy
from PIL import Image, ImageOps

IMAGE_ENDINGS = frozenset(
    (".apng", ".avif", ".bmp", ".dib", ".gif", ".heic", ".heif", ".hif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg")
    + (".mpo", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tga", ".tif", ".tiff", ".webp")
)
"""Endings of names of image files, in small letters, with the dot."""

STARTS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*", b"BM")
"""The first bytes of JPEG, PNG, GIF, TIFF and BMP files."""

BRANDS = (b"avif", b"avis", b"heic", b"heix", b"hevc", b"mif1", b"msf1")
"""The brands of AVIF and HEIF files."""


def looks_like_image(head: bytes) -> bool:
    """Return whether a file that begins with `head` (4 KiB suffice) is an image."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return True
    if head[4:8] == b"ftyp" and head[8:12] in BRANDS:
        return True
    return head.startswith(STARTS)


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


def decoder_versions() -> str:
    from PIL import __version__

    return f"Pillow {__version__}"
