"""The drift of BatchNorm's statistics."""

import pytest

from tests.fabricated import LECTURE
from tests.figures.conftest import VISION_TRANSFORMER
from triptych.figures import style
from triptych.figures.plot_batchnorm_drift import plot_batchnorm_drift


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    """A function that draws the figure of a results folder and returns it."""
    figures = []
    monkeypatch.setattr(style, "save", lambda figure, svg, png: figures.append(figure))

    def draw(results):
        tables = results.tables
        plot_batchnorm_drift(
            weight_delta=tables / "weight_delta.csv",
            arms=tables / "arms.csv",
            svg=tmp_path / "a.svg",
            png=tmp_path / "a.png",
        )
        return figures[-1]

    return draw


def test_every_layer_and_arm_is_drawn_in_both_panels(results, drawn):
    figure = drawn(results)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["running mean", "running variance"]
    for axes in figure.axes:
        assert len(axes.lines) == len(results.runs)
        assert all(len(line.get_xdata()) == 20 for line in axes.lines)
    assert len(figure.axes[0].get_yticks()) == 20


def test_a_network_without_batchnorm_says_so(make_results, drawn):
    figure = drawn(make_results(model=VISION_TRANSFORMER, arms=LECTURE[2:], seeds=(0,)))
    assert not figure.axes
    assert "no BatchNorm" in " ".join(text.get_text() for text in figure.texts)
