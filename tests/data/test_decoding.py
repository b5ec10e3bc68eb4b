"""Each rule of decoding has its reference pixels; what cannot be decoded by a rule is named, whatever the bytes are."""

import csv
import io
import struct
import subprocess
import sys
import tarfile
import threading
import time
import tracemalloc
import warnings
import zlib
from pathlib import Path

import numpy
import pytest
from PIL import Image

from triptych.data import decoding
from triptych.data.decoding import CHANGES, DecodingRule, Undecodable, decode, fitted, looks_like_image

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
RULE = DecodingRule()
GREY = numpy.arange(65536, dtype=numpy.uint16).reshape(256, 256)


def picture(height: int = 96, width: int = 128) -> numpy.ndarray:
    """A smooth picture with four different corners: uint8 [height, width, 3]."""
    rows, columns = numpy.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    return numpy.stack([rows * 200, columns * 230, 255 - rows * columns * 180], -1).astype(numpy.uint8)


def saved(image: Image.Image | numpy.ndarray, name: str, **options) -> bytes:
    file = io.BytesIO()
    (Image.fromarray(image) if isinstance(image, numpy.ndarray) else image).save(file, name, **options)
    return file.getvalue()


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(size: tuple[int, int], depth: int, kind: int, rows: bytes = b"", *extra: bytes) -> bytes:
    """A PNG file of which Pillow could not write the like; `rows` with a filter byte before each."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, depth, kind, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def png_of_sixteen_bits(values: numpy.ndarray, *extra: bytes) -> bytes:
    """A PNG of uint16 values [height, width, 1 to 4]."""
    height, width, channels = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    return png((width, height), 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], rows, *extra)


def tiff(width: int, height: int, content: bytes, order: str = "<", **tags: int | tuple[int, ...]) -> bytes:
    """An uncompressed TIFF file with the given tags (BitsPerSample, ...), each an unsigned 16-bit number or several."""
    numbers = {
        "BitsPerSample": 258,
        "Photometric": 262,
        "Samples": 277,
        "SampleFormat": 339,
        "Subfile": 254,
        "Dng": 50706,
    }
    entries = {256: (width,), 257: (height,), 259: (1,), 277: (1,), 278: (height,), 262: (1,)}
    entries |= {numbers[key]: (value if isinstance(value, tuple) else (value,)) for key, value in tags.items()}
    entries[273], entries[279] = (0,), (len(content),)
    directory = 8 + 2 + 12 * len(entries) + 4
    rest, body = b"", b""
    offset = directory + sum(2 * len(values) for values in entries.values() if len(values) > 2)
    entries[273] = (offset,)
    for tag, values in sorted(entries.items()):
        long = tag in (273, 279)
        packed = struct.pack(order + ("I" if long else f"{len(values)}H"), *values)
        if len(packed) > 4:
            packed, rest = struct.pack(order + "I", directory + len(rest)), rest + packed
        body += struct.pack(order + "HHI", tag, 4 if long else 3, len(values)) + packed.ljust(4, b"\0")
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IH", 8, len(entries))
    return head + body + b"\0\0\0\0" + rest + content


def pixels(content: bytes, rule: DecodingRule = RULE) -> numpy.ndarray:
    return numpy.asarray(decode(content, rule).image)


def greys(content: bytes, rule: DecodingRule = RULE) -> numpy.ndarray:
    """The values [height, width] of a decoded image that is grey."""
    rgb = pixels(content, rule)
    assert (rgb == rgb[..., :1]).all()
    return rgb[..., 0]


def refused(content: bytes, rule: DecodingRule = RULE) -> Undecodable:
    with pytest.raises(Undecodable) as caught:
        decode(content, rule)
    assert not caught.value.problem.endswith(".")
    assert not caught.value.remedy.endswith(".")
    return caught.value


# --- the zoo ---------------------------------------------------------------------------------------------------------


def test_every_file_of_the_zoo_meets_its_fate(monkeypatch):
    monkeypatch.setattr(decoding, "_pillow_heif", lambda: None)  # as the table has it
    if not (DATA / "image-zoo.tar").exists():
        pytest.skip(f"the image zoo is not at {DATA}")
    with (DATA / "image-zoo.csv").open(encoding="utf-8") as file:
        expected = list(csv.DictReader(file))
    with tarfile.open(DATA / "image-zoo.tar") as archive:
        files = {Path(member.name).name: archive.extractfile(member).read() for member in archive if member.isfile()}
    assert len(files) == len(expected) == 55
    assert {row["file"]: why for row in expected if (why := wrong_with(row, files[row["file"]]))} == {}


def wrong_with(row: dict[str, str], content: bytes) -> str:
    """What differs between a file of the zoo, decoded, and its row in the table; "" for nothing."""
    try:
        decoded = decode(content, RULE)
    except Undecodable as error:
        return "" if "refused" in (row["fate"], row["also_accepted"]) else str(error)
    facts = [decoded.format, decoded.mode, str(decoded.width), str(decoded.height)]
    if row["fate"] == "refused" or facts != [row[key] for key in ("format", "mode", "width", "height")]:
        return f"was decoded: {facts}"
    if (row["fate"] == "ok") != (not decoded.changes):
        return f"changes: {decoded.changes}"
    mean = numpy.asarray(decoded.image).reshape(-1, 3).mean(0)
    off = numpy.abs(mean - [float(row[f"mean_{channel}"]) for channel in "rgb"]).max()
    return "" if off <= 1 else f"mean colour {mean}"  # the table has whole numbers


# --- orientation -----------------------------------------------------------------------------------------------------

STORED = {
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.swapaxes(0, 1),
    6: lambda upright: numpy.rot90(upright),  # shown a quarter turn clockwise
    7: lambda upright: upright[::-1, ::-1].swapaxes(0, 1),
    8: lambda upright: numpy.rot90(upright, -1),
}
"""How an upright picture is stored under each EXIF orientation."""


@pytest.mark.parametrize("value", STORED)
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("JPEG", {"quality": 95, "subsampling": 0}),
        ("PNG", {}),
        ("WEBP", {"lossless": True}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("AVIF", {"quality": 100, "subsampling": "4:4:4"}),
    ],
)
def test_orientation_is_applied_once(name, options, value):
    upright = picture()
    exif = Image.Exif()
    exif[274] = value
    decoded = decode(saved(numpy.ascontiguousarray(STORED[value](upright)), name, exif=exif, **options), RULE)
    off = numpy.abs(numpy.asarray(decoded.image).astype(int) - upright).max()
    assert off <= (8 if name in ("JPEG", "AVIF") else 0)
    assert (decoded.width, decoded.height) == (128, 96)
    assert decoded.changes == (() if value == 1 else ("orientation",))


def test_orientation_and_size_hold_for_a_jpeg_decoded_at_a_fraction():
    exif = Image.Exif()
    exif[274] = 6
    decoded = decode(saved(numpy.ascontiguousarray(STORED[6](picture(1500, 2000))), "JPEG", exif=exif), RULE, 64)
    assert (decoded.width, decoded.height, decoded.image.size) == (2000, 1500, (500, 375))
    assert numpy.abs(numpy.asarray(decoded.image).astype(int) - picture(375, 500)).mean() < 3


def test_an_unreadable_exif_block_does_not_lose_the_picture():
    content = saved(picture(), "PNG", exif=b"Exif\0\0nonsense")
    assert numpy.array_equal(pixels(content), picture())
    assert decode(content, RULE).changes == ("exif_unreadable",)


# --- more than 8 bits ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        saved(GREY, "PNG"),
        saved(GREY, "TIFF"),
        saved(GREY, "TIFF", compression="tiff_deflate"),
        tiff(256, 256, GREY.astype(">u2").tobytes(), ">", BitsPerSample=16),
        tiff(256, 256, (65535 - GREY).tobytes(), BitsPerSample=16, Photometric=0),  # white is zero
        b"P5 256 256 65535\n" + GREY.astype(">u2").tobytes(),
        saved(GREY, "JPEG2000"),
    ],
    ids=["png", "tiff", "deflated", "big-endian", "white-is-zero", "pgm", "jpeg2000"],
)
def test_16_bit_grey_is_its_value_over_257_rounded(content):
    assert numpy.array_equal(greys(content), numpy.rint(GREY / 257))
    assert decode(content, RULE).changes == ("grey", "sixteen_bit")


def test_16_bit_colour_is_the_high_byte():
    values = numpy.stack([GREY, GREY[::-1], GREY.T], -1)
    files = [
        png_of_sixteen_bits(values),
        tiff(256, 256, values.tobytes(), BitsPerSample=(16, 16, 16), Photometric=2, Samples=3),
    ]
    for content in files:
        assert numpy.array_equal(pixels(content), values >> 8)
        assert numpy.abs(pixels(content) - numpy.rint(values / 257)).max() <= 1
        assert decode(content, RULE).changes == ("sixteen_bit",)


@pytest.mark.parametrize("name", ["PNG", "TIFF", "PPM"])
def test_12_in_16_bits_need_a_range(name):
    values = GREY >> 4
    error = refused(saved(values, name))
    assert error.problem == "16-bit grey without a value above 4,095 (the largest is 4,095): its range is unknown"
    assert error.remedy == (
        "set dataset.value_range to the values of black and white, such as [0, 4095], or convert it to 8 bits"
    )
    decoded = decode(saved(values, name), DecodingRule(value_range=(0, 4095)))
    assert numpy.array_equal(numpy.asarray(decoded.image)[..., 0], numpy.rint(values / 4095 * 255))
    assert decoded.changes == ("grey", "range")


def test_a_range_holds_for_all_16_bit_grey_images_whose_file_states_none():
    rule = DecodingRule(value_range=(1000, 60000))
    expected = numpy.rint(numpy.clip((GREY - 1000.0) / 59000, 0, 1) * 255)
    assert numpy.array_equal(greys(saved(GREY, "PNG"), rule), expected)
    twelve = numpy.arange(4096, dtype=numpy.uint16).reshape(64, 64)
    pgm = b"P5 64 64 4095\n" + twelve.astype(">u2").tobytes()
    assert numpy.abs(greys(pgm, rule) - twelve / 4095 * 255).max() <= 0.51
    pairs = twelve.reshape(-1, 2).astype(int)
    packed = numpy.stack([pairs[:, 0] >> 4, (pairs[:, 0] & 15) << 4 | pairs[:, 1] >> 8, pairs[:, 1] & 255], -1)
    content = tiff(64, 64, packed.astype(numpy.uint8).tobytes(), BitsPerSample=12)
    for any_rule in (RULE, rule):
        assert numpy.array_equal(greys(content, any_rule), numpy.rint(twelve / 4095 * 255))


def test_a_black_16_bit_image_is_black_under_any_range():
    assert greys(saved(numpy.zeros((9, 7), numpy.uint16), "PNG")).max() == 0


def test_dark_16_bit_colour_is_refused():
    error = refused(png_of_sixteen_bits(numpy.full((4, 4, 3), 4095, numpy.uint16)))
    assert error.problem == "16-bit colour without a value above 4,095: its range is unknown"
    assert pixels(png_of_sixteen_bits(numpy.full((4, 4, 3), 4096, numpy.uint16))).max() == 16


@pytest.mark.parametrize(
    ("kind", "dtype"), [("floating-point numbers", numpy.float32), ("32-bit or signed integers", numpy.int32)]
)
def test_float_and_32_bit_images_need_a_range(kind, dtype):
    values = numpy.linspace(-1000, 3000, 600).reshape(20, 30).astype(dtype)
    content = saved(values, "TIFF")
    assert refused(content).problem == f"its values are {kind}, whose range is unknown"
    expected = numpy.rint(numpy.clip(values.astype(float) / 2000, 0, 1) * 255)
    assert numpy.array_equal(greys(content, DecodingRule(value_range=(0, 2000))), expected)


@pytest.mark.parametrize("value", [numpy.nan, numpy.inf])
def test_values_that_are_no_numbers_are_named(value):
    content = saved(numpy.array([[0, value]], numpy.float32), "TIFF")
    error = refused(content, DecodingRule(value_range=(0, 1)))
    assert error.problem == "some of its values are infinite or not a number"


# --- colour spaces ---------------------------------------------------------------------------------------------------

INKS = numpy.array([[[0, 0, 0, 0], [255, 0, 0, 0], [0, 255, 0, 0], [0, 0, 255, 0], [0, 0, 0, 255]]], numpy.uint8)
PAPER = [[255, 255, 255], [0, 255, 255], [255, 0, 255], [255, 255, 0], [0, 0, 0]]


@pytest.mark.parametrize("name", ["JPEG", "TIFF"])
def test_cmyk_is_not_inverted(name):
    """Pillow writes CMYK JPEGs inverted, with Adobe's marker, as Photoshop does."""
    image = Image.fromarray(INKS.repeat(16, 0).repeat(16, 1), "CMYK")
    content = saved(image, name, **({"quality": 100, "subsampling": 0} if name == "JPEG" else {}))
    assert (b"Adobe" in content) == (name == "JPEG")
    assert numpy.abs(pixels(content)[8, 8::16].astype(int) - PAPER).max() <= 3
    assert decode(content, RULE).changes == ("cmyk",)
    assert decode(content, RULE).mode == "CMYK"


def test_lab_becomes_srgb():
    """Grey of L* 0, 53.7 and 100 is 0, 128 and 255; a* and b* turn red and yellow."""
    lab = numpy.array([[[0, 0, 0], [137, 0, 0], [255, 0, 0], [137, 70, 0], [137, 0, 70]]], numpy.uint8)
    content = saved(Image.frombytes("LAB", (5, 1), lab.tobytes()), "TIFF")
    black, grey, white, red, yellow = pixels(content)[0].astype(int)
    assert numpy.abs(numpy.stack([black, grey, white]) - [[0] * 3, [128] * 3, [255] * 3]).max() <= 2
    assert red[0] > 200 > 100 > red[1]
    assert yellow[0] > yellow[1] > 100 > yellow[2]
    assert decode(content, RULE).changes == ("lab",)


def test_black_and_white_and_grey():
    image = Image.fromarray(picture()[..., 0])
    for name in ("PNG", "JPEG", "TIFF", "PPM"):
        expected = numpy.asarray(Image.open(io.BytesIO(saved(image, name))).convert("L"))
        assert numpy.array_equal(greys(saved(image, name)), expected)
        assert decode(saved(image, name), RULE).changes == ("grey",)
    checks = numpy.indices((9, 13)).sum(0) % 2 * 255
    for name in ("PNG", "TIFF", "PPM", "BMP"):
        content = saved(Image.fromarray(checks.astype(numpy.uint8)).convert("1"), name)
        assert numpy.array_equal(greys(content), checks)
        assert decode(content, RULE).changes == ("bilevel",)


# --- transparency ----------------------------------------------------------------------------------------------------

BACKGROUND = (10, 200, 90)
ON_COLOUR = DecodingRule(background=BACKGROUND)


def composited(colours: numpy.ndarray, alpha: numpy.ndarray, background=BACKGROUND) -> numpy.ndarray:
    weight = alpha[..., None] / 255
    return colours * weight + numpy.array(background) * (1 - weight)


@pytest.mark.parametrize("name", ["PNG", "WEBP", "TIFF"])
def test_alpha_is_composited_on_the_background(name):
    colours, alpha = picture(), numpy.tile(numpy.arange(128, dtype=numpy.uint8) * 2, (96, 1))
    content = saved(
        numpy.dstack([colours, alpha]), name, **({"lossless": True, "exact": True} if name == "WEBP" else {})
    )
    for rule, background in ((ON_COLOUR, BACKGROUND), (RULE, (255, 255, 255))):
        off = numpy.abs(pixels(content, rule) - composited(colours, alpha, background)).max()
        assert off <= 1
    assert decode(content, RULE).changes == ("alpha",)


def test_grey_with_alpha_of_8_and_16_bits():
    grey, alpha = picture()[..., 0], picture()[..., 1]
    expected = composited(numpy.repeat(grey[..., None], 3, -1), alpha)
    content = saved(Image.merge("LA", [Image.fromarray(grey), Image.fromarray(alpha)]), "PNG")
    assert numpy.abs(pixels(content, ON_COLOUR) - expected).max() <= 1
    assert decode(content, RULE).changes == ("grey", "alpha")
    content = png_of_sixteen_bits(numpy.stack([grey, alpha], -1).astype(numpy.uint16) * 257)
    assert numpy.abs(pixels(content, ON_COLOUR) - expected).max() <= 1
    assert decode(content, RULE).changes == ("sixteen_bit", "alpha")


def test_palette_with_and_without_transparency():
    image = Image.fromarray(numpy.array([[0, 1, 2, 1]], numpy.uint8), "P")
    image.putpalette([255, 0, 0, 0, 0, 255, 7, 8, 9])
    for name in ("PNG", "GIF", "BMP", "TIFF"):
        content = saved(image, name)
        assert pixels(content)[0].tolist() == [[255, 0, 0], [0, 0, 255], [7, 8, 9], [0, 0, 255]]
        assert decode(content, RULE).changes == ("palette",)
    for name in ("PNG", "GIF"):
        content = saved(image, name, transparency=1)
        assert pixels(content, ON_COLOUR)[0].tolist() == [[255, 0, 0], [*BACKGROUND], [7, 8, 9], [*BACKGROUND]]
        assert decode(content, RULE).changes == ("palette", "alpha")
    half = saved(image, "PNG", transparency=bytes([255, 128, 0]))
    expected = composited(
        numpy.array([[[255, 0, 0], [0, 0, 255], [7, 8, 9], [0, 0, 255]]]), numpy.array([[255, 128, 0, 128]])
    )
    assert numpy.abs(pixels(half, ON_COLOUR) - expected).max() <= 1


def test_a_colour_that_stands_for_transparent():
    rgb = numpy.array([[[1, 2, 3], [40, 50, 60]]], numpy.uint8)
    assert pixels(saved(rgb, "PNG", transparency=(1, 2, 3)), ON_COLOUR)[0].tolist() == [[*BACKGROUND], [40, 50, 60]]
    grey = numpy.array([[7, 80]], numpy.uint8)
    assert pixels(saved(grey, "PNG", transparency=7), ON_COLOUR)[0].tolist() == [[*BACKGROUND], [80] * 3]
    deep = numpy.array([[[257], [65535]]], numpy.uint16)
    content = png_of_sixteen_bits(deep, chunk(b"tRNS", struct.pack(">H", 257)))
    assert pixels(content, ON_COLOUR)[0].tolist() == [[*BACKGROUND], [255] * 3]
    deep = numpy.array([[[256, 512, 768], [65535, 0, 0]]], numpy.uint16)
    content = png_of_sixteen_bits(deep, chunk(b"tRNS", struct.pack(">HHH", 256, 512, 768)))
    assert pixels(content, ON_COLOUR)[0].tolist() == [[*BACKGROUND], [255, 0, 0]]


def test_an_opaque_alpha_channel_changes_no_pixel():
    content = saved(numpy.dstack([picture(), numpy.full((96, 128), 255, numpy.uint8)]), "PNG")
    assert numpy.array_equal(pixels(content, ON_COLOUR), picture())
    assert decode(content, RULE).changes == ("opaque",)


# --- several frames --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options"),
    [("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {}), ("TIFF", {}), ("MPO", {"quality": 95})],
)
def test_the_first_frame_is_used(name, options):
    frames = [Image.new("RGB", (40, 30), colour) for colour in ("red", "lime", "blue")]
    content = saved(frames[0], name, save_all=True, append_images=frames[1:], **options)
    assert numpy.abs(pixels(content).astype(int) - [255, 0, 0]).max() <= 2
    assert "first_frame" in decode(content, RULE).changes
    assert decode(content, RULE).format == name


def test_a_damaged_second_frame_does_not_lose_the_first():
    frames = [Image.fromarray(picture()).quantize(16), Image.fromarray(picture()[::-1].copy()).quantize(16)]
    content = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    decoded = decode(content[:-200], RULE)
    assert numpy.array_equal(numpy.asarray(decoded.image), pixels(content))
    assert decoded.changes == ("palette", "first_frame")


# --- HEIC ------------------------------------------------------------------------------------------------------------

HEIC_HEAD = struct.pack(">I", 24) + b"ftypheic\0\0\0\0mif1heic"


def test_heic_needs_an_extra(monkeypatch):
    monkeypatch.setattr(decoding, "_pillow_heif", lambda: None)
    error = refused(HEIC_HEAD)
    assert error.problem == "HEIC images need pillow-heif, which is not installed"
    assert error.remedy == "run `pip install pillow-heif`, or convert it to JPEG"


def test_heic_with_the_extra():
    library = pytest.importorskip("pillow_heif", reason="pillow-heif is not installed")
    file = io.BytesIO()
    exif = Image.Exif()
    exif[274] = 6
    stored = Image.fromarray(numpy.ascontiguousarray(STORED[6](picture())))
    library.from_pillow(stored).save(file, quality=95, exif=exif.tobytes())
    decoded = decode(file.getvalue(), RULE, 16)
    assert (decoded.width, decoded.height, decoded.image.size) == (128, 96, (128, 96))
    assert numpy.abs(numpy.asarray(decoded.image).astype(int) - picture()).mean() < 4
    assert "pillow_heif" in decoding.decoder_versions()


# --- what is refused -------------------------------------------------------------------------------------------------


def header_only(name: str, width: int, height: int) -> bytes:
    """A small file whose header names a size."""
    if name == "PNG":
        return png((width, height), 8, 2)
    if name == "BMP":
        return (
            b"BM" + struct.pack("<IHHI", 99, 0, 0, 54) + struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, *[0] * 6)
        )
    if name == "PPM":
        return b"P6 %d %d 255\n" % (width, height)
    if name == "GIF":
        image = struct.pack("<HHHHB", 0, 0, min(width, 1), min(height, 1), 0)
        return b"GIF89a" + struct.pack("<HH", width, height) + b"\0\0\0," + image + b"\2\2\x4c\1\0;"
    if name == "TIFF":
        return tiff(width, height, b"", BitsPerSample=8)
    content = bytearray(saved(numpy.zeros((8, 8, 3), numpy.uint8), "JPEG"))
    start = content.index(b"\xff\xc0") + 5
    content[start : start + 4] = struct.pack(">HH", height, width)
    return bytes(content)


@pytest.mark.parametrize("name", ["PNG", "BMP", "PPM", "GIF", "TIFF", "JPEG"])
def test_the_header_is_enough_to_refuse_a_large_image(name):
    tracemalloc.start()
    started = time.process_time()
    error = refused(header_only(name, 20_001, 20_000))
    assert error.problem == "the image is 20,001 x 20,000 pixels; at most 100 megapixels are allowed"
    assert error.remedy == "make it smaller, or raise dataset.largest_megapixels"
    error = refused(header_only(name, 10, 30_001))
    assert error.problem == "the image is 10 x 30,001 pixels; a side is at most 30,000"
    assert time.process_time() - started < 0.5
    assert tracemalloc.get_traced_memory()[1] < 10e6
    tracemalloc.stop()


@pytest.mark.parametrize("name", ["WEBP", "JPEG2000", "AVIF", "MPO"])
def test_limits_hold_for_every_format(name):
    content = saved(picture(), name)
    decode(content, DecodingRule(largest_pixels=128 * 96))
    assert "128 x 96 pixels" in refused(content, DecodingRule(largest_pixels=128 * 96 - 1)).problem
    assert "a side is at most 127" in refused(content, DecodingRule(largest_side=127)).problem


@pytest.mark.parametrize("name", ["PNG", "BMP", "PPM", "GIF", "TIFF", "JPEG"])
@pytest.mark.parametrize("size", [(0, 5), (5, 0)])
def test_a_side_of_no_pixels_is_refused(name, size):
    refused(header_only(name, *size))


def test_an_image_may_be_larger_than_pillows_own_limit(monkeypatch):
    """Which is the process's, and warns."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    assert numpy.array_equal(pixels(saved(picture(), "PNG")), picture())
    wide = saved(Image.new("P", (300, 300)), "GIF")
    assert pixels(wide).shape == (300, 300, 3)


FORMATS = [
    ("JPEG", {}),
    ("JPEG", {"progressive": True}),
    ("PNG", {}),
    ("WEBP", {}),
    ("WEBP", {"lossless": True}),
    ("GIF", {}),
    ("BMP", {}),
    ("TIFF", {}),
    ("TIFF", {"compression": "tiff_lzw"}),
    ("PPM", {}),
    ("JPEG2000", {}),
    ("AVIF", {}),
]


@pytest.mark.parametrize(("name", "options"), FORMATS)
def test_a_truncated_file_is_refused(name, options):
    content = saved(picture(), name, **options)
    for part in numpy.linspace(0.02, 0.98, 25):
        for shortest in (None, 8):
            with pytest.raises(Undecodable):
                decode(content[: int(part * len(content))], RULE, shortest)


def test_messages_of_broken_files():
    jpeg, deep = saved(picture(), "JPEG"), b"\0" * 32
    assert str(refused(b"")) == "the file is empty: copy it from its source again, or remove it from the data set"
    assert str(refused(b"hello, world")) == "not an image: remove it from the data set"
    assert refused(jpeg[:-300]).problem == "truncated: the JPEG data end too early"
    assert refused(b"\x89PNG\r\n\x1a\n" + deep).problem == (
        "no PNG header that can be read: the file is damaged or truncated, or a side is 0 px"
    )
    broken = png((4, 4), 8, 2, b"\0" * 52).replace(b"IDAT", b"IDAT\xff\xff")
    assert "PNG" in refused(broken).problem
    for head, what in [
        (b"8BPS\0\1", "a Photoshop file"),
        (b"%!PS-Adobe", "a PostScript file"),
        (b"\xff\x0a", "a JPEG XL file"),
    ]:
        assert refused(head + deep).problem == f"it is {what}, which is not decoded"


def test_previews_in_raw_files_are_not_taken_for_the_picture():
    content = picture().tobytes()
    tags = {"BitsPerSample": (8, 8, 8), "Photometric": 2, "Samples": 3}
    assert numpy.array_equal(pixels(tiff(128, 96, content, **tags)), picture())
    assert refused(tiff(128, 96, content, **tags, Subfile=1)).problem.startswith("its first page is a reduced preview")
    assert (
        refused(tiff(128, 96, content, **tags, Dng=(1, 4))).problem == "it is a camera's raw file, which is not decoded"
    )
    assert refused(b"II*\0\x10\0\0\0CR\2\0" + b"\0" * 99).problem == "it is a camera's raw file, which is not decoded"


def test_a_failing_allocation_is_named(monkeypatch):
    def exhausted(*_):
        raise MemoryError

    monkeypatch.setattr(decoding, "_as_rgb", exhausted)
    assert refused(saved(picture(), "PNG")).problem == "decoding this PNG file needs more memory than there is"


def test_whatever_is_wrong_with_the_bytes_it_is_named():
    """4,000 damaged files: cut, overwritten, spliced. TIFF is left to the next test: libtiff writes to the terminal."""
    generator = numpy.random.default_rng(0)
    sources = [saved(picture(24, 32), name, **options) for name, options in FORMATS if name not in ("TIFF", "AVIF")]
    sources += [
        saved(GREY[:40, :40], "PNG"),
        saved(Image.fromarray(picture(24, 32)).quantize(9), "PNG", transparency=3),
    ]
    sources += [
        saved(Image.new("CMYK", (20, 20)), "JPEG"),
        tiff(32, 24, picture(24, 32).tobytes(), BitsPerSample=(8, 8, 8)),
    ]
    fates = {"decoded": 0, "refused": 0}
    for turn in range(4000):
        content = damaged(sources, generator)
        try:
            decoded = decode(content, DecodingRule(largest_pixels=1_000_000), 8 if turn % 2 else None)
        except Undecodable as error:
            assert error.problem.isprintable() and " at 0x" not in error.problem
            fates["refused"] += 1
        else:
            assert decoded.image.mode == "RGB" and set(decoded.changes) <= set(CHANGES)
            assert fitted(decoded.image, 8, "pad", (0, 0, 0)).shape == (8, 8, 3)
            fates["decoded"] += 1
    assert min(fates.values()) > 1000, fates


def damaged(sources: list[bytes], generator: numpy.random.Generator) -> bytes:
    content = bytearray(sources[generator.integers(len(sources))])
    how = generator.integers(4)
    if how == 0:
        return bytes(content[: generator.integers(len(content))])
    if how == 3:
        start, length = generator.integers(len(content)), generator.integers(1, 100)
        content[start : start + length] = sources[generator.integers(len(sources))][start : start + length]
        return bytes(content)
    reach = min(len(content), 200) if how == 1 else len(content)
    for position in generator.integers(reach, size=generator.integers(1, 12)):
        content[position] = generator.integers(256)
    return bytes(content)


def test_threads_decode_the_same_and_no_warning_leaks():
    """Pillow warns of this file's EXIF data; `catch_warnings` would mix up the filters of threads."""
    exif = b"Exif\0\0II*\0\x08\0\0\0\x02\0\x12\x01\x03\0\x01\0\0\0\x01\0\0\0\x0f\x01"
    content = saved(picture(), "JPEG", exif=exif)
    with pytest.warns(UserWarning, match="EXIF"):
        Image.open(io.BytesIO(content)).getexif()
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        threads = [threading.Thread(target=lambda: found.append(decode(content, RULE))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(found) == 8
    assert len({decoded.image.tobytes() for decoded in found}) == 1


# --- speed -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shortest", "size"),
    [
        (None, (2000, 1500)),
        (536, (2000, 1500)),
        (535, (1000, 750)),
        (268, (1000, 750)),
        (267, (500, 375)),
        (1, (500, 375)),
    ],
)
def test_a_large_jpeg_is_decoded_at_a_fraction_that_leaves_more_than_what_is_needed(shortest, size):
    decoded = decode(saved(picture(1500, 2000), "JPEG"), RULE, shortest)
    assert decoded.image.size == size
    assert (decoded.width, decoded.height) == (2000, 1500)


def test_a_fraction_changes_pixels_little():
    content = saved(picture(1500, 2000), "JPEG", quality=90)
    whole, part = (fitted(decode(content, RULE, side).image, 64, "crop", (0, 0, 0)).astype(int) for side in (None, 64))
    assert numpy.abs(whole - part).mean() < 0.5
    assert numpy.abs(whole - part).max() <= 6


@pytest.mark.parametrize("name", ["PNG", "WEBP", "TIFF"])
def test_only_jpeg_is_decoded_at_a_fraction(name):
    assert decode(saved(picture(), name), RULE, 8).image.size == (128, 96)


# --- squares ---------------------------------------------------------------------------------------------------------


def halves(width: int, height: int) -> Image.Image:
    """Red, with a green stripe a tenth wide at each end of the longer side."""
    array = numpy.zeros((height, width, 3), numpy.uint8)
    array[..., 0] = 255
    along = array if height >= width else array.swapaxes(0, 1)
    ends = max(height, width) // 10
    along[:ends] = along[-ends:] = (0, 255, 0)
    return Image.fromarray(array)


@pytest.mark.parametrize("size", [(200, 100), (100, 200)])
def test_how_a_picture_becomes_square(size):
    image = halves(*size)
    crop, squash, pad = (fitted(image, 40, fit, (0, 0, 255)) for fit in ("crop", "squash", "pad"))
    for square in (crop, squash, pad):
        assert square.shape == (40, 40, 3) and square.dtype == numpy.uint8 and square.flags.c_contiguous
    if size[0] > size[1]:
        crop, squash, pad = (square.swapaxes(0, 1) for square in (crop, squash, pad))
    assert (crop == (255, 0, 0)).all()
    assert (
        (squash[:3] == (0, 255, 0)).all() and (squash[6:-6] == (255, 0, 0)).all() and (squash[-3:] == (0, 255, 0)).all()
    )
    assert (pad[:, :10] == (0, 0, 255)).all() and (pad[:, -10:] == (0, 0, 255)).all()
    assert (pad[:3, 10:-10] == (0, 255, 0)).all() and (pad[6:-6, 10:-10] == (255, 0, 0)).all()


@pytest.mark.parametrize("fit", ["crop", "squash", "pad"])
def test_extreme_shapes_and_sizes(fit):
    for size in [(1, 1), (1, 3000), (3000, 1), (7, 5), (64, 64)]:
        square = fitted(Image.new("RGB", size, (9, 8, 7)), 64, fit, (9, 8, 7))
        assert (square == (9, 8, 7)).all()
    image = Image.fromarray(picture(64, 64))
    assert numpy.array_equal(fitted(image, 64, fit, (0, 0, 0)), picture(64, 64))


def test_an_unknown_fit_is_an_error():
    with pytest.raises(ValueError, match="fit is 'stretch'"):
        fitted(Image.new("RGB", (2, 2)), 4, "stretch", (0, 0, 0))


# --- what is an image ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "options"), FORMATS)
def test_images_are_recognised_by_content(name, options):
    assert looks_like_image(saved(picture(), name, **options)[:4096])


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"B",
        b"BMW is a make of cars, and this is a text",
        b"P1 is what we call it",
        b"path,label\n1.jpg,a\n",
        b"<!DOCTYPE html>",
        b"PK\3\4",
        b"%PDF-1.7",
        b"RIFF\0\0\0\0WAVEfmt ",
        struct.pack(">I", 24) + b"ftypisom\0\0\0\0isommp42",
        b"\0" * 4096,
    ],
)
def test_other_files_are_not(head):
    assert not looks_like_image(head)


@pytest.mark.parametrize("head", [HEIC_HEAD, b"8BPS\0\1", b"\xff\x0a", b"II*\0\x10\0\0\0CR\2\0", b"#?RADIANCE\n"])
def test_images_that_are_not_decoded_are_recognised_as_well(head):
    assert looks_like_image(head)


def test_versions_name_the_rules_and_every_codec():
    versions = decoding.decoder_versions()
    assert versions.startswith(f"rules {decoding.RULES}, pil {Image.__version__}, libjpeg_turbo ")
    for library in ("zlib", "libtiff", "jpg_2000", "webp", "avif", "littlecms2"):
        assert f", {library} " in versions


def test_looking_needs_neither_pillow_nor_numpy():
    code = (
        "import sys; from triptych.data.decoding import looks_like_image, IMAGE_ENDINGS; looks_like_image(b'');"
        "sys.exit(bool({'PIL', 'numpy', 'torch', 'pandas'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
