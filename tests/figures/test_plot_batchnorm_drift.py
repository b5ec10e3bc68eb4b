"""The drift of BatchNorm's statistics."""

import pytest

from tests.fabricated import LECTURE
from tests.figures.conftest import VISION_TRANSFORMER
from triptych.figures import style
from triptych.figures.plot_batchnorm_drift import drift_of_blocks, plot_batchnorm_drift
from triptych.results import schema
from triptych.results.batchnorm import statistics_drift
from triptych.results.tables import read_table


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


def test_every_block_and_arm_is_drawn_in_both_panels(results, drawn):
    figure = drawn(results)
    titles = [axes.get_title(loc="left").partition(":")[0] for axes in figure.axes]
    assert titles == ["running mean", "running variance"]
    for axes in figure.axes:
        assert len(axes.lines) == len(results.runs)
        assert all(len(line.get_xdata()) == 9 for line in axes.lines)  # all but the head


def test_the_drift_of_a_block_is_the_mean_of_its_layers(results):
    table = read_table(results.tables / "weight_delta.csv", schema.WEIGHT_DELTA)
    layers = statistics_drift(table).query("arm == 'finetune' and statistic == '.running_var'").set_index("layer")
    blocks = drift_of_blocks(table).query("arm == 'finetune' and statistic == '.running_var'").set_index("block")
    own = layers.loc[["layer2.0.bn1", "layer2.0.bn2", "layer2.0.downsample.1"], "drift"]
    assert blocks.loc["layer2.0", "change"] == pytest.approx(own.mean())
    assert blocks.loc["conv1", "change"] == pytest.approx(layers.loc["bn1", "drift"])


def test_a_network_without_batchnorm_says_so(make_results, drawn):
    figure = drawn(make_results(model=VISION_TRANSFORMER, arms=LECTURE[2:], seeds=(0,)))
    assert not figure.axes
    assert "No network here has BatchNorm" in " ".join(text.get_text() for text in figure.texts)
