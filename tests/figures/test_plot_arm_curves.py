"""Loss and accuracy of one arm by epoch."""

import pytest

from tests.fabricated import LECTURE
from triptych.figures import plot_arm_curves, style
from triptych.storage.errors import InputError


@pytest.fixture
def draw(tmp_path, monkeypatch):
    """A function that draws an arm's two figures and returns their axes by name of the file."""
    drawn = {}
    monkeypatch.setattr(style, "save", lambda figure, svg, png: drawn.update({svg.stem: figure.axes[0]}))

    def draw(results, arm):
        names = ("loss_svg", "loss_png", "accuracy_svg", "accuracy_png")
        files = {name: tmp_path / name.replace("_", ".") for name in names}
        tables = {"history": results.tables / "history.csv", "arms": results.tables / "arms.csv"}
        plot_arm_curves.plot_arm_curves(**tables, arm=arm, **files)
        return drawn

    return draw


def labels(axes):
    return [line.get_label() for line in axes.lines if not line.get_label().startswith("_")]


def test_train_validation_and_test_with_the_arms_own_name(draw, results):
    axes = draw(results, "last_layer")
    assert set(axes) == {"loss", "accuracy"}
    for own in axes.values():
        assert labels(own) == ["train (running mean)", "validation", "test"]
        assert own.figure.get_suptitle().startswith("net3 · last_layer: ")
    assert axes["accuracy"].get_ylabel() == "accuracy (%)"


def test_before_the_decision_the_arms_line_is_of_validation_images(draw, make_results):
    axes = draw(make_results(test="after_decision"), "last_layer")
    for own in axes.values():
        assert labels(own) == ["train (running mean)", "validation"]
        (line,) = (line for line in own.lines if line.get_label() == "validation")
        assert line.get_linestyle() == "-"


def test_lagging_averages_are_thin_lines(draw, make_results):
    axes = draw(make_results(arms=({**LECTURE[0], "first": 75, "lag": 60.0}, *LECTURE[1:])), "scratch")
    for own in axes.values():
        assert sum(line.get_linestyle() == "-." for line in own.lines) == 2  # validation and test
        assert "thin, dash-dotted" in own.figure.legends[0].get_title().get_text()
        assert labels(own) == ["train (running mean)", "validation", "test"]


def test_without_validation_images_there_is_no_such_line(draw, make_results):
    axes = draw(make_results(images=(300, 0), seeds=(4,)), "scratch")
    assert labels(axes["loss"]) == ["train (running mean)", "test"]
    assert len(axes["loss"].lines) == 2
    assert axes["loss"].figure.legends[0].get_title().get_text() == "one run (seed 4)"


def test_unknown_arm(draw, results):
    with pytest.raises(InputError, match="no arm 'net9'"):
        draw(results, "net9")
