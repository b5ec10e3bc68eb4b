"""Accuracy against cost."""

import pandas
import pytest

from triptych.figures import plot_cost, style
from triptych.figures.plot_cost import spread


def test_names_move_as_little_as_they_must():
    assert spread([10, 50], 5, 0, 100) == [10, 50]
    assert spread([10, 12, 50], 5, 0, 100) == [10, 15, 50]
    assert spread([98, 99], 5, 0, 100) == [95, 100]
    assert spread([], 5, 0, 100) == []


def drawn(results, folder, monkeypatch):
    """The axes of the figure of an experiment."""
    figures = []
    monkeypatch.setattr(style, "save", lambda figure, svg, png: figures.append(figure))
    paths = {name: results.tables / f"{name}.csv" for name in ("cost", "test_results", "summary", "arms")}
    plot_cost.plot_cost(**paths, svg=folder / "a.svg", png=folder / "a.png")
    return figures[0].axes[0]


def test_points_stand_at_mean_seconds_and_accuracy(results, tmp_path, monkeypatch):
    axes = drawn(results, tmp_path, monkeypatch)
    assert {text.get_text() for text in axes.texts} == {"net1 · scratch", "net2 · finetune", "net3 · last_layer"}
    assert "A Processor" in axes.get_xlabel()
    assert len(axes.containers) == 3
    finetune = axes.containers[1].lines[0]
    assert finetune.get_ydata()[0] == pytest.approx(97)
    assert finetune.get_xdata()[0] == pytest.approx(20)


def test_every_run_is_a_hollow_mark_at_its_own_time_and_accuracy(results, tmp_path, monkeypatch):
    axes = drawn(results, tmp_path, monkeypatch)
    marks = [line for line in axes.lines if line.get_markerfacecolor() == "none"]
    tested = pandas.read_csv(results.tables / "test_results.csv")
    assert [list(line.get_ydata()) for line in marks] == [
        list(own["test_accuracy"]) for _, own in tested.groupby("arm", sort=False)
    ]
    assert list(marks[1].get_xdata()) == [19, 20, 21]


@pytest.mark.parametrize("seeds", [(0, 1, 2), (0,)])
def test_bars_are_seen_and_named(make_results, tmp_path, monkeypatch, seeds):
    """The caps are wider than the marks and over them, so that a short bar is seen."""
    axes = drawn(make_results(seeds=seeds), tmp_path, monkeypatch)
    heading = axes.get_title(loc="left")
    over = "test images and seeds" if len(seeds) > 1 else "test images only"
    assert f"interval of the accuracy over {over}" in heading or f"its interval over {over}" in heading
    assert "%" not in heading  # the tables that are read do not say which confidence it is
    assert [container.has_yerr for container in axes.containers] == [True] * 3
    marks = [line for line in axes.lines if line.get_markerfacecolor() == "none"]
    for container, mark in zip(axes.containers, marks, strict=True):
        mean, caps, _ = container.lines
        assert all(cap.get_markersize() > 2 * mark.get_markersize() for cap in (mean, *caps))
        assert mean.get_zorder() > mark.get_zorder()
