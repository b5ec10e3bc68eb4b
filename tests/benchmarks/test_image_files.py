"""The benchmark of image files runs, and its images are as described."""

import pandas
import pytest

from benchmarks import image_files


def test_textures_differ_and_are_as_large_as_photographs(tmp_path):
    image_files.write_textures(tmp_path, 4, image_files.SMALL)
    files = sorted(tmp_path.rglob("*.jpg"))
    assert len({path.read_bytes() for path in files}) == len(files) == 4
    assert all(30_000 < path.stat().st_size < 70_000 for path in files)


@pytest.mark.slow
def test_every_figure_is_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(image_files, "LARGE", (150, 100))
    output = str(tmp_path / "mine")
    image_files.main(["--output", output, "--small", "30", "--large", "15", "--many", "20"])
    table = pandas.read_csv(f"{output}.csv").set_index("what")
    assert table["decoded"].tolist() == [30, 30, 1, 0, 0, 15, 15, 15, 15, 20, 0]
    assert (table["cpu_seconds"] > 0).all()
    assert (table["peak_anonymous_mib"] > 10).all()
    text = (tmp_path / "mine.md").read_text()
    assert text.count("| check-data") == 8
