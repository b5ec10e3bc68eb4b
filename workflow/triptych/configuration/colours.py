"""Colours as the configuration names them. Without pydantic, since commands read them, too."""

import re

NAMED = {"white": (255, 255, 255), "black": (0, 0, 0)}


def rgb(colour: str) -> tuple[int, int, int]:
    """Return red, green and blue, each 0..255, of `white`, `black` or `#rrggbb`.

    Raises:
        ValueError: it is no such colour.
    """
    if colour in NAMED:
        return NAMED[colour]
    if not re.fullmatch("#[0-9a-fA-F]{6}", colour):
        raise ValueError(f"{colour!r} is no colour")
    red, green, blue = bytes.fromhex(colour[1:])
    return red, green, blue
