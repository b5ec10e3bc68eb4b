"""Networks side by side."""

import pandas
import pytest

from triptych.figures.plot_architectures import name_of, plot_architectures, three_digits
from triptych.storage.errors import InputError


def test_numbers_keep_three_digits():
    assert [three_digits(value) for value in (0.0372, 1.5, 13.0, 85.57, 138.4, 374_570.0)] == [
        *("0.0372", "1.50", "13.0", "85.6", "138", "374570")
    ]


def test_names_say_size_and_auxiliary_heads():
    network = pandas.Series({"architecture": "inception_v3", "input_size": 299.0, "auxiliary": 1})
    assert name_of(network) == "inception_v3\n299 px, auxiliary"
    network["auxiliary"] = 0
    assert name_of(network) == "inception_v3\n299 px"


def test_a_network_without_batches_is_named(results, tmp_path):
    batches = pandas.read_csv(results.tables / "largest_batch.csv")
    path = tmp_path / "largest_batch.csv"
    batches[batches["architecture"] != "alexnet"].to_csv(path, index=False)
    with pytest.raises(InputError, match=r"largest_batch\.csv: no row of alexnet, 224 px, which"):
        plot_architectures(
            architectures=results.tables / "architectures.csv",
            largest_batch=path,
            svg=tmp_path / "a.svg",
            png=tmp_path / "a.png",
        )
    assert not (tmp_path / "a.svg").exists()
