"""Format numbers for readers: rounded, with their unit, without a line break inside."""

import math
from collections.abc import Sequence

NO_BREAK = "\u00a0"
MINUS = "\u2212"
NOTHING = "–"
JOINERS = "\u200c\u200d"
"""Join or part the letters of some scripts, and the parts of an emoji."""


def number(value: float, digits: int = 1) -> str:
    """Format a number with fixed decimals, thousands separators and a true minus sign; a dash for NaN."""
    if math.isnan(value):
        return NOTHING
    text = f"{value:,.{digits}f}"
    # -0.04 rounds to "-0.0", which would look like a finding
    if float(text.replace(",", "")) == 0:
        text = text.removeprefix("-")
    return text.replace("-", MINUS)


def count(value: float) -> str:
    """Format a whole number with thousands separators."""
    return number(value, 0)


def percent(value: float, digits: int = 1) -> str:
    """Format a value that is in percent."""
    return NOTHING if math.isnan(value) else f"{number(value, digits)}{NO_BREAK}%"


def share(value: float, digits: int = 1) -> str:
    """Format a share from 0 to 1 in percent. Only exactly 0 and 1 become 0 % and 100 %."""
    if math.isnan(value):
        return NOTHING
    if value in (0, 1):
        return percent(100 * value, 0)
    smallest = 10.0**-digits
    if 0 < 100 * value < smallest / 2:
        return f"<{NO_BREAK}{percent(smallest, digits)}"
    if 100 - smallest / 2 <= 100 * value < 100:
        return f">{NO_BREAK}{percent(100 - smallest, digits)}"
    return percent(100 * value, digits)


def plural(value: float, word: str, words: str | None = None) -> str:
    """Format an exact number with its noun: `1 point`, `0.5 points`, `1,797 images`."""
    text = count(value) if value == round(value) else f"{value:g}"
    return f"{text}{NO_BREAK}{word if text == '1' else words or word + 's'}"


def signed(value: float) -> str:
    """Format a measured change with its sign; none where it rounds to zero."""
    text = number(value)
    return f"+{text}" if value > 0 and text != number(0.0) else text


def points(value: float) -> str:
    """Format a measured difference of two accuracies, in points."""
    return f"{number(value)}{NO_BREAK}points"


def between(low: float, high: float, digits: int = 1) -> str:
    """Format an interval."""
    if math.isnan(low) or math.isnan(high):
        return NOTHING
    return f"{number(low, digits)} to {number(high, digits)}"


def interval(confidence: float) -> str:
    """Name an interval by its confidence (0 to 1), such as `95 % CI`."""
    left_out = float(f"{100 * (1 - confidence):.4g}")  # four digits of it: 99.9999 % is not 100 %
    return f"{100 - left_out:.10g}{NO_BREAK}%{NO_BREAK}CI"


def level(value: float) -> str:
    """Format a level of significance (0 to 1) in percent, such as `5 %` or `2.5 %`."""
    return f"{100 * value:.2g}{NO_BREAK}%"


def p_value(value: float) -> str:
    """Format a p-value with its relation: `= 0.03`, `< 0.001`."""
    if math.isnan(value):
        return NOTHING
    if value < 0.001:
        return f"<{NO_BREAK}0.001"
    return f"={NO_BREAK}{value:.2g}" if value < 0.995 else f"={NO_BREAK}1"


def small(value: float) -> str:
    """Format a number with two significant digits."""
    if math.isnan(value):
        return NOTHING
    if value == 0:
        return "0"
    if 1e-4 <= abs(value) < 1e4:
        return f"{float(f'{value:.2g}'):,.{max(0, 1 - math.floor(math.log10(abs(value))))}f}".replace("-", MINUS)
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa}e{int(exponent)}".replace("-", MINUS)


def size(value: float) -> str:
    """Format bytes in a binary unit."""
    if math.isnan(value):
        return NOTHING
    value, unit = _scaled(value, ("bytes", "KiB", "MiB", "GiB", "TiB"), 1024)
    return f"{number(value, 0 if unit == 'bytes' or value >= 100 else 1)}{NO_BREAK}{unit}"


def operations(value: float) -> str:
    """Format multiply-accumulates in a decimal unit."""
    if math.isnan(value):
        return NOTHING
    value, unit = _scaled(value, ("MAC", "kMAC", "MMAC", "GMAC", "TMAC", "PMAC", "EMAC"), 1000)
    return f"{number(value, 0 if unit == 'MAC' or value >= 100 else 1)}{NO_BREAK}{unit}"


def _scaled(value: float, units: Sequence[str], step: int) -> tuple[float, str]:
    """Scale a value to the first of `units`, each `step` times the one before, in which it is below `step`."""
    power = 0
    while value >= step and power < len(units) - 1:
        value, power = value / step, power + 1
    return value, units[power]


def duration(seconds: float) -> str:
    """Format a time in at most two units."""
    if math.isnan(seconds):
        return NOTHING
    if 0 < seconds < 0.05:
        return f"<{NO_BREAK}0.1{NO_BREAK}s"
    if seconds < 60:
        return f"{number(seconds, 1 if seconds < 10 else 0)}{NO_BREAK}s"
    minutes = round(seconds / 60)
    if seconds < 3600:
        whole, rest = divmod(round(seconds), 60)
        return f"{whole}{NO_BREAK}min{NO_BREAK}{rest}{NO_BREAK}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}{NO_BREAK}h{NO_BREAK}{minutes}{NO_BREAK}min"


def times(ratio: float) -> str:
    """Format a ratio."""
    return NOTHING if math.isnan(ratio) else f"{number(ratio, 0 if ratio >= 10 else 1)} times"


def listing(words: Sequence[str], last: str = "and") -> str:
    """Join words: `a`, `a and b`, `a, b and c`."""
    *others, end = words
    return f"{', '.join(others)} {last} {end}" if others else end


def capital(text: str) -> str:
    """Format a text as the beginning of a sentence."""
    return text[:1].upper() + text[1:]


def shortened(text: str, most: int) -> str:
    """Shorten a text to `most` characters by cutting its middle."""
    if len(text) <= most:
        return text
    end = most // 2
    return f"{text[: most - end - 1]}…{text[-end:]}"


def visible(name: str) -> str:
    """Format a name that a user has given: what cannot be seen, such as a line break, as its escape (`\\n`)."""
    return "".join(
        character if character.isprintable() or character in JOINERS else ascii(character)[1:-1] for character in name
    )
