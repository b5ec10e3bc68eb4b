"""Memory by batch size."""

import pandas
import pytest

from triptych.figures.plot_memory import alternating, in_unit, plot_memory, same_lines
from triptych.storage.errors import InputError


def test_arms_with_the_same_line_are_together():
    rows = [("a", 1, 10), ("a", 2, 20), ("b", 2, 20), ("b", 1, 10), ("c", 1, 10), ("c", 2, 21)]
    table = pandas.DataFrame(rows, columns=["arm", "batch_size", "training_bytes"])
    assert same_lines(table, "training_bytes", ["c", "a", "b"]) == [["c"], ["a", "b"]]


@pytest.mark.parametrize("count", [2, 3, 5])
def test_dashes_of_coinciding_lines_leave_room_for_each_other(count):
    period = 5 * count
    covered = []
    for position in range(count):
        offset, (dash, gap) = alternating(position, count)
        assert dash + gap == period
        covered += [(place - offset) % period for place in range(dash)]
    assert sorted(covered) == list(range(period))
    assert alternating(0, 1) == "-"


def test_bytes_as_people_say_them():
    assert [in_unit(2.0**power) for power in (3, 10, 29, 31)] == ["8 bytes", "1 KiB", "512 MiB", "2 GiB"]


def test_an_arm_without_rows_is_named(results, tmp_path):
    arms = tmp_path / "arms.csv"
    arms.write_text("arm,label,role,batch_size\nscratch,net1,arm,32\nother,net9,arm,32\n")
    with pytest.raises(InputError, match=r"memory\.csv: no row of arm 'other'"):
        plot_memory(memory=results.tables / "memory.csv", arms=arms, svg=tmp_path / "a.svg", png=tmp_path / "a.png")
