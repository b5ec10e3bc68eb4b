"""The test loss as the notebook draws it."""

import pandas
import pytest

from tests.fabricated import LECTURE
from triptych.figures import style
from triptych.lecture45.plot_notebook_loss import plot_notebook_loss
from triptych.storage.errors import InputError


def options(results, tmp_path):
    return {
        "history": results.tables / "history.csv",
        "arms": results.tables / "arms.csv",
        "sizes": results.folder / "data" / "sizes.csv",
        "svg": tmp_path / "a.svg",
        "png": tmp_path / "a.png",
    }


def test_the_dashed_line_is_the_true_loss_and_the_train_loss_by_the_ratio_of_the_images(results, tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(style, "save", lambda figure, svg, png: figures.append(figure))
    plot_notebook_loss(**options(results, tmp_path))
    history = pandas.read_csv(results.tables / "history.csv")
    means = history[history["arm"] == "scratch"].groupby("epoch")[["train_loss", "test_loss"]].mean()
    lines = [line for line in figures[0].axes[0].lines if line.get_linewidth() > 1]  # means over seeds
    assert len(lines) == 2 * len(results.runs)
    true, notebook = lines[:2]
    assert (true.get_linestyle(), notebook.get_linestyle()) == ("-", "--")
    assert list(true.get_ydata()) == pytest.approx(list(means["test_loss"]))
    # 300 training images, 1,000 test images; before training there is no train loss
    expected = means["test_loss"] + 0.3 * means["train_loss"]
    assert list(notebook.get_ydata()) == pytest.approx(list(expected[1:]))


def test_controls_are_left_out(make_results, tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(style, "save", lambda figure, svg, png: figures.append(figure))
    results = make_results(arms=(LECTURE[0], {"name": "other", "role": "control"}), seeds=(0,))
    plot_notebook_loss(**options(results, tmp_path))
    assert len(figures[0].axes[0].lines) == 2


def test_without_test_images_there_is_nothing_to_divide_by(results, tmp_path):
    (tmp_path / "sizes.csv").write_text("split,class,images\ntrain,a,3\n")
    with pytest.raises(InputError, match="no test images"):
        plot_notebook_loss(**{**options(results, tmp_path), "sizes": tmp_path / "sizes.csv"})
