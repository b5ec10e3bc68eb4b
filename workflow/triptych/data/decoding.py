"""Decode one image file of the user's by fixed rules: to RGB, upright, 8 bits a channel, or a problem with a remedy.

The same bytes give the same pixels, whatever a file's name: training, the data report and prediction all decode here.
The module needs only NumPy and Pillow (and `pillow_heif` for HEIC). It imports them when first used: commands that only
ask what a file looks like start faster without them.

What is done to pixels:

- the first frame or page is used;
- EXIF orientation is applied (also where Pillow finds it in XMP or in an AVIF file);
- 16-bit grey becomes value / 257, rounded. If no value is above 4,095, the file may use only 12 of its 16 bits. It is
  refused unless `value_range` gives the values of black and white. So are float and 32-bit images;
- `value_range` applies to all of these, and to every 16-bit grey image whose file does not state its range (a 12-bit
  TIFF and a PGM with a largest value of its own do);
- 16-bit colour becomes value // 256: Pillow reads only the high byte. This differs from value / 257 by at most 1;
- transparent pixels are composited on `background`, with 8-bit arithmetic;
- CMYK is converted without a colour profile (Adobe's inverted values are recognised), LAB to sRGB. Profiles embedded in
  RGB images are not applied;
- a JPEG that is much larger than needed is decoded at 1/2, 1/4 or 1/8 of its size, if its shorter side stays at least
  `DRAFT_MARGIN` times the side that is needed, or `SMALLEST_SIDE` where that is more. In a picture of
  12 megapixels, the square's pixels then differ by 0.3 of 255 on average; by more where it is sharp to the pixel.

Limits: libjpeg repairs damage inside a JPEG without an error, so only a JPEG that ends early is refused. Of an
animation only the first frame is decoded and checked.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

Colour = tuple[int, int, int]

RULES = 2
"""Version of the rules above. Increase it with each change of them: decoded images are cached by `decoder_versions`."""

HEAD = 4096
"""Bytes of a file's beginning that tell its format."""

DRAFT_MARGIN = 1.4
SMALLEST_SIDE = 256
"""Pixels of the shorter side that a JPEG is decoded for at least: near-duplicates are found by them."""
TWELVE_BITS = 4095
SIXTEEN_BITS = 65535

CHANGES = {
    "orientation": "turned or mirrored as its EXIF data say",
    "exif_unreadable": "EXIF data unreadable, taken as upright",
    "grey": "grey, made RGB",
    "bilevel": "black and white, made RGB",
    "palette": "colours of a palette, made RGB",
    "cmyk": "CMYK, made RGB without a colour profile",
    "lab": "LAB, made sRGB",
    "ycbcr": "YCbCr, made RGB",
    "sixteen_bit": "16 (or 12) bits a channel, made 8",
    "range": "scaled by value_range to 8 bits",
    "alpha": "transparent pixels, composited on the background",
    "opaque": "alpha channel without transparent pixels, dropped",
    "first_frame": "several frames or pages, the first one used",
}
"""Codes of `Decoded.changes`, in the order in which they are listed, and what each means."""

DECODED_ENDINGS = """
    .jpg .jpeg .jpe .jfif .mpo .png .apng .gif .webp .bmp .dib .tif .tiff .pbm .pgm .ppm .pnm .pfm
    .jp2 .j2k .jpc .jpf .jpx .j2c .avif .avifs .heic .heics .heif .heifs .hif
"""
OTHER_ENDINGS = """
    .jxl .psd .psb .exr .hdr .dng .cr2 .cr3 .nef .nrw .arw .orf .raf .rw2 .pef .srw .ico .icns .tga .dds .eps
    .svg .svgz .xcf .qoi .pcx .sgi
"""
IMAGE_ENDINGS = frozenset((DECODED_ENDINGS + OTHER_ENDINGS).split())
"""Endings of image files, in lower case, with the dot; also of those that are not decoded, so that they are named."""

NOT_DECODED = {
    b"8BPS": "a Photoshop file",
    b"\xff\x0a": "a JPEG XL file",
    b"\x00\x00\x00\x0cJXL \r\n\x87\n": "a JPEG XL file",
    b"\x76\x2f\x31\x01": "an OpenEXR file",
    b"#?RADIANCE": "a Radiance HDR file",
    b"FUJIFILMCCD-RAW": "a camera's raw file",
    b"IIRO": "a camera's raw file",
    b"IIRS": "a camera's raw file",
    b"IIU\x00": "a camera's raw file",
    b"\x00\x00\x01\x00": "an icon file",
    b"icns": "an icon file",
    b"DDS ": "a DirectDraw texture",
    b"%!PS": "a PostScript file",
    b"\xc5\xd0\xd3\xc6": "a PostScript file",
    b"gimp xcf": "a GIMP file",
    b"qoif": "a QOI file",
}
"""First bytes of image formats that are recognised so that they can be named. Nothing that runs a program is opened."""

SIGNATURES = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"II*\x00": "TIFF",
    b"MM\x00*": "TIFF",
    b"II+\x00": "TIFF",
    b"MM\x00+": "TIFF",
    b"\x00\x00\x00\x0cjP  \r\n\x87\n": "JPEG2000",
    b"\xff\x4f\xff\x51": "JPEG2000",
}
PORTABLE = re.compile(rb"P(?:[1-6]|[fF])\s(?:\s|#[^\n]*\n)*\d+\s")
BMP_HEADERS = {12, 16, 40, 52, 56, 64, 108, 124}
HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
AVIF_BRANDS = {b"avif", b"avis"}

CONVERT = "convert it to JPEG, PNG or TIFF, or remove it from the data set"
COPY_AGAIN = "copy it from its source again, or remove it from the data set"
REMOVE = "remove it from the data set"


@dataclass(frozen=True)
class DecodingRule:
    """How files are decoded.

    Attributes:
        background: the colour behind transparent pixels, 0 to 255 a channel.
        largest_pixels: more pixels than this are refused from the header.
        largest_side: a longer side (pixels) is refused from the header.
        value_range: the values of black and white in float, 32-bit and 16-bit grey images. None: such images are
            refused, except 16-bit ones with a value above 4,095.
    """

    background: Colour = (255, 255, 255)
    largest_pixels: int = 100_000_000
    largest_side: int = 30_000
    value_range: tuple[float, float] | None = None


class Undecodable(Exception):  # noqa: N818 - it is no programming error, and its name is read in sentences
    """A file that is not used. `problem` says what is wrong, `remedy` what to do: clauses without a full stop."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}: {remedy}")
        self.problem = problem
        self.remedy = remedy


@dataclass(frozen=True)
class Decoded:
    """A decoded image and the facts of its file.

    Attributes:
        image: RGB, upright; smaller than the file's image where a JPEG was decoded at a fraction of its size.
        format: the file's format, as Pillow names it.
        mode: the file's pixel mode, as Pillow names it.
        width: pixels of the file's image, after orientation.
        height: pixels of the file's image, after orientation.
        changes: codes, explained in `CHANGES`.
    """

    image: Image
    format: str
    mode: str
    width: int
    height: int
    changes: tuple[str, ...]


def decode(content: bytes, rule: DecodingRule, shortest: int | None = None) -> Decoded:
    """Decode the whole content of an image file.

    Args:
        content: the bytes of the file.
        rule: limits, background and range of values.
        shortest: pixels needed of the shorter side; a large JPEG is then decoded at a fraction of its size. None: all.

    Raises:
        Undecodable: the file is no image, damaged, too large or needs a decision of the user's.
    """
    if not content:
        raise Undecodable("the file is empty", COPY_AGAIN)
    name = _format_of(content[:HEAD])
    if name is None:
        raise Undecodable("not an image", REMOVE)
    opener = _opener(name)
    _ignore_warnings_of_pillow()
    try:
        return _decoded(opener, name, content, rule, shortest)
    except Undecodable:
        raise
    except MemoryError as error:
        problem = f"decoding this {name} file needs more memory than there is"
        raise Undecodable(problem, "make it smaller, or give the job more memory") from error
    except Exception as error:  # a codec given hostile content raises nearly anything
        _refuse(name, rule, error)


def fitted(image: Image, size: int, fit: str, background: Colour) -> NDArray[numpy.uint8]:
    """Return the pixels [size, size, 3] of an RGB image as a square.

    Pillow's antialiased bilinear filter over the whole image, without a reduction beforehand (`reducing_gap`).

    Args:
        image: any size, mode RGB.
        size: pixels a side.
        fit: crop (the largest square in the middle), squash (the whole image, distorted) or pad (the whole image in the
            middle of a square of `background`).
        background: colour for pad, 0 to 255 a channel.
    """
    import numpy
    from PIL import Image

    bilinear = Image.Resampling.BILINEAR
    width, height = image.size
    if fit == "crop":
        side = min(width, height)
        left, top = (width - side) / 2, (height - side) / 2
        square = image.resize((size, size), bilinear, box=(left, top, left + side, top + side))
    elif fit == "squash":
        square = image.resize((size, size), bilinear)
    elif fit == "pad":
        longer = max(width, height)
        inner = max(1, round(width * size / longer)), max(1, round(height * size / longer))
        square = Image.new("RGB", (size, size), background)
        square.paste(image.resize(inner, bilinear), ((size - inner[0]) // 2, (size - inner[1]) // 2))
    else:
        raise ValueError(f"fit is {fit!r}; it is one of crop, squash and pad")
    return numpy.array(square)


def looks_like_image(head: bytes) -> bool:
    """Return whether a file that begins with these bytes (4 KiB are enough) is an image, decodable here or not."""
    return _format_of(head) is not None


def decoder_versions() -> str:
    """Return the versions of all that decides a pixel: these rules, Pillow, its codecs, pillow_heif if installed."""
    from PIL import features

    libraries = ["pil", "libjpeg_turbo", "jpg", "zlib_ng", "zlib", "libtiff", "jpg_2000", "webp", "avif", "littlecms2"]
    versions = {library: features.version(library) for library in libraries}
    versions["pillow_heif"] = getattr(_pillow_heif(), "__version__", None)
    return ", ".join([f"rules {RULES}", *(f"{library} {version}" for library, version in versions.items() if version)])


def _format_of(head: bytes) -> str | None:
    """Return a key of `_openers`, what a format that is not decoded is called, or None for what is no image."""
    for signatures in (SIGNATURES, NOT_DECODED):
        for signature, name in signatures.items():
            if head.startswith(signature):
                return "a camera's raw file" if name == "TIFF" and head[8:10] == b"CR" else name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[4:8] == b"ftyp":
        return _format_of_brands(head)
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in BMP_HEADERS:
        return "BMP"
    return "PPM" if PORTABLE.match(head) else None


def _format_of_brands(head: bytes) -> str | None:
    """Return the format of a file in the container that AVIF, HEIC and films share."""
    end = min(int.from_bytes(head[:4], "big"), len(head))
    brands = [head[8:12], *(head[start : start + 4] for start in range(16, end, 4))]
    if brands[0] == b"crx ":
        return "a camera's raw file"
    if not AVIF_BRANDS.isdisjoint(brands):
        return "AVIF"
    return None if HEIC_BRANDS.isdisjoint(brands) else "HEIF"


@cache
def _openers() -> dict[str, Callable[[BytesIO], ImageFile]]:
    """Return what reads the header of each format.

    `PIL.Image.open` would try one format after another, and refuse by a limit of its own that is the process's.
    """
    from PIL import (
        AvifImagePlugin,
        BmpImagePlugin,
        GifImagePlugin,
        Jpeg2KImagePlugin,
        JpegImagePlugin,
        PngImagePlugin,
        PpmImagePlugin,
        TiffImagePlugin,
        WebPImagePlugin,
    )

    return {
        "JPEG": JpegImagePlugin.jpeg_factory,
        "PNG": PngImagePlugin.PngImageFile,
        "GIF": GifImagePlugin.GifImageFile,
        "WEBP": WebPImagePlugin.WebPImageFile,
        "BMP": BmpImagePlugin.BmpImageFile,
        "TIFF": TiffImagePlugin.TiffImageFile,
        "PPM": PpmImagePlugin.PpmImageFile,
        "JPEG2000": Jpeg2KImagePlugin.Jpeg2KImageFile,
        "AVIF": AvifImagePlugin.AvifImageFile,
    }


def _opener(name: str) -> Callable[[BytesIO], ImageFile]:
    if name == "HEIF":
        library = _pillow_heif()
        if library is None:
            problem = "HEIC images need pillow-heif, which is not installed"
            raise Undecodable(problem, "run `pip install pillow-heif`, or convert it to JPEG")
        opener: Callable[[BytesIO], ImageFile] = library.HeifImageFile
        return opener
    if name not in _openers():
        raise Undecodable(f"it is {name}, which is not decoded", CONVERT)
    return _openers()[name]


@cache
def _pillow_heif() -> Any:
    """Return the module pillow_heif, or None where it is not installed."""
    try:
        import pillow_heif
    except ImportError:
        return None
    return pillow_heif


def _ignore_warnings_of_pillow() -> None:
    """Silence what Pillow's own modules warn of, in this process: what matters of it ends in `Undecodable`.

    `warnings.catch_warnings` is no choice: it is not safe where several threads decode.
    """
    import warnings

    if not warnings.filters or warnings.filters[0] != _ignored():
        warnings.filterwarnings("ignore", module=_ignored()[3].pattern)


@cache
def _ignored() -> Any:
    return ("ignore", None, Warning, re.compile(r"(PIL|pillow_heif)\."), 0)


def _decoded(
    opener: Callable[[BytesIO], ImageFile], name: str, content: bytes, rule: DecodingRule, shortest: int | None
) -> Decoded:
    image = opener(BytesIO(content))
    mode = image.mode
    _refuse_large(image.size, rule)
    changes = set()
    if name == "TIFF":
        _refuse_raw(image)
        if image.tag_v2.get(274, 1) in range(2, 9):  # type: ignore[attr-defined] # Pillow itself turns it when it loads
            changes.add("orientation")
    coding = repr(image.tile[0][0::3]) if image.tile else ""
    size = image.size
    if name == "JPEG" and shortest is not None:
        least = math.ceil(DRAFT_MARGIN * max(shortest, SMALLEST_SIDE))
        image.draft("RGB", (least, least))
    image.load()
    if name != "JPEG":  # Pillow turns a TIFF, and libheif knows some sizes only now
        size = image.size
    rgb = _as_rgb(image, name, coding, rule, changes)
    turn = _orientation(image, changes)
    if turn is not None:
        changes.add("orientation")
        rgb = rgb.transpose(turn)
        size = size[::-1] if turn in (2, 4, 5, 6) else size  # quarter turns
    if _has_several_frames(image, name, opener, content):
        changes.add("first_frame")
    codes = tuple(code for code in CHANGES if code in changes)
    return Decoded(rgb, image.format or name, mode, *size, codes)


def _refuse_large(size: tuple[int, int], rule: DecodingRule) -> None:
    width, height = size
    problem = f"the image is {width:,} x {height:,} pixels"
    if max(width, height) > rule.largest_side:
        raise Undecodable(f"{problem}; a side is at most {rule.largest_side:,}", "make it smaller, or cut it up")
    if width * height > rule.largest_pixels:
        _refuse_pixels(problem, rule)


def _refuse_pixels(problem: str, rule: DecodingRule) -> NoReturn:
    limit = f"at most {rule.largest_pixels / 1e6:g} megapixels are allowed"
    raise Undecodable(f"{problem}; {limit}", "make it smaller, or raise dataset.largest_megapixels")


def _refuse_raw(image: Any) -> None:
    """Refuse a TIFF whose first page is not the picture: the preview in a camera's raw file, or a tile pyramid's."""
    if 50706 in image.tag_v2:  # DNGVersion
        raise Undecodable("it is a camera's raw file, which is not decoded", CONVERT)
    if image.tag_v2.get(254, 0) & 1:  # NewSubfileType
        raise Undecodable("its first page is a reduced preview, as in a camera's raw file", CONVERT)


def _refuse(name: str, rule: DecodingRule, error: Exception) -> NoReturn:
    """Say what an exception of Pillow's means."""
    from PIL.Image import DecompressionBombError

    text = re.sub(r" at 0x[0-9a-f]+", "", str(error))
    text = "".join(letter if letter.isprintable() else "?" for letter in text)[:100]
    if isinstance(error, DecompressionBombError):
        pixels = int(next(iter(re.findall(r"\d+", text)), "0"))
        problem = f"the image has {pixels:,} pixels"
        if pixels > rule.largest_pixels:
            _refuse_pixels(problem, rule)
        raise Undecodable(f"{problem}, more than Pillow decodes in a {name} file", CONVERT) from error
    if "truncated" in text.lower() or isinstance(error, EOFError):
        raise Undecodable(f"truncated: the {name} data end too early", COPY_AGAIN) from error
    if isinstance(error, SyntaxError):  # Pillow raises it for a header that it cannot read
        problem = f"no {name} header that can be read: the file is damaged or truncated, or a side is 0 px"
        raise Undecodable(problem, COPY_AGAIN) from error
    raise Undecodable(f"damaged {name} data ({text or type(error).__name__})", COPY_AGAIN) from error


def _orientation(image: Image, changes: set[str]) -> Any:
    """Return the transposition (`PIL.Image.Transpose`) that makes an image upright, or None."""
    from PIL.Image import Transpose

    try:
        value = image.getexif().get(274, 1)
    except Exception:  # the picture is sound, its description is not
        changes.add("exif_unreadable")
        return None
    return {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }.get(value)


def _has_several_frames(image: Image, name: str, opener: Callable[[BytesIO], ImageFile], content: bytes) -> bool:
    """Return whether there are frames or pages after the first; a second one that is damaged counts."""
    if name not in ("GIF", "TIFF"):
        return bool(getattr(image, "is_animated", False))
    try:  # these two look for the next frame, which would spoil the first
        return bool(opener(BytesIO(content)).is_animated)  # type: ignore[attr-defined]
    except Exception:
        return True


def _as_rgb(image: Image, name: str, coding: str, rule: DecodingRule, changes: set[str]) -> Image:
    """Return a loaded image in mode RGB and add to `changes`; `coding` is Pillow's name of the decoder and raw mode."""
    mode = image.mode
    if mode == "RGB" and "transparency" not in image.info and ";16" not in coding:
        return image
    if mode in ("I", "F") or mode.startswith("I;16"):
        grey, change = _eight_bits(image, name, coding, rule)
        changes.update({"grey", change})
        key = image.info.get("transparency")
        if isinstance(key, int):
            grey.putalpha(_unlike(image, key))
            return _composited(grey, rule, changes)
        return grey.convert("RGB")
    if ";16" in coding:
        _refuse_dark(image)
        changes.add("sixteen_bit")
        if isinstance(image.info.get("transparency"), tuple):
            image.info["transparency"] = tuple(value >> 8 for value in image.info["transparency"])
    if mode == "LAB":
        changes.add("lab")
        return _from_lab(image)
    kinds = {"1": "bilevel", "P": "palette", "PA": "palette", "CMYK": "cmyk", "YCbCr": "ycbcr"}
    kinds.update(dict.fromkeys(("L", "LA", "La"), "grey"))
    if mode in kinds:
        changes.add(kinds[mode])
    return _composited(image, rule, changes) if image.has_transparency_data else image.convert("RGB")


def _composited(image: Image, rule: DecodingRule, changes: set[str]) -> Image:
    """Return an image with transparency on the background, in mode RGB."""
    from PIL import Image

    layer = image if image.mode == "RGBA" else image.convert("RGBA")
    if layer.getchannel("A").getextrema() == (255, 255):
        changes.add("opaque")
        return layer.convert("RGB")
    changes.add("alpha")
    canvas = Image.new("RGB", layer.size, rule.background)
    canvas.paste(layer, mask=layer)
    return canvas


def _from_lab(image: Image) -> Image:
    from PIL import ImageCms

    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    exact = ImageCms.Flags.NOOPTIMIZE  # else a coarse table is interpolated, which is off by one or two of 255
    converted = ImageCms.profileToProfile(image, ImageCms.ImageCmsProfile(lab), srgb, outputMode="RGB", flags=exact)
    assert converted is not None
    return converted


def _refuse_dark(image: Image) -> None:
    """Refuse 16-bit colour of which no more than 12 bits are in use; Pillow has kept the high byte only."""
    bands = [band for name, band in zip(image.getbands(), image.split(), strict=True) if name != "A"]
    if max(band.getextrema()[1] for band in bands) <= TWELVE_BITS >> 8:  # type: ignore[operator]
        raise Undecodable(
            f"16-bit colour without a value above {TWELVE_BITS:,}: its range is unknown",
            "convert it to 8 bits a channel",
        )


def _eight_bits(image: Image, name: str, coding: str, rule: DecodingRule) -> tuple[Image, str]:
    """Return a grey image of more than 8 bits in mode L, and what was done.

    Raises:
        Undecodable: nothing says which values are black and white.
    """
    import numpy
    from PIL import Image

    values = numpy.asarray(image)
    low, high, change = _range_of(values, name, coding, rule)
    result = numpy.empty(values.shape, numpy.uint8)
    for start in range(0, len(values), 256):  # in parts: float64 takes eight times the memory of the result
        part = values[start : start + 256].astype(numpy.float64)
        result[start : start + 256] = numpy.rint(numpy.clip((part - low) / (high - low), 0, 1) * 255)
    if name == "TIFF" and image.tag_v2.get(262) == 0:  # type: ignore[attr-defined] # white is zero; Pillow ignores it here
        result = 255 - result
    return Image.fromarray(result), change


def _range_of(values: NDArray[Any], name: str, coding: str, rule: DecodingRule) -> tuple[float, float, str]:
    """Return the values of black and of white, and the code of `CHANGES`."""
    import numpy

    whole = values.dtype.kind in "iu"
    sixteen = whole and (values.dtype.itemsize == 2 or name == "PPM")
    if not whole and not numpy.isfinite(values).all():
        raise Undecodable("some of its values are infinite or not a number", CONVERT)
    if sixteen and "I;12" in coding:
        return 0, TWELVE_BITS, "sixteen_bit"
    if sixteen and coding.startswith("('ppm"):  # Pillow has scaled it by the largest value that the file states
        return 0, SIXTEEN_BITS, "sixteen_bit"
    if rule.value_range is not None:
        return *rule.value_range, "range"
    remedy = "set dataset.value_range to the values of black and white, such as [0, {}], or convert it to 8 bits"
    if not sixteen:
        kind = "32-bit or signed integers" if whole else "floating-point numbers"
        raise Undecodable(f"its values are {kind}, whose range is unknown", remedy.format(255 if whole else 1))
    largest = int(values.max())
    if 0 < largest <= TWELVE_BITS and name != "JPEG2000":  # which Pillow scales to 16 bits
        raise Undecodable(
            f"16-bit grey without a value above {TWELVE_BITS:,} (the largest is {largest:,}): its range is unknown",
            remedy.format(TWELVE_BITS),
        )
    return 0, SIXTEEN_BITS, "sixteen_bit"


def _unlike(image: Image, key: int) -> Image:
    """Return a mask, mode L: 0 where a grey image has the value that stands for transparent."""
    import numpy
    from PIL import Image

    return Image.fromarray(numpy.where(numpy.asarray(image) == key, 0, 255).astype(numpy.uint8))
