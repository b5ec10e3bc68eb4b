"""Tables are read as they are written, or refused with what is wrong."""

import numpy
import pytest

from triptych.storage.errors import InputError
from triptych.storage.tables import read_table


def test_text_stays_text_and_empty_numbers_are_missing(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("class,share,more\n01,0.5,x\nNA,,y\n")
    table = read_table(path, text=("class",), numbers=("share",))
    assert list(table.columns) == ["class", "share"]
    assert list(table["class"]) == ["01", "NA"]
    assert table["share"][0] == 0.5 and numpy.isnan(table["share"][1])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "not a readable table"),
        ("class\nA\n", "no column share"),
        ("class,share\n", "has no rows"),
        ("class,share\nA,much\n", "column share should hold numbers"),
    ],
)
def test_what_is_wrong_is_said_with_the_file(tmp_path, content, message):
    path = tmp_path / "table.csv"
    path.write_text(content)
    with pytest.raises(InputError, match=message) as error:
        read_table(path, text=("class",), numbers=("share",))
    assert str(path) in str(error.value)
