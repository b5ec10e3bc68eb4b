"""What becomes of memory on the CPU that a training step frees: the next step needs as much again.

glibc gives blocks above 32 MB back to the operating system at once, which then clears every page before it hands the
same memory out again: an eighth of the time of a ResNet-18's step at 224 px on two cores, a quarter of an evaluation's.
Only time and memory change, no bit of a result. Other C libraries are left as they are.

Source: mallopt(3), malloc_trim(3).
"""

import ctypes
import sys
from collections.abc import Callable

LARGEST_KEPT = 256 * 2**20
"""In bytes. Larger blocks are few, and kept ones would lie between smaller ones and make the peak higher."""

_OLDER_GLIBC = 32 * 2**20
"""The most that glibc takes before version 2.35."""

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of malloc.h


def keep_freed_memory(largest: int = LARGEST_KEPT, most: int = 2**31 - 1) -> None:
    """From now on keep blocks of up to `largest` bytes when they are freed, and up to `most` bytes in all."""
    mallopt = _function("mallopt")
    # What is kept in all is set only with the other: alone it would leave that at its first, low value.
    if mallopt and (mallopt(_M_MMAP_THRESHOLD, largest) or mallopt(_M_MMAP_THRESHOLD, _OLDER_GLIBC)):
        mallopt(_M_TRIM_THRESHOLD, most)


def release_freed_memory() -> None:
    """Give what is kept back, as between training and evaluation, whose blocks have other sizes."""
    malloc_trim = _function("malloc_trim")
    if malloc_trim:
        malloc_trim(0)


def _function(name: str) -> Callable[..., int] | None:
    """A function of the C library, where that is glibc."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
