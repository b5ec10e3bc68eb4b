"""Relative change by layer."""

import numpy
import pandas
import pytest

from tests.fabricated import DIGITS, network
from triptych.figures import plot_weight_delta, style
from triptych.figures.plot_weight_delta import MOST_ROWS, grouped, outer_places, power_of_ten, relative_changes


@pytest.mark.parametrize(
    ("architecture", "layers", "depth"), [("resnet18", 41, 1), ("resnet50", 107, 1), ("resnet152", 57, 2)]
)
def test_tensors_become_layers_and_layers_blocks_where_they_are_too_many(architecture, layers, depth):
    names = pandas.Series(list(network(architecture, 32, DIGITS)[1]))
    dropped, of_tensors = grouped(names)
    assert (of_tensors.nunique(), dropped) == (layers, depth)
    assert layers <= MOST_ROWS


def test_a_tensor_without_a_layer_keeps_its_name():
    depth, layers = grouped(pandas.Series(["class_token", "encoder.ln.weight", "encoder.ln.bias"]))
    assert depth == 1
    assert list(layers) == ["class_token", "encoder.ln", "encoder.ln"]


def test_tensors_of_a_layer_count_together_and_seeds_are_averaged():
    table = pandas.DataFrame(
        [
            ("a", "0", "fc", "parameter", 3.0, 0.3),
            ("a", "0", "fc", "parameter", 4.0, 0.4),
            ("a", "1", "fc", "parameter", 3.0, 0.0),
            ("a", "1", "fc", "parameter", 4.0, 1.5),
            ("a", "0", "conv1", "parameter", 2.0, 0.0),
            ("a", "1", "conv1", "parameter", 0.0, 0.0),
            ("a", "0", "bn1", "buffer", 0.0, 1.0),
        ],
        columns=["arm", "seed", "layer", "kind", "initial_norm", "delta_norm"],
    )
    changes = relative_changes(table).set_index("layer")["change"]
    assert changes["fc"] == pytest.approx((0.5 / 5 + 1.5 / 5) / 2)
    assert changes["conv1"] == 0
    assert changes["bn1"] == numpy.inf


def test_zero_and_infinity_have_places_outside_the_others():
    zero, infinity = outer_places(pandas.Series([0.0, 0.02, 0.5, numpy.inf]))
    assert zero == pytest.approx(1e-3) and infinity == pytest.approx(10)
    assert outer_places(pandas.Series([0.0, 0.0])) == (pytest.approx(1e-4), pytest.approx(10))


def test_figure_puts_frozen_layers_at_zero_and_leaves_counters_out(results, tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(style, "save", lambda figure, svg, png: figures.append(figure))
    plot_weight_delta.plot_weight_delta(
        weight_delta=results.tables / "weight_delta.csv",
        arms=results.tables / "arms.csv",
        svg=tmp_path / "a.svg",
        png=tmp_path / "a.png",
    )
    parameters, buffers = figures[0].axes
    places = parameters.get_xticks()
    names = [label.get_text() for label in parameters.get_xticklabels()[: len(places)]]  # those above come after
    ticks = dict(zip(names, places, strict=True))
    frozen = next(line for line in parameters.lines if line.get_label() == "net3 · last_layer")
    assert (frozen.get_xdata()[:-1] == ticks["0"]).all() and frozen.get_xdata()[-1] > ticks["0"]
    drifting = next(line for line in buffers.lines if line.get_label() == "net3 · last_layer")
    assert len(drifting.get_xdata()) == 20 and (drifting.get_xdata() > ticks["0"]).all()


@pytest.mark.parametrize(("power", "text"), [(-2, "0.01"), (0, "1"), (-5, "10⁻⁵"), (12, "10¹²")])
def test_power_of_ten(power, text):
    assert power_of_ten(power) == text
