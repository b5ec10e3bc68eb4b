"""Architectures in words: the name that was meant, and the sizes of images that one takes."""

from difflib import get_close_matches
from itertools import takewhile
from string import ascii_lowercase

from triptych.configuration.backbones.names import library_and_name
from triptych.configuration.backbones.registry import ANY_SIZE, ARCHITECTURES, LIBRARIES


def family_of(name: str) -> str:
    """Return the letters that a name begins with, which the architectures of a family share."""
    return "".join(takewhile((ascii_lowercase + "/").__contains__, name))


def _smallest_of_family() -> dict[str, str]:
    smallest: dict[str, str] = {}
    for name in sorted(ARCHITECTURES, key=lambda name: ARCHITECTURES[name].parameters):
        smallest.setdefault(family_of(name), name)
    return dict(sorted(smallest.items()))


SMALLEST_OF_FAMILY = _smallest_of_family()
"""Of the architectures whose names begin with the same letters, the one with the fewest parameters."""


def architecture_hint(name: str) -> str:
    """Return what an unknown name may have meant, as the end of a sentence; empty if no architecture is near.

    The smallest architecture of the family is always among them. An unknown library before a slash is named.
    """
    library, _ = library_and_name(name[:100])
    unknown = "" if library in LIBRARIES else f"; there is no library {library!r}, only {', '.join(LIBRARIES)}"
    return _nearest(name[:100].lower()) + unknown


def _nearest(given: str) -> str:
    if given in SMALLEST_OF_FAMILY:  # all architectures of the family are as near
        return f"; the nearest is {SMALLEST_OF_FAMILY[given]}"
    nearest = next(iter(get_close_matches(given, ARCHITECTURES, n=1, cutoff=0.7)), None)
    families = [family_of(given), family_of(nearest or "")]
    families += get_close_matches(family_of(given), SMALLEST_OF_FAMILY, n=1, cutoff=0.7)
    smallest = next((SMALLEST_OF_FAMILY[family] for family in families if family in SMALLEST_OF_FAMILY), None)
    if nearest and smallest != nearest:
        return f"; the nearest is {nearest}, and the smallest of its family {smallest}"
    return f"; the nearest is {smallest}" if smallest else ""


def wrong_size(architecture: str, input_size: int) -> str | None:
    """Return which sizes an architecture takes, as the end of a sentence, or None if `input_size` is one of them."""
    ranges = ARCHITECTURES[architecture].input_sizes
    if any(input_size in sizes for sizes in ranges):
        return None
    nearest = min((size for sizes in ranges for size in sizes), key=lambda size: abs(size - input_size))
    words = ", ".join(_in_words(sizes) for sizes in ranges)
    return f"{architecture} needs {words}; the nearest is {nearest}"


def _in_words(sizes: range) -> str:
    if sizes.step > 1:
        return f"a multiple of {sizes.step}"
    return f"at least {sizes[0]}" if sizes[-1] == ANY_SIZE[-1] else f"{sizes[0]} to {sizes[-1]}"
