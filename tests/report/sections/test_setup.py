"""What the section on the setup says about the data."""

import pytest

from tests.report.conftest import plain
from triptych.report.sections import setup
from triptych.results.experiment import read_results

FILES = [(f"./roses/{number}.jpg", "roses", "the file is truncated") for number in range(1500)]


@pytest.fixture
def told(find, tmp_path):
    """A function: what the section says of these files that were left out."""

    def tell(*files):
        made = find().copy(tmp_path / "digits", without=("runs",))
        made.leave_out(*files)
        return [plain(text) for text in setup.left_out(read_results(made.folder))]

    return tell


def test_nothing_is_said_where_no_file_was_left_out(told):
    assert told() == []


def test_one_file_is_named_with_its_problem(told):
    assert told(FILES[0]) == [
        "1 of 1,501 files cannot be used and was left out (policy: quarantine): ./roses/0.jpg (the file is truncated). "
        "The data report shows them: data/report.html; as a table: data/left_out.csv."
    ]


def test_of_many_files_the_first_are_named(told):
    (text,) = told(*FILES)
    assert text.startswith("1,500 of 3,000 files cannot be used and were left out (policy: quarantine): ./roses/0.jpg ")
    assert "./roses/2.jpg (the file is truncated) and 1,497 more. The data report" in text and "3.jpg" not in text
