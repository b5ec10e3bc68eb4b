"""Splits follow from contents, classes and groups: what is asked for, together what belongs together, and stable."""

import hashlib

import numpy
import pandas
import pytest

from triptych.data.splitting import deal, split_rows, with_groups
from triptych.data.stratify import SPLITS
from triptych.storage.errors import InputError

SETTINGS = {"validation": 0.15, "test": 0.15, "seed": 0}


def images_of(counts, **columns):
    """A table of images whose contents are their numbers, in the order of `check_data`."""
    rows = [
        {"path": f"./{label}/{number}", "class": label, "split": "", "group": ""}
        for label, count in counts.items()
        for number in range(count)
    ]
    table = pandas.DataFrame(rows).assign(**columns)
    table["sha256"] = [hashlib.sha256(path.encode()).hexdigest() for path in table["path"]]
    table["pixels"] = [f"pixels of {sha256}" for sha256 in table["sha256"]]
    return in_order(table)


def in_order(table):
    return table.sort_values(["class", "sha256", "path"], ignore_index=True)


def names(images, **changes):
    """The paths of each split, in order."""
    rows = split_rows(images, SETTINGS | changes)
    assert sorted(numpy.concatenate([rows[split] for split in SPLITS])) == list(range(len(images)))
    assert all(part.dtype == numpy.int64 for part in rows.values())
    return {split: images["path"].iloc[part].tolist() for split, part in rows.items()}


def counts(images, **changes):
    """The number of images of each class in each split."""
    found = names(images, **changes)
    classes = sorted(set(images["class"]))
    return {
        split: [sum(path.startswith(f"./{label}/") for path in found[split]) for label in classes] for split in found
    }


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {"train": [70, 14, 1], "validation": [15, 3, 1], "test": [15, 3, 1]}),
        ({"test": 0.5}, {"train": [35, 7, 1], "validation": [15, 3, 1], "test": [50, 10, 1]}),
        ({"validation": 0}, {"train": [85, 17, 2], "validation": [0, 0, 0], "test": [15, 3, 1]}),
        ({"validation": 1, "test": 1}, {"train": [98, 18, 1], "validation": [1, 1, 1], "test": [1, 1, 1]}),
    ],
)
def test_each_class_gives_its_share_and_at_least_one(changes, expected):
    assert counts(images_of({"a": 100, "b": 20, "c": 3}), **changes) == expected


def test_with_folds_given_validation_images_are_training_images():
    images = images_of({"a": 12, "b": 12})
    images["split"] = ["validation" if row % 3 == 0 else "train" for row in range(len(images))]
    found = counts(images, validation=0, test=2, folds=3)
    assert found == {"train": [10, 10], "validation": [0, 0], "test": [2, 2]}
    assert counts(images, validation=0, test=0, folds=3)["train"] == [12, 12]


def test_given_test_images_do_not_fit_a_configuration_without_test_images():
    images = images_of({"a": 12, "b": 12})
    images["split"] = ["test" if row % 3 == 0 else "train" for row in range(len(images))]
    with pytest.raises(InputError, match=r"^test: 0 does not fit the 8 images that are given as test\. Remove test: 0"):
        split_rows(images, SETTINGS | {"validation": 0, "test": 0, "folds": 3})
    assert counts(images, validation=0, folds=3)["test"] == [4, 4]


def test_the_order_is_that_of_contents_and_seed():
    images = images_of({"a": 30, "b": 30})
    first = names(images)
    renamed = images.assign(path=[f"./{label}/renamed-{row}" for row, label in enumerate(images["class"])])
    rows, again = split_rows(images, SETTINGS), split_rows(renamed, SETTINGS)
    assert all(numpy.array_equal(rows[split], again[split]) for split in SPLITS)
    assert names(images, seed=1) != first


def test_every_prefix_is_balanced():
    images = images_of({"a": 40, "b": 40, "c": 40})
    train = names(images)["train"]
    for end in range(3, len(train), 3):
        assert len({sum(path.startswith(f"./{label}/") for path in train[:end]) for label in "abc"}) == 1


@pytest.mark.parametrize("seed", range(5))
def test_an_image_more_moves_at_most_one_other_in_or_out(seed):
    before = images_of({"a": 40, "b": 40})
    found = names(before, seed=seed)
    for number in range(40, 50):
        more = images_of({"a": 40, "b": 40, "c": 0})
        new = images_of({"a": number + 1}).query("path == @path", local_dict={"path": f"./a/{number}"})
        after = names(in_order(pandas.concat([more, new])), seed=seed)
        for split in ("validation", "test"):
            others = set(after[split]) - {f"./a/{number}"}
            assert len(set(found[split]) - others) <= 1
            assert len(others - set(found[split])) <= 1


def test_groups_and_duplicates_stay_together():
    images = images_of({"a": 60, "b": 60})
    numbers = [int(path.rpartition("/")[2]) for path in images["path"]]
    images["group"] = [f"writer {number // 4}" if number < 40 else "" for number in numbers]  # of both classes
    images["pixels"] = [
        f"twin {number // 2}" if number >= 50 else images["pixels"][row] for row, number in enumerate(numbers)
    ]
    for seed in range(5):
        found = split_rows(images, SETTINGS | {"seed": seed})
        for column in ("group", "pixels"):
            where = {}
            for split, rows in found.items():
                for value in set(images[column].iloc[rows]) - {""}:
                    assert where.setdefault(value, split) == split
        for part in ("validation", "test"):
            sizes = images["class"].iloc[found[part]].value_counts()
            assert sizes.min() >= 1
            assert 9 <= sizes.sum() <= 27  # 18 are wanted; groups of both classes count for one


def test_groups_that_all_hold_both_classes_can_be_split():
    """As patients of whom each has healthy and other images: no group has the rare class as its largest."""
    images = images_of({"healthy": 80, "rare": 40})
    numbers = [int(path.rpartition("/")[2]) for path in images["path"]]
    images["group"] = [
        f"patient {number // (4 if label == 'healthy' else 2)}"
        for number, label in zip(numbers, images["class"], strict=True)
    ]
    for seed in range(5):
        assert counts(images, seed=seed) == {"train": [56, 28], "validation": [12, 6], "test": [12, 6]}


def test_groups_that_leave_a_part_without_a_class_are_refused():
    images = images_of({"a": 40, "b": 3})
    images["group"] = [
        f"g{path[-1]}" if label == "b" or path in ("./a/0", "./a/1", "./a/2") else ""
        for path, label in zip(images["path"], images["class"], strict=True)
    ]
    with pytest.raises(InputError, match=r"has no image of 1 class: b. Their groups, .* Give another seed"):
        for seed in range(20):
            split_rows(images, SETTINGS | {"seed": seed})


def test_names_of_groups_and_files_decide_nothing():
    images = images_of({"a": 60, "b": 60})
    images["group"] = [f"patient {int(path.rpartition('/')[2]) // 4}" for path in images["path"]]
    renamed = images.assign(
        group=images["group"].str.replace("patient", "p"), path=[f"./x/{number}" for number in range(120)]
    )
    for seed in range(5):
        rows, again = (split_rows(one, SETTINGS | {"seed": seed}) for one in (images, renamed))
        assert all(numpy.array_equal(rows[split], again[split]) for split in SPLITS)


def pairs_of(*pairs, **columns):
    """A table of near pairs of these paths."""
    rows = [{"kind": "near", "first": first, "second": second, "unit": "true"} for first, second in pairs]
    return pandas.DataFrame(rows).assign(**columns)


def test_pairs_that_are_units_stay_together_and_others_do_not():
    images = images_of({"a": 40, "b": 40})
    couples = [(f"./a/{number}", f"./{'ab'[number % 2]}/{number + 1}") for number in range(0, 38, 2)]
    apart = 0
    for seed in range(5):
        for unit in ("true", "false"):
            rows = split_rows(images, SETTINGS | {"seed": seed}, pairs_of(*couples, unit=unit))
            where = {path: split for split, own in rows.items() for path in images["path"].iloc[own]}
            divided = sum(where[first] != where[second] for first, second in couples)
            assert unit == "false" or divided == 0
            apart += divided
    assert apart > 5


def test_a_pair_with_an_image_of_a_given_split_keeps_no_other_there():
    images = given({"train": {"a": 20, "b": 20}, "test": {"a": 7, "b": 7}})
    couples = pairs_of(("./a/test-0", "./a/train-0"), ("./a/train-1", "./a/train-2"))
    for seed in range(5):
        rows = split_rows(images, SETTINGS | {"validation": 0.2, "seed": seed}, couples)
        where = {path: split for split, own in rows.items() for path in images["path"].iloc[own]}
        assert where["./a/test-0"] == "test" != where["./a/train-0"]
        assert where["./a/train-1"] == where["./a/train-2"]


def test_a_pattern_on_the_path_names_groups():
    paths = [*(f"./roses/bush{number // 2}_{number}.jpg" for number in range(6)), "/mnt/other.jpg"]
    images = pandas.DataFrame({"path": paths, "group": ""})
    found = with_groups(images, {"group": r"bush(\d+)_"})
    assert found["group"].tolist() == [*"001122", ""]
    assert images["group"].tolist() == [""] * 7
    assert with_groups(images, {}) is images
    # the path is that from the folder of the data set
    assert with_groups(images, {"group": "^([a-z]+)/"})["group"].tolist() == ["roses"] * 6 + [""]
    # a group that is left out of a match is none
    assert with_groups(images, {"group": "bush(?:0|(1))"})["group"].tolist() == ["", "", "1", "1", "", "", ""]


@pytest.mark.parametrize(
    ("pattern", "columns", "message"),
    [
        (r"(tulip\d)", {}, r"matches none of 2 paths, such as 'roses/bush1.jpg'; give a regular expression"),
        ("bush", {}, "'bush' has 0 groups in parentheses; give one"),
        ("(b)(ush)", {}, "has 2 groups in parentheses; give one"),
        ("(bush", {}, r"'\(bush' is not a regular expression \(missing \)"),
        ("(bush)", {"group": ["", "x"]}, "is not allowed, because the table has a column group; delete one of them"),
    ],
)
def test_patterns_that_cannot_be_are_refused(pattern, columns, message):
    images = pandas.DataFrame({"path": ["./roses/bush1.jpg", "./roses/bush2.jpg"], "group": ""}).assign(**columns)
    with pytest.raises(InputError, match=message):
        with_groups(images, {"group": pattern})


def test_a_chain_of_groups_and_duplicates_is_one_unit():
    images = images_of({"a": 9, "b": 9})
    row = {path: number for number, path in enumerate(images["path"])}
    images.loc[[row["./a/0"], row["./a/1"]], "group"] = "x"
    images.loc[[row["./a/1"], row["./b/0"]], "pixels"] = "same"
    images.loc[[row["./b/0"], row["./b/1"]], "group"] = "y"
    for seed in range(10):
        where = {path: split for split, paths in names(images, seed=seed).items() for path in paths}
        assert len({where[path] for path in ("./a/0", "./a/1", "./b/0", "./b/1")}) == 1


def given(counts_by_split):
    parts = []
    for split, of_classes in counts_by_split.items():
        part = images_of(of_classes, split=split)
        part["sha256"] = [hashlib.sha256(f"{split} {sha256}".encode()).hexdigest() for sha256 in part["sha256"]]
        part["pixels"] = part["sha256"]
        part["path"] = [f"./{path.split('/')[1]}/{split}-{path.split('/')[2]}" for path in part["path"]]
        parts.append(part)
    return in_order(pandas.concat(parts))


def test_given_splits_are_taken_as_they_are():
    images = given({"train": {"a": 5, "b": 3}, "validation": {"a": 1, "b": 1}, "test": {"a": 2, "b": 4}})
    assert counts(images) == {"train": [5, 3], "validation": [1, 1], "test": [2, 4]}
    for split, paths in names(images, seed=3).items():
        assert all(path.split("/")[2].startswith(split) for path in paths)


def test_a_missing_part_is_taken_from_train():
    images = given({"train": {"a": 20, "b": 20}, "test": {"a": 7, "b": 7}})
    found = names(images, validation=0.2)
    assert counts(images, validation=0.2) == {"train": [16, 16], "validation": [4, 4], "test": [7, 7]}
    assert all("test-" in path for path in found["test"])
    assert all("train-" in path for path in found["validation"])
    both = given({"train": {"a": 20, "b": 20}})
    assert counts(both, validation=3, test=5) == {"train": [12, 12], "validation": [3, 3], "test": [5, 5]}
    assert counts(images, validation=0) == {"train": [20, 20], "validation": [0, 0], "test": [7, 7]}


@pytest.mark.parametrize(
    ("images", "changes", "message"),
    [
        (
            images_of({"a": 9, "b": 2, "c": 1}),
            {},
            r"too few different images for test and validation: b \(2\), c \(1\); a class ",
        ),
        (images_of({"a": 9, "b": 2}), {"test": 0}, None),
        (
            images_of({"a": 9, "b": 9}, group="one"),
            {},
            "all 9 images of the class a are in one group, one; all 9 images of",
        ),
        (images_of({"a": 9, "b": 30}), {"test": 5, "validation": 4}, r"for test: 5, validation: 4: a \(9\). Lower"),
        (images_of({"a": 9}).iloc[:0], {}, "no image can be used"),
        (given({"train": {"a": 9, "b": 9}, "test": {"a": 3}}), {}, "test has no image of 1 class: b. Add images"),
        (given({"test": {"a": 9, "b": 9}}), {}, r"too few different images for validation: a \(0\), b \(0\)"),
        (given({"test": {"a": 9}, "validation": {"a": 9}}), {}, "train has no image"),
        (images_of({f"class {n:02d}": 1 for n in range(30)}), {}, r"class 19 \(1\) and 10 more; a class needs"),
    ],
)
def test_too_few_images_are_named_by_class(images, changes, message):
    if message is None:
        split_rows(images, SETTINGS | changes)
        return
    with pytest.raises(InputError, match=message):
        split_rows(images, SETTINGS | changes)


def dealt_units(sizes: dict[str, list[int]]) -> tuple[dict[str, list[numpy.ndarray]], numpy.ndarray]:
    """Units of these sizes by class, in rows that follow each other, and the labels."""
    units, labels, row = {}, [], 0
    for label, own in sizes.items():
        units[label] = []
        for size in own:
            units[label].append(numpy.arange(row, row + size))
            labels += [label] * size
            row += size
    return units, numpy.array(labels, dtype=object)


@pytest.mark.parametrize("count", [2, 3, 5, 7])
def test_single_images_are_dealt_evenly_by_class_and_over_all(count):
    units, labels = dealt_units({"a": [1] * 17, "b": [1] * 8, "c": [1] * 7})
    parts = deal(units, labels, count)
    assert parts.dtype == numpy.uint8
    for label in "abc":
        counts = numpy.bincount(parts[labels == label], minlength=count)
        assert counts.max() - counts.min() <= 1
    sizes = numpy.bincount(parts)
    assert sizes.max() - sizes.min() <= 1


def test_a_unit_is_never_divided_and_each_part_has_each_class():
    random = numpy.random.default_rng(0)
    for _ in range(50):
        units, labels = dealt_units({label: list(random.integers(1, 6, random.integers(4, 12))) for label in "abcd"})
        parts = deal(units, labels, 4)
        assert all(len(set(parts[rows])) == 1 for own in units.values() for rows in own)
        for label, own in units.items():
            counts = numpy.bincount(parts[labels == label], minlength=4)
            assert counts.min() > 0 and counts.max() - counts.min() <= max(map(len, own))


def test_more_folds_than_units_of_a_class_are_one_message_that_names_it():
    units, labels = dealt_units({"cat": [3, 1], "dog": [1] * 9})
    with pytest.raises(InputError, match=r"^folds: 3 needs 3 different images of each class .* too few: cat \(2\)\."):
        deal(units, labels, 3)
    labels[0] = "mixed"
    with pytest.raises(InputError, match=r"too few: mixed \(1\)\."):
        deal(units, labels, 2)


def test_units_that_all_hold_both_classes_are_dealt_so_that_each_part_has_each():
    """As patients of whom each has healthy and other images."""
    units, labels = dealt_units({"healthy": [6] * 10})
    labels[::3] = "rare"
    parts = deal(units, labels, 5)
    for label in ("healthy", "rare"):
        assert len(set(numpy.bincount(parts[labels == label], minlength=5).tolist())) == 1
    labels[:] = "healthy"
    labels[[0, 12]] = "rare"  # in the first and the third unit, which one of two parts gets
    with pytest.raises(InputError, match=r"^folds: 2: a fold has no image of rare\."):
        deal(units, labels, 2)
