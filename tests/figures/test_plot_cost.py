"""Accuracy against cost."""

import pytest

from triptych.figures import plot_cost, style
from triptych.figures.plot_cost import spread


def test_names_move_as_little_as_they_must():
    assert spread([10, 50], 5, 0, 100) == [10, 50]
    assert spread([10, 12, 50], 5, 0, 100) == [10, 15, 50]
    assert spread([98, 99], 5, 0, 100) == [95, 100]
    assert spread([], 5, 0, 100) == []


def test_points_stand_at_mean_seconds_and_accuracy(results, tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(style, "save", lambda figure, svg, png: figures.append(figure))
    cost, summary = results.tables / "cost.csv", results.tables / "summary.csv"
    options = {"arms": results.tables / "arms.csv", "svg": tmp_path / "a.svg", "png": tmp_path / "a.png"}
    plot_cost.plot_cost(cost=cost, summary=summary, **options)
    axes = figures[0].axes[0]
    assert [text.get_text() for text in axes.texts] != []
    assert {text.get_text() for text in axes.texts} == {"net1 · scratch", "net2 · finetune", "net3 · last_layer"}
    assert "A Processor" in axes.get_xlabel()
    assert len(axes.containers) == 3
    finetune = axes.containers[1].lines[0]
    assert finetune.get_ydata()[0] == pytest.approx(97)
    assert finetune.get_xdata()[0] == pytest.approx(10)


@pytest.mark.parametrize(("seeds", "expected"), [((0, 1, 2), True), ((0,), False)])
def test_bars_are_named_where_there_are_any(make_results, tmp_path, monkeypatch, seeds, expected):
    figures = []
    monkeypatch.setattr(style, "save", lambda figure, svg, png: figures.append(figure))
    found = make_results(seeds=seeds)
    paths = {name: found.tables / f"{name}.csv" for name in ("cost", "summary", "arms")}
    plot_cost.plot_cost(**paths, svg=tmp_path / "a.svg", png=tmp_path / "a.png")
    axes = figures[0].axes[0]
    heading = axes.get_title(loc="left")
    assert ("Bars: interval of the mean over seeds" in heading) == expected
    assert ("one run each: no interval over seeds" in heading) != expected
    assert "%" not in heading  # the tables that are read do not say which confidence it is
    assert [container.has_yerr for container in axes.containers] == [expected] * 3
