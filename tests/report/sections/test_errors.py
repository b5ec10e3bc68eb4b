"""Confusions are those of the predictions."""

import numpy
import pytest

from tests.report.conftest import plain
from triptych.analysis.intervals import accuracy_interval
from triptych.report.sections import errors
from triptych.storage.tensors import load_tensors


def test_the_most_frequent_confusion_is_named(find, results):
    made = find()
    files = [made.run("finetune", seed) / "test.safetensors" for seed in (0, 1, 2)]
    of_eights = [load_tensors(file)["test_logits"].argmax(axis=1)[made.labels == 8] for file in files]
    wrong = 100 * numpy.mean([own == 9 for own in of_eights])
    assert wrong == pytest.approx(100 * numpy.mean([own != 8 for own in of_eights])) and wrong > 8
    text = plain(errors.confusion(results(), "finetune"))
    assert f"Most frequent confusion: 8 predicted as 9 ({wrong:.1f} % of 8)" in text
    low, high = accuracy_interval(numpy.stack([own == 8 for own in of_eights]), 0.95)
    assert f"Lowest recall: 8 ({100 - wrong:.1f} %, 95 % CI {low:.1f} to {high:.1f});" in text


def test_every_recall_has_its_interval(results):
    found = results()
    table, rows = errors.per_class(found), found.of("recall", "finetune").set_index("class")
    assert table.file == "tables/recall.csv"
    column = [one.title for one in table.columns].index(found.name_of("finetune"))
    (eight,) = (row for row in table.rows if row[0] == "8")
    ends = rows.loc["8"]
    assert eight[column] == (f"{ends['recall']:.1f}", f"{ends['low']:.1f}–{ends['high']:.1f}")


def test_an_arm_without_a_mistake(results):
    found = results(arms=[{"name": "perfect", "last": 100.0}])
    confusion = found.tables["confusion"]
    confusion["share"] = (confusion["true_class"] == confusion["predicted_class"]).astype(float)
    assert errors.confusion(found, "perfect") == "No test image is misclassified."


def test_mistakes_are_listed_by_name_the_most_confident_first(results):
    found = results()
    (folded,) = errors.mistakes(found)
    (table,) = folded.blocks
    every = found.tables["mistakes"]
    assert table.title == f"Misclassified images of net2 · finetune: the 15 most confident of {len(every)}"
    assert [row[0] for row in table.rows] == list(every["path"][:15])
    first = every.iloc[0]
    assert table.rows[0][1:] == [
        first["class"],
        first["predicted"],
        f"{100 * first['probability']:.1f}",
        f"{first['runs']:.0f}",
    ]


def test_without_a_mistake_no_table_of_them(results):
    found = results()
    found.tables["mistakes"] = found.tables["mistakes"].head(0)
    assert errors.mistakes(found) == []
