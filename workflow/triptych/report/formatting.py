"""Numbers as a reader wants to meet them: rounded, with their unit, never broken at the end of a line."""

import math
from collections.abc import Sequence

NO_BREAK = "\u00a0"
MINUS = "\u2212"
NOTHING = "–"


def number(value: float, digits: int = 1) -> str:
    """A number with a fixed count of decimals, thousands separated, and a true minus sign; a dash for NaN."""
    if math.isnan(value):
        return NOTHING
    text = f"{value:,.{digits}f}"
    # -0.04 rounds to "-0.0", which would look like a finding
    if float(text.replace(",", "")) == 0:
        text = text.removeprefix("-")
    return text.replace("-", MINUS)


def count(value: float) -> str:
    """A whole number with its thousands separated."""
    return number(value, 0)


def percent(value: float, digits: int = 1) -> str:
    """A value that is in percent already."""
    return NOTHING if math.isnan(value) else f"{number(value, digits)}{NO_BREAK}%"


def share(value: float, digits: int = 1) -> str:
    """A share from 0 to 1, in percent: 0 % and 100 % mean exactly that, and nothing else is rounded to them."""
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
    """A number as exact as it is, and its noun: `1 point`, `0.5 points`, `1,797 images`."""
    text = count(value) if value == round(value) else f"{value:g}"
    return f"{text}{NO_BREAK}{word if text == '1' else words or word + 's'}"


def points(value: float) -> str:
    """A measured difference of two accuracies."""
    return f"{number(value)}{NO_BREAK}points"


def between(low: float, high: float, digits: int = 1) -> str:
    """An interval."""
    if math.isnan(low) or math.isnan(high):
        return NOTHING
    return f"{number(low, digits)} to {number(high, digits)}"


def interval(confidence: float) -> str:
    """The name of an interval of a confidence from 0 to 1, such as `95 % CI`."""
    return f"{100 * confidence:g}{NO_BREAK}%{NO_BREAK}CI"


def p_value(value: float) -> str:
    """A p-value with the sign that belongs before it: `= 0.03`, `< 0.001`."""
    if math.isnan(value):
        return NOTHING
    if value < 0.001:
        return f"<{NO_BREAK}0.001"
    return f"={NO_BREAK}{value:.2g}" if value < 0.995 else f"={NO_BREAK}1"


def small(value: float) -> str:
    """A number whose order of magnitude is what matters, with two significant digits."""
    if math.isnan(value):
        return NOTHING
    if value == 0:
        return "0"
    if 1e-4 <= abs(value) < 1e4:
        return f"{float(f'{value:.2g}'):,.{max(0, 1 - math.floor(math.log10(abs(value))))}f}".replace("-", MINUS)
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa}e{int(exponent)}".replace("-", MINUS)


def size(value: float) -> str:
    """Bytes in the binary unit that fits."""
    if math.isnan(value):
        return NOTHING
    value, unit = _scaled(value, ("bytes", "KiB", "MiB", "GiB", "TiB"), 1024)
    return f"{number(value, 0 if unit == 'bytes' or value >= 100 else 1)}{NO_BREAK}{unit}"


def operations(value: float) -> str:
    """A count of multiply-accumulates in the unit that fits."""
    if math.isnan(value):
        return NOTHING
    value, unit = _scaled(value, ("MAC", "kMAC", "MMAC", "GMAC", "TMAC", "PMAC", "EMAC"), 1000)
    return f"{number(value, 0 if unit == 'MAC' or value >= 100 else 1)}{NO_BREAK}{unit}"


def _scaled(value: float, units: Sequence[str], step: int) -> tuple[float, str]:
    """`value` in the first of `units`, each `step` times the one before, in which it is less than `step`."""
    power = 0
    while value >= step and power < len(units) - 1:
        value, power = value / step, power + 1
    return value, units[power]


def duration(seconds: float) -> str:
    """A time in the two units that fit."""
    if math.isnan(seconds):
        return NOTHING
    if seconds < 60:
        return f"{number(seconds, 1 if seconds < 10 else 0)}{NO_BREAK}s"
    minutes = round(seconds / 60)
    if seconds < 3600:
        whole, rest = divmod(round(seconds), 60)
        return f"{whole}{NO_BREAK}min{NO_BREAK}{rest}{NO_BREAK}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}{NO_BREAK}h{NO_BREAK}{minutes}{NO_BREAK}min"


def times(ratio: float) -> str:
    """How many times as much."""
    return NOTHING if math.isnan(ratio) else f"{number(ratio, 0 if ratio >= 10 else 1)} times"


def listing(words: Sequence[str], last: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`."""
    *others, end = words
    return f"{', '.join(others)} {last} {end}" if others else end
