"""Which metric decides, and what is shown of the other: where classes differ in size, and where they do not."""

import numpy
import pytest

from tests.report.conftest import plain
from triptych.report.sections import answer, comparisons, decision

LABELS = tuple(numpy.repeat([0, 1, 2], [100, 60, 12]))
RARE = list(range(160, 172))
OPTIONS = {"classes": ("rose", "tulip", "lily"), "test_labels": LABELS, "images": (60, 90), "image_size": 2}
ARMS = [
    {"name": "blind", "wrong": [RARE, RARE[1:], RARE], "label": "blind"},
    {"name": "sees", "wrong": [list(range(20))] * 3, "train": "head", "label": "sees"},
]
"""By accuracy the first is better (93 and 88 %), by balanced accuracy the second (67 and 93 %)."""


@pytest.fixture
def page(results):
    """The results of both arms by a metric."""
    return lambda metric: results(arms=ARMS, comparison={"metric": metric}, **OPTIONS)


def cells(table):
    return [plain(column.title) for column in table.columns]


def test_both_metrics_are_shown_where_classes_differ_in_size(page):
    found = page("accuracy")
    table = answer.summary(found)
    assert cells(table)[1:5] == ["validation", "test accuracy", "change", "balanced test accuracy"]
    row = found.one("summary", "sees")
    value = (row["test_balanced_accuracy_mean"], row["test_balanced_accuracy_low"], row["test_balanced_accuracy_high"])
    assert value[0] == pytest.approx(100 * (80 / 100 + 2) / 3) and value[1] < value[0] < value[2]
    assert plain(table.rows[1][4][0]) == f"{value[0]:.1f} %"
    assert [plain(cell) for cell in table.total[2:5]] == ["58.1 %", "–", "33.3 %"]
    assert answer.metric(found).startswith("The metric that decides is accuracy.")


def test_words_follow_the_metric(page):
    found = page("balanced_accuracy")
    assert (
        answer.metric(found) == "The metric that decides is balanced accuracy, the mean of the recalls of all classes."
    )
    assert cells(answer.summary(found))[1:5] == [
        "balanced validation",
        "balanced test accuracy",
        "change",
        "test accuracy",
    ]
    assert " balanced accuracy on 90 validation images" in plain(answer.headline(found))
    assert "balanced test accuracy is" in answer.tested(found) and "; its test accuracy is" in answer.tested(found)
    assert "Curves show accuracy" in answer.curve(found)
    assert cells(decision.table(found))[1] == "balanced accuracy"
    assert any("by balanced accuracy" in rule for rule in decision.rules(found))
    pair = found.tables["comparisons"].iloc[0]
    assert (pair["arm_a"], page("accuracy").tables["comparisons"].iloc[0]["arm_a"]) == ("sees", "blind")
    shown = comparisons.table(found, found.tables["comparisons"], "")
    assert "balanced test accuracy" in shown.columns[1].meaning


def test_one_metric_is_shown_where_classes_are_alike(results):
    for metric in ("accuracy", "balanced_accuracy"):
        found = results(comparison={"metric": metric})
        assert not found.is_imbalanced("test") and found.metrics("test") == [metric]
        titles = cells(answer.summary(found))
        assert sum("test accuracy" in title for title in titles) == 1
    assert answer.metric(results()) == ""


def test_a_class_with_a_low_recall_is_named_in_the_answer(page):
    found = page("accuracy")
    chosen = decision.chosen_arm(found)
    rows = found.tables["recall"]["arm"] == chosen
    found.tables["recall"].loc[rows, ["recall", "low", "high"]] = [[95.0, 90, 98], [90.0, 80, 95], [10.0, 2, 31]]
    (text,) = answer.worst_class(found)
    assert "fails on lily: its recall of 10.0 % (95 % CI 2.0 to 31.0, 12 test images) is" in plain(text)
    assert plain(text).endswith(
        "less than half the mean of all classes (65.0 %). Recall: the share of a class’s images that are predicted as "
        "it."
    )
    found.tables["recall"].loc[rows, "high"] = [98, 95, 33]  # half of the mean is 32.5
    assert answer.worst_class(found) == []
    found.tables["recall"].loc[rows, ["recall", "low", "high"]] = [[99.0, 90, 100], [2.0, 0, 9], [1.0, 0, 8]]
    (text,) = answer.worst_class(found)
    assert "fails on lily" in text and "and that of 1 other class are less than half" in plain(text)
