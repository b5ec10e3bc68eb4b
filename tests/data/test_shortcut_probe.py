"""The shortcut probe: its level under the null, and the shortcuts that it finds."""

import hashlib

import numpy
import pandas
import pytest

from triptych.data import shortcut_probe
from triptych.data.shortcut_probe import LEAST, MOST_CLASSES, MOST_IMAGES, NUMBERS, independent, probe


def pictures(sizes, seed=0, duplicates=0.0):
    """Made-up rows of the table `images` whose numbers are independent of the classes, as many of each as `sizes` say.

    A share of `duplicates` are copies of other images, with their class.
    """
    random = numpy.random.default_rng(seed)
    classes = numpy.repeat([f"c{number:03}" for number in range(len(sizes))], sizes)
    count = len(classes)
    colours = random.uniform(0, 255, (count, 3))
    table = pandas.DataFrame(
        {
            "class": classes,
            "group": "",
            "sha256": [hashlib.sha256(f"{seed} {row}".encode()).hexdigest() for row in range(count)],
            "width": random.choice([320, 500, 640, 4000], count),
            "height": random.choice([240, 333, 480, 3000], count),
            "bytes": random.lognormal(11, 1, count).astype(int),
            "format": random.choice(["JPEG", "PNG"], count, p=[0.9, 0.1]),
            "mode": random.choice(["RGB", "L"], count, p=[0.95, 0.05]),
            "brightness": colours @ [0.299, 0.587, 0.114],
            "contrast": random.gamma(5, 10, count),
            "sharpness": random.lognormal(6, 1, count),
            **dict(zip(("red", "green", "blue"), colours.T, strict=True)),
        }
    )
    table["pixels"] = table["sha256"]
    measured = [name for name in table.columns if name not in ("class", "group", "sha256")]
    for row in numpy.flatnonzero(random.random(count) < duplicates):
        same = numpy.flatnonzero(classes == classes[row])
        table.loc[row, measured] = table.loc[same[0], measured].to_numpy()
    return table


NULLS = {
    "balanced": ([30] * 4, 0.0),
    "imbalanced": ([150, 30, 12], 0.0),
    "tiny classes": ([10] * 8 + [3] * 4, 0.0),
    "duplicates": ([40] * 4, 0.4),
}
ROUNDS = [pytest.param(20, marks=pytest.mark.slow), pytest.param(60, marks=pytest.mark.long)]
"""How many draws; the long ones were last run on 2026-11-28, and passed."""


@pytest.mark.parametrize("rounds", ROUNDS)
@pytest.mark.parametrize("null", NULLS)
def test_where_numbers_and_classes_are_independent_a_shortcut_is_found_in_at_most_five_percent(null, rounds):
    sizes, duplicates = NULLS[null]
    found = [probe(pictures(sizes, seed, duplicates)).verdict for seed in range(rounds)]
    assert set(found) <= {"nothing", "clear", "slight"}
    assert len(found) - found.count("nothing") <= 0.05 * rounds


def brighter(table, of):
    table.loc[of, ["brightness", "red", "green", "blue"]] += 120


def png(table, of):
    table["format"] = numpy.where(of, "PNG", "JPEG")


def larger(table, of):
    table.loc[of, ["width", "height"]] = [1024, 768]


@pytest.fixture
def few_permutations(monkeypatch):
    monkeypatch.setattr(shortcut_probe, "PERMUTATIONS", 9)


@pytest.mark.parametrize(
    ("plant", "leading", "of_files"),
    [(brighter, "brightness", False), (png, "file type", True), (larger, "width", True)],
)
def test_a_planted_shortcut_is_found_and_named(plant, leading, of_files, few_permutations):
    table = pictures([40, 40])
    plant(table, table["class"] == "c000")
    found = probe(table)
    assert found.verdict == "clear"
    assert found.accuracy > 0.8
    assert leading in [name for name, _ in found.alone[:3]]
    assert {name for name, _ in found.alone} == set(NUMBERS)
    alike = table[["format", "mode"]].drop_duplicates().shape[0] == 1
    assert not alike or dict(found.alone)["file type"] == 0.5  # nothing to go by: a guess
    assert (found.of_files == "clear") is of_files
    assert (found.picture > 0.8) is not of_files


def test_the_result_depends_on_content_and_not_on_the_order_of_rows():
    table = pictures([20, 25, 30])
    shuffled = table.sample(frac=1, random_state=1).reset_index(drop=True)
    assert probe(shuffled) == probe(table)


def test_copies_and_further_images_of_a_group_are_no_evidence():
    table = pictures([12, 12])
    table.loc[:3, "pixels"] = "same"
    table.loc[12:14, "group"] = "burst"
    kept = independent(table)
    assert len(kept) == 24 - 3 - 2
    assert (kept["pixels"] == "same").sum() == (kept["group"] == "burst").sum() == 1


@pytest.mark.parametrize("sizes", [[], [50], [50, LEAST - 1]])
def test_too_few_images_are_said_to_be_too_few(sizes):
    found = probe(pictures(sizes))
    assert found.verdict == "too few"
    assert found.rare == sum(size < LEAST for size in sizes)


def test_rare_classes_are_left_out_and_counted():
    found = probe(pictures([20, 20, LEAST - 1]))
    assert (found.classes, found.rare, found.images) == (2, 1, 40)


@pytest.mark.slow
def test_many_images_and_classes_are_sampled(few_permutations):
    found = probe(pictures([30] * (MOST_CLASSES + 5)))
    assert (found.classes, found.others) == (MOST_CLASSES, 5)
    assert (found.images, found.available) == (MOST_IMAGES, 30 * MOST_CLASSES)
