"""Test accuracy of this run and of the full run."""

import pandas
import pytest

from triptych.figures import style
from triptych.lecture45.plot_full_run import plot_full_run
from triptych.storage.errors import InputError


def options(results, tmp_path):
    return {
        "full_run": results.tables / "full_run.csv",
        "arms": results.tables / "arms.csv",
        "svg": tmp_path / "a.svg",
        "png": tmp_path / "a.png",
    }


def test_each_net_has_a_line_a_run_by_the_images_it_has_seen(results, tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(style, "save", lambda figure, svg, png: figures.append(figure))
    plot_full_run(**options(results, tmp_path))
    (axes,) = figures[0].axes
    assert axes.get_xscale() == "log"
    assert len(axes.lines) == 2 * 3
    full, here = axes.lines[:2]
    assert (full.get_linestyle(), here.get_linestyle()) == ("--", "-")
    assert list(here.get_xdata()) == [300 * epoch for epoch in range(1, 11)]  # epoch 0 has no place on a log scale
    history = pandas.read_csv(results.tables / "history.csv")
    means = history[(history["arm"] == "scratch") & (history["epoch"] > 0)].groupby("epoch")["test_accuracy"].mean()
    assert list(here.get_ydata()) == pytest.approx(list(means))
    assert list(full.get_xdata()) == [50_000 * epoch for epoch in range(1, 11)]


def test_an_arm_that_is_not_among_the_arms_is_named(results, tmp_path):
    table = pandas.read_csv(results.tables / "full_run.csv")
    table.assign(arm="other").to_csv(tmp_path / "full_run.csv", index=False)
    with pytest.raises(InputError, match="no row of arm 'other'"):
        plot_full_run(**{**options(results, tmp_path), "full_run": tmp_path / "full_run.csv"})
