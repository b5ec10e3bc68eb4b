"""The benchmark of estimates measures what it says, and its configurations can be run."""

import threading

import pytest

from benchmarks import estimate
from triptych.configuration.given_files import load_given


@pytest.mark.parametrize("name", estimate.CONFIGURATIONS)
def test_its_configurations_are_right_and_need_no_download(name):
    configuration = load_given({"experiments": {name: estimate.CONFIGURATIONS[name]}})
    experiment = configuration.experiments[name]
    assert experiment.weights.source in ("none", "letters") and experiment.dataset.source == "digits"


def test_the_disk_is_watched_until_the_block_ends(tmp_path):
    with estimate.watched(tmp_path) as sizes:
        (tmp_path / "large").write_bytes(b"x" * 10**6)
        threading.Event().wait(1.2)
        (tmp_path / "large").unlink()
    assert 10**6 <= max(sizes) < 1.1 * 10**6
    assert estimate.bytes_in(tmp_path) == 0


def test_the_table_counts_what_is_within_the_aim():
    row = {"configuration": "a", "jobs": 3, "before_seconds": 9.0, "after_seconds": 11.0, "seconds": 10.0}
    rows = [row | {"ratio": ratio, "memory_ratio": 1.0, "disk_ratio": 1.0} for ratio in (0.7, 0.75, 1.0, 1.26)]
    text = estimate.written(rows)
    assert "- within 0.75 to 1.25 of the real time: 2 of 4" in text
    assert "| a | 3 | 9 | 11 | 10 | **0.70** | 1.00 | 1.00 |" in text
