"""Numbers round as a reader expects, and never to something that they are not."""

import math

import pytest

from triptych.report import formatting as words


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (words.number(-0.04), "0.0"),
        (words.number(-1.25, 2), "−1.25"),
        (words.number(math.nan), "–"),
        (words.count(11181642), "11,181,642"),
        (words.percent(97.04), "97.0 %"),
        (words.share(0), "0 %"),
        (words.share(1), "100 %"),
        (words.share(1e-7), "< 0.1 %"),
        (words.share(1 - 1e-7), "> 99.9 %"),
        (words.share(0.123), "12.3 %"),
        (words.plural(1, "point"), "1 point"),
        (words.plural(0.5, "point"), "0.5 points"),
        (words.plural(2, "class", "classes"), "2 classes"),
        (words.signed(1.25), "+1.2"),
        (words.signed(-0.3), "−0.3"),
        (words.signed(0.04), "0.0"),
        (words.points(1), "1.0 points"),
        (words.between(-0.3, 1), "−0.3 to 1.0"),
        (words.between(math.nan, 1), "–"),
        (words.p_value(0.0001), "< 0.001"),
        (words.p_value(0.034), "= 0.034"),
        (words.p_value(1), "= 1"),
        (words.small(0), "0"),
        (words.small(0.02345), "0.023"),
        (words.small(1234.5), "1,200"),
        (words.small(0.0000123), "1.2e−5"),
        (words.size(44765128), "42.7 MiB"),
        (words.size(512), "512 bytes"),
        (words.size(3 * 2**50), "3,072 TiB"),
        (words.operations(1_814_000_000), "1.8 GMAC"),
        (words.duration(3.25), "3.2 s"),
        (words.duration(0.04), "< 0.1 s"),
        (words.duration(0), "0.0 s"),
        (words.duration(59.6), "60 s"),
        (words.duration(75), "1 min 15 s"),
        (words.duration(3599.7), "60 min 0 s"),
        (words.duration(7260), "2 h 1 min"),
        (words.times(2.61), "2.6 times"),
        (words.interval(0.95), "95 % CI"),
        (words.interval(1 - 0.05 / 3), "98.333 % CI"),
        (words.interval(0.999999), "99.9999 % CI"),
        (words.interval(0.001), "0.1 % CI"),
        (words.listing(["a"]), "a"),
        (words.listing(["a", "b", "c"], "or"), "a, b or c"),
    ],
)
def test_a_number_is_shown_so(shown, expected):
    assert shown.replace("\u00a0", " ") == expected
