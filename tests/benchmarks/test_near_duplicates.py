"""The benchmark of near-duplicates runs, and finds what it planted."""

import pandas

from benchmarks import near_duplicates


def test_every_figure_is_measured(tmp_path):
    output = str(tmp_path / "mine")
    near_duplicates.main(["--output", output, "--images", "2000", "--pairs", "10"])
    table = pandas.read_csv(f"{output}.csv")
    assert table["found"].tolist() == [20, 2000 * 1999 // 2, 0]
    assert (table[["seconds", "cpu_seconds"]] >= 0).all(axis=None)
    assert (tmp_path / "mine.md").read_text().count("\n| ") == 5 - 1


def test_each_hundredth_image_has_a_near_duplicate():
    hashes = near_duplicates.hashes(1000, 0)
    assert len(set(hashes.tolist())) == 1000
    assert ((hashes[0::100] ^ hashes[1::100]) == 1).all()
