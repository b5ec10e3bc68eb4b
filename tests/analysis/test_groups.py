"""Groups of images in intervals and decisions."""

import json

import numpy
import pytest
from scipy import stats

from triptych.analysis.comparisons import difference_of
from triptych.analysis.groups import of_images, read_groups
from triptych.analysis.intervals import arm_share
from triptych.analysis.variance_parts import Sampling
from triptych.results.schema import INDEX
from triptych.results.tables import read_table, save_table
from triptych.storage.errors import InputError
from triptych.storage.tensors import load_metadata, load_tensors, save_tensors

EXPERIMENTS, GROUPS, SIZE, SEEDS = 400, 30, 10, 3
ALLOWED = stats.binom.isf(0.001, EXPERIMENTS, 0.05)
"""Errors of a procedure with a level of 5 % in so many experiments."""


def index_of(path, rows):
    """A table `index` of rows of split and group."""
    cells = [f"{split},{row},{split}{row},x,a,{group}," for row, (split, group) in enumerate(rows)]
    path.write_text("\n".join([",".join(INDEX.names), *cells]) + "\n")
    return path


def test_an_image_without_a_group_is_one_by_itself(tmp_path):
    path = index_of(tmp_path / "index.csv", [("test", name) for name in ("p", "", "q", "p", "")])
    assert read_groups(path, "test", 5).tolist() == [0, 1, 2, 0, 3]
    with pytest.raises(InputError, match=r"index\.csv: expected 4 test images as in the data, found 5"):
        read_groups(path, "test", 4)


def test_where_no_group_or_one_is_known_images_count(tmp_path, capsys):
    assert read_groups(None, "test", 5) is None
    for groups, said in ((("", ""), ""), (("p", "p"), "warning: all test images are of the group p: ")):
        path = index_of(tmp_path / "index.csv", [("test", name) for name in groups])
        assert read_groups(path, "test", 2) is None
        assert capsys.readouterr().out.startswith(said) and bool(said) == (groups[0] == "p")
    assert of_images(numpy.array([0, 0, 1]), numpy.array([True, True, False])) is None


def two_arms(random):
    """Arms that are alike over all groups, and unlike in each: bool [experiments, seeds, images] each."""

    def arm(common):
        own = random.normal(0, 1, (EXPERIMENTS, 1, GROUPS, 1))
        noise = random.normal(0, 1, (EXPERIMENTS, SEEDS, GROUPS, SIZE))
        return (0.8 + common + own + noise > 0).reshape(EXPERIMENTS, SEEDS, -1)

    common = random.normal(0, 1, (EXPERIMENTS, 1, GROUPS, 1))
    return arm(common), arm(common)


@pytest.mark.parametrize("folds", [None, 5])
def test_equal_arms_on_groups_are_told_apart_in_at_most_one_of_twenty(folds):
    """Over images alone, they are in far more."""
    first, second = two_arms(numpy.random.default_rng(1))
    groups = numpy.repeat(numpy.arange(GROUPS), SIZE)

    def apart(sampling):
        low, high = difference_of(first, second, sampling).interval(0.05)
        return int(((low > 0) | (high < 0)).sum())

    assert apart(Sampling(groups=groups, folds=folds)) <= ALLOWED
    assert apart(Sampling(folds=folds)) > 2 * ALLOWED


def test_the_accuracy_of_one_arm_on_other_groups_is_in_its_interval():
    first, _ = two_arms(numpy.random.default_rng(2))
    truth = stats.norm.cdf(0.8 / 3**0.5)

    def missed(sampling):
        low, high = arm_share(first, sampling).interval(0.05)
        return int(((low > truth) | (high < truth)).sum())

    assert missed(Sampling(groups=numpy.repeat(numpy.arange(GROUPS), SIZE))) <= ALLOWED
    assert missed(Sampling()) > 2 * ALLOWED


def test_groups_of_the_index_widen_every_interval(opened):
    """Of validation images the decision's, of test images those of each run, of each arm and of each pair."""

    def widths():
        tables = opened.collect()
        decided = [one["high"] - one["low"] for one in json.loads(opened.decided.read_text())["ranking"]]
        return [*decided, *(_widths(tables[name], *ends) for name, ends in ENDS.items())]

    opened.decided = opened.folder / "decision.json"
    alone = widths()
    path = opened.folder / "data" / "index.csv"
    index = read_table(path, INDEX)
    index["group"] = [f"{split}{row // 6}" for split, row in zip(index["split"], index["row"], strict=True)]
    save_table(path, index, INDEX)
    grouped = widths()
    assert json.loads(opened.decided.read_text())["groups"] == 5
    assert all(numpy.any(after != before) for before, after in zip(alone, grouped, strict=True))


ENDS = {
    "test_results": ("test_accuracy_low", "test_accuracy_high"),
    "summary": ("test_accuracy_low", "test_accuracy_high"),
    "comparisons": ("low", "high"),
    "per_class": ("recall_low", "recall_high"),
}


def _widths(table, low, high):
    return table[high].astype(float).to_numpy() - table[low].astype(float).to_numpy()


def test_a_decision_is_over_the_groups_that_its_file_has(opened):
    path = opened.folder / "validation.safetensors"
    before = opened.decide()
    tensors, metadata = load_tensors(path), load_metadata(path)
    count = len(tensors["labels"])
    groups = numpy.arange(count, dtype=numpy.int64) // 6
    save_tensors(path, tensors | {"groups": groups}, metadata)
    after = opened.decide()
    assert "groups" not in before and after["groups"] == len(set(groups.tolist()))
    assert json.dumps(after["ranking"]) != json.dumps(before["ranking"])
    save_tensors(path, tensors | {"groups": groups[1:]}, metadata)
    with pytest.raises(InputError, match=rf"expected groups \[{count}\], found \[{count - 1}\]"):
        opened.decide()
