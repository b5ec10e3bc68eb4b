"""The benchmark finds what is there, and less with fewer images."""

from benchmarks import power
from benchmarks.calibration import Cell


def test_a_lead_is_found_and_equivalence_shown_where_there_are_seeds_and_images_enough():
    few, many = (
        {row["lead"]: row for row in power.measure(Cell(2, *design), 65, [0, 20], [1, 5], runs=60, seed=0)}
        for design in ((3, 3.0, 60), (10, 0.0, 2000))
    )
    assert many[20]["found"] == 100 > few[20]["found"] > few[0]["found"]
    assert many[0]["equivalent_5"] == 100 > few[0]["equivalent_5"] == few[0]["equivalent_1"] == 0
    assert many[20]["equivalent_5"] == 0
    assert few[0]["half_width"] > many[0]["half_width"] > 0
