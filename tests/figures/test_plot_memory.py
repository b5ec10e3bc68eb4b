"""Memory by batch size."""

import itertools

import pandas
import pytest

from triptych.figures import style
from triptych.figures.plot_memory import MOST_LABELS, in_unit, memory_marks, plot_memory, same_lines, strokes_of
from triptych.results.arm_styles import arm_styles
from triptych.storage.errors import InputError


def test_arms_with_the_same_line_are_together():
    rows = [("a", 1, 10), ("a", 2, 20), ("b", 2, 20), ("b", 1, 10), ("c", 1, 10), ("c", 2, 21)]
    table = pandas.DataFrame(rows, columns=["arm", "batch_size", "training_bytes"])
    assert same_lines(table, "training_bytes", ["c", "a", "b"]) == [["c"], ["a", "b"]]


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_every_colour_of_a_shared_line_is_seen(count):
    looks = list(arm_styles(pandas.DataFrame({"arm": list("abcd"), "label": "", "role": "arm"})).values())[:count]
    strokes = strokes_of(looks)
    if count == 4:  # too many colours to tell apart
        assert [stroke["color"] for stroke in strokes] == [style.INK]
        return
    assert [stroke["color"] for stroke in strokes] == [look.colour for look in looks][::-1]
    widths = [stroke["linewidth"] for stroke in strokes]
    assert all(wide - narrow >= 2 for wide, narrow in itertools.pairwise(widths))  # a point on either side
    assert not any("linestyle" in stroke for stroke in strokes)
    assert all(stroke.get("marker") is None for stroke in strokes) == (count > 1)


@pytest.mark.parametrize(
    ("smallest", "largest", "first", "last", "count"),
    [(43, 285, 32, 512, 5), (32, 256, 32, 256, 4), (1, 2**20, 1, 2**21, 8), (7, 7.5, 4, 8, 2)],
)
def test_labels_reach_from_below_the_data_to_above(smallest, largest, first, last, count):
    marks = memory_marks(smallest, largest)
    assert (marks[0], marks[-1], len(marks)) == (first, last, count) and count <= MOST_LABELS


def test_training_and_inference_have_panels_of_their_own(results, tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(style, "save", lambda figure, svg, png: figures.append(figure))
    tables = {"memory": results.tables / "memory.csv", "arms": results.tables / "arms.csv"}
    plot_memory(**tables, svg=tmp_path / "a.svg", png=tmp_path / "a.png")
    training, inference = figures[0].axes
    table = pandas.read_csv(tables["memory"]).set_index("arm")
    lines = [line for line in training.lines if len(line.get_xdata()) > 2]
    assert [list(line.get_ydata()) for line in lines] == [
        list(table.loc[arm, "training_bytes"]) for arm in ("finetune", "scratch", "last_layer")
    ]
    assert [len(line.get_xdata()) > 2 for line in inference.lines].count(True) == 3  # one line of three colours
    low, high = training.get_ylim()
    data = table[["training_bytes", "inference_bytes"]]
    assert low <= data.min(axis=None) and data.max(axis=None) <= high
    assert low in training.get_yticks() and "log scale" in training.get_ylabel()
    assert all("log scale" in axes.get_xlabel() for axes in (training, inference))
    texts = [text.get_text() for text in figures[0].legends[0].get_texts()]
    assert texts == ["net1 · scratch = net2 · finetune", "net3 · last_layer", "all arms", "batch size of the recipe"]


def test_bytes_as_people_say_them():
    assert [in_unit(2.0**power) for power in (3, 10, 29, 31)] == ["8 bytes", "1 KiB", "512 MiB", "2 GiB"]


def test_an_arm_without_rows_is_named(results, tmp_path):
    arms = tmp_path / "arms.csv"
    arms.write_text("arm,label,role,batch_size,evaluation_batch_size\nscratch,net1,arm,32,32\nother,net9,arm,32,32\n")
    with pytest.raises(InputError, match=r"memory\.csv: no row of arm 'other'"):
        plot_memory(memory=results.tables / "memory.csv", arms=arms, svg=tmp_path / "a.svg", png=tmp_path / "a.png")
