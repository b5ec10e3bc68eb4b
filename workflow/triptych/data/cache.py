"""A content-addressed cache of decoded images: `<root>/<digest of the rule>/<aa>/<sha256 of the file>`.

- One file an image: a line of JSON with what the tables need, a small grey rendition that does not depend on how the
  image is stored, a line with the SHA-256 of both, the stored pixels.
- Every read checks what it reads. What is damaged counts as missing, and is decoded again.
- An entry is renamed into place, not fsynced: after a power failure it may be cut off or empty, or hold zeros. Whoever
  reads pixels compares them with their SHA-256; who needs only what comes before them, that and the size.
- Processes and experiments may share it. Two that decode the same image write the same bytes.
- It can be deleted at any time, also while it is used (`python -m triptych clean`).
"""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import get_ident
from typing import Any

import numpy
from PIL import Image, ImageColor

from triptych.data.decoding import (
    DRAFT_MARGIN,
    SMALLEST_SIDE,
    Decoded,
    DecodingRule,
    decode,
    decoder_versions,
    fitted,
)
from triptych.data.facts import FACTS, facts_of
from triptych.data.renditions import GREY_SIDE, dhash, grey_of, phash
from triptych.data.source import setting
from triptych.storage.code_digest import code_digest
from triptych.storage.errors import InputError

COLUMNS = ("sha256", "pixels", "bytes", "format", "width", "height", "mode", "changes", *FACTS, "phash", "dhash")
"""Of the table `images`: those that follow from a file's content."""
CODE = ("triptych.data.decoding", "triptych.data.facts", "triptych.data.renditions")
"""The modules that decide what an entry holds."""
LAYOUT = 2
"""Of an entry's bytes."""
CHECK = 64
"""Bytes of the line before the pixels: a SHA-256."""
GREY = GREY_SIDE**2
"""Bytes of the grey rendition."""
HEAD = 8192
"""Bytes that hold all that comes before the pixels: the line of JSON has about 600."""
DIGITS = 16
"""Of a rule's digest."""
MARKER = "CACHEDIR.TAG"
SIGNATURE = "Signature: 8a477f597d28d172789f06886806bc55\n"
"""Backup programs leave out folders with such a file (https://bford.info/cachedir)."""
MARKER_TEXT = (
    f"{SIGNATURE}# Decoded images of Triptych. They can be decoded again: delete them with\n"
    "# python -m triptych clean --cache FOLDER\n"
)
PARTIAL = "partial"
"""Holds entries while they are written."""
DELETED = ".deleted."
"""Begins the names of folders that are being deleted."""
STALE_AFTER = 3600
"""Seconds after which a partial entry is from a process that was killed."""
BLOCK = 12288
"""Bytes that an entry may take beside its pixels: what comes before them, and the rest of its last block."""
MARGIN = 16 * 2**20
"""Bytes that stay free on the disk."""


@dataclass(frozen=True)
class StoredRule:
    """How an image is decoded and stored.

    Attributes:
        size: pixels of a side of the stored square.
        fit: crop, squash or pad.
    """

    decoding: DecodingRule
    size: int
    fit: str

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> "StoredRule":
        """Read the rule from the section `dataset` of the configuration.

        Raises:
            InputError: a key is missing, or the background is no colour.
        """
        limits = setting(settings, "value_range")
        background = setting(settings, "background")
        try:
            colour = ImageColor.getrgb(background)
        except ValueError:
            raise InputError(
                f"dataset: background {background!r} is no colour; give white, black or '#rrggbb'."
            ) from None
        decoding = DecodingRule(
            background=(colour[0], colour[1], colour[2]),
            largest_pixels=round(setting(settings, "largest_megapixels") * 1_000_000),
            value_range=None if limits is None else (float(limits[0]), float(limits[1])),
        )
        return cls(decoding, int(setting(settings, "store_size")), setting(settings, "fit"))

    @property
    def digest(self) -> str:
        """Hexadecimal digits: of the rule, the decoders' versions and the code that decides what is stored."""
        content = [asdict(self), decoder_versions(), code_digest(CODE[0], named=CODE[1:]), LAYOUT]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:DIGITS]

    @property
    def entry_bytes(self) -> int:
        """What an entry takes on the disk, at most."""
        return 3 * self.size**2 + BLOCK


@dataclass(frozen=True)
class Stored:
    """A decoded image, as it is stored.

    Attributes:
        facts: the values of `COLUMNS`.
        pixels: uint8 [S, S, 3].
        grey: its grey rendition, uint8 [64, 64].
    """

    facts: dict[str, Any]
    pixels: numpy.ndarray
    grey: numpy.ndarray


class Cache:
    """The entries of one rule below `root`. It is safe to use from several processes and threads."""

    def __init__(self, root: Path, rule: StoredRule) -> None:
        self.root, self.rule = root, rule
        self.folder = root / rule.digest

    def path(self, sha256: str) -> Path:
        """Return where the image of a file with this SHA-256 is stored."""
        return self.folder / sha256[:2] / sha256

    def entries(self) -> set[str]:
        """Return the SHA-256 of every file whose image is there, by name alone."""
        with suppress(FileNotFoundError):
            return {entry.name for part in _folders(self.folder) if len(part.name) == 2 for entry in os.scandir(part)}
        return set()

    def load(self, sha256: str) -> Stored | None:
        """Read and check an entry; return None if it is missing or damaged.

        Raises:
            OSError: the cache cannot be read.
        """
        try:
            content = self.path(sha256).read_bytes()
        except FileNotFoundError:
            return None
        return _unpacked(content, sha256, self.rule.size)

    def facts(self, sha256: str) -> dict[str, Any] | None:
        """Return the facts of an entry; None if it is missing, or damaged as far as what is before the pixels shows.

        Raises:
            OSError: the cache cannot be read.
        """
        found = self._before_pixels(sha256)
        return None if found is None else found[0]

    def grey(self, sha256: str) -> numpy.ndarray | None:
        """Return the grey rendition of an entry, uint8 [64, 64]; None as `facts`.

        Raises:
            OSError: the cache cannot be read.
        """
        found = self._before_pixels(sha256)
        return None if found is None else found[1]

    def _before_pixels(self, sha256: str) -> tuple[dict[str, Any], numpy.ndarray] | None:
        try:
            with self.path(sha256).open("rb") as file:
                head = file.read(HEAD)
                size = os.fstat(file.fileno()).st_size
        except FileNotFoundError:
            return None
        return _header(head, size, sha256, self.rule.size)

    def add(self, content: bytes, sha256: str) -> Stored:
        """Decode a file's content, and keep the image.

        Args:
            sha256: of the content.

        Raises:
            Undecodable: it is no image that can be used.
            OSError: the cache cannot be written.
        """
        stored = decoded(content, sha256, self.rule)
        self._write(sha256, _packed(stored))
        return stored

    def _write(self, sha256: str, content: bytes) -> None:
        path = self.path(sha256)
        partial = self.folder / PARTIAL / f"{sha256}.{os.getpid()}.{time.monotonic_ns()}"
        while True:
            try:
                partial.write_bytes(content)
                partial.replace(path)
                return
            except FileNotFoundError:  # the first entry here, or the cache has just been deleted
                self._create(path.parent)
            except OSError as error:
                with suppress(OSError):
                    partial.unlink(missing_ok=True)
                error.filename = str(self.folder)
                raise

    def _create(self, part: Path) -> None:
        for folder in (self.folder / PARTIAL, part):
            folder.mkdir(parents=True, exist_ok=True)
        mark(self.root)

    def open(self) -> None:
        """Create the folder of the cache, and remove what killed processes left half-written."""
        self._create(self.folder / PARTIAL)
        with suppress(FileNotFoundError):
            for entry in os.scandir(self.folder / PARTIAL):
                with suppress(FileNotFoundError):
                    if entry.stat().st_mtime < time.time() - STALE_AFTER:
                        Path(entry).unlink()

    def check_space(self, images: int) -> None:
        """Check that the disk has room for this many further images and a margin.

        Raises:
            InputError: it has less.
        """
        needed = images * self.rule.entry_bytes + MARGIN
        free = shutil.disk_usage(self.root).free
        if images and free < needed:
            raise InputError(
                f"{self.root}: {images:,} decoded images need {needed / 1e6:,.0f} MB, and the disk has "
                f"{free / 1e6:,.0f} MB free. Free some space, lower store_size ({self.rule.size} px), or delete the "
                f"decoded images of all experiments: python -m triptych clean --cache {self.root}"
            )

    def check_margin(self) -> None:
        """Check that the disk is not nearly full.

        Raises:
            InputError: it is.
        """
        free = shutil.disk_usage(self.root).free
        if free < MARGIN // 2:
            raise InputError(
                f"{self.root}: the disk has {free / 1e6:,.1f} MB free. Free some space, then rerun; decoded images are "
                "kept."
            )


def decoded(content: bytes, sha256: str, rule: StoredRule) -> Stored:
    """Decode a file's content, and measure it.

    Raises:
        Undecodable: it is no image that can be used.
    """
    image = decode(content, rule.decoding, rule.size)
    pixels = numpy.ascontiguousarray(fitted(image.image, rule.size, rule.fit, rule.decoding.background))
    grey = grey_of(_for_rendition(image, content, rule))
    facts = {
        "sha256": sha256,
        "pixels": hashlib.sha256(pixels.data).hexdigest(),
        "bytes": len(content),
        "format": image.format,
        "width": image.width,
        "height": image.height,
        "mode": image.mode,
        "changes": " ".join(image.changes),
        **facts_of(pixels),
        "phash": phash(grey),
        "dhash": dhash(grey),
    }
    return Stored(facts, pixels, grey)


def _for_rendition(image: Decoded, content: bytes, rule: StoredRule) -> Image.Image:
    """Return a decoded image as it is decoded for a small store.

    For a large store, a large JPEG has been decoded at another fraction of its size.
    """
    is_reduced = image.format in ("JPEG", "MPO") and min(image.width, image.height) >= 2 * DRAFT_MARGIN * SMALLEST_SIDE
    if rule.size <= SMALLEST_SIDE or not is_reduced:
        return image.image
    return decode(content, rule.decoding, SMALLEST_SIDE).image


def mark(root: Path) -> None:
    """Write the file that says what this folder is, if it is missing."""
    marker = root / MARKER
    if not marker.exists():
        temporary = marker.with_name(f".{MARKER}.{os.getpid()}.{get_ident()}")  # threads may come here together
        temporary.write_text(MARKER_TEXT)
        temporary.replace(marker)


def is_marked(root: Path) -> bool:
    """Whether a folder is a cache of decoded images."""
    with suppress(OSError, UnicodeDecodeError):
        return (root / MARKER).read_text().startswith(MARKER_TEXT[: MARKER_TEXT.index(".")])
    return False


def is_rule_folder(folder: Path) -> bool:
    """Whether a folder of a cache holds the images of one rule, or is a remainder of such a folder."""
    name = folder.name
    named = name.startswith(DELETED) or (len(name) == DIGITS and set(name) <= set("0123456789abcdef"))
    return named and folder.is_dir() and not folder.is_symlink()


def _folders(folder: Path) -> list[os.DirEntry[str]]:
    return [entry for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False)]


def _packed(stored: Stored) -> bytes:
    before = b"\n".join([json.dumps(stored.facts, sort_keys=True).encode(), stored.grey.tobytes()])
    return b"\n".join([before, hashlib.sha256(before).hexdigest().encode(), stored.pixels.tobytes()])


def _header(head: bytes, size: int, sha256: str, side: int) -> tuple[dict[str, Any], numpy.ndarray] | None:
    """Return the facts and the grey rendition of an entry; None if they are damaged, or of another file or size.

    Args:
        head: its beginning, with all that comes before the pixels.
        size: its bytes.
    """
    start = head.find(b"\n") + 1
    end = start + GREY
    if start == 0 or size != end + 1 + CHECK + 1 + 3 * side**2:
        return None
    if hashlib.sha256(head[:end]).hexdigest().encode() != head[end + 1 : end + 1 + CHECK]:
        return None
    facts: dict[str, Any] = json.loads(head[:start])
    grey = numpy.frombuffer(head, numpy.uint8, GREY, start).reshape(GREY_SIDE, GREY_SIDE)
    return (facts, grey) if facts["sha256"] == sha256 else None


def _unpacked(content: bytes, sha256: str, side: int) -> Stored | None:
    """Return the image of an entry; None if it is damaged, or of another file or size."""
    found = _header(content, len(content), sha256, side)
    pixels = content[-3 * side**2 :]
    if found is None or found[0]["pixels"] != hashlib.sha256(pixels).hexdigest():
        return None
    return Stored(found[0], numpy.frombuffer(pixels, numpy.uint8).reshape(side, side, 3), found[1])
