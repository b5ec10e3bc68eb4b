"""The benchmark runs and says what it measured; how fast anything is, no test asks."""

import pandas
import pytest
from PIL import Image

from benchmarks import decoding


@pytest.mark.slow
def test_every_line_of_the_table_is_measured(tmp_path):
    Image.new("RGB", (40, 30)).save(tmp_path / "mine.jpg")
    call = ["--small", "2", "--large", "1", "--size", "32", "--repeats", "2", "--files", str(tmp_path)]
    decoding.main(["--output", str(tmp_path / "here"), *call])
    table = pandas.read_csv(tmp_path / "here.csv")
    assert table["files"].tolist() == [2, 1, 1]
    assert (table["n"] == 2).all()
    assert (table[["bare_per_second", "ours_per_second", "ratio"]] > 0).all(axis=None)
    assert (table["lowest_ratio"] <= table["highest_ratio"]).all()
    text = (tmp_path / "here.md").read_text()
    assert all(what in text for what in table["what"])


def test_files_are_different_and_about_as_large_as_photographs():
    generator = decoding.numpy.random.default_rng(0)
    first, second = (decoding.texture(generator, 500, 330) for _ in range(2))
    assert first != second
    assert 20_000 < len(first) < 100_000
