"""A mailed report keeps its tables, and says nothing of where it was made."""

from urllib.parse import unquote

import pytest

from triptych.report import files
from triptych.report.files import download, without_folders
from triptych.storage.errors import InputError


def test_a_table_is_inside_the_page_byte_for_byte(results):
    found = results()
    table = found.folder / "tables" / "comparisons.csv"
    table_text = table.read_text()
    kept = download(found, "tables/comparisons.csv")
    head, _, body = str(kept.address).partition(",")
    assert (kept.name, head) == ("comparisons.csv", "data:text/csv;charset=utf-8")
    assert unquote(body) == table_text
    assert not set('"<>&# \n') & set(body)


def test_every_character_survives(results):
    text = "näme,\"a b\"\n100 %,'x' & #1 <b>\t\\\n"
    assert unquote(str(download(results(), "x.csv", text).address).partition(",")[2]) == text


def test_a_large_table_is_named_with_its_size_and_place(results, monkeypatch):
    monkeypatch.setattr(files, "LARGEST_INSIDE", 100)
    left = download(results(), "tables/history.csv")
    assert left.address == "" and left.path == "tables/history.csv"
    assert "KiB" in left.note and "not inside this page: tables/history.csv" in left.note


def test_a_missing_table_is_named(results):
    with pytest.raises(InputError, match=r"other\.csv"):
        download(results(), "tables/other.csv")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("/home/someone/images", "…/images"),
        ("~/images", "…/images"),
        ("file:///data/archive.zip", "…/archive.zip"),
        (r"C:\Users\someone\images", "…/images"),
        (r"\\server\share\images", "…/images"),
        ("images/pets", "images/pets"),
        ("https://example.org/a.zip", "https://example.org/a.zip"),
        ({"path": ["/a/b", 3]}, {"path": ["…/b", 3]}),
    ],
)
def test_no_absolute_path_is_shown(value, shown):
    assert without_folders(value) == shown
