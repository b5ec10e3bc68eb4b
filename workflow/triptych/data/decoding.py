"""What is an image by its first bytes and by its name's ending."""

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
