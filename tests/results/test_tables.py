"""Tables are written as they are declared and read as they are written, or refused with what is wrong."""

import numpy
import pandas
import pytest

from triptych.results.schema import Table, number, text, whole
from triptych.results.tables import read_table, save_table
from triptych.storage.errors import InputError

TABLE = Table(
    "made_up",
    "no_rule",
    "a table",
    "a row",
    (text("class", "A class."), number("share", "A share.", optional=True), whole("images", "Images.")),
)


def test_text_stays_text_and_empty_numbers_are_missing(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("class,share,images,more\n01,0.5,3,x\nNA,,4,y\n")
    table = read_table(path, TABLE)
    assert list(table.columns) == ["class", "share", "images"]
    assert list(table["class"]) == ["01", "NA"]
    assert table["share"][0] == 0.5 and numpy.isnan(table["share"][1])
    assert list(read_table(path, TABLE, ["images"], verbatim=True)["images"]) == ["3", "4"]


@pytest.mark.parametrize("verbatim", [False, True])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "not a readable table"),
        ("class,images\nA,3\n", "no column share"),
        ("class,share,images\n", "has no rows"),
        ("class,share,images\nA,much,3\n", "column share should hold numbers"),
        ("class,share,images\nA,0.5,3.5\n", "column images should hold whole numbers, found '3.5'"),
    ],
)
def test_what_is_wrong_is_said_with_the_file(tmp_path, content, message, verbatim):
    path = tmp_path / "table.csv"
    path.write_text(content)
    with pytest.raises(InputError, match=message) as error:
        read_table(path, TABLE, verbatim=verbatim)
    assert str(path) in str(error.value)


def test_what_is_written_is_read_again(tmp_path):
    frame = pandas.DataFrame({"class": ["01", 2], "share": [0.1 + 0.2, None], "images": [3, 4]})
    save_table(tmp_path / "table.csv", frame, TABLE)
    assert (tmp_path / "table.csv").read_text() == "class,share,images\n01,0.30000000000000004,3\n2,,4\n"
    assert read_table(tmp_path / "table.csv", TABLE)["share"][0] == 0.1 + 0.2


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"more": 1}, "the columns of made_up should be"),
        ({"class": [True, "b"]}, "column class of made_up should hold texts, found True"),
        ({"class": [0.5, "b"]}, "column class of made_up should hold texts, found 0.5"),
        ({"class": ["", "b"]}, "column class of made_up should have no empty cell"),
        ({"share": ["much", "0.5"]}, "column share of made_up should hold numbers, found 'much'"),
        ({"images": [3, 4.5]}, "column images of made_up should hold whole numbers, found 4.5"),
        ({"images": [3, None]}, "column images of made_up should have no empty cell"),
    ],
)
def test_a_table_that_is_not_as_declared_is_a_fault_of_the_program(tmp_path, changed, message):
    frame = pandas.DataFrame({"class": ["a", "b"], "share": [0.5, None], "images": [3, 4]})
    with pytest.raises(RuntimeError, match=message):
        save_table(tmp_path / "table.csv", frame.assign(**changed), TABLE)
    with pytest.raises(RuntimeError, match="should have rows, found none"):
        save_table(tmp_path / "table.csv", frame[:0], TABLE)
    with pytest.raises(RuntimeError, match="the columns of made_up should be"):
        save_table(tmp_path / "table.csv", frame[["share", "class", "images"]], TABLE)
    assert not list(tmp_path.iterdir())
