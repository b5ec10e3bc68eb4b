"""Means over the folds of each seed."""

import numpy
import pandas
import pytest

from triptych.results import schema
from triptych.results.by_seed import by_seed, read_by_seed
from triptych.storage.files import write_table


def runs(**columns):
    first = {"arm": ["a"] * 3 + ["b"] * 3, "seed": ["0"] * 6, "fold": [0, 1, 2] * 2}
    return pandas.DataFrame(first | columns)


def test_without_folds_a_table_is_itself():
    table = runs().drop(columns="fold")
    assert by_seed(table, schema.RUNS) is table


def test_accuracies_count_each_image_once():
    """They are then those of all images together, although folds differ in size."""
    table = runs(validation_accuracy=[100.0, 50.0, 0.0, 0.0, 0.0, 75.0], validation_images=[1, 2, 1, 0, 4, 4])
    found = by_seed(table.assign(fit_accuracy=[1.0, 2.0, 6.0, 1.0, 1.0, 1.0]), schema.RUNS)
    assert found["arm"].tolist() == ["a", "b"] and "fold" not in found and "validation_images" not in found
    assert found["validation_accuracy"].tolist() == [50.0, 37.5] and found["fit_accuracy"].tolist() == [3.0, 1.0]


def test_a_mean_that_lacks_a_fold_is_nan_and_texts_are_of_the_first():
    table = runs(device_name=["x", "y", "z"] * 2, of_peak=["0.5", "", "0.1", "0.2", "0.3", "0.4"])
    found = by_seed(table, schema.COST)
    assert found["device_name"].tolist() == ["x", "x"]
    assert numpy.isnan(found["of_peak"][0]) and found["of_peak"][1] == pytest.approx(0.3)


def history(epochs, kept):
    """Of one arm and seed, with these last and kept epochs of its folds."""
    rows = [
        {
            "arm": "a",
            "label": "a",
            "seed": "0",
            "fold": fold,
            "epoch": epoch,
            "kept": int(epoch == best),
            "train_loss": 1.0,
        }
        for fold, (last, best) in enumerate(zip(epochs, kept, strict=True))
        for epoch in range(last + 1)
    ]
    return pandas.DataFrame(rows)


@pytest.mark.parametrize(
    ("epochs", "kept", "last", "marked"), [([3, 3], [3, 3], 3, 3), ([5, 3], [4, 1], 3, 2), ([9, 2], [9, 2], 2, 2)]
)
def test_curves_end_with_the_shortest_run_and_one_epoch_is_marked(epochs, kept, last, marked):
    found = by_seed(history(epochs, kept), schema.HISTORY)
    assert found["epoch"].tolist() == list(range(last + 1))
    assert found.loc[found["kept"] == 1, "epoch"].tolist() == [marked]


def test_a_table_is_read_with_and_without_folds(tmp_path):
    path, columns = tmp_path / "runs.csv", ["arm", "seed", "validation_accuracy"]
    table = runs(validation_accuracy=[100.0, 50.0, 0.0, 0.0, 0.0, 75.0], validation_images=[1, 2, 1, 2, 1, 1])
    write_table(path, table)
    found = read_by_seed(path, schema.RUNS, columns)
    assert list(found) == columns and found["validation_accuracy"].tolist() == [50.0, 18.75]
    write_table(path, table.drop(columns=["fold", "validation_images"]))
    assert len(read_by_seed(path, schema.RUNS, columns)) == 6
