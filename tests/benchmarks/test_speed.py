"""The benchmark runs and says what it measured; how fast anything is, no test asks."""

import pandas
import pytest

from benchmarks import speed


@pytest.mark.slow
def test_every_line_of_the_table_is_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(speed, "TRAIN_IMAGES", 12_500)
    call = ["--device", "cpu", "--precision", "float32", "--input-size", "32", "--batches", "1", "--repeats", "2"]
    speed.main(["--output", str(tmp_path / "here"), *call])
    table = pandas.read_csv(tmp_path / "here.csv")
    assert len(table) == 5
    assert (table["n"] == 2).all()
    assert (table[["baseline_images_per_second", "images_per_second", "ratio"]] > 0).all(axis=None)
    assert (table["lowest_ratio"] <= table["highest_ratio"]).all()
    text = (tmp_path / "here.md").read_text()
    assert all(what in text for what in table["what"])
