"""Images with a counterpart in another split: which are listed, with which counterpart, and what is said of them."""

import numpy
import pandas

from triptych.data.leaks import divided_groups, group_sentence, leaks_of, sentences
from triptych.results.schema import LEAKS, PAIRS

SPLITS = ("train", "validation", "test")


def data_of(*images):
    """A table of images (path, split, pixels, group), and the rows of each split in their order."""
    table = pandas.DataFrame(images, columns=["path", "split", "pixels", "group"]).assign(**{"class": "a"})
    return table, {split: numpy.flatnonzero(table["split"] == split) for split in SPLITS}


def near(*pairs):
    """Near pairs of these paths, none of which is kept together."""
    columns = {"first_class": "a", "second_class": "a", "first_split": "", "second_split": "", "phash": 1, "dhash": 1}
    rows = [{"kind": "near", "first": first, "second": second} for first, second in pairs]
    table = pandas.DataFrame(rows, columns=["kind", "first", "second"]).assign(
        **columns, correlation=0.99, unit="false"
    )
    return table[PAIRS.names]


def listed(images, rows, pairs):
    table = leaks_of(images, rows, pairs)
    assert list(table.columns) == LEAKS.names
    return [tuple(row) for row in table.drop(columns=["class", "other_class"]).itertuples(index=False)]


def test_duplicates_are_listed_once_for_each_other_split_with_the_smallest_path():
    data = data_of(
        ("./c", "train", "1", ""),
        ("./b", "train", "1", ""),
        ("./d", "validation", "1", ""),
        ("./x", "test", "2", ""),
        ("./a", "test", "1", ""),
        ("./e", "train", "3", ""),
    )
    assert listed(*data, None) == [
        ("test", 1, "./a", "exact", "train", "./b"),
        ("test", 1, "./a", "exact", "validation", "./d"),
        ("validation", 0, "./d", "exact", "train", "./b"),
    ]


def test_the_strongest_kind_is_named():
    images, rows = data_of(
        ("./exact", "train", "1", "g"),
        ("./near", "train", "2", "g"),
        ("./group", "train", "3", "g"),
        ("./t1", "test", "1", "g"),
        ("./t2", "test", "4", "g"),
        ("./t3", "test", "5", "g"),
        ("./t4", "test", "6", "h"),
        ("./t5", "test", "7", ""),
        ("./none", "train", "8", ""),
    )
    pairs = near(("./exact", "./near"), ("./near", "./t1"), ("./near", "./t2"))
    assert listed(images, rows, pairs) == [
        ("test", 0, "./t1", "exact", "train", "./exact"),
        ("test", 1, "./t2", "near", "train", "./near"),
        ("test", 2, "./t3", "group", "train", "./exact"),
    ]
    assert sentences(leaks_of(images, rows, pairs), rows) == [
        "3 of 5 test images have a counterpart in train or validation (the same pixels: 1, a near-duplicate: 1, an "
        "image of the same group: 1). Accuracy on them may be too high."
    ]


def test_a_near_pair_holds_for_every_duplicate_of_both():
    """find_duplicates lists one of each set of duplicates."""
    data = data_of(
        ("./a", "train", "1", ""), ("./b", "train", "1", ""), ("./c", "test", "2", ""), ("./d", "test", "2", "")
    )
    expected = [("test", 0, "./c", "near", "train", "./a"), ("test", 1, "./d", "near", "train", "./a")]
    assert listed(*data, near(("./b", "./c"))) == expected


def test_neither_train_nor_a_split_itself_leaks():
    data = data_of(("./a", "train", "1", "g"), ("./b", "train", "1", "g"), ("./c", "test", "2", ""))
    assert listed(*data, None) == []
    assert sentences(leaks_of(*data, None), data[1]) == []


def test_groups_in_several_splits_are_named():
    images, rows = data_of(
        *[(f"./{number}", "train", str(number), f"g{number % 8}") for number in range(16)],
        *[(f"./{number}", "test", str(number), f"g{number % 7}") for number in range(16, 32)],
    )
    divided = divided_groups(images, rows)
    assert divided == {f"g{number}": ["train", "test"] for number in range(7)}
    assert group_sentence(divided).startswith("7 groups are in several of the given splits: g0 (train, test), g1 (")
    assert group_sentence(divided).endswith("g4 (train, test) and 2 more. Give each group one split.")
    assert group_sentence({}) == ""
