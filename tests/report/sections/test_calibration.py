"""The calibration that is shown is that of the tables."""

import pytest

from tests.report.conftest import plain
from triptych.report.sections import calibration


def test_errors_and_reliability_are_those_of_the_tables(results):
    found = results()
    table, bins = found.tables["calibration"], found.tables["reliability"]
    first = table.iloc[0]
    said, errors, *reliabilities = calibration.blocks(found)
    assert f"{first['corrected']:.1f} % (95 % CI {first['low']:.1f} to {first['high']:.1f})" in plain(said.text)
    assert [row[0] for row in errors.blocks[1].rows] == list(table["probabilities"])
    assert sum(len(fold.blocks[0].rows) for fold in reliabilities) == len(bins)
    assert bins.groupby("probabilities")["images"].sum().tolist() == table["images"].tolist()
    for _, row in bins.iterrows():
        assert row["low"] <= row["accuracy"] <= row["high"]
    drawn = reliabilities[0].blocks[0].rows[0][3]
    assert drawn.zero == pytest.approx(50) and drawn.low <= drawn.middle <= drawn.high


def test_without_a_chosen_run_there_is_none(results):
    found = results()
    found.tables["calibration"] = found.tables["calibration"].head(0)
    assert not calibration.SECTION.needs(found)
