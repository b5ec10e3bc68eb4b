"""Which look at the same images a decision is: by its seeds, in the order of a record that only grows."""

import json

import numpy
import pytest

from triptych.analysis.looks import digest_of_images, record_look

LABELS = numpy.array([0, 0, 1, 1])


@pytest.fixture
def record(tmp_path):
    return tmp_path / "logs" / "decisions" / "mine.jsonl"


def test_other_seeds_are_another_look_and_the_same_ones_are_the_same(record):
    looks = [
        record_look(record, "images", seeds)
        for seeds in ([0, 1, 2], [2, 1, 0, 0], range(5), range(3), range(5), [5, 6, 7])
    ]
    assert looks == [1, 1, 2, 1, 2, 3]
    lines = [json.loads(line) for line in record.read_text().splitlines()]
    assert [line["seeds"] for line in lines] == [[0, 1, 2]] * 2 + [
        [0, 1, 2, 3, 4],
        [0, 1, 2],
        [0, 1, 2, 3, 4],
        [5, 6, 7],
    ]
    assert all(line.keys() == {"images", "seeds", "time"} for line in lines)


def test_seeds_that_are_too_few_for_a_verdict_are_no_look(record):
    assert [record_look(record, "images", range(count)) for count in (1, 3, 2, 4, 1, 3)] == [1, 1, 1, 2, 1, 1]


def test_repeats_of_folds_are_part_of_a_look(record):
    assert [record_look(record, "images", range(3), repeats) for repeats in (1, 2, 1)] == [1, 2, 1]
    assert json.loads(record.read_text().splitlines()[1])["repeats"] == 2


def test_other_images_begin_anew(record):
    looks = [
        record_look(record, images, seeds) for images, seeds in (("a", range(3)), ("a", range(4)), ("b", range(4)))
    ]
    assert looks == [1, 2, 1]
    assert record_look(record, "a", range(4)) == 2


def test_a_line_that_was_cut_off_does_not_count(record):
    assert record_look(record, "images", range(3)) == 1
    whole = record.read_text()
    record.write_text(whole + whole.replace("[0, 1, 2]", "[0, 1, 2, 3]")[:-10])
    assert record_look(record, "images", range(5)) == 2
    assert len(record.read_text().splitlines()) == 3


@pytest.mark.parametrize("seeds", ["null", "3", '"0,1,2"', "{}", '[0, "a", 1]', "[[0], 1, 2]"])
def test_a_line_without_a_list_of_seeds_does_not_count(record, seeds):
    record.parent.mkdir(parents=True)
    record.write_text(f'{{"images": "x", "seeds": {seeds}}}\n')
    assert record_look(record, "x", (0, 1, 2)) == 1


def test_what_an_editor_changes_counts_as_it_was(record):
    record.parent.mkdir(parents=True)
    record.write_text('\ufeff{"images": "x", "seeds": [2, 1, 0, 0]}\r\n', newline="")
    assert record_look(record, "x", (0, 1, 2)) == 1
    assert record_look(record, "x", (0, 1, 2, 3)) == 2


def test_images_are_told_apart_by_all_that_is_known_of_them(tmp_path):
    index = tmp_path / "index.csv"

    def written(train, validation):
        rows = [("train", train), ("validation", validation)]
        lines = (f"{split},{row},n,{name},c,,\n" for split, names in rows for row, name in enumerate(names))
        index.write_text("split,row,name,sha256,class,group,changes\n" + "".join(lines))
        return index

    every = [
        digest_of_images("validation", LABELS),
        digest_of_images("test", LABELS),
        digest_of_images("validation", LABELS[::-1]),
        digest_of_images("validation", LABELS, numpy.array([0, 0, 1, 2])),
        digest_of_images("validation", LABELS, numpy.array([0, 1, 1, 2])),
        digest_of_images("validation", LABELS, index=written("ab", "cdef")),
        digest_of_images("validation", LABELS, index=written("ab", "cdeg")),
        digest_of_images("out_of_fold", LABELS, index=written("cdeg", "ab")),
    ]
    assert len(set(every)) == len(every)
    # other training images are no other images that decide
    assert digest_of_images("validation", LABELS, index=written("xy", "cdef")) == every[5]
